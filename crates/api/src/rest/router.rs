//! Every route, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::{agents, bindings, devboxes, documents, events, executions, gateways, health, keys, metrics, requests, secrets, skills};
use crate::bodies;
use crate::desk::Desk;
use crate::host;
use crate::limits::REQUEST_TIME;
use crate::observe;
use crate::problem::ApiError;
use crate::rates;
use crate::ui::{entry, files, home, pages};

/// The router of the whole api.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/secrets", get(secrets::list).post(secrets::create))
        .route("/v1/secrets/{name}", get(secrets::get).post(secrets::update))
        .route("/v1/secrets/{name}/delete", post(secrets::delete))
        .route("/v1/secrets/id/{id}", get(secrets::get_by_id))
        .route("/v1/secrets/id/{id}/update", post(secrets::update_by_id))
        .route("/v1/secrets/id/{id}/delete", post(secrets::delete_by_id))
        .route("/v1/secrets/id/delete", get(secrets::get_by_id).post(secrets::delete_named_id))
        .route("/v1/gateway-configs", get(gateways::list).post(gateways::create))
        .route("/v1/gateway-configs/{id}", get(gateways::get).post(gateways::update))
        .route("/v1/gateway-configs/{id}/delete", post(gateways::delete))
        .route("/v1/devboxes", get(devboxes::list).post(devboxes::create))
        .route("/v1/devboxes/create_and_await_running", post(devboxes::create_and_await_running))
        .route("/v1/devboxes/env", post(devboxes::env))
        .route("/v1/devboxes/{id}", get(devboxes::get))
        .route("/v1/devboxes/{id}/wait_for_status", post(devboxes::wait_for_status))
        .route("/v1/devboxes/{id}/shutdown", post(devboxes::shutdown))
        .route("/v1/devboxes/{id}/keep_alive", post(devboxes::keep_alive))
        .route("/v1/devboxes/{id}/create_gateway_token", post(devboxes::create_gateway_token))
        .route("/v1/devboxes/{id}/execute", post(executions::execute))
        .route("/v1/devboxes/{id}/execute_async", post(executions::execute_async))
        .route("/v1/devboxes/{id}/execute_sync", post(executions::execute_sync))
        .route("/v1/devboxes/{devbox_id}/executions/{execution_id}", get(executions::get))
        .route("/v1/devboxes/{devbox_id}/executions/{execution_id}/wait_for_status", post(executions::wait_for_status))
        .route("/v1/devboxes/{devbox_id}/executions/{execution_id}/kill", post(executions::kill))
        .route("/v1/devboxes/{devbox_id}/executions/{execution_id}/stream_stdout_updates", get(executions::stream_stdout))
        .route("/v1/devboxes/{devbox_id}/executions/{execution_id}/stream_stderr_updates", get(executions::stream_stderr))
        .route("/v1/bindings", get(bindings::list))
        .route("/v1/bindings/{secret_name}", get(bindings::get))
        .route("/v1/requests", get(requests::list))
        .route("/v1/requests/{id}", get(requests::get))
        .route("/v1/events", get(events::list))
        .route("/v1/api-keys", get(keys::list).post(keys::create))
        .route("/v1/api-keys/{id}/revoke", post(keys::revoke))
        .route("/mcp", post(agents::mcp))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/openapi.yaml", get(documents::yaml))
        .route("/openapi.json", get(documents::json))
        .route("/schemas/secret.json", get(documents::secret_schema))
        .route("/llms.txt", get(documents::llms))
        .route("/skills/", get(skills::listing))
        .route("/skills/index.json", get(skills::index))
        .route("/skills/using-brokered-secrets/SKILL.md", get(skills::instructions))
        .route("/skills/using-brokered-secrets/references/refusals.md", get(skills::refusals))
        .route("/skills/using-brokered-secrets/references/clients.md", get(skills::clients))
        .route("/skills/using-brokered-secrets/scripts/check.sh", get(skills::check))
        .route("/", get(home::home))
        .route("/ui/requests/{link}", get(entry::open))
        .route("/ui/entry", get(entry::show).post(entry::store))
        .route("/ui/style.css", get(files::style))
        .route("/ui/icon.svg", get(files::icon))
        .fallback(|request: Request| unserved(request, ApiError::RouteUnknown))
        .method_not_allowed_fallback(|request: Request| unserved(request, ApiError::MethodUnknown))
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), pass))
        .with_state(desk)
}

/// What every request passes, from the outside in. One layer of the router: each costs a copy of the router for every request.
async fn pass(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let (is_page, is_form) = (path.starts_with("/ui/"), path == entry::ENTRY_PATH);
    observe::observe(&desk, request, async |request| {
        let answer = bound(rates::guard(&desk, request, async |request| host::guard(&desk, request, next).await)).await;
        if is_page { pages::for_people(answer, is_form) } else { answer }
    })
    .await
}

/// A refusal to a request that no handler looks at.
async fn unserved(request: Request, error: ApiError) -> Response {
    bodies::discard(request.into_body()).await;
    error.into_response()
}

/// What holds for every answer: it comes in time, is kept by nobody, and is what it says it is.
async fn bound(answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIME, answer).await;
    let mut response = answer.unwrap_or_else(|_| ApiError::Slow.into_response());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
