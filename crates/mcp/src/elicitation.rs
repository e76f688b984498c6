//! Showing a person the page where they type a value, by the client's own means (URL elicitation), so that the link need not pass the model.

use rmcp::RoleServer;
use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, InputRequest, InputRequests, InputResponses, ProtocolVersion,
    ServerRequest,
};
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::limits::ELICITATION_WAIT;
use crate::outcome::Outcome;

/// How a client can be asked to show a page.
pub(crate) enum Way {
    /// It cannot, or did not say so.
    Words,
    /// By a result that wants an answer (2026-07-28, SEP-2322): the client calls once more with it.
    ByResult,
    /// By a request of ours over the session (2025-11-25).
    ByRequest,
}

/// What a person did about the link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// They agreed to open it. Whether a value was typed, the request's status says.
    Accepted,
    /// They did not.
    Declined,
    /// Nobody was asked, or did not answer.
    Not,
}

/// A link, and the request it is for.
pub(crate) struct Link {
    pub(crate) id: String,
    url: String,
    name: String,
}

impl Way {
    /// How the client of this call can be asked.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Self {
        let capability = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        if capability.and_then(|elicitation| elicitation.url).is_none() {
            return Self::Words;
        }
        let is_stateless = context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        // Over HTTP every request stands alone, and there is no way back to the client before the result.
        match (is_stateless, context.extensions.get::<http::request::Parts>()) {
            (true, _) => Self::ByResult,
            (false, Some(_)) => Self::Words,
            (false, None) => Self::ByRequest,
        }
    }
}

impl Link {
    /// The link of an outcome that has one.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        let request = outcome.structured.get("request").filter(|_| !outcome.is_error)?;
        let text = |key: &str| request.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self { id: text("id")?, url: text("entry_url")?, name: text("name")? })
    }

    fn params(&self) -> ElicitRequestParams {
        ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: format!(
                "An agent asks for the secret {}. Open this page to see who asks and for which hosts, and to type the value.",
                self.name
            ),
            url: self.url.clone(),
            elicitation_id: self.id.clone(),
        }
    }

    /// The question, for a result that wants an answer.
    pub(crate) fn requests(&self) -> InputRequests {
        InputRequests::from([(ENTRY.to_owned(), InputRequest::Elicitation(ElicitRequest::new(self.params())))])
    }

    /// Asks the client over its session.
    pub(crate) async fn show(&self, context: &RequestContext<RoleServer>) -> Shown {
        let asked = context.peer.send_request(ServerRequest::ElicitRequest(ElicitRequest::new(self.params())));
        match tokio::time::timeout(ELICITATION_WAIT, asked).await {
            Ok(Ok(ClientResult::ElicitResult(result))) => by_action(&result.action),
            Ok(Ok(_) | Err(_)) | Err(_) => Shown::Not,
        }
    }
}

/// What a client's answer says. Anything but an answer to our question is none.
pub(crate) fn answer(answers: Option<&InputResponses>) -> Shown {
    let action = answers.and_then(|answers| answers.get(ENTRY)).and_then(|answer| answer.get("action"));
    match action.and_then(Value::as_str) {
        Some("accept") => Shown::Accepted,
        Some("decline" | "cancel") => Shown::Declined,
        Some(_) | None => Shown::Not,
    }
}

/// An outcome without its link, with what the person did about it.
pub(crate) fn told(mut outcome: Outcome, shown: Shown) -> Outcome {
    let request = outcome.structured.get_mut("request").and_then(Value::as_object_mut);
    let (waits, id) = match request {
        Some(request) => {
            request.remove("entry_url");
            let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("status") == "waiting", text("id"))
        }
        None => (false, String::new()),
    };
    if !waits || outcome.is_error {
        return outcome;
    }
    outcome.text = match shown {
        Shown::Accepted => {
            format!("The person was shown the page and has still to type the value there. Call request_status with {id} a little later.")
        }
        Shown::Declined => format!(
            "The person did not open the page. The request stays: `tightlip approve {id}` takes the value where the server runs. Do not ask for the value itself."
        ),
        Shown::Not => outcome.text,
    };
    outcome
}

fn by_action(action: &ElicitationAction) -> Shown {
    if *action == ElicitationAction::Accept { Shown::Accepted } else { Shown::Declined }
}

/// The question's name among those of a result; there is one.
const ENTRY: &str = "entry";
