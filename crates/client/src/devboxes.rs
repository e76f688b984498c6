//! Calls about devboxes and their commands.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use model::{DevboxId, DevboxStatus, ExecutionId, Stream, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::ClientError;
use crate::sse::Parser;
use crate::transport::Client;

/// A devbox as the server shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevboxView {
    /// Its id.
    pub id: DevboxId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its state.
    pub status: DevboxStatus,
    /// When it was asked for.
    pub create_time_ms: Timestamp,
    /// When it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time_ms: Option<Timestamp>,
    /// How it fared.
    pub state_transitions: Vec<StateView>,
    /// All else that the server shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The environment of somebody else's sandbox, shown once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentView {
    /// The devbox.
    pub devbox: DevboxView,
    /// All that the sandbox is to be given.
    pub environment_variables: BTreeMap<String, String>,
    /// Those of them that logs are not to show.
    pub confidential: Vec<String>,
    /// Those of them whose placeholder leads nowhere yet.
    pub unbound: Vec<String>,
    /// The certificate of the devbox's own authority, PEM.
    pub ca_certificate: String,
}

/// A change of a devbox's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateView {
    /// The state.
    pub status: DevboxStatus,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// All else that the server shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A command as the server shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionView {
    /// Its id.
    pub execution_id: ExecutionId,
    /// `queued`, `running` or `completed`.
    pub status: String,
    /// Its exit code, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// All else that the server shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    devboxes: Vec<DevboxView>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Piece {
    output: String,
}

impl Client {
    /// Asks for a devbox. It is begun when this returns.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the server refuses, and when it cannot be reached.
    pub fn create_devbox(&self, wanted: &Value) -> Result<DevboxView, ClientError> {
        self.call(Method::POST, "/v1/devboxes", body(wanted))
    }

    /// Makes an environment for somebody else's sandbox.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the server refuses, and when it cannot be reached.
    pub fn make_environment(&self, wanted: &Value) -> Result<EnvironmentView, ClientError> {
        self.call(Method::POST, "/v1/devboxes/env", body(wanted))
    }

    /// Waits until a devbox runs or has ended.
    ///
    /// # Errors
    /// As [`Client::devbox`].
    pub fn wait_for_devbox(&self, id: &DevboxId) -> Result<DevboxView, ClientError> {
        let path = format!("/v1/devboxes/{id}/wait_for_status");
        let wanted = json!({ "statuses": ["running", "failure", "shutdown"], "timeout_seconds": HOLD_SECONDS });
        loop {
            match self.call(Method::POST, &path, body(&wanted)) {
                // The wait was over, and not what was waited for.
                Err(ClientError::Status { status: 408, .. }) => {}
                told => return told,
            }
        }
    }

    /// Every devbox of the account, newest first; with a state, those in it.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; [`ClientError::Malformed`] when its pages do not end.
    pub fn devboxes(&self, status: Option<DevboxStatus>) -> Result<Vec<DevboxView>, ClientError> {
        let mut all: Vec<DevboxView> = Vec::new();
        loop {
            let after = all.last().map(|last| format!("&starting_after={}", last.id)).unwrap_or_default();
            let status = status.map(|status| format!("&status={}", status.as_str())).unwrap_or_default();
            let path = format!("/v1/devboxes?limit={}{after}{status}", model::limits::PAGE_ITEMS_MAX);
            let page: Page = self.call(Method::GET, &path, Bytes::new())?;
            let grows = page.devboxes.last().is_some_and(|last| all.last().is_none_or(|before| last.id < before.id));
            all.extend(page.devboxes);
            match (page.has_more, grows) {
                (false, _) => return Ok(all),
                (true, false) => return Err(ClientError::Malformed),
                (true, true) => {}
            }
        }
    }

    /// One devbox.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server refuses or cannot be reached.
    pub fn devbox(&self, id: &DevboxId) -> Result<DevboxView, ClientError> {
        self.call(Method::GET, &format!("/v1/devboxes/{id}"), Bytes::new())
    }

    /// Ends a devbox.
    ///
    /// # Errors
    /// As [`Client::devbox`].
    pub fn shut_down(&self, id: &DevboxId) -> Result<DevboxView, ClientError> {
        self.call(Method::POST, &format!("/v1/devboxes/{id}/shutdown"), Bytes::new())
    }

    /// Runs a command, the text for a login shell, and returns once it has begun.
    ///
    /// # Errors
    /// As [`Client::devbox`], and 400 where the devbox does not run.
    pub fn execute(&self, id: &DevboxId, command: &str) -> Result<ExecutionView, ClientError> {
        self.call(Method::POST, &format!("/v1/devboxes/{id}/execute_async"), body(&json!({ "command": command })))
    }

    /// Waits until a command has ended.
    ///
    /// # Errors
    /// As [`Client::devbox`].
    pub fn wait_for_execution(&self, id: &DevboxId, execution: &ExecutionId) -> Result<ExecutionView, ClientError> {
        let path = format!("/v1/devboxes/{id}/executions/{execution}/wait_for_status");
        let wanted = json!({ "statuses": ["completed"], "timeout_seconds": HOLD_SECONDS });
        loop {
            match self.call(Method::POST, &path, body(&wanted)) {
                Err(ClientError::Status { status: 408, .. }) => {}
                told => return told,
            }
        }
    }

    /// Ends a command.
    ///
    /// # Errors
    /// As [`Client::devbox`].
    pub fn kill_execution(&self, id: &DevboxId, execution: &ExecutionId) -> Result<ExecutionView, ClientError> {
        self.call(Method::POST, &format!("/v1/devboxes/{id}/executions/{execution}/kill"), Bytes::new())
    }

    /// Follows what a command writes to one of its streams until that ends, and hands each piece to `take`.
    ///
    /// # Errors
    /// As [`Client::devbox`].
    pub fn follow_output(
        &self,
        id: &DevboxId,
        execution: &ExecutionId,
        stream: Stream,
        mut take: impl FnMut(&str),
    ) -> Result<(), ClientError> {
        let which = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let mut parser = Parser::default();
        self.stream(&format!("/v1/devboxes/{id}/executions/{execution}/stream_{which}_updates"), QUIET_MAX, |bytes| {
            for data in parser.feed(bytes).map_err(|_| ClientError::Malformed)? {
                let piece: Piece = serde_json::from_slice(&data).map_err(|_| ClientError::Malformed)?;
                take(&piece.output);
            }
            Ok(true)
        })
    }
}

pub(crate) fn body(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

/// Less than what the server waits at most, and than a call may take.
const HOLD_SECONDS: u64 = 20;
/// The server sends a comment well within this time where nothing happens.
const QUIET_MAX: Duration = Duration::from_secs(60);
