//! `/metrics`: figures over all accounts, so for the owner's account alone.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use link::front::{Ask, Tell};
use model::Scope;

use crate::call::Call;
use crate::metrics::Elsewhere;
use crate::problem::ApiError;

/// `GET /metrics`
pub(crate) async fn show(call: Call) -> Response {
    let text = call
        .done(|desk, caller, _| {
            caller.require(Scope::Read)?;
            desk.house.require_owner(caller)?;
            // Where the gateway is away, who watches the server wants the other figures all the more.
            let gateway = if let Ok(Tell::Figures(figures)) = desk.front.ask(Ask::Figures) { Some(figures) } else { None };
            let elsewhere = Elsewhere { commits: desk.house.commits(), gateway };
            desk.metrics.text(&elsewhere).map_err(|_| ApiError::Internal)
        })
        .await;
    match text {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The OpenMetrics 1.0 specification, section on text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
