//! `/v1/gateway-configs`: destinations of base-URL gateways.

use axum::response::Response;
use service::GatewaysError;

use crate::bodies;
use crate::call::Call;
use crate::queries;
use crate::views::gateways::{GatewayConfigListView, GatewayConfigView};

/// `POST /v1/gateway-configs`
pub(crate) async fn create(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let plan = bodies::gateways::create(call.body()?)?;
        Ok(GatewayConfigView::from(desk.house.gateways().create(caller, plan)?))
    })
    .await
}

/// `GET /v1/gateway-configs`
pub(crate) async fn list(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let page = queries::gateway_configs(&call.uri)?;
        Ok(GatewayConfigListView::from(desk.house.gateways().list(caller, &page)?))
    })
    .await
}

/// `GET /v1/gateway-configs/{id}`
pub(crate) async fn get(call: Call) -> Response {
    call.look(|desk, caller, call| {
        let id = call.named().ok_or(GatewaysError::NotFound)?;
        Ok(GatewayConfigView::from(desk.house.gateways().get(caller, &id)?))
    })
    .await
}

/// `POST /v1/gateway-configs/{id}`
pub(crate) async fn update(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let id = call.named().ok_or(GatewaysError::NotFound);
        let change = bodies::gateways::update(call.body()?)?;
        Ok(GatewayConfigView::from(desk.house.gateways().update(caller, &id?, change)?))
    })
    .await
}

/// `POST /v1/gateway-configs/{id}/delete`
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let id = call.named().ok_or(GatewaysError::NotFound);
        bodies::empty(call.body()?)?;
        Ok(GatewayConfigView::from(desk.house.gateways().delete(caller, &id?)?))
    })
    .await
}
