//! Which devbox: the listeners that a devbox handed over, and what arrives on them. A connection is a devbox's because the socket is.

use std::future::Future;
use std::io;
use std::net::{TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::{getsockopt_impl, libc, sockopt_impl};
use service::DevboxCard;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use link::cli::Role;
use model::Refusal;

use crate::ca::Authority;
use crate::intercept;
use crate::names::Names;
use crate::net::Net;
use crate::room::Room;
use crate::tags::Tags;
use crate::watch::{self, Watch};

mod dns;

/// A devbox while it is attached.
pub(crate) struct Devbox {
    pub(crate) net: Arc<Net>,
    pub(crate) card: DevboxCard,
    pub(crate) authority: Authority,
    pub(crate) names: Names,
    pub(crate) watch: Watch,
    pub(crate) tags: Tags,
    /// Whether messages end in beginnings of values: then what is held back is given with what follows it, as in any other body.
    pub(crate) is_cautious: Arc<AtomicBool>,
    /// What it may have open at a time.
    pub(crate) room: Room,
    /// Decisions that wait for the databases at a time.
    pub(crate) turns: Arc<Semaphore>,
    /// Request bodies that are held whole at a time.
    pub(crate) bodies: Arc<Semaphore>,
}

impl Devbox {
    /// Does what waits for the databases on a thread that may, a few at a time for each devbox: the threads are everybody's. None where it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Also where nobody waits for it any more.
            drop(turn);
            done
        });
        done.await.ok()
    }
}

/// Of one devbox: over HTTP/2 it asks for as many as it likes at a time.
pub(crate) const DECISIONS_MAX: usize = 16;

/// Why a descriptor is not a devbox's listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Not a listening TCP socket, or not a UDP socket, on the named port.
    #[error("a descriptor is not a listener of the kind and port that it is said to be")]
    WrongKind,
    /// It stands in the gateway's own network: whoever connects there is no devbox.
    #[error("a listener stands in the gateway's own network instead of a devbox's")]
    OwnNetwork,
    /// The system does not say.
    #[error("failed to inspect a listener")]
    System(#[source] io::Error),
}

/// Whether a descriptor is what `role` says, in another network namespace than ours.
///
/// # Errors
/// The reason, when it is not or when the system does not say.
pub fn check_listener(fd: BorrowedFd<'_>, role: Role) -> Result<(), ListenerError> {
    let kind = getsockopt(&fd, sockopt::SockType).map_err(|_| ListenerError::WrongKind)?;
    let protocol = rustix::net::sockopt::socket_protocol(fd).map_err(|_| ListenerError::WrongKind)?;
    let listening = getsockopt(&fd, sockopt::AcceptConn).map_err(|_| ListenerError::WrongKind)?;
    let bound = rustix::net::getsockname(fd).map_err(|_| ListenerError::WrongKind)?;
    let bound = std::net::SocketAddr::try_from(bound).map_err(|_| ListenerError::WrongKind)?;
    let (right, port) = match role {
        Role::Tcp(port) => (kind == SockType::Stream && protocol == Some(rustix::net::ipproto::TCP) && listening, port),
        Role::Dns => {
            let connected = rustix::net::getpeername(fd).is_ok_and(|peer| peer.is_some());
            (kind == SockType::Datagram && protocol == Some(rustix::net::ipproto::UDP) && !connected, DNS_PORT)
        }
    };
    if !right || bound.port() != port {
        return Err(ListenerError::WrongKind);
    }
    let ours = StdUdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).map_err(ListenerError::System)?;
    let system = |errno: nix::errno::Errno| ListenerError::System(errno.into());
    if getsockopt(&fd, NetnsCookie).map_err(system)? == getsockopt(&ours, NetnsCookie).map_err(system)? {
        return Err(ListenerError::OwnNetwork);
    }
    Ok(())
}

/// Everything that a devbox needs served, as one future that owns it all: when it is dropped, every connection is.
pub(crate) fn serve(
    devbox: Arc<Devbox>,
    tcp: Vec<(u16, StdTcpListener)>,
    dns: Vec<StdUdpSocket>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut listeners = Vec::with_capacity(tcp.len());
    for (port, listener) in tcp {
        listener.set_nonblocking(true)?;
        listeners.push((port, TcpListener::from_std(listener)?));
    }
    let resolvers = dns.into_iter().map(dns::Socket::new).collect::<io::Result<Vec<_>>>()?;
    Ok(async move {
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tasks = JoinSet::new();
        for (port, listener) in listeners {
            tasks.spawn(accept(Arc::clone(&devbox), port, listener, Arc::clone(&seats)));
        }
        for resolver in resolvers {
            tasks.spawn(dns::answer(Arc::clone(&devbox), resolver));
        }
        tasks.spawn(watch::run(devbox));
        // None of them ends by itself: what has ended failed, and without the watch nothing would be revoked.
        if let Some(ended) = tasks.join_next().await {
            tracing::error!(?ended, "a devbox's network ended early");
        }
    })
}

async fn accept(devbox: Arc<Devbox>, port: u16, listener: TcpListener, seats: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    let mut pause = ACCEPT_PAUSE;
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                Some(_) = connections.join_next() => {}
            }
        };
        match accepted {
            Ok((stream, _)) => {
                pause = ACCEPT_PAUSE;
                // Its account has as many as it may: this one is closed, and the account's others go on.
                let Some(place) = devbox.net.seats.take(&devbox.card.account) else {
                    devbox.net.gate.refused(&devbox.card, Refusal::LimitReached, None);
                    continue;
                };
                let devbox = Arc::clone(&devbox);
                connections.spawn(async move {
                    intercept::connection(devbox, stream, port).await;
                    drop((seat, place));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a devbox's connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

sockopt_impl!(
    /// The network namespace in which a socket was made (socket(7)).
    NetnsCookie,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64
);

/// Connections of one devbox at a time; more wait in the listener's queue.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// After a failed accept, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// After many: the log says it less often.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(2);
const DNS_PORT: u16 = 53;
