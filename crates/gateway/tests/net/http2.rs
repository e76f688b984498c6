//! HTTP/2 on either side of the gateway: upstreams that answer by a function, and a client inside a devbox.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::upstream::{Seen, Trust, Upstream};
use crate::world::World;

pub type AnyBody = BoxBody<Bytes, Infallible>;
type Answering = Pin<Box<dyn Future<Output = Response<AnyBody>> + Send>>;

/// What an upstream answers.
pub type Service = Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;

/// A service out of an asynchronous function.
pub fn service<F: Future<Output = Response<AnyBody>> + Send + 'static>(
    answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
) -> Service {
    Arc::new(move |request| Box::pin(answer(request)))
}

/// An upstream that speaks HTTP/2 only.
pub async fn upstream(trust: &Trust, host: &str, service: Service) -> Upstream {
    let (listener, acceptor) = trust.listen(host, &["h2"]).await;
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let counting = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.lock().unwrap().connections += 1;
            let (acceptor, service, seen) = (acceptor.clone(), Arc::clone(&service), Arc::clone(&counting));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let noting = Arc::clone(&seen);
                let answer = service_fn(move |request: Request<Incoming>| {
                    noting.lock().unwrap().requests.push(told(&request));
                    let answering = service(request);
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let end = Arc::clone(&seen.lock().unwrap().end);
                let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
                tokio::select! {
                    served = serving.as_mut() => drop(served),
                    () = end.notified() => {
                        serving.as_mut().graceful_shutdown();
                        drop(serving.await);
                    }
                }
                seen.lock().unwrap().closed += 1;
            });
        }
    });
    Upstream { address, seen }
}

/// A request's head in lines.
fn told(request: &Request<Incoming>) -> String {
    let mut lines = vec![format!("{} {} {:?}", request.method(), request.uri(), request.version())];
    lines.extend(request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
    lines.join("\n")
}

/// A body of these bytes, with these trailers after it.
pub fn body(bytes: impl Into<Bytes>, trailers: Option<HeaderMap>) -> AnyBody {
    let body = Full::new(bytes.into());
    match trailers {
        None => body.boxed(),
        Some(trailers) => body.with_trailers(async move { Some(Ok(trailers)) }).boxed(),
    }
}

/// A reply as a client has it.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
    /// Whether it came to its end.
    pub is_whole: bool,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn refusal(&self) -> Option<&str> {
        self.headers.get("x-tightlip-refusal").map(|code| code.to_str().unwrap())
    }
}

/// A client's HTTP/2 connection.
#[derive(Clone)]
pub struct Connection(SendRequest<AnyBody>);

impl World {
    pub async fn connect_http2(&self, host: &str) -> Connection {
        let stream = self.connect_tls(self.look_up(host).await, 443, host, "h2").await;
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Connection(sender)
    }
}

impl Connection {
    /// Sends a request; its reply as it begins.
    pub async fn begin(&self, request: Request<AnyBody>) -> hyper::Result<Response<Incoming>> {
        let sent = self.0.clone().send_request(request);
        tokio::time::timeout(WAIT, sent).await.expect("a reply in time")
    }

    pub async fn ask(&self, request: Request<AnyBody>) -> Reply {
        read(self.begin(request).await.expect("a reply")).await
    }

    pub async fn get(&self, host: &str, path: &str, token: Option<&str>) -> Reply {
        self.ask(get(host, path, token)).await
    }
}

pub fn get(host: &str, path: &str, token: Option<&str>) -> Request<AnyBody> {
    let mut request = Request::get(format!("https://{host}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(body("", None)).unwrap()
}

/// Reads a reply to its end, or to where it breaks off.
pub async fn read(response: Response<Incoming>) -> Reply {
    let (parts, mut incoming) = response.into_parts();
    let mut reply = Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: Vec::new(),
        trailers: HeaderMap::new(),
        is_whole: incoming.is_end_stream(),
    };
    loop {
        match tokio::time::timeout(WAIT, incoming.frame()).await.expect("a frame in time") {
            None => {
                reply.is_whole = true;
                return reply;
            }
            Some(Err(_)) => return reply,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => reply.body.extend_from_slice(&data),
                Err(frame) => reply.trailers = frame.into_trailers().unwrap(),
            },
        }
    }
}

/// A body that says these pieces as they come.
pub fn pieces(mut from: tokio::sync::mpsc::UnboundedReceiver<&'static str>) -> AnyBody {
    let stream = futures_util::stream::poll_fn(move |context| {
        from.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    });
    BodyExt::boxed(http_body_util::StreamBody::new(stream))
}

const WAIT: Duration = Duration::from_secs(20);
