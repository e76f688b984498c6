//! `/v1/bindings`: read from the gateway. They change at the gateway alone.

use axum::response::Response;
use link::front::{Ask, Tell};
use model::{Scope, SecretId, SecretName};
use service::Caller;

use crate::call::Call;
use crate::desk::Desk;
use crate::front::FrontError;
use crate::problem::ApiError;
use crate::queries;
use crate::views::BindingListView;

/// `GET /v1/bindings`
pub(crate) async fn list(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        caller.require(Scope::Read)?;
        ask(desk, caller, None, queries::starting_after(&call.uri)?)
    })
    .await
}

/// `GET /v1/bindings/{secret_name}`
pub(crate) async fn get(call: Call) -> Response {
    call.answer(|desk, caller, call| {
        let secret = desk.house.secrets().get(caller, &call.name()?)?;
        ask(desk, caller, Some(secret.name), None)
    })
    .await
}

fn ask(desk: &Desk, caller: &Caller, name: Option<SecretName>, after: Option<SecretId>) -> Result<BindingListView, ApiError> {
    let told = desk.front.ask(Ask::Bindings { account: caller.account.id.clone(), name, after })?;
    let Tell::Bindings { bindings, next } = told else { return Err(FrontError::Failed.into()) };
    Ok(BindingListView::new(bindings, next))
}
