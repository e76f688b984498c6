//! The first page: what this is, and where to read on. A page for browsers, JSON for programs; open to everyone, it says what the source says.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::ui::pages::{self, Home};

/// `GET /`
pub(crate) async fn home(headers: HeaderMap) -> Response {
    let mut response = if wants_page(&headers) { pages::page(&Home { version: VERSION }) } else { Json(links()).into_response() };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether a page is named among what is accepted: browsers name it, programs do not.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/html")))
}

fn links() -> Value {
    json!({
        "name": "tightlip",
        "version": VERSION,
        "openapi": "/openapi.yaml",
        "schemas": ["/schemas/secret.json"],
        "mcp": "/mcp",
        "skills": "/skills/",
        "llms": "/llms.txt",
        "health": "/healthz",
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
