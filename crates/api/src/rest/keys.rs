//! `/v1/api-keys`: made, listed and revoked by keys with the scope `keys`. A new key is shown in the answer that makes it, and never again.

use axum::response::Response;
use link::front::{Ask, Tell};
use service::{KeyDraft, KeysError};

use crate::call::{Call, Credential};
use crate::desk::Desk;
use crate::front::FrontError;
use crate::limits::GATEWAY_WRITE_TIME;
use crate::problem::ApiError;
use crate::views::{ApiKeyListView, ApiKeyView, CreatedKeyView};
use crate::{bodies, queries};

/// `POST /v1/api-keys`
pub(crate) async fn create(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let draft = desk.house.draft_key(caller, bodies::key(call.body()?)?)?;
        let mac = mark(desk, &call.credential(), &draft)?;
        Ok(CreatedKeyView::from(desk.house.keep_key(caller, draft, mac)?))
    })
    .await
}

/// The gateway's mark, without which a key is good for nothing there. The gateway asks for the caller's own key, since it does not take our word.
fn mark(desk: &Desk, credential: &Credential, draft: &KeyDraft) -> Result<Vec<u8>, ApiError> {
    let ask = Ask::MarkKey { api_key: credential.bearer()?.to_owned(), new: draft.to_mark() };
    let Tell::Marked(marked) = desk.front.ask_within(ask, GATEWAY_WRITE_TIME)? else { return Err(FrontError::Failed.into()) };
    Ok(marked?)
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
