//! Devboxes and commands as callers see them: neither variables nor secrets.

use std::collections::BTreeMap;

use link::front::MadeToken;
use link::keeper::Execution;
use model::{
    DevboxId, DevboxStatus, Endpoint, EnvName, ExecutionId, GatewayConfigId, Hosted, Network, SecretId, ShutdownReason, Timestamp, Token,
    Transition,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::gateways::MechanismView;
use crate::output::{Text, last_lines};

/// A devbox.
#[derive(Serialize)]
pub(crate) struct DevboxView {
    id: DevboxId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    status: DevboxStatus,
    /// Devboxes of this server have none.
    capabilities: [&'static str; 0],
    create_time_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_ms: Option<i64>,
    launch_parameters: Map<String, Value>,
    metadata: BTreeMap<String, String>,
    state_transitions: Vec<TransitionView>,
    initiator_type: &'static str,
    gateway_specs: BTreeMap<EnvName, GatewaySpecView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<RemoteView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_reason: Option<ShutdownReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'static str>,
}

/// Somebody else's sandbox, to which an environment was handed out.
#[derive(Serialize)]
struct RemoteView {
    source_networks: Vec<Network>,
}

/// A change of a devbox's state.
#[derive(Serialize)]
struct TransitionView {
    status: DevboxStatus,
    transition_time_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

/// A gateway of a devbox.
#[derive(Serialize)]
struct GatewaySpecView {
    gateway_config_id: GatewayConfigId,
    secret_id: SecretId,
}

/// A page of devboxes.
#[derive(Serialize)]
pub(crate) struct DevboxListView {
    pub(crate) devboxes: Vec<DevboxView>,
    pub(crate) has_more: bool,
    pub(crate) total_count: u64,
}

/// A command. What it wrote is shown when it has ended.
#[derive(Serialize)]
pub(crate) struct ExecutionView {
    devbox_id: DevboxId,
    execution_id: ExecutionId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_truncated: Option<bool>,
}

/// A command that has ended, as older clients know it.
#[derive(Serialize)]
pub(crate) struct ExecutionDetailView {
    devbox_id: DevboxId,
    exit_status: i32,
    stdout: String,
    stderr: String,
}

/// The end of what a command wrote to one of its streams.
pub(crate) struct Shown {
    text: String,
    /// It wrote more.
    is_part: bool,
}

/// A piece of output, as it is streamed.
#[derive(Serialize)]
pub(crate) struct OutputView {
    pub(crate) output: String,
    /// At which byte of the stream it begins.
    pub(crate) offset: u64,
}

/// A token for a gateway, shown this once.
#[derive(Serialize)]
pub(crate) struct GatewayTokenView {
    token: Token,
    url: String,
    endpoint: Endpoint,
    gateway_config_id: GatewayConfigId,
    devbox_id: DevboxId,
    auth_mechanism: MechanismView,
}

impl Shown {
    /// The last lines of these bytes, before which there were more where `is_part`.
    pub(crate) fn new(bytes: &[u8], lines: usize, is_part: bool) -> Self {
        let from = last_lines(bytes, lines);
        let mut text = Text::from(0);
        let mut pieces = text.put(0, &bytes[from..]);
        pieces.extend(text.end());
        Self { text: pieces.into_iter().map(|piece| piece.text).collect(), is_part: is_part || from > 0 }
    }
}

impl From<Hosted> for DevboxView {
    fn from(devbox: Hosted) -> Self {
        let (status, created, ended) = (devbox.status(), devbox.created(), devbox.ended());
        let Hosted { id, account: _, about, transitions, reason } = devbox;
        let specs = about.gateways.into_iter();
        Self {
            id,
            name: about.name,
            status,
            capabilities: [],
            create_time_ms: created.unix_ms(),
            end_time_ms: ended.map(Timestamp::unix_ms),
            // It was an object when it came; what is none any more is shown as if nothing had been said.
            launch_parameters: serde_json::from_str(&about.launch).unwrap_or_default(),
            metadata: about.metadata,
            state_transitions: transitions.into_iter().map(TransitionView::from).collect(),
            initiator_type: "api",
            gateway_specs: specs
                .map(|(prefix, spec)| (prefix, GatewaySpecView { gateway_config_id: spec.config, secret_id: spec.secret }))
                .collect(),
            remote: about.remote.map(|remote| RemoteView { source_networks: remote.sources }),
            shutdown_reason: reason,
            failure_reason: (status == DevboxStatus::Failure).then_some("execution_failed"),
        }
    }
}

impl From<Transition> for TransitionView {
    fn from(transition: Transition) -> Self {
        let Transition { status, at, failure } = transition;
        Self { status, transition_time_ms: at.unix_ms(), failure_reason: failure }
    }
}

impl ExecutionView {
    /// A command that runs.
    pub(crate) fn running(devbox: DevboxId, execution: Execution) -> Self {
        Self {
            devbox_id: devbox,
            execution_id: execution.execution,
            status: "running",
            exit_status: None,
            stdout: None,
            stderr: None,
            stdout_truncated: None,
            stderr_truncated: None,
        }
    }

    /// A command that has ended with this code, and what it wrote.
    pub(crate) fn completed(devbox: DevboxId, execution: Execution, code: i32, [stdout, stderr]: [Shown; 2]) -> Self {
        Self {
            status: "completed",
            exit_status: Some(code),
            stdout: Some(stdout.text),
            stderr: Some(stderr.text),
            stdout_truncated: Some(stdout.is_part),
            stderr_truncated: Some(stderr.is_part),
            ..Self::running(devbox, execution)
        }
    }
}

impl ExecutionDetailView {
    /// A command that has ended with this code, and what it wrote.
    pub(crate) fn new(devbox: DevboxId, code: i32, [stdout, stderr]: [Shown; 2]) -> Self {
        Self { devbox_id: devbox, exit_status: code, stdout: stdout.text, stderr: stderr.text }
    }
}

impl From<MadeToken> for GatewayTokenView {
    fn from(made: MadeToken) -> Self {
        let MadeToken { token, url, endpoint, config, devbox, mechanism } = made;
        Self { token, url, endpoint, gateway_config_id: config, devbox_id: devbox, auth_mechanism: mechanism.into() }
    }
}
