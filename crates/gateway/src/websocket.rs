//! WebSocket (RFC 6455): the handshake passes as a request does, and from then on what the host says goes through a parser of frames, so that no value in a
//! message reaches the devbox and every frame keeps its length. What the devbox says passes as it is: a token in a message is as inert as in a body.

use std::io::ErrorKind;
use std::time::Duration;

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;
use vault::Scrubber;

use model::Refusal;

use crate::frames::{FrameError, Frames};
use crate::upstream::Upstream;
use crate::watch::Ticket;

/// Both ends of a conversation that has left HTTP, with its place among the exchanges that are watched.
pub(crate) struct Tunnel {
    devbox: OnUpgrade,
    host: OnUpgrade,
    /// Ends the connection when it is dropped, until that has left HTTP.
    upstream: Upstream,
    ticket: Ticket,
}

/// Why a conversation ended before its ends closed it.
#[derive(Debug, thiserror::Error)]
enum TunnelError {
    #[error("an end did not change its protocol")]
    Upgrade(#[from] hyper::Error),
    #[error("an end broke off")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("nothing says what must not be in a message")]
    NoPlan,
}

/// Whether a request asks for a WebSocket.
///
/// # Errors
/// [`Refusal::UpgradeUnsupported`] where it asks for another protocol, or in a way that is none of RFC 6455, section 4.1.
pub(crate) fn is_wanted(parts: &Parts) -> Result<bool, Refusal> {
    let named =
        |value: &HeaderValue| value.to_str().is_ok_and(|list| list.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")));
    let (asks, names) = (parts.headers.get_all(CONNECTION).iter().any(named), parts.headers.contains_key(UPGRADE));
    if !asks && !names {
        return Ok(false);
    }
    let mut protocols = parts.headers.get_all(UPGRADE).iter();
    let one = protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET)) && protocols.next().is_none();
    if asks && one && parts.method == Method::GET && parts.version == Version::HTTP_11 {
        Ok(true)
    } else {
        Err(Refusal::UpgradeUnsupported)
    }
}

/// What a handshake needs beside what any request does. Extensions are not offered: compressed messages cannot be looked into.
pub(crate) fn dress(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
}

/// What becomes of a request's connection, should the host agree.
pub(crate) fn devbox_end(request: &mut Request<Incoming>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

impl Tunnel {
    /// The tunnel of a host that agreed. What is left of the response is its head.
    pub(crate) fn new(devbox: OnUpgrade, response: &mut Response<Incoming>, upstream: Upstream, ticket: Ticket) -> Self {
        Self { devbox, host: hyper::upgrade::on(response), upstream, ticket }
    }

    /// Passes bytes both ways until an end closes, or a value that the handshake carried is no longer what it was.
    pub(crate) async fn run(self) {
        let Self { devbox, host, upstream, ticket } = self;
        let cut = ticket.cut();
        let passing = async {
            let (devbox, host) = tokio::try_join!(devbox, host)?;
            let passed = pass(devbox, host, &ticket).await;
            // Its place is taken until now.
            drop(upstream);
            passed
        };
        let ended = cut.run_until_cancelled(passing).await;
        if let Some(Err(error)) = ended {
            tracing::debug!(%error, "a WebSocket ended");
        }
    }
}

async fn pass(devbox: Upgraded, host: Upgraded, ticket: &Ticket) -> Result<(), TunnelError> {
    let (from_devbox, to_devbox) = tokio::io::split(TokioIo::new(devbox));
    let (from_host, to_host) = tokio::io::split(TokioIo::new(host));
    let mut out = std::pin::pin!(copy(from_devbox, to_host));
    let mut back = std::pin::pin!(scrub(from_host, to_devbox, ticket));
    tokio::select! {
        // What the host says no more, nobody waits for.
        ended = &mut back => ended,
        ended = &mut out => {
            ended?;
            // The host may still answer a close (RFC 6455, section 7.1.1).
            timeout(CLOSE_WAIT, back).await.unwrap_or(Ok(()))
        }
    }
}

async fn copy(mut from: ReadHalf<TokioIo<Upgraded>>, mut to: WriteHalf<TokioIo<Upgraded>>) -> Result<(), TunnelError> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

/// Frames of the host, without values.
async fn scrub(mut from: ReadHalf<TokioIo<Upgraded>>, mut to: WriteHalf<TokioIo<Upgraded>>, ticket: &Ticket) -> Result<(), TunnelError> {
    let live = ticket.live();
    let (plan, mut plans_set) = live.plan();
    let mut frames = Frames::new(Scrubber::masking(plan.ok_or(TunnelError::NoPlan)?));
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        // An end without a farewell is an end as well: no frame is whole because of it.
        let length = match from.read(&mut buffer).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if live.plans_set() != plans_set {
            let (plan, set) = live.plan();
            plans_set = set;
            frames.follow(plan.ok_or(TunnelError::NoPlan)?);
        }
        if length == 0 {
            to.write_all(&frames.finish()).await?;
            return Ok(to.shutdown().await?);
        }
        let clean = frames.feed(&buffer[..length])?;
        to.write_all(&clean).await?;
        to.flush().await?;
    }
}

/// Whether the host agreed to speak WebSocket.
pub(crate) fn is_agreed<B>(response: &Response<B>) -> bool {
    let protocol = response.headers().get(UPGRADE);
    response.status() == StatusCode::SWITCHING_PROTOCOLS && protocol.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(WEBSOCKET))
}

/// The headers of an agreement that pass.
pub(crate) fn dress_agreement(headers: &mut HeaderMap) {
    dress(headers);
    headers.remove(HeaderName::from_static("content-length"));
}

const WEBSOCKET: &[u8] = b"websocket";
/// How long a host may take to answer the devbox's close.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
const PIECE_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(method: &str, version: Version, headers: &[(&str, &str)]) -> Result<bool, Refusal> {
        let mut request = Request::builder().method(method).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        is_wanted(&parts)
    }

    #[test]
    fn a_handshake_is_one_and_other_upgrades_are_refused() {
        let upgrade = ("connection", "keep-alive, Upgrade");
        let websocket = ("upgrade", "WebSocket");
        assert_eq!(wanted("GET", Version::HTTP_11, &[]), Ok(false));
        assert_eq!(wanted("GET", Version::HTTP_11, &[("connection", "keep-alive")]), Ok(false));
        assert_eq!(wanted("GET", Version::HTTP_11, &[upgrade, websocket]), Ok(true));
        for (method, version, headers) in [
            ("GET", Version::HTTP_11, &[upgrade][..]),
            ("GET", Version::HTTP_11, &[websocket]),
            ("GET", Version::HTTP_11, &[upgrade, ("upgrade", "h2c")]),
            ("GET", Version::HTTP_11, &[upgrade, ("upgrade", "websocket, h2c")]),
            ("GET", Version::HTTP_11, &[upgrade, websocket, ("upgrade", "h2c")]),
            ("POST", Version::HTTP_11, &[upgrade, websocket]),
            ("GET", Version::HTTP_10, &[upgrade, websocket]),
            ("GET", Version::HTTP_2, &[upgrade, websocket]),
        ] {
            assert_eq!(wanted(method, version, headers), Err(Refusal::UpgradeUnsupported), "{method} {version:?} {headers:?}");
        }
    }
}
