//! Connections that pass unseen: a pinned client takes no certificate but its host's own. The TLS hello is read and must name the looked-up host; from then on
//! bytes are passed both ways as they are, for a devbox that has nothing bound there (`service::pass_through`), until either end closes or that changes.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;

use model::binding::HTTPS_PORT;
use model::{Host, Refusal};

use crate::greet::{Destination, Scheme, ServerName};
use crate::listen::Devbox;
use crate::room::UpstreamPlace;
use crate::watch::Ticket;

/// Why a connection does not pass.
enum Unpassed {
    /// What came is no TLS hello, or not in time.
    NoHello,
    /// It may not.
    Refused(Refusal),
}

/// Whether a devbox's connection to a host passes unseen. What cannot be decided is looked into as any other, and refused there.
pub(crate) async fn is_for(devbox: &Arc<Devbox>, host: &Host) -> bool {
    if !devbox.net.gate.is_listed(host) {
        return false;
    }
    let (asking, host) = (Arc::clone(devbox), host.clone());
    let passes = devbox.blocking(move || asking.net.gate.passes_unseen(&asking.card, &host)).await;
    passes.is_some_and(|passes| passes.unwrap_or(false))
}

/// Passes a connection to a host, or ends it.
pub(crate) async fn pass<S: AsyncRead + AsyncWrite + Unpin>(devbox: Arc<Devbox>, mut stream: S, host: Host) {
    let ticket = devbox.watch.enter(Destination { host: host.clone(), port: HTTPS_PORT, scheme: Scheme::Https });
    ticket.live().pass_unseen();
    match open(&devbox, &mut stream, &host, &ticket).await {
        Ok((mut upstream, _place)) => {
            let passing = copy_bidirectional(&mut stream, &mut upstream);
            if let Some(Err(error)) = ticket.cut().run_until_cancelled(passing).await {
                tracing::debug!(%error, "a connection that passes unseen ended");
            }
        }
        Err(Unpassed::NoHello) => {}
        Err(Unpassed::Refused(refusal)) => {
            devbox.net.gate.refused(&devbox.card, refusal, Some(&host));
            // Words would need a certificate that the client takes.
            let _gone = stream.write_all(alert(refusal)).await;
        }
    }
}

/// The connection to the host, with the devbox's hello said on it.
async fn open<S: AsyncRead + Unpin>(
    devbox: &Arc<Devbox>,
    stream: &mut S,
    host: &Host,
    ticket: &Ticket,
) -> Result<(TcpStream, UpstreamPlace), Unpassed> {
    let greeting = timeout(devbox.net.timeouts.greeting, read_hello(stream)).await;
    let (hello, said) = greeting.map_err(|_| Unpassed::NoHello)?.map_err(|_| Unpassed::NoHello)?;
    if said != ServerName::Named(host.clone()) {
        return Err(Unpassed::Refused(Refusal::NameMismatch));
    }
    let decided = async {
        let (asking, name) = (Arc::clone(devbox), host.clone());
        let may = devbox.blocking(move || asking.net.gate.pass_unseen(&asking.card, &name)).await;
        may.unwrap_or(Err(Refusal::Undecided))?;
        let place = devbox.room.upstream().await?;
        let upstream = devbox.net.dialer.dial_unseen(host, HTTPS_PORT).await?;
        // Dialling took time.
        let (asking, live) = (Arc::clone(devbox), Arc::clone(ticket.live()));
        let stands = devbox.blocking(move || live.stands(&asking.net.gate, &asking.card)).await;
        if stands == Some(true) { Ok((upstream, place)) } else { Err(Refusal::Undecided) }
    };
    let decided = ticket.cut().run_until_cancelled(decided).await;
    let (mut upstream, place) = decided.unwrap_or(Err(Refusal::Undecided)).map_err(Unpassed::Refused)?;
    upstream.write_all(&hello).await.map_err(|_| Unpassed::Refused(Refusal::UpstreamBroken))?;
    Ok((upstream, place))
}

/// The bytes of a TLS client hello, with what came after it, and the name that it says.
pub(crate) async fn read_hello<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(Vec<u8>, ServerName)> {
    let mut acceptor = Acceptor::default();
    let mut hello = Vec::new();
    while hello.len() < HELLO_BYTES_MAX {
        let known = hello.len();
        if stream.read_buf(&mut hello).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut new = &hello[known..];
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
        }
        if let Some(accepted) = acceptor.accept().map_err(|(error, _)| io::Error::other(error))? {
            return Ok((hello, ServerName::read(accepted.client_hello().server_name())));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// A fatal alert (RFC 8446, section 6.2): `unrecognized_name` where names differ, else `access_denied`.
const fn alert(refusal: Refusal) -> &'static [u8] {
    if matches!(refusal, Refusal::NameMismatch) { &[21, 3, 3, 0, 2, 2, 112] } else { &[21, 3, 3, 0, 2, 2, 49] }
}

/// More than any client's hello has.
const HELLO_BYTES_MAX: usize = 64 * 1024;
