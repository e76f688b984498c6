//! HTTP/2 (RFC 9113) with a devbox: many requests at a time on one connection, all for one host. Whatever serves them ends with the connection.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, DropGuard};

use model::limits::HEADER_LIST_BYTES_MAX;

use crate::exchange::Conversation;

/// Spawns what HTTP/2 needs beside its connection, in a nest that ends all of it when its guard is dropped.
#[derive(Clone)]
pub(crate) struct Nest(CancellationToken);

impl Nest {
    /// A nest and its guard.
    pub(crate) fn new() -> (Self, DropGuard) {
        let token = CancellationToken::new();
        (Self(token.clone()), token.drop_guard())
    }
}

impl<F> Executor<F> for Nest
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let token = self.0.clone();
        tokio::spawn(async move { token.run_until_cancelled_owned(future).await });
    }
}

/// Serves a connection to its end.
///
/// # Errors
/// When it is not HTTP/2, or broke off.
pub(crate) async fn serve<S>(conversation: Arc<Conversation>, stream: S) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (nest, _guard) = Nest::new();
    let mut http = http2::Builder::new(nest);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_SIZE_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .initial_stream_window_size(OWN_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(OWN_CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT);
    let service = service_fn(move |request| {
        let conversation = Arc::clone(&conversation);
        async move { Ok::<_, Infallible>(conversation.exchange(request).await) }
    });
    http.serve_connection(TokioIo::new(stream), service).await
}

/// Requests of one connection at a time.
const STREAMS_MAX: u32 = 100;
/// As over HTTP/1.1.
pub(crate) const HEADER_LIST_SIZE_MAX: u32 = {
    assert!(HEADER_LIST_BYTES_MAX <= u32::MAX as usize);
    #[allow(clippy::cast_possible_truncation, reason = "just checked")]
    let size = HEADER_LIST_BYTES_MAX as u32;
    size
};
/// What waits for a slow reader, of each stream.
pub(crate) const SEND_BYTES_MAX: usize = 64 * 1024;
/// What a devbox may have under way of one body before its host takes it, and of all bodies of one connection: it is on this machine.
const OWN_STREAM_WINDOW_BYTES: u32 = 128 * 1024;
const OWN_CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// What a host may: enough for 100 Mbit/s over 40 ms.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 512 * 1024;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// How often a peer that says nothing is asked whether it is still there, and how long it may take to answer.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(60);
pub(crate) const PING_WAIT: Duration = Duration::from_secs(20);
