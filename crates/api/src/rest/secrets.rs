//! `/v1/secrets`: the contract's S1 to S8.

use axum::response::Response;
use model::SecretName;

use crate::call::Call;
use crate::views::{SecretListView, SecretView};
use crate::{bodies, queries};

/// `POST /v1/secrets`
pub(crate) async fn create(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let body = bodies::create(call.body()?)?;
        Ok(SecretView::from(desk.house.secrets().create(caller, body.name, body.value)?))
    })
    .await
}

/// `GET /v1/secrets`
pub(crate) async fn list(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let page = queries::page(&call.uri)?;
        Ok(SecretListView::from(desk.house.secrets().list(caller, &page)?))
    })
    .await
}

/// `GET /v1/secrets/{name}`
pub(crate) async fn get(call: Call) -> Response {
    call.look(|desk, caller, call| Ok(SecretView::from(desk.house.secrets().get(caller, &call.name()?)?))).await
}

/// `POST /v1/secrets/{name}`
pub(crate) async fn update(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let name = call.name()?;
        let body = bodies::update(call.body()?)?;
        Ok(SecretView::from(desk.house.secrets().update(caller, &name, body.value)?))
    })
    .await
}

/// `POST /v1/secrets/{name}/delete`
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let name = call.name()?;
        bodies::empty(call.body()?)?;
        Ok(SecretView::from(desk.house.secrets().delete(caller, &name)?))
    })
    .await
}

/// `POST /v1/secrets/id/delete`: a secret may be named `id`, and what stands at the next place is then no id.
pub(crate) async fn delete_named_id(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        bodies::empty(call.body()?)?;
        let name: SecretName = "id".parse().expect("`id` is a legal name");
        Ok(SecretView::from(desk.house.secrets().delete(caller, &name)?))
    })
    .await
}

/// `GET /v1/secrets/id/{id}`
pub(crate) async fn get_by_id(call: Call) -> Response {
    call.look(|desk, caller, call| Ok(SecretView::from(desk.house.secrets().get(caller, &call.id()?)?))).await
}

/// `POST /v1/secrets/id/{id}/update`
pub(crate) async fn update_by_id(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let id = call.id()?;
        let body = bodies::update(call.body()?)?;
        Ok(SecretView::from(desk.house.secrets().update(caller, &id, body.value)?))
    })
    .await
}

/// `POST /v1/secrets/id/{id}/delete`
pub(crate) async fn delete_by_id(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let id = call.id()?;
        bodies::empty(call.body()?)?;
        Ok(SecretView::from(desk.house.secrets().delete(caller, &id)?))
    })
    .await
}
