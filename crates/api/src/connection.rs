//! One connection: its protocol, its requests, its end.

use std::sync::Arc;

use axum::Router;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use model::limits::HEADER_LIST_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::desk::Desk;
use crate::limits::{
    CONNECTION_WINDOW_BYTES, ENDING_TIME, HEAD_TIME, LOCAL_RESETS_MAX, PENDING_RESETS_MAX, PING_TIME, SEND_BUFFER_BYTES_MAX,
    STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::places::Place;
use crate::pulse::Pulse;
use crate::rates::Peer;
use crate::tls::Tls;

/// What a connection is attended with.
pub(crate) struct Attendance {
    pub(crate) app: Router,
    pub(crate) desk: Arc<Desk>,
    /// Held until the connection has ended.
    pub(crate) place: Place,
}

/// What the connection's addresses begin with, as its client sees them.
#[derive(Clone, Copy)]
pub(crate) struct Scheme(pub(crate) &'static str);

impl Scheme {
    /// Without TLS.
    pub(crate) const HTTP: Self = Self("http");
    /// With TLS.
    pub(crate) const HTTPS: Self = Self("https");
}

/// Which protocols are taken.
#[derive(Clone, Copy)]
enum Protocol {
    /// Either, told apart by the first bytes (RFC 9113, section 3.3).
    Any,
    Http1,
    Http2,
}

impl Attendance {
    /// A connection without TLS.
    pub(crate) async fn clear(self, stream: TcpStream) {
        self.attend(stream, Protocol::Any, Scheme::HTTP).await;
    }

    /// A connection with TLS, from its handshake on.
    pub(crate) async fn tls(self, stream: TcpStream, tls: Arc<Tls>) {
        let greeted = tokio::select! {
            () = self.desk.stopped() => None,
            greeted = tls.greet(stream, self.place.network) => greeted,
        };
        let Some(stream) = greeted else { return };
        let protocol = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
        self.attend(stream, protocol, Scheme::HTTPS).await;
    }

    async fn attend<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, protocol: Protocol, scheme: Scheme) {
        let Self { app, desk, place } = self;
        let pulse = Pulse::new();
        let (router, peer) = (TowerToHyperService::new(app), Peer(place.network));
        let service = service_fn(|mut request: Request<Incoming>| {
            let asked = pulse.ask();
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(scheme);
            let answer = router.call(request);
            async move { answer.await.map(|response: Response<_>| response.map(|body| asked.body(body))) }
        });
        let builder = builder(protocol);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        // A connection's own errors are its client's: nothing here is ours to log.
        let quiet = tokio::select! {
            _ = connection.as_mut() => return,
            () = desk.stopped() => false,
            () = pulse.end(|| place.room()) => true,
        };
        connection.as_mut().graceful_shutdown();
        let patience = async { if quiet { tokio::time::sleep(ENDING_TIME).await } else { pulse.idle().await } };
        tokio::select! {
            _ = connection => {}
            () = patience => {}
        }
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEADER_LIST_BYTES_MAX);
    let list_max = u32::try_from(HEADER_LIST_BYTES_MAX).expect("64 KiB fit");
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_TIME).keep_alive_timeout(PING_TIME);
    http2.max_concurrent_streams(STREAMS_MAX).max_header_list_size(list_max);
    http2.initial_stream_window_size(STREAM_WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    http2.max_send_buf_size(SEND_BUFFER_BYTES_MAX);
    http2.max_pending_accept_reset_streams(PENDING_RESETS_MAX).max_local_error_reset_streams(LOCAL_RESETS_MAX);
    match protocol {
        Protocol::Any => builder,
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}
