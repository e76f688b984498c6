//! One request, one answer, over HTTP/1.1 (RFC 9112), with or without TLS.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::error::ClientError;
use crate::trust::failed;

/// A server, and the key that is shown to it. Calls block.
pub struct Client {
    runtime: Runtime,
    door: Door,
    base: String,
    key: Option<HeaderValue>,
}

/// The certificate authorities are loaded only where the address asks for TLS.
enum Door {
    Plain(Pool<HttpConnector, Full<Bytes>>),
    Tls(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// What the server says when it refuses.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: String,
}

impl Client {
    /// A client of the server at `url` (`http://HOST:PORT` or `https://HOST`), showing `key` as its bearer credential (RFC 6750).
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Key`] for what cannot be used, [`ClientError::Setup`] when the system does not allow it.
    pub fn new(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| ClientError::Address)?;
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(ClientError::Address);
        }
        let door = match uri.scheme_str() {
            Some("http") => Door::Plain(Pool::builder(TokioExecutor::new()).build(connector())),
            Some("https") => Door::Tls(Pool::builder(TokioExecutor::new()).build(tls()?)),
            Some(_) | None => return Err(ClientError::Address),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ClientError::Setup)?;
        Ok(Self { runtime, door, base: url.trim_end_matches('/').to_owned(), key: key.map(bearer).transpose()? })
    }

    pub(crate) fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        self.exchange(self.request(method, path, body, "application/json")?)
    }

    /// Says something at the door for agents, whose clients take streams too. An agent may be silent for minutes, longer than a server keeps an idle connection, so
    /// each thing that it says has a connection of its own.
    pub(crate) fn say<T: DeserializeOwned>(&self, path: &str, body: Bytes, header: (HeaderName, HeaderValue)) -> Result<T, ClientError> {
        let mut request = self.request(Method::POST, path, body, "application/json, text/event-stream")?;
        request.headers_mut().insert(header.0, header.1);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        self.exchange(request)
    }

    fn exchange<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<T, ClientError> {
        self.runtime.block_on(async {
            let exchange = async {
                let response = self.send(request).await?;
                let (status, wait) = (response.status(), seconds_to_wait(&response));
                let bytes = read_all(response).await?;
                if status.is_success() {
                    serde_json::from_slice(&bytes).map_err(|_| ClientError::Malformed)
                } else {
                    Err(refused(status.as_u16(), wait, &bytes))
                }
            };
            tokio::time::timeout(CALL_TIMEOUT, exchange).await.map_err(|_| ClientError::Timeout)?
        })
    }

    /// Opens a stream of server-sent events and hands each piece of it to `take`, until that says stop, the server ends it, or `quiet` has passed without
    /// a byte.
    pub(crate) fn stream(
        &self,
        path: &str,
        quiet: Duration,
        mut take: impl FnMut(&[u8]) -> Result<bool, ClientError>,
    ) -> Result<(), ClientError> {
        let request = self.request(Method::GET, path, Bytes::new(), "text/event-stream")?;
        self.runtime.block_on(async {
            let response = tokio::time::timeout(CALL_TIMEOUT, self.send(request)).await.map_err(|_| ClientError::Timeout)??;
            let (status, wait) = (response.status(), seconds_to_wait(&response));
            if !status.is_success() {
                return Err(refused(status.as_u16(), wait, &read_all(response).await?));
            }
            let mut body = response.into_body();
            loop {
                let frame = tokio::time::timeout(quiet, body.frame()).await.map_err(|_| ClientError::Timeout)?;
                let Some(frame) = frame else { return Ok(()) };
                let frame = frame.map_err(failed)?;
                if let Some(data) = frame.data_ref()
                    && !take(data)?
                {
                    return Ok(());
                }
            }
        })
    }

    fn request(&self, method: Method, path: &str, body: Bytes, accept: &'static str) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("tightlip/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body)).map_err(|_| ClientError::Address)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let sent = match &self.door {
            Door::Plain(pool) => pool.request(request).await,
            Door::Tls(pool) => pool.request(request).await,
        };
        sent.map_err(failed)
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector
}

fn tls() -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(ClientError::Setup)?;
    Ok(builder.https_only().enable_http1().wrap_connector(connector()))
}

fn bearer(key: &str) -> Result<HeaderValue, ClientError> {
    let mut header = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ClientError::Key)?;
    header.set_sensitive(true);
    Ok(header)
}

async fn read_all(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(failed)
}

/// In how many seconds the server wants to be asked again, where it says so (RFC 9110 section 10.2.3); a date is not read.
fn seconds_to_wait(response: &Response<Incoming>) -> Option<u32> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// The server's refusal; what is not one of ours keeps its status only.
fn refused(status: u16, wait: Option<u32>, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice::<Problem>(body).unwrap_or(Problem { message: String::new(), code: String::new() });
    let message = plain(&problem.message, MESSAGE_CHARS_MAX);
    let message = if message.is_empty() { format!("the server answered with status {status} and no reason") } else { message };
    let message =
        wait.filter(|_| status == TOO_MANY_REQUESTS).map_or(message.clone(), |seconds| format!("{message} (it asks to wait {seconds} s)"));
    ClientError::Status { status, code: plain(&problem.code, CODE_CHARS_MAX), message }
}

/// Text from a server that may be anybody's: nothing that a terminal would obey.
fn plain(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}

/// How long a server on another machine may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one call may take: the api waits for a busy disk, and no person waits longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A page of 5,000 secrets with the longest names is under 3 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const TOO_MANY_REQUESTS: u16 = 429;
const MESSAGE_CHARS_MAX: usize = 1000;
const CODE_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_url_is_refused() {
        for url in ["", "127.0.0.1:7080", "ftp://a", "http://", "/x", "http://a b", "http://a/?x=1"] {
            assert!(matches!(Client::new(url, None), Err(ClientError::Address)), "{url}");
        }
    }

    #[test]
    fn a_key_that_would_break_the_header_is_refused() {
        assert!(matches!(Client::new("http://127.0.0.1:1", Some("a\r\nb: c")), Err(ClientError::Key)));
    }

    #[test]
    fn nobody_listening_is_unreachable() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address");
        drop(taken);
        let client = Client::new(&format!("http://{address}"), None).expect("a client");
        let error = client.call::<()>(Method::GET, "/healthz", Bytes::new()).expect_err("nobody");
        assert!(matches!(error, ClientError::Unreachable(_)) && error.is_unsent());
    }

    #[test]
    fn what_an_agent_says_needs_no_connection_that_was_kept() {
        use std::io::{Read, Write};
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = Client::new(&format!("http://{}", server.local_addr().expect("an address")), None).expect("a client");
        // It says nothing of closing, and closes.
        let serving = std::thread::spawn(move || {
            for _ in 0..3 {
                let (mut caller, _) = server.accept().expect("a caller");
                let mut head = [0_u8; 4096];
                let read = caller.read(&mut head).expect("a request");
                assert!(String::from_utf8_lossy(&head[..read]).to_lowercase().contains("connection: close"));
                caller.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull").expect("a reader");
            }
        });
        for _ in 0..3 {
            client.say::<()>("/mcp", Bytes::from_static(b"{}"), (ACCEPT, HeaderValue::from_static("*/*"))).expect("an answer");
        }
        serving.join().expect("a server");
    }

    #[test]
    fn a_refusal_keeps_the_servers_words_and_loses_control_characters() {
        let error = refused(400, None, b"{\"message\":\"a\\u001b[31m b\",\"code\":\"duplicate\"}");
        assert!(matches!(&error, ClientError::Status { status: 400, code, message } if code == "duplicate" && message == "a[31m b"));
        assert_eq!(refused(502, None, b"<html>").to_string(), "the server answered with status 502 and no reason");
        assert_eq!(refused(429, Some(2), b"{\"message\":\"too fast\"}").to_string(), "too fast (it asks to wait 2 s)");
    }
}
