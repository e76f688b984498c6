//! A request's body as it comes from the devbox. Over HTTP/2 its end may come after the reply's: whoever drops the body by then has the stream reset behind
//! the reply, which clients take for a failure. What nobody wants any more is therefore still taken, for a moment.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// A body on its way. Dropped before its end, it is read on by itself where its connection goes on without it.
pub(crate) struct Coming(Option<Incoming>, Version);

impl Coming {
    /// The body of a request in this version of HTTP.
    pub(crate) const fn new(body: Incoming, version: Version) -> Self {
        Self(Some(body), version)
    }
}

impl Body for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // HTTP/1.1 reads on by itself, or closes.
        let Some(body) = self.0.take().filter(|body| self.1 == Version::HTTP_2 && !body.is_end_stream()) else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(UNWANTED_WAIT, take_unwanted(body)));
        }
    }
}

/// Takes what is left, to its end or to the limit. Then the stream is reset without an error, which tells the devbox to stop (RFC 9113, section 8.1).
async fn take_unwanted(mut body: Incoming) {
    let mut left = UNWANTED_BYTES_MAX;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// What a client has under way when it sees the reply, not what it would still send.
const UNWANTED_BYTES_MAX: usize = 256 * 1024;
const UNWANTED_WAIT: Duration = Duration::from_secs(5);
