//! `/v1/requests`: what agents ask of people, read from the gateway. They are decided at the gateway alone: `tightlip approve` and `tightlip refuse`.

use axum::response::Response;
use link::agents::{AgentRequest, AgentTell, AgentVerb};
use model::RequestId;
use model::limits::LINK_PAGE_ITEMS_MAX;

use crate::call::{Call, Reading, shown};
use crate::front::FrontError;
use crate::problem::ApiError;
use crate::queries;
use crate::views::requests::{RequestListView, RequestView};

/// `GET /v1/requests`
pub(crate) async fn list(call: Call) -> Response {
    shown(async {
        let (reading, (limit, after)) = call.reading(|call| Ok(queries::requests(&call.uri)?)).await?;
        pages(&reading, limit, after).await
    })
    .await
}

/// `GET /v1/requests/{id}`
pub(crate) async fn get(call: Call) -> Response {
    shown(async {
        let (reading, id) = call.reading(|call| call.named().ok_or(ApiError::RequestUnknown)).await?;
        let AgentTell::Request(request) = ask(&reading, AgentVerb::RequestStatus { id }).await? else {
            return Err(FrontError::Failed.into());
        };
        Ok(RequestView::from(*request))
    })
    .await
}

/// A page; the gateway answers with as many as fit into one message, so it is asked until it has no more or there are enough.
async fn pages(reading: &Reading, limit: usize, mut after: Option<RequestId>) -> Result<RequestListView, ApiError> {
    let mut requests: Vec<AgentRequest> = Vec::new();
    loop {
        let verb = AgentVerb::ListRequests { after: after.take(), limit: LINK_PAGE_ITEMS_MAX.min(limit - requests.len()) };
        let AgentTell::Requests { requests: more, has_more } = ask(reading, verb).await? else { return Err(FrontError::Failed.into()) };
        let is_done = !has_more || more.is_empty();
        requests.extend(more);
        if is_done || requests.len() >= limit {
            requests.truncate(limit);
            // Without a last one there is nothing to go on after.
            let has_more = has_more && !requests.is_empty();
            return Ok(RequestListView { requests: requests.into_iter().map(RequestView::from).collect(), has_more });
        }
        after = requests.last().map(|last| last.id.clone());
    }
}

async fn ask(reading: &Reading, verb: AgentVerb) -> Result<AgentTell, ApiError> {
    let told = reading.desk.front.ask_agent(reading.credential.bearer()?, verb).await?;
    if let AgentTell::Denied(denied) = told { Err(denied.into()) } else { Ok(told) }
}
