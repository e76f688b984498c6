//! The door over HTTP (streamable HTTP, both revisions, without sessions): one message in, one answer out, as JSON.
//!
//! Whoever is before it has seen the caller, the `Host` and the limits of its own. Here the guard comes first; then the protocol's own machinery sees the message and
//! the headers that it is made for, and no others; and last, whatever that machinery says of an error is said in words of ours, since its own repeat what was sent.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;

use crate::DEVBOX_HOST;
use crate::guard::{self, Verdict};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::problem::{self, Problem};
use crate::server::Server;

/// Answers one request, whose body was read.
pub async fn answer(server: Server, method: &Method, headers: &HeaderMap, body: &[u8]) -> Response<Bytes> {
    if *method != Method::POST {
        let mut refused = Problem::Method.into_response(None);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    if body.len() > MESSAGE_BYTES_MAX {
        return Problem::TooLarge.into_response(None);
    }
    if !takes_json(headers) {
        return Problem::NotAcceptable.into_response(None);
    }
    let Some(mut passed) = passed_on(headers) else { return Problem::Header.into_response(None) };
    let body = body.to_vec();
    let message = match server.aside(move || guard::judge(&body)).await {
        None => return Problem::Internal.into_response(None),
        Some(Verdict::Clean(message)) => message,
        Some(Verdict::Emptied(message)) => {
            rename(&mut passed, &message);
            message
        }
        Some(Verdict::Refused(problem, id)) => return problem.into_response(id),
        Some(Verdict::Dropped) => return plain(StatusCode::ACCEPTED, Bytes::new()),
        Some(Verdict::Illegible) => return Problem::NotJson.into_response(None),
    };
    let id = message.get("id").cloned();
    let mut request = Request::new(Full::new(Bytes::from(message.to_string())));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = passed;
    in_our_words(service(server).handle(request).await, id).await
}

/// The protocol's own machinery. Names and origins were looked at before; what is refused there is refused here as well.
fn service(server: Server) -> StreamableHttpService<Server, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(None)
        .with_allowed_hosts([DEVBOX_HOST])
        .enforce_origin_validation()
        .with_max_request_body_bytes(MESSAGE_BYTES_MAX);
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}

/// Whether a client says that it takes JSON, or nothing.
fn takes_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let takes =
        |said: &str| said.split(',').map(|one| one.split(';').next().unwrap_or_default().trim()).any(|kind| JSON_KINDS.contains(&kind));
    said.peek().is_none() || said.any(takes)
}

/// The headers that the protocol is made of; none where one of them cannot be read without doubt.
fn passed_on(headers: &HeaderMap) -> Option<HeaderMap> {
    let mut passed = HeaderMap::new();
    passed.insert(HOST, HeaderValue::from_static(DEVBOX_HOST));
    // Every answer is JSON, so a client need not say that it takes streams as well, nor what it sends where it is JSON.
    passed.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if !headers.contains_key(CONTENT_TYPE) {
        passed.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for name in [CONTENT_TYPE, ORIGIN, PROTOCOL_VERSION, MCP_METHOD, MCP_NAME] {
        for value in headers.get_all(&name) {
            if !guard::is_plain_header(value.as_bytes()) {
                return None;
            }
            passed.append(name.clone(), value.clone());
        }
    }
    Some(passed)
}

/// The tool of an emptied call, where the headers name one.
fn rename(headers: &mut HeaderMap, message: &Value) {
    let name = message.pointer("/params/name").and_then(Value::as_str).and_then(|name| HeaderValue::from_str(name).ok());
    if let (Some(name), true) = (name, headers.contains_key(MCP_NAME)) {
        headers.insert(MCP_NAME, name);
    }
}

/// A result as it is, an error in our words, and anything else as an error.
async fn in_our_words<B>(response: Response<B>, id: Option<Value>) -> Response<Bytes>
where
    B: http_body::Body<Data = Bytes>,
{
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if status.is_success() && !is_json && status != StatusCode::ACCEPTED {
        // A stream of events: nothing here makes one.
        return Problem::Internal.into_response(id);
    }
    let Ok(body) = response.into_body().collect().await.map(http_body_util::Collected::to_bytes) else {
        return Problem::Internal.into_response(id);
    };
    if status == StatusCode::ACCEPTED {
        return plain(status, Bytes::new());
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(mut said) if said.get("error").is_some() => {
            problem::reword(&mut said);
            plain(status, Bytes::from(said.to_string()))
        }
        Ok(_) if status.is_success() => plain(status, body),
        Ok(_) | Err(_) => Problem::of_status(status).into_response(id),
    }
}

fn plain(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let has_body = !body.is_empty();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if has_body {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

impl Problem {
    /// As a message that answers the one with this number.
    fn into_response(self, id: Option<Value>) -> Response<Bytes> {
        plain(self.status(), Bytes::from(self.message(id).to_string()))
    }
}

/// What `Accept` may say for JSON (RFC 9110, section 12.5.1).
const JSON_KINDS: [&str; 3] = ["application/json", "application/*", "*/*"];
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
