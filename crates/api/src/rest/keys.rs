//! `/v1/api-keys`: made, listed and revoked by keys with the scope `keys`. A new key is shown in the answer that makes it, and never again.

use axum::response::Response;
use service::KeysError;

use crate::call::Call;
use crate::views::{ApiKeyListView, ApiKeyView, CreatedKeyView};
use crate::{bodies, queries};

/// `POST /v1/api-keys`
pub(crate) async fn create(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let plan = bodies::key(call.body()?)?;
        Ok(CreatedKeyView::from(desk.house.create_key(caller, plan)?))
    })
    .await
}

/// `GET /v1/api-keys`
pub(crate) async fn list(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let (limit, after) = queries::keys(&call.uri)?;
        Ok(ApiKeyListView::from(desk.house.keys(caller, after.as_ref(), limit)?))
    })
    .await
}

/// `POST /v1/api-keys/{id}/revoke`
pub(crate) async fn revoke(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let id = call.named().ok_or(KeysError::NotFound);
        bodies::empty(call.body()?)?;
        Ok(ApiKeyView::from(desk.house.revoke_key(caller, &id?)?))
    })
    .await
}
