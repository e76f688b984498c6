//! Refusals as replies. The only place from which the gateway speaks to a devbox in its own name.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, PROXY_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};

use model::Refusal;

use crate::reply::ReplyBody;

/// The refusal as a reply: its status, its code, and what mends it.
pub(crate) fn refuse(refusal: Refusal) -> Response<ReplyBody> {
    let body = serde_json::json!({ "message": refusal.message(), "code": refusal.code() }).to_string();
    #[cfg(feature = "faults")]
    let body = format!("{body}{}", crate::faults::noted());
    let mut response = Response::new(ReplyBody::whole(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFUSAL_HEADER, HeaderValue::from_static(refusal.code()));
    // RFC 9110, section 11.7.1. Clients that know several schemes take Basic from it.
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        response.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tightlip\""));
    }
    response
}

/// An answer of the door for agents: the gateway's own, so that nobody keeps it and no host's is taken for it.
pub(crate) fn told(response: Response<Bytes>) -> Response<ReplyBody> {
    let mut response = response.map(ReplyBody::whole);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The forward proxy's consent to a tunnel.
pub(crate) fn tunnel() -> Response<ReplyBody> {
    Response::new(ReplyBody::whole(Bytes::new()))
}

/// The answer to plain HTTP for a host that the devbox may reach: the same over TLS.
pub(crate) fn redirect(location: HeaderValue) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells our refusals from the upstream's: no upstream's reply carries it through the gateway.
pub(crate) const REFUSAL_HEADER: HeaderName = HeaderName::from_static("x-tightlip-refusal");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_its_code_in_head_and_status() {
        for refusal in Refusal::ALL {
            let response = refuse(refusal);
            assert_eq!(response.status().as_u16(), refusal.status());
            assert_eq!(response.headers()[REFUSAL_HEADER], refusal.code());
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
    }
}
