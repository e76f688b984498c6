//! Connections to an upstream, kept for as long as their downstream connection uses them: HTTP/1.1 for one exchange after the other, HTTP/2 for many at a
//! time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, EXPECT, HOST, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Parts, Scheme};
use http::{Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tokio_util::task::AbortOnDropHandle;

use model::Refusal;
use model::limits::HEADER_LIST_BYTES_MAX;

use crate::coming::Coming;
use crate::dial::Wire;
use crate::greet::Destination;
use crate::http2::{CONNECTION_WINDOW_BYTES, HEADER_LIST_SIZE_MAX, Nest, PING_EVERY, PING_WAIT, SEND_BYTES_MAX, STREAM_WINDOW_BYTES};
use crate::leave::{Answer, Awaiting, Leave};
use crate::overrides::drop_from_trailers;
use crate::room::UpstreamPlace;

/// A connection; closed when all who hold it have dropped it.
pub(crate) enum Upstream {
    /// For one exchange after the other.
    Http1 {
        sender: http1::SendRequest<RequestBody>,
        driver: AbortOnDropHandle<()>,
        /// Whether a body that was announced never comes, so that nothing can follow.
        is_spent: bool,
        _place: UpstreamPlace,
    },
    /// For many at a time.
    Http2(Shared),
}

/// A connection that many exchanges use at a time.
#[derive(Clone)]
pub(crate) struct Shared {
    sender: http2::SendRequest<RequestBody>,
    _driver: Arc<(AbortOnDropHandle<()>, DropGuard, UpstreamPlace)>,
}

/// A devbox's request body. It breaks off when the exchange is cut.
pub(crate) struct RequestBody {
    body: Source,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    token: CancellationToken,
    /// The host's leave, where the devbox waits for it.
    leave: Option<Awaited>,
    /// How many pieces were taken.
    taken: Arc<AtomicUsize>,
    /// Whether trailers pass: over HTTP/1.1 nothing says that they are none of the next request.
    with_trailers: bool,
}

enum Source {
    /// No body at all.
    Nothing,
    /// As it comes.
    Passing(Coming),
    /// It was announced, and never comes.
    Withheld,
    /// It was held, perhaps to write values into it.
    Whole(Whole),
}

/// Leave that a body waits for.
struct Awaited {
    leave: Leave,
    answer: Awaiting,
}

/// A body that is held.
pub(crate) struct Whole {
    pub(crate) data: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// Given back when the body is gone.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// Why a request's body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The exchange was cut.
    #[error("a value that this exchange carries was changed or removed")]
    Cut,
    /// The devbox's connection broke off.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// Why a request has no reply.
pub(crate) enum Unanswered {
    /// Nothing of it was written: here it is again.
    Unsent(Box<Request<RequestBody>>),
    /// It may have reached the upstream.
    Broken,
    /// No head came in time.
    Late,
}

impl Upstream {
    /// Begins to speak what was agreed on in TLS; without TLS, HTTP/1.1. It takes this place for as long as it is open.
    pub(crate) async fn open(wire: Wire, place: UpstreamPlace) -> Result<Self, Refusal> {
        match wire {
            Wire::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(H2) => Self::open_http2(*stream, place).await,
            Wire::Tls(stream) => Self::open_http1(*stream, place).await,
            Wire::Plain(stream) => Self::open_http1(stream, place).await,
        }
    }

    async fn open_http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, place: UpstreamPlace) -> Result<Self, Refusal> {
        let mut builder = http1::Builder::new();
        builder.max_headers(HEADERS_MAX).max_header_size(HEADER_LIST_BYTES_MAX).max_buf_size(BUFFER_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Refusal::UpstreamBroken)?;
        Ok(Self::Http1 { sender, driver: drive(connection.with_upgrades()), is_spent: false, _place: place })
    }

    async fn open_http2(stream: TlsStream<TcpStream>, place: UpstreamPlace) -> Result<Self, Refusal> {
        let (nest, guard) = Nest::new();
        let mut builder = http2::Builder::new(nest);
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_LIST_SIZE_MAX)
            .max_send_buf_size(SEND_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WAIT);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Refusal::UpstreamBroken)?;
        Ok(Self::Http2(Shared { sender, _driver: Arc::new((drive(connection), guard, place)) }))
    }

    /// Ends the connection when it is aborted; none where others use it as well: there an exchange ends with its bodies.
    pub(crate) fn driver(&self) -> Option<AbortHandle> {
        match self {
            Self::Http1 { driver, .. } => Some(driver.abort_handle()),
            Self::Http2(_) => None,
        }
    }

    /// Whether another request can be sent within a moment; a connection that its upstream has closed cannot be used again.
    pub(crate) async fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1 { is_spent: true, .. } => false,
            Self::Http1 { sender, .. } => matches!(timeout(READY_WAIT, sender.ready()).await, Ok(Ok(()))),
            Self::Http2(shared) => matches!(timeout(READY_WAIT, shared.sender.ready()).await, Ok(Ok(()))),
        }
    }

    /// Whether another request can be sent now.
    pub(crate) fn is_free(&self) -> bool {
        match self {
            Self::Http1 { sender, .. } => sender.is_ready(),
            Self::Http2(shared) => shared.sender.is_ready(),
        }
    }

    /// Whether no request can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1 { sender, .. } => sender.is_closed(),
            Self::Http2(shared) => shared.sender.is_closed(),
        }
    }

    /// Sends a request to `to` and waits for the head of its reply: no longer than `limit` from when the last piece of the body was taken.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
        to: &Destination,
        limit: Duration,
    ) -> Result<Response<Incoming>, Unanswered> {
        let leave = request.body().leave.as_ref().map(|awaited| awaited.leave.clone());
        let taken = Arc::clone(&request.body().taken);
        let sent = match self {
            Self::Http1 { sender, .. } => {
                as_http1(&mut request, to).map_err(|_| Unanswered::Broken)?;
                in_time(sender.try_send_request(request), &taken, limit).await
            }
            Self::Http2(shared) => {
                as_http2(&mut request, to).map_err(|_| Unanswered::Broken)?;
                in_time(shared.sender.try_send_request(request), &taken, limit).await
            }
        };
        // A request that was not written is asked about again, on another connection.
        if let (Self::Http1 { is_spent, .. }, Some(leave), Some(Ok(_))) = (self, leave, &sent) {
            *is_spent = leave.is_denied_by_now();
        }
        sent.ok_or(Unanswered::Late)?.map_err(|mut error| match error.take_message() {
            Some(request) => Unanswered::Unsent(Box::new(request)),
            None => Unanswered::Broken,
        })
    }
}

/// Waits for as long as pieces are taken, and `limit` beyond; none when that is over.
async fn in_time<F: Future>(sending: F, taken: &AtomicUsize, limit: Duration) -> Option<F::Output> {
    let mut sending = std::pin::pin!(sending);
    loop {
        let before = taken.load(Ordering::Relaxed);
        match timeout(limit, sending.as_mut()).await {
            Ok(sent) => return Some(sent),
            Err(_) if taken.load(Ordering::Relaxed) == before => return None,
            Err(_) => {}
        }
    }
}

fn drive<E: std::error::Error>(connection: impl Future<Output = Result<(), E>> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream's connection ended");
        }
    }))
}

/// The origin form with a `Host`, and one line of cookies (RFC 9112, section 3.2.1; RFC 9113, section 8.2.3).
fn as_http1(request: &mut Request<RequestBody>, to: &Destination) -> Result<(), http::Error> {
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = target.parse()?;
    *request.version_mut() = Version::HTTP_11;
    request.body_mut().with_trailers = false;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(to.authority())?);
    headers.remove(TE);
    join_cookies(headers)?;
    if let Some(leave) = request.body().leave.as_ref().map(|awaited| awaited.leave.clone()) {
        leave.ask(request);
    }
    Ok(())
}

fn join_cookies(headers: &mut HeaderMap) -> Result<(), http::Error> {
    if headers.get_all(COOKIE).iter().count() > 1 {
        let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))?;
        headers.insert(COOKIE, joined);
    }
    Ok(())
}

/// The whole address, and nothing that belongs to a connection (RFC 9113, sections 8.2.2 and 8.3.1).
fn as_http2(request: &mut Request<RequestBody>, to: &Destination) -> Result<(), http::Error> {
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(Authority::try_from(to.authority())?);
    parts.path_and_query = Some(match request.uri().path_and_query() {
        Some(target) => target.clone(),
        None => http::uri::PathAndQuery::from_static("/"),
    });
    *request.uri_mut() = Uri::from_parts(parts)?;
    *request.version_mut() = Version::HTTP_2;
    request.body_mut().with_trailers = true;
    if let Some(awaited) = &request.body().leave {
        awaited.leave.give();
    }
    for name in [HOST, TRANSFER_ENCODING, EXPECT] {
        request.headers_mut().remove(name);
    }
    Ok(())
}

impl RequestBody {
    /// The body as it comes from the devbox, until `cut`.
    pub(crate) fn new(body: Coming, cut: CancellationToken) -> Self {
        Self::of(if body.is_end_stream() { Source::Nothing } else { Source::Passing(body) }, cut)
    }

    /// A body that is held, until `cut`.
    pub(crate) fn whole(body: Whole, cut: CancellationToken) -> Self {
        Self::of(Source::Whole(body), cut)
    }

    fn of(body: Source, token: CancellationToken) -> Self {
        let cut = Box::pin(token.clone().cancelled_owned());
        Self { body, cut, token, leave: None, taken: Arc::default(), with_trailers: false }
    }

    /// The devbox sends its body when it has leave, and its host is asked. What is held is here already.
    pub(crate) fn wait_for_leave(&mut self) {
        if matches!(self.body, Source::Passing(_)) {
            let leave = Leave::new();
            let answer = leave.wait();
            self.leave = Some(Awaited { leave, answer });
        }
    }
}

/// The same request, where sending it twice does what sending it once does and nothing of it is used up by sending (RFC 9110, section 9.2).
pub(crate) fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_safe() || !matches!(request.body().body, Source::Nothing) {
        return None;
    }
    let mut copy = Request::new(RequestBody::of(Source::Nothing, request.body().token.clone()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { body, cut, leave, taken, with_trailers, .. } = &mut *self;
        if matches!(body, Source::Nothing) {
            return Poll::Ready(None);
        }
        if cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(BodyError::Cut)));
        }
        if let Some(awaited) = leave {
            if ready!(awaited.answer.as_mut().poll(context)) == Answer::Denied {
                *body = Source::Withheld;
            }
            *leave = None;
        }
        let frame = match body {
            Source::Nothing => None,
            // Whoever drops the connection ends the wait.
            Source::Withheld => return Poll::Pending,
            Source::Passing(body) => ready!(Pin::new(body).poll_frame(context)),
            Source::Whole(whole) => whole.next().map(Ok),
        };
        match frame {
            Some(Ok(frame)) if frame.is_trailers() && !*with_trailers => Poll::Ready(None),
            Some(Ok(frame)) => {
                taken.fetch_add(1, Ordering::Relaxed);
                let frame = frame.into_trailers().map(|mut trailers| {
                    drop_from_trailers(&mut trailers);
                    Frame::trailers(trailers)
                });
                Poll::Ready(Some(Ok(frame.unwrap_or_else(|data| data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Nothing => true,
            Source::Passing(body) => body.is_end_stream(),
            Source::Withheld => false,
            Source::Whole(whole) => whole.data.is_empty() && whole.trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Nothing => SizeHint::with_exact(0),
            Source::Passing(body) => body.size_hint(),
            Source::Withheld => SizeHint::default(),
            Source::Whole(whole) => SizeHint::with_exact(whole.data.len() as u64),
        }
    }
}

impl Whole {
    /// The next piece, small enough that a body which is cut ends soon.
    fn next(&mut self) -> Option<Frame<Bytes>> {
        if self.data.is_empty() {
            return self.trailers.take().map(Frame::trailers);
        }
        let piece = self.data.split_to(self.data.len().min(PIECE_BYTES));
        Some(Frame::data(piece))
    }
}

/// How TLS names HTTP/2 and HTTP/1.1 (RFC 7301, section 6; RFC 9113, section 3.3).
pub(crate) const H2: &[u8] = b"h2";
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";
/// Headers of one message.
pub(crate) const HEADERS_MAX: usize = 200;
/// What one connection buffers: a whole head, and pieces of bodies beside it.
pub(crate) const BUFFER_BYTES_MAX: usize = 2 * HEADER_LIST_BYTES_MAX;
/// Of a body that is held, what is handed on at a time: one frame of HTTP/2 by default (RFC 9113, section 4.2).
const PIECE_BYTES: usize = 16 * 1024;
/// The end of the last reply has been read, so a connection that is not ready soon never will be.
const READY_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of which a piece is taken with each of the first looks, and which is answered at one of them.
    async fn sent(pieces: usize, answered: usize) -> Option<usize> {
        let (taken, mut looks) = (AtomicUsize::new(0), 0);
        let sending = std::future::poll_fn(|_| {
            looks += 1;
            if looks <= pieces {
                taken.fetch_add(1, Ordering::Relaxed);
            }
            if looks == answered { Poll::Ready(looks) } else { Poll::Pending }
        });
        in_time(sending, &taken, Duration::from_millis(1)).await
    }

    #[tokio::test]
    async fn a_request_is_waited_for_as_long_as_its_body_moves() {
        assert_eq!(sent(0, 1).await, Some(1));
        assert_eq!(sent(5, 4).await, Some(4), "longer than the limit, but never still");
        assert_eq!(sent(0, 0).await, None);
        assert_eq!(sent(2, 0).await, None, "still in the end");
    }
}
