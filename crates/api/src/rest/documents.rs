//! The document that the whole API is held to, as it stands, the schema of a secret, and what a model reads first. Open to everyone: they say what the source says.

use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

/// `GET /openapi.yaml`
pub(crate) async fn yaml() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/yaml")], OPENAPI_YAML)
}

/// `GET /openapi.json`
pub(crate) async fn json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON)
}

/// `GET /schemas/secret.json`
pub(crate) async fn secret_schema() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/schema+json")], SECRET_SCHEMA)
}

/// `GET /llms.txt`
pub(crate) async fn llms() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], LLMS)
}

/// The document (OpenAPI 3.0.3), written by hand.
pub const OPENAPI_YAML: &str = include_str!("../../openapi.yaml");
/// The same in JSON, made of it by `cargo xtask openapi`.
pub const OPENAPI_JSON: &str = include_str!("../../openapi.json");
/// A secret as JSON Schema (2020-12).
pub const SECRET_SCHEMA: &str = include_str!("../../schemas/secret.json");
/// What this server is and where a model reads on (llmstxt.org).
pub const LLMS: &str = include_str!("../../llms.txt");
