//! The forward proxy (RFC 9110, section 9.3.6; RFC 9112, section 3.2): the way in for others' sandboxes. Whoever shows a devbox's credential is that devbox,
//! and from then on its connection is one of a devbox for one host, as if it had dialled an address that stands for that host.
//!
//! What never happens here: a request that leaves in the clear where no binding says so, a name that is looked up before a decision, an answer to a stranger
//! that says what there is.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use model::binding::{HTTP_PORT, HTTPS_PORT};
use model::limits::HEADER_LIST_BYTES_MAX;
use model::{Host, Refusal};

use crate::exchange::Conversation;
use crate::greet::{Destination, Scheme};
use crate::intercept;
use crate::net::Net;
use crate::refuse::{refuse, tunnel};
use crate::remotes::Remote;
use crate::reply::ReplyBody;
use crate::seats::Seat;
use crate::unpoisoned::lock;
use crate::upstream::{BUFFER_BYTES_MAX, HEADERS_MAX};
use crate::upstreams::Spoken;

mod credential;
mod guests;
pub(crate) mod target;

use guests::{Guest, Guests};

/// One connection to the proxy.
struct Visit {
    net: Arc<Net>,
    peer: SocketAddr,
    guests: Arc<Guests>,
    /// Told once it is a devbox's.
    recognised: Notify,
    state: Mutex<State>,
}

/// Who it is, as far as that is known.
struct State {
    /// Its place among strangers; given back once it is a devbox's.
    guest: Option<Guest>,
    /// Requests without a good credential.
    strange: u32,
    of: Option<Known>,
    tunnel: Option<Tunnel>,
    /// What is asked for in absolute form, with the connection to its host.
    plain: Option<Arc<Conversation>>,
}

/// A connection that is a devbox's.
struct Known {
    remote: Arc<Remote>,
    _seats: (Seat, OwnedSemaphorePermit),
}

/// What the connection became.
struct Tunnel {
    stream: OnUpgrade,
    to: (Host, u16),
}

/// Why a request got no further, and whose it was.
struct Refused {
    why: Refusal,
    of: Option<Arc<Remote>>,
    host: Option<Host>,
}

/// Serves the proxy for as long as the process lives. Must run on the runtime of `net`.
pub(crate) async fn serve(net: Arc<Net>, listener: std::net::TcpListener) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let guests = Guests::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let guest = guests.admit(peer.ip());
                let sent_away = guest.sent_away();
                let state = State { guest: Some(guest), strange: 0, of: None, tunnel: None, plain: None };
                let (net, guests) = (Arc::clone(&net), Arc::clone(&guests));
                let visit = Visit { net, peer, guests, recognised: Notify::new(), state: Mutex::new(state) };
                connections.spawn(Arc::new(visit).serve(stream, sent_away));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection to the forward proxy");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Visit {
    async fn serve(self: Arc<Self>, stream: TcpStream, sent_away: CancellationToken) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let mut talk = std::pin::pin!(self.talk(stream));
        let strange_for_too_long = async {
            // A network that has too many strangers waiting loses the oldest; its devboxes' connections are no strangers.
            let _ = timeout(self.net.timeouts.greeting * GUEST_GREETINGS, sent_away.cancelled()).await;
            if lock(&self.state).of.is_some() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = &mut talk => if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the forward proxy ended");
            },
            () = strange_for_too_long => return,
            () = self.ended() => return,
        }
        let (tunnel, plain, of) = {
            let mut state = lock(&self.state);
            (state.tunnel.take(), state.plain.take(), state.of.take())
        };
        let Some(known) = of else { return };
        let passing = async {
            if let Some(Tunnel { stream, to: (host, port) }) = tunnel {
                let Ok(stream) = stream.await else { return };
                intercept::tunnelled(Arc::clone(&known.remote.devbox), TokioIo::new(stream), host, port).await;
            } else if let Some(socket) = plain.and_then(|plain| plain.take_tunnel()) {
                socket.run().await;
            }
        };
        // Whatever ends the devbox ends it in the middle of a word.
        known.remote.ended.run_until_cancelled(passing).await;
    }

    /// Waits for the end of the devbox whose connection this is.
    async fn ended(&self) {
        self.recognised.notified().await;
        let ended = lock(&self.state).of.as_ref().map(|known| known.remote.ended.clone());
        match ended {
            Some(ended) => ended.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Requests to the proxy itself, until the connection becomes a tunnel or ends.
    async fn talk(self: &Arc<Self>, stream: TcpStream) -> hyper::Result<()> {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.net.timeouts.greeting)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEADER_LIST_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX);
        let service = service_fn(|request| {
            let visit = Arc::clone(self);
            async move { Ok::<_, Infallible>(visit.answer(request).await) }
        });
        http.serve_connection(TokioIo::new(stream), service).with_upgrades().await
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        match self.attempt(request).await {
            Ok(response) => response,
            Err(Refused { why, of: Some(remote), host }) => {
                remote.devbox.net.gate.refused(&remote.devbox.card, why, host.as_ref());
                closing_where(why == Refusal::ProxySourceForbidden || why == Refusal::LimitReached, refuse(why))
            }
            Err(Refused { why, of: None, .. }) => self.turn_away(why),
        }
    }

    /// The answer to a stranger, who may try again a few times.
    fn turn_away(&self, why: Refusal) -> Response<ReplyBody> {
        self.net.gate.refused_stranger(why);
        let has_guessed_enough = why == Refusal::ProxyCredentialWrong && !self.guests.may_guess(self.peer.ip(), Instant::now());
        let strange = {
            let mut state = lock(&self.state);
            state.strange += 1;
            state.strange
        };
        let why = if has_guessed_enough { Refusal::LimitReached } else { why };
        closing_where(has_guessed_enough || strange >= STRANGE_MAX, refuse(why))
    }

    async fn attempt(self: &Arc<Self>, mut request: Request<Incoming>) -> Result<Response<ReplyBody>, Refused> {
        let remote = self.recognise(&request).await?;
        let refused = |why, host: Option<&Host>| Refused { why, of: Some(Arc::clone(&remote)), host: host.cloned() };
        if *request.method() == Method::CONNECT {
            let on_upgrade = hyper::upgrade::on(&mut request);
            let (parts, _) = request.into_parts();
            let (host, port) = target::of_connect(&parts).map_err(|why| refused(why, None))?;
            self.check_port(&remote, &host, port).await.map_err(|why| refused(why, Some(&host)))?;
            lock(&self.state).tunnel = Some(Tunnel { stream: on_upgrade, to: (host, port) });
            return Ok(tunnel());
        }
        let (host, port) = target::of_plain(request.uri()).map_err(|why| refused(why, None))?;
        // Only https follows, and on its own port.
        if port != HTTP_PORT {
            return Err(refused(Refusal::ProxyFormUnknown, Some(&host)));
        }
        let to = Destination { host, port, scheme: Scheme::Http };
        Ok(intercept::answer_plain(self.plain_to(&remote, to), request).await)
    }

    /// The connection's conversation with a host in absolute form: it goes on as long as that is asked for, and its reply ends with it.
    fn plain_to(&self, remote: &Remote, to: Destination) -> Arc<Conversation> {
        let mut state = lock(&self.state);
        if let Some(plain) = state.plain.as_ref().filter(|plain| plain.to.as_ref() == Ok(&to)) {
            return Arc::clone(plain);
        }
        let plain = Arc::new(Conversation::new(Arc::clone(&remote.devbox), Ok(to), Spoken::Http1));
        state.plain = Some(Arc::clone(&plain));
        plain
    }

    /// Whose request it is. The same connection is one devbox's only.
    async fn recognise(self: &Arc<Self>, request: &Request<Incoming>) -> Result<Arc<Remote>, Refused> {
        let stranger = |why| Refused { why, of: None, host: None };
        let shown = credential::shown(request.headers()).ok_or_else(|| stranger(Refusal::ProxyCredentialMissing))?;
        let remote = self.net.remotes.find(&shown).ok_or_else(|| stranger(Refusal::ProxyCredentialWrong))?;
        let refused = |why| Refused { why, of: Some(Arc::clone(&remote)), host: None };
        if !remote.may_come_from(self.peer.ip()) {
            return Err(refused(Refusal::ProxySourceForbidden));
        }
        let devbox = Arc::clone(&remote.devbox);
        let stands = remote.devbox.blocking(move || devbox.net.gate.key_stands(&devbox.card)).await.unwrap_or(Err(Refusal::Undecided));
        match stands {
            Ok(()) => {}
            Err(Refusal::TokenEnded) => return Err(stranger(Refusal::ProxyCredentialWrong)),
            Err(why) => return Err(refused(why)),
        }
        let mut state = lock(&self.state);
        match &state.of {
            Some(known) if Arc::ptr_eq(&known.remote, &remote) => {}
            Some(_) => return Err(stranger(Refusal::ProxyCredentialWrong)),
            None => {
                let devbox = &remote.devbox;
                let seat = devbox.net.seats.take(&devbox.card.account).zip(Arc::clone(&remote.seats).try_acquire_owned().ok());
                let seats = seat.ok_or_else(|| refused(Refusal::LimitReached))?;
                state.of = Some(Known { remote: Arc::clone(&remote), _seats: seats });
                state.guest = None;
                self.recognised.notify_one();
            }
        }
        Ok(remote)
    }

    /// What goes to a web port is answered inside the tunnel, where its client can read it. Elsewhere a refusal comes before anything is spoken there.
    async fn check_port(&self, remote: &Arc<Remote>, host: &Host, port: u16) -> Result<(), Refusal> {
        if port == HTTPS_PORT || port == HTTP_PORT {
            return Ok(());
        }
        let (devbox, host) = (Arc::clone(&remote.devbox), host.clone());
        let reachable = move || devbox.net.gate.reachable(&devbox.card, &host, port);
        remote.devbox.blocking(reachable).await.unwrap_or(Err(Refusal::Undecided))
    }
}

fn closing_where(closes: bool, mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    if closes {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request to the proxy has nothing that comes after its head.
fn has_content(parts: &Parts) -> bool {
    use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let says_none = match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => length == "0",
        (Some(_), Some(_)) => false,
    };
    parts.headers.contains_key(TRANSFER_ENCODING) || !says_none
}

/// After a failed accept, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many greetings' time a connection may take to show a credential.
const GUEST_GREETINGS: u32 = 3;
/// Requests of one connection without a good credential: clients ask once without, and once more with.
const STRANGE_MAX: u32 = 8;
