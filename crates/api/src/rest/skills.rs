//! The skill that tells agents how to use secrets, file by file, and the list of skills. Open to everyone: they say what the source says.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use skill::{CHECK, CLIENTS, File, INDEX, INSTRUCTIONS, LISTING, REFUSALS};

/// `GET /skills/`
pub(crate) async fn listing() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], LISTING)
}

/// `GET /skills/index.json`
pub(crate) async fn index() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], INDEX)
}

/// `GET /skills/using-brokered-secrets/SKILL.md`
pub(crate) async fn instructions() -> Response {
    whole(INSTRUCTIONS)
}

/// `GET /skills/using-brokered-secrets/references/refusals.md`
pub(crate) async fn refusals() -> Response {
    whole(REFUSALS)
}

/// `GET /skills/using-brokered-secrets/references/clients.md`
pub(crate) async fn clients() -> Response {
    whole(CLIENTS)
}

/// `GET /skills/using-brokered-secrets/scripts/check.sh`
pub(crate) async fn check() -> Response {
    whole(CHECK)
}

fn whole(file: File) -> Response {
    ([(CONTENT_TYPE, format!("{}; charset=utf-8", file.media_type))], file.text).into_response()
}
