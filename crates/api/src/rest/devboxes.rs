//! `/v1/devboxes`: asked of the gateway, which makes and keeps them.

use std::time::Duration;

use axum::response::Response;
use link::front::{DevboxTell, DevboxVerb};
use model::limits::LINK_PAGE_ITEMS_MAX;
use model::{DevboxId, DevboxStatus, Hosted, Scope};

use crate::asking::{Asking, check_size};
use crate::bodies::devboxes as bodies;
use crate::bodies::environments;
use crate::call::{Call, shown};
use crate::front::FrontError;
use crate::limits::{COMMAND_HOLD, DEVBOX_END_TIME, DEVBOX_TIME};
use crate::problem::ApiError;
use crate::queries::{self, DevboxPage};
use crate::views::devboxes::{DevboxListView, DevboxView, GatewayTokenView};
use crate::views::environments::EnvironmentView;

/// `POST /v1/devboxes`
pub(crate) async fn create(call: Call) -> Response {
    shown(async {
        let (asking, verb) = new(call).await?;
        Ok(DevboxView::from(asking.devbox(verb, DEVBOX_TIME).await?))
    })
    .await
}

/// `POST /v1/devboxes/create_and_await_running`: a retry under the same number gets the same devbox, and waits on.
pub(crate) async fn create_and_await_running(call: Call) -> Response {
    shown(async {
        let (asking, verb) = new(call).await?;
        let devbox = asking.devbox(verb, DEVBOX_TIME).await?;
        waited(&asking, devbox.id, vec![DevboxStatus::Running], COMMAND_HOLD).await
    })
    .await
}

/// `GET /v1/devboxes`
pub(crate) async fn list(call: Call) -> Response {
    shown(async {
        let (asking, page) = call.asking(Scope::Read, |call| Ok(queries::devboxes(&call.uri)?)).await?;
        pages(&asking, page).await
    })
    .await
}

/// `GET /v1/devboxes/{id}`
pub(crate) async fn get(call: Call) -> Response {
    shown(async {
        let (asking, devbox) = call.asking(Scope::Read, Call::devbox).await?;
        let verb = DevboxVerb::Get { devbox, until: Vec::new(), wait_ms: 0 };
        Ok(DevboxView::from(asking.devbox(verb, Duration::ZERO).await?))
    })
    .await
}

/// `POST /v1/devboxes/{id}/wait_for_status`
pub(crate) async fn wait_for_status(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| Ok((call.devbox(), bodies::wait(call.body()?)?));
        let (asking, (devbox, wait)) = call.asking(Scope::Read, parse).await?;
        waited(&asking, devbox?, wait.statuses, wait.hold).await
    })
    .await
}

/// `POST /v1/devboxes/{id}/shutdown`
pub(crate) async fn shutdown(call: Call) -> Response {
    shown(async {
        let (asking, devbox) = call.asking(Scope::Devbox, bare).await?;
        let _place = asking.place()?;
        Ok(DevboxView::from(asking.devbox(DevboxVerb::Shutdown { devbox }, DEVBOX_END_TIME).await?))
    })
    .await
}

/// `POST /v1/devboxes/{id}/keep_alive`
pub(crate) async fn keep_alive(call: Call) -> Response {
    shown(async {
        let (asking, devbox) = call.asking(Scope::Devbox, bare).await?;
        Ok(DevboxView::from(asking.devbox(DevboxVerb::KeepAlive { devbox }, DEVBOX_TIME).await?))
    })
    .await
}

/// `POST /v1/devboxes/{id}/create_gateway_token`
pub(crate) async fn create_gateway_token(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| Ok((call.devbox(), bodies::gateway_token(call.body()?)?));
        let (asking, (devbox, (gateway, secret))) = call.asking(Scope::Devbox, parse).await?;
        let verb = check_size(DevboxVerb::GatewayToken { devbox: devbox?, gateway, secret })?;
        let DevboxTell::GatewayToken(made) = asking.ask(verb, DEVBOX_TIME).await? else { return Err(FrontError::Failed.into()) };
        Ok(GatewayTokenView::from(made))
    })
    .await
}

/// `POST /v1/devboxes/env`: the answer carries a credential and is kept nowhere, so a retry ends what was made before and makes anew.
pub(crate) async fn env(call: Call) -> Response {
    shown(async {
        let parse = |call: &Call| check_size(DevboxVerb::Env(Box::new(environments::env(call.body()?, call.digest())?)));
        let (asking, verb) = call.asking(Scope::Devbox, parse).await?;
        let DevboxTell::Remote(made) = asking.ask(verb, DEVBOX_TIME).await? else { return Err(FrontError::Failed.into()) };
        Ok(EnvironmentView::from(*made))
    })
    .await
}

/// A devbox that is asked for.
async fn new(call: Call) -> Result<(Asking, DevboxVerb), ApiError> {
    let parse = |call: &Call| check_size(DevboxVerb::Create(Box::new(bodies::create(call.body()?, call.digest())?)));
    call.asking(Scope::Devbox, parse).await
}

/// The devbox in the path, of a request that says no more.
fn bare(call: &Call) -> Result<DevboxId, ApiError> {
    crate::bodies::empty(call.body()?)?;
    call.devbox()
}

/// The devbox, once it is in one of these states or can get into none.
async fn waited(asking: &Asking, devbox: DevboxId, until: Vec<DevboxStatus>, hold: Duration) -> Result<DevboxView, ApiError> {
    let _place = asking.place()?;
    let verb = DevboxVerb::Get { devbox, until: until.clone(), wait_ms: ms(hold) };
    let devbox = asking.devbox(verb, hold).await?;
    let status = devbox.status();
    if until.contains(&status) || status.is_final() { Ok(DevboxView::from(devbox)) } else { Err(ApiError::HoldOver) }
}

/// A page; the gateway answers with as many as fit into one message, so it is asked until it has no more or there are enough.
async fn pages(asking: &Asking, page: DevboxPage) -> Result<DevboxListView, ApiError> {
    let DevboxPage { limit, mut after, status } = page;
    let mut devboxes: Vec<Hosted> = Vec::new();
    loop {
        let verb = DevboxVerb::List { after: after.clone(), limit: LINK_PAGE_ITEMS_MAX.min(limit - devboxes.len()), status };
        let DevboxTell::Devboxes { devboxes: more, has_more, total: total_count } = asking.ask(verb, Duration::ZERO).await? else {
            return Err(FrontError::Failed.into());
        };
        let is_done = !has_more || more.is_empty();
        devboxes.extend(more);
        if is_done || devboxes.len() >= limit {
            devboxes.truncate(limit);
            return Ok(DevboxListView { devboxes: devboxes.into_iter().map(DevboxView::from).collect(), has_more, total_count });
        }
        after = devboxes.last().map(|last| last.id.clone());
    }
}

/// A time in the link's words.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
