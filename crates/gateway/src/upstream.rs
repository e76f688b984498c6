//! One HTTP/1.1 connection to an upstream, kept for as long as its downstream connection uses it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use model::Refusal;
use model::limits::HEADER_LIST_BYTES_MAX;

/// A connection; closed when it is dropped.
pub(crate) struct Upstream {
    sender: SendRequest<RequestBody>,
    driver: AbortOnDropHandle<()>,
}

/// A devbox's request body, without trailers: whatever they hold, no decision was made about it. None: no body at all.
pub(crate) struct RequestBody(Option<Incoming>);

/// Why a request has no reply.
pub(crate) enum Unanswered {
    /// Nothing of it was written: here it is again.
    Unsent(Box<Request<RequestBody>>),
    /// It may have reached the upstream.
    Broken,
}

impl Upstream {
    /// Begins to speak HTTP/1.1.
    pub(crate) async fn open(stream: TlsStream<TcpStream>) -> Result<Self, Refusal> {
        let mut builder = Builder::new();
        builder.max_headers(HEADERS_MAX).max_header_size(HEADER_LIST_BYTES_MAX).max_buf_size(BUFFER_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Refusal::UpstreamBroken)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream's connection ended");
            }
        });
        Ok(Self { sender, driver: AbortOnDropHandle::new(driver) })
    }

    /// Ends the connection when it is aborted.
    pub(crate) fn driver(&self) -> AbortHandle {
        self.driver.abort_handle()
    }

    /// Whether another request can be sent; a connection that its upstream has closed cannot be used again.
    pub(crate) async fn is_usable(&mut self) -> bool {
        matches!(timeout(READY_WAIT, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request and waits for the head of its reply.
    pub(crate) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Unanswered> {
        self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => Unanswered::Unsent(Box::new(request)),
            None => Unanswered::Broken,
        })
    }
}

impl RequestBody {
    /// The body as it comes from the devbox.
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Some(body).filter(|body| !body.is_end_stream()))
    }
}

/// The same request, where sending it twice does what sending it once does and nothing of it is used up by sending (RFC 9110, section 9.2).
pub(crate) fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_safe() || request.body().0.is_some() {
        return None;
    }
    let mut copy = Request::new(RequestBody(None));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match ready!(Pin::new(body).poll_frame(context)) {
            Some(Ok(frame)) if frame.is_trailers() => Poll::Ready(None),
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Headers of one message.
pub(crate) const HEADERS_MAX: usize = 200;
/// What one connection buffers: a whole head, and pieces of bodies beside it.
pub(crate) const BUFFER_BYTES_MAX: usize = 2 * HEADER_LIST_BYTES_MAX;
/// The end of the last reply has been read, so a connection that is not ready soon never will be.
const READY_WAIT: Duration = Duration::from_secs(1);
