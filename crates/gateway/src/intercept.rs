//! A devbox's connection, dialled or taken by the forward proxy: TLS ended with the devbox's own certificate for the name it is for, then HTTP/2 or HTTP/1.1,
//! as the client likes. Plain HTTP is answered, and forwarded only where a binding names the host's port 80; a gateway's base URL leads no further than here.
//! Connections to hosts of the pass-through list are not looked into.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use service::via::gateway_label;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use model::binding::{HTTP_PORT, HTTPS_PORT};
use model::limits::HEADER_LIST_BYTES_MAX;
use model::{Host, Refusal};

use crate::ca::Subject;
use crate::exchange::Conversation;
use crate::greet::{Destination, Scheme, ServerName, greet, one_name};
use crate::http2;
use crate::inside;
use crate::listen::Devbox;
use crate::refuse::redirect;
use crate::reply::ReplyBody;
use crate::splice;
use crate::upstream::{BUFFER_BYTES_MAX, H2, HEADERS_MAX};
use crate::upstreams::Spoken;
use crate::websocket;

/// Why a connection ended before its client closed it.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("no whole greeting in time")]
    Slow,
    #[error("no TLS")]
    Tls(#[source] io::Error),
    #[error("no HTTP")]
    Http(#[source] hyper::Error),
}

/// Serves one connection, that went to `port` of an address which stands for a name, or for none.
pub(crate) async fn connection(devbox: Arc<Devbox>, stream: TcpStream, port: u16) {
    let Ok(dialled) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else { return };
    let dialled = dialled.ip().to_canonical();
    let looked_up = devbox.names.name_of(dialled);
    let is_door = looked_up.as_ref().is_some_and(|host| gateway_label(host).is_some() || inside::is_ours(host));
    let served = if port == HTTP_PORT && is_door {
        // It never leaves this machine: the devbox's loopback ends here, and what leaves is TLS.
        let to = looked_up.ok_or(Refusal::AddressUnmapped).map(|host| Destination { host, port, scheme: Scheme::Http });
        let conversation = Arc::new(Conversation::new(devbox, to, Spoken::Http1));
        serve_http(conversation, stream, async |conversation, request| conversation.exchange(request).await).await
    } else if port == HTTP_PORT {
        let to = looked_up.ok_or(Refusal::AddressUnmapped).map(|host| Destination { host, port, scheme: Scheme::Http });
        let conversation = Arc::new(Conversation::new(devbox, to, Spoken::Http1));
        serve_http(conversation, stream, answer_plain).await
    } else if let Some(host) = unseen(&devbox, looked_up.as_ref(), port).await {
        splice::pass(devbox, stream, host).await;
        Ok(())
    } else {
        serve_tls(devbox, stream, looked_up.ok_or(dialled), port).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a devbox's connection ended");
    }
}

/// The host whose connection passes unseen, where it does.
async fn unseen(devbox: &Arc<Devbox>, looked_up: Option<&Host>, port: u16) -> Option<Host> {
    let host = looked_up.filter(|_| port == HTTPS_PORT)?;
    splice::is_for(devbox, host).await.then(|| host.clone())
}

/// Serves one connection that the forward proxy took for `host`, as if the devbox had dialled it.
pub(crate) async fn tunnelled<S>(devbox: Arc<Devbox>, stream: S, host: Host, port: u16)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = if port == HTTP_PORT {
        let to = Destination { host, port, scheme: Scheme::Http };
        serve_http(Arc::new(Conversation::new(devbox, Ok(to), Spoken::Http1)), stream, answer_plain).await
    } else if unseen(&devbox, Some(&host), port).await.is_some() {
        splice::pass(devbox, stream, host).await;
        Ok(())
    } else {
        serve_tls(devbox, stream, Ok(host), port).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a tunnel ended");
    }
}

/// Ends TLS and serves what is in it, for the host that was meant, or for the address where no name stands for it.
async fn serve_tls<S>(devbox: Arc<Devbox>, stream: S, meant: Result<Host, IpAddr>, port: u16) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let greeting = timeout(devbox.net.timeouts.greeting, end_tls(&devbox, stream, &meant));
    let (stream, said) = greeting.await.map_err(|_| ConnectionError::Slow)?.map_err(ConnectionError::Tls)?;
    let to = one_name(meant.ok(), &said).map(|host| Destination { host, port, scheme: Scheme::Https });
    if stream.get_ref().1.alpn_protocol() == Some(H2) {
        let conversation = Arc::new(Conversation::new(devbox, to, Spoken::Http2));
        return http2::serve(conversation, stream).await.map_err(ConnectionError::Http);
    }
    let conversation = Arc::new(Conversation::new(devbox, to, Spoken::Http1));
    serve_http(conversation, stream, async |conversation, request| conversation.exchange(request).await).await
}

/// Ends TLS with a certificate for the name that the client hello says, else the one meant, else the dialled address: a refusal must be readable.
async fn end_tls<S>(devbox: &Devbox, stream: S, meant: &Result<Host, IpAddr>) -> io::Result<(TlsStream<S>, ServerName)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let said = ServerName::read(start.client_hello().server_name());
    let subject = match (&said, meant) {
        (ServerName::Named(host), _) => Subject::Name(host.clone()),
        (ServerName::Absent | ServerName::Illegible, Ok(host)) => Subject::Name(host.clone()),
        (ServerName::Absent | ServerName::Illegible, Err(dialled)) => Subject::Address(*dialled),
    };
    let config = devbox.authority.config_for(&subject).map_err(io::Error::other)?;
    Ok((start.into_stream(config).await?, said))
}

async fn serve_http<S, A, F>(conversation: Arc<Conversation>, stream: S, answer: A) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Arc<Conversation>, Request<Incoming>) -> F,
    F: Future<Output = Response<ReplyBody>>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(conversation.devbox.net.timeouts.idle)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_LIST_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    let service = service_fn(|request| {
        let answered = answer(Arc::clone(&conversation), request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    http.serve_connection(TokioIo::new(stream), service).with_upgrades().await.map_err(ConnectionError::Http)?;
    if let Some(tunnel) = conversation.take_tunnel() {
        tunnel.run().await;
    }
    Ok(())
}

/// Plain HTTP: as any exchange where a binding says so; otherwise to the same place over TLS, where the devbox may go there, and nothing leaves.
pub(crate) async fn answer_plain(conversation: Arc<Conversation>, request: Request<Incoming>) -> Response<ReplyBody> {
    if is_bound_plainly(&conversation).await {
        return conversation.exchange(request).await;
    }
    match redirection(&conversation, request).await {
        Ok(location) => redirect(location),
        Err(refusal) => conversation.refuse(refusal),
    }
}

async fn is_bound_plainly(conversation: &Conversation) -> bool {
    let Ok(to) = conversation.to.clone() else { return false };
    let devbox = Arc::clone(&conversation.devbox);
    let said = move || devbox.net.gate.reachable_plainly(&devbox.card, &to.host, to.port);
    conversation.devbox.blocking(said).await.is_some_and(|said| said.is_ok())
}

async fn redirection(conversation: &Conversation, request: Request<Incoming>) -> Result<HeaderValue, Refusal> {
    let to = conversation.to.clone()?;
    let (parts, _) = request.into_parts();
    greet(&parts, &to)?;
    // Nobody follows a redirect in a handshake.
    if websocket::is_wanted(&parts)? {
        return Err(Refusal::UpgradeUnsupported);
    }
    let target = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).filter(|target| target.starts_with('/'));
    let location = format!("https://{}{}", to.host, target.ok_or(Refusal::RequestMalformed)?);
    let devbox = Arc::clone(&conversation.devbox);
    let reachable = move || devbox.net.gate.reachable(&devbox.card, &to.host, HTTPS_PORT);
    conversation.devbox.blocking(reachable).await.unwrap_or(Err(Refusal::Undecided))?;
    HeaderValue::try_from(location).map_err(|_| Refusal::RequestMalformed)
}
