//! What pages are drawn with, served from here and from nowhere else.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::ui::pages::guarded;

/// `GET /ui/style.css`
pub(crate) async fn style() -> Response {
    guarded(([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response())
}

/// `GET /ui/icon.svg`
pub(crate) async fn icon() -> Response {
    guarded(([(CONTENT_TYPE, "image/svg+xml")], ICON).into_response())
}

const STYLE: &str = include_str!("../../templates/style.css");
const ICON: &str = include_str!("../../templates/icon.svg");
