//! The door for agents inside a devbox: a name of ours, which the gateway answers itself. Who asks is the devbox whose connection it is, and nobody else is asked.
//!
//! What never happens here: a credential that is looked for, a connection that leaves, a decision, which is the service's.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use link::agents::AgentVerb;
use mcp::{Answered, Backend, BoxFuture, DEVBOX_HOST, PATH, Server, Unanswered};
use model::{Host, Refusal};
use service::Agent;

use crate::body::{Unread, read_message};
use crate::listen::Devbox;
use crate::refuse::told;
use crate::reply::ReplyBody;

/// Whether a host is the name of ours.
pub(crate) fn is_ours(host: &Host) -> bool {
    host.as_str() == DEVBOX_HOST
}

/// Answers a request for the name of ours.
///
/// # Errors
/// The refusal, where the devbox's key has ended or the body does not come.
pub(crate) async fn answer(devbox: &Arc<Devbox>, parts: &Parts, body: &mut Option<Unread>) -> Result<Response<ReplyBody>, Refusal> {
    let asking = Arc::clone(devbox);
    devbox.blocking(move || asking.net.gate.key_stands(&asking.card)).await.unwrap_or(Err(Refusal::Undecided))?;
    if parts.uri.path() != PATH {
        return Ok(told(nothing_here()));
    }
    let Some(message) = read_message(devbox, body, mcp::limits::MESSAGE_BYTES_MAX).await? else { return Err(Refusal::BodyTooLarge) };
    let server = Server::new(Arc::new(Inside { devbox: Arc::clone(devbox) }));
    Ok(told(mcp::http::answer(server, &parts.method, &parts.headers, &message).await))
}

/// What answers a devbox.
struct Inside {
    devbox: Arc<Devbox>,
}

impl Backend for Inside {
    fn ask(&self, verb: AgentVerb) -> BoxFuture<'_, Answered> {
        let devbox = Arc::clone(&self.devbox);
        let asked = move || {
            let told = devbox.net.gate.agent(&Agent::Devbox(&devbox.card), verb);
            // The devbox may end before a person comes.
            devbox.net.activity.expect_at_link_of(&told);
            told
        };
        Box::pin(async move { self.devbox.blocking(asked).await.ok_or(Unanswered::Away) })
    }

    fn aside(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.devbox.blocking(work).await.unwrap_or_default() })
    }

    fn pages(&self) -> Option<String> {
        self.devbox.net.pages.as_deref().and_then(address)
    }
}

/// Where the api answers, as the supervisor wrote it down.
fn address(file: &FilePath) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|text| text.starts_with("http"))
}

fn nothing_here() -> Response<Bytes> {
    let body = serde_json::json!({ "message": "there is nothing here but /mcp", "code": "route_unknown" }).to_string();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
