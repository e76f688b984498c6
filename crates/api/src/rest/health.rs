//! `/healthz` and `/readyz`: without a key, and without anything that only a key should see.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use link::front::{Ask, Tell};

use crate::call::blocking;
use crate::desk::Desk;
use crate::limits::{DISK_FREE_BYTES_MIN, READY_LIFE};
use crate::problem::ApiError;
use crate::views::StatusView;

/// `GET /healthz`: the process lives.
pub(crate) async fn alive() -> Response {
    Json(StatusView { status: "ok" }).into_response()
}

/// `GET /readyz`: secrets can be written and used.
pub(crate) async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    match looked(&desk).await {
        Ok(reasons) if reasons.is_empty() => Json(StatusView { status: "ready" }).into_response(),
        Ok(reasons) => ApiError::NotReady(reasons).into_response(),
        Err(error) => error.into_response(),
    }
}

/// What the last look found, where that is not long ago. A look writes and asks the gateway, and this route is open to everyone: so one look at a time, and
/// all who wait for it share it.
async fn looked(desk: &Arc<Desk>) -> Result<Vec<String>, ApiError> {
    let mut last = desk.readiness.lock().await;
    match &*last {
        Some((at, reasons)) if at.elapsed() < READY_LIFE => Ok(reasons.clone()),
        Some(_) | None => {
            let own = Arc::clone(desk);
            let reasons = blocking(desk, move || Ok(reasons(&own))).await?;
            *last = Some((Instant::now(), reasons.clone()));
            Ok(reasons)
        }
    }
}

fn reasons(desk: &Desk) -> Vec<String> {
    let mut reasons = Vec::new();
    if desk.house.check().is_err() {
        reasons.push("the store or its events cannot be written".to_owned());
    }
    match rustix::fs::statvfs(desk.house.folder()) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < DISK_FREE_BYTES_MIN => {
            reasons.push(format!("the disk is nearly full: less than {} MiB are free; make room", DISK_FREE_BYTES_MIN >> 20));
        }
        Ok(_) => {}
        Err(_) => reasons.push("the disk does not say how full it is".to_owned()),
    }
    match desk.front.ask(Ask::Health) {
        Ok(Tell::Ready) => {}
        Ok(Tell::NotReady(why)) => reasons.push(format!("the gateway is not ready: {why}")),
        Ok(
            Tell::Bindings { .. }
            | Tell::Events(_)
            | Tell::Figures(_)
            | Tell::KeyUses(_)
            | Tell::Marked(_)
            | Tell::Devbox(_)
            | Tell::Agent(_)
            | Tell::Entry(_)
            | Tell::Failed,
        ) => reasons.push("the gateway could not answer".to_owned()),
        Err(error) => reasons.push(error.to_string()),
    }
    reasons
}
