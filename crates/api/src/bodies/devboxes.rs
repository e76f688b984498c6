//! What callers send about devboxes and commands. What this server cannot do, and would change what a program gets, is refused and not ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use link::front::{GatewayWanted, Named, NewDevbox};
use model::access::LabelError;
use model::devbox::About;
use model::limits::{COMMAND_BYTES_MAX, DEVBOX_ENTRIES_MAX, DEVBOX_ENTRY_BYTES_MAX, KEEP_ALIVE_DEFAULT_MS, KEEP_ALIVE_MAX_MS};
use model::{DevboxStatus, EnvName, ExecutionId, GatewayConfigId, Label, SecretId, SecretName};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::gateways::named;
use super::{parse, whole};
use crate::bodies::BodyError;
use crate::limits::{COMMAND_HOLD, STATUS_HOLD};
use crate::problem::ApiError;

/// Why a body about a devbox or a command is of no use. Never contains any of it: a field is named from our own list.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DevboxBodyError {
    /// Something that this server cannot do.
    #[error("this server has no `{0}`: leave the field out")]
    Unsupported(&'static str),
    /// Another processor than this machine's.
    #[error("`launch_parameters.architecture` is not this machine's: leave the field out")]
    Architecture,
    /// Not a name.
    #[error("the devbox's name is not legal: {LabelError}")]
    NameIllegal,
    /// Too many, or too long.
    #[error("`{0}` has more than {DEVBOX_ENTRIES_MAX} entries, or one of more than {DEVBOX_ENTRY_BYTES_MAX} bytes, or a zero byte")]
    Entries(&'static str),
    /// Not a variable's name.
    #[error("`{0}` has a key that cannot be a variable: letters, digits and underscores, not first a digit")]
    Variable(&'static str),
    /// One variable twice.
    #[error(
        "a variable is set twice: each name stands once in `environment_variables`, `secrets` and `gateways`, whose prefix also sets PREFIX_URL"
    )]
    VariableTwice,
    /// Not a secret's name.
    #[error("`secrets` names what cannot be a secret: it maps variables to names of secrets, see `tightlip secret list`")]
    SecretName,
    /// A gateway without its parts.
    #[error("each of `gateways` has `gateway` and `secret`: ids or names of a gateway config and of a secret")]
    Gateway,
    /// No such length of life.
    #[error("`launch_parameters.keep_alive_time_seconds` is a whole number from 1 to {}", KEEP_ALIVE_MAX_MS / 1000)]
    KeepAlive,
    /// No such length of life, of an environment.
    #[error("`keep_alive_time_seconds` is a whole number from 1 to {}", KEEP_ALIVE_MAX_MS / 1000)]
    EnvironmentLife,
    /// More than may be named.
    #[error("`{0}` has more entries than a devbox may have: name fewer, or larger ones")]
    TooMany(&'static str),
    /// Not a host.
    #[error("`allow` is a list of hosts, such as pypi.example.com or *.example.com")]
    Pattern,
    /// Not a network.
    #[error("`source_networks` is a list of networks, each by its first address, such as 172.17.0.0/16")]
    Source,
    /// Not a way to the proxy.
    #[error("`gateway_url` is how the sandbox reaches the forward proxy: http://HOST:PORT, without user, path or TLS")]
    GatewayUrl,
    /// No command, or too long a one.
    #[error("`{0}` is the text for a shell: 1 to {COMMAND_BYTES_MAX} bytes without a zero byte")]
    Command(&'static str),
    /// Not a command's id.
    #[error("`command_id` is a UUID of version 7 in lower case: leave the field out and one is made")]
    CommandId,
    /// No states, or unknown ones.
    #[error("`statuses` is a list of the states to wait for, at least one: see /openapi.yaml for the words")]
    Statuses,
    /// Not a time.
    #[error("`{0}` is a number of seconds, 0 or more")]
    Seconds(&'static str),
}

/// A devbox as it is asked for. What is `null` is missing.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    environment_variables: Option<BTreeMap<String, String>>,
    #[serde(default)]
    secrets: Option<BTreeMap<String, String>>,
    #[serde(default)]
    gateways: Option<BTreeMap<String, GatewayWire>>,
    #[serde(default)]
    launch_parameters: Option<Map<String, Value>>,
    #[serde(default)]
    entrypoint: Option<String>,
    /// Among them what this server cannot do.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// A gateway as it is asked for.
#[derive(Deserialize)]
pub(super) struct GatewayWire {
    #[serde(default)]
    gateway: Option<String>,
    #[serde(default)]
    secret: Option<String>,
}

/// A command as it is asked for.
#[derive(Deserialize)]
struct CommandWire {
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    command_id: Option<String>,
    #[serde(default)]
    optimistic_timeout: Option<Number>,
    #[serde(default)]
    attach_stdin: Option<bool>,
}

#[derive(Deserialize)]
struct WaitWire {
    #[serde(default)]
    statuses: Option<Vec<String>>,
    #[serde(default)]
    timeout_seconds: Option<Number>,
}

/// A command that is wanted.
pub(crate) struct CommandBody {
    pub(crate) command: String,
    pub(crate) execution: Option<ExecutionId>,
    /// How long to wait for its end.
    pub(crate) hold: Duration,
}

/// States that are waited for, and how long.
pub(crate) struct WaitBody<S> {
    pub(crate) statuses: Vec<S>,
    pub(crate) hold: Duration,
}

/// The state of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandStatus {
    Queued,
    Running,
    Completed,
}

impl DevboxBodyError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unsupported(_) | Self::Architecture => "field_unsupported",
            Self::NameIllegal => "name_illegal",
            Self::Entries(_) => "entries_too_many",
            Self::Variable(_) => "variable_illegal",
            Self::VariableTwice => "variable_twice",
            Self::SecretName => "secret_invalid",
            Self::Gateway => "gateway_invalid",
            Self::KeepAlive | Self::EnvironmentLife => "keep_alive_invalid",
            Self::TooMany(_) => "entries_too_many",
            Self::Pattern => "allow_invalid",
            Self::Source => "source_networks_invalid",
            Self::GatewayUrl => "gateway_url_invalid",
            Self::Command(_) => "command_invalid",
            Self::CommandId => "command_id_invalid",
            Self::Statuses => "statuses_invalid",
            Self::Seconds(_) => "seconds_invalid",
        }
    }
}

/// A devbox that is wanted.
pub(crate) fn create(bytes: &[u8], request: Option<[u8; 32]>) -> Result<NewDevbox, ApiError> {
    let wire: Wire = parse(bytes, BodyError::DevboxShape)?;
    refuse(&wire.others, "", &UNSUPPORTED)?;
    let launch = wire.launch_parameters.unwrap_or_default();
    let keep_alive_ms = keep_alive_ms(&launch)?;
    let launch = Value::Object(launch).to_string();
    if launch.len() > DEVBOX_ENTRY_BYTES_MAX {
        return Err(DevboxBodyError::Entries("launch_parameters").into());
    }
    let env = variables(wire.environment_variables, "environment_variables", Ok)?;
    let secrets = variables(wire.secrets, "secrets", |text| text.parse::<SecretName>().map_err(|_| DevboxBodyError::SecretName))?;
    let gateways = gateways(wire.gateways.unwrap_or_default())?;
    check_once(env.keys().chain(secrets.keys()), gateways.keys())?;
    let about = About {
        name: wire.name.filter(|name| !name.is_empty()).map(label).transpose()?,
        metadata: entries(wire.metadata.unwrap_or_default(), "metadata")?,
        launch,
        keep_alive_ms,
        gateways: BTreeMap::new(),
        remote: None,
    };
    let entrypoint = wire.entrypoint.filter(|text| !text.is_empty()).map(|text| command(text, "entrypoint")).transpose()?;
    Ok(NewDevbox { about, env, secrets, gateways, entrypoint, request })
}

/// A command that is wanted.
pub(crate) fn execute(bytes: &[u8]) -> Result<CommandBody, ApiError> {
    let wire: CommandWire = parse(bytes, BodyError::CommandShape)?;
    if wire.attach_stdin == Some(true) {
        return Err(DevboxBodyError::Unsupported("attach_stdin").into());
    }
    Ok(CommandBody {
        command: command(wire.command.unwrap_or_default(), "command")?,
        execution: wire.command_id.map(|id| id.parse()).transpose().map_err(|_| DevboxBodyError::CommandId)?,
        hold: hold(wire.optimistic_timeout.as_ref(), "optimistic_timeout", COMMAND_HOLD)?,
    })
}

/// States of a devbox that are waited for.
pub(crate) fn wait(bytes: &[u8]) -> Result<WaitBody<DevboxStatus>, ApiError> {
    // Clients may name a state that has another name since.
    let read = |word: &str| DevboxStatus::from_word(if word == "scheduled" { "queued" } else { word });
    waited(bytes, read, STATUS_HOLD)
}

/// States of a command that are waited for.
pub(crate) fn wait_command(bytes: &[u8]) -> Result<WaitBody<CommandStatus>, ApiError> {
    let read = |word: &str| match word {
        "queued" => Some(CommandStatus::Queued),
        "running" => Some(CommandStatus::Running),
        "completed" => Some(CommandStatus::Completed),
        _ => None,
    };
    waited(bytes, read, COMMAND_HOLD)
}

/// A gateway and a secret for a devbox that runs.
pub(crate) fn gateway_token(bytes: &[u8]) -> Result<(Named<GatewayConfigId>, Named<SecretId>), ApiError> {
    let wanted = gateway(parse(bytes, BodyError::GatewayTokenShape)?)?;
    Ok((wanted.gateway, wanted.secret))
}

fn waited<S>(bytes: &[u8], read: impl Fn(&str) -> Option<S>, longest: Duration) -> Result<WaitBody<S>, ApiError> {
    let wire: WaitWire = parse(bytes, BodyError::WaitShape)?;
    let statuses: Option<Vec<S>> = wire.statuses.unwrap_or_default().iter().map(|word| read(word)).collect();
    Ok(WaitBody {
        statuses: statuses.filter(|statuses| !statuses.is_empty()).ok_or(DevboxBodyError::Statuses)?,
        hold: hold(wire.timeout_seconds.as_ref(), "timeout_seconds", longest)?,
    })
}

/// How long to wait: what is asked for, but not longer than this.
fn hold(seconds: Option<&Number>, field: &'static str, longest: Duration) -> Result<Duration, DevboxBodyError> {
    let Some(seconds) = seconds else { return Ok(longest) };
    let seconds = seconds.as_f64().filter(|seconds| *seconds >= 0.0).ok_or(DevboxBodyError::Seconds(field))?;
    Ok(Duration::try_from_secs_f64(seconds).map_or(longest, |wanted| wanted.min(longest)))
}

/// Refuses a field that says something.
fn refuse(fields: &BTreeMap<String, Value>, parent: &str, unsupported: &[&'static str]) -> Result<(), DevboxBodyError> {
    let says = |field: &&&str| fields.get(field.strip_prefix(parent).unwrap_or(field)).is_some_and(|value| !is_nothing(value));
    unsupported.iter().find(says).map_or(Ok(()), |field| Err(DevboxBodyError::Unsupported(field)))
}

/// What some clients send where they mean nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn keep_alive_ms(launch: &Map<String, Value>) -> Result<u64, DevboxBodyError> {
    let fields = launch.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    refuse(&fields, "launch_parameters.", &LAUNCH_UNSUPPORTED)?;
    let machine = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
    if launch.get("architecture").is_some_and(|wanted| !is_nothing(wanted) && wanted != machine) {
        return Err(DevboxBodyError::Architecture);
    }
    match launch.get("keep_alive_time_seconds") {
        None | Some(Value::Null) => Ok(KEEP_ALIVE_DEFAULT_MS),
        Some(Value::Number(seconds)) => {
            let ms = whole(seconds).and_then(|seconds| seconds.checked_mul(1000)).ok_or(DevboxBodyError::KeepAlive)?;
            if (1..=KEEP_ALIVE_MAX_MS).contains(&ms) { Ok(ms) } else { Err(DevboxBodyError::KeepAlive) }
        }
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => Err(DevboxBodyError::KeepAlive),
    }
}

fn label(name: String) -> Result<String, DevboxBodyError> {
    name.parse::<Label>().map(String::from).map_err(|_| DevboxBodyError::NameIllegal)
}

fn command(text: String, field: &'static str) -> Result<String, DevboxBodyError> {
    let fits = (1..=COMMAND_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
    if fits { Ok(text) } else { Err(DevboxBodyError::Command(field)) }
}

/// Texts by texts, few and short enough.
fn entries(map: BTreeMap<String, String>, field: &'static str) -> Result<BTreeMap<String, String>, DevboxBodyError> {
    let fits = |text: &String| text.len() <= DEVBOX_ENTRY_BYTES_MAX && !text.contains('\0');
    let all_fit = map.len() <= DEVBOX_ENTRIES_MAX && map.iter().all(|(key, value)| fits(key) && fits(value));
    if all_fit { Ok(map) } else { Err(DevboxBodyError::Entries(field)) }
}

fn variables<T>(
    map: Option<BTreeMap<String, String>>,
    field: &'static str,
    read: impl Fn(String) -> Result<T, DevboxBodyError>,
) -> Result<BTreeMap<EnvName, T>, DevboxBodyError> {
    let map = entries(map.unwrap_or_default(), field)?;
    map.into_iter().map(|(key, text)| Ok((variable(&key, field)?, read(text)?))).collect()
}

fn variable(key: &str, field: &'static str) -> Result<EnvName, DevboxBodyError> {
    key.parse().map_err(|_| DevboxBodyError::Variable(field))
}

/// Gateways by their prefixes.
pub(super) fn gateways(map: BTreeMap<String, GatewayWire>) -> Result<BTreeMap<EnvName, GatewayWanted>, DevboxBodyError> {
    if map.len() > DEVBOX_ENTRIES_MAX {
        return Err(DevboxBodyError::Entries("gateways"));
    }
    map.into_iter().map(|(key, wire)| Ok((variable(&key, "gateways")?, gateway(wire)?))).collect()
}

fn gateway(wire: GatewayWire) -> Result<GatewayWanted, DevboxBodyError> {
    let fits = |text: &String| !text.is_empty() && text.len() <= DEVBOX_ENTRY_BYTES_MAX && !text.contains('\0');
    match (wire.gateway.filter(fits), wire.secret.filter(fits)) {
        (Some(gateway), Some(secret)) => Ok(GatewayWanted { gateway: named(gateway), secret: named(secret) }),
        (Some(_) | None, _) => Err(DevboxBodyError::Gateway),
    }
}

/// Checks that no variable is set twice.
fn check_once<'a>(plain: impl Iterator<Item = &'a EnvName>, prefixes: impl Iterator<Item = &'a EnvName>) -> Result<(), DevboxBodyError> {
    let made = prefixes.flat_map(|prefix| [prefix.to_string(), format!("{prefix}_URL")]);
    let mut seen = BTreeSet::new();
    let once = plain.map(ToString::to_string).chain(made).all(|name| seen.insert(name));
    if once { Ok(()) } else { Err(DevboxBodyError::VariableTwice) }
}

/// What a devbox here cannot have, or be made from.
const UNSUPPORTED: [&str; 9] =
    ["mounts", "code_mounts", "file_mounts", "blueprint_id", "blueprint_name", "snapshot_id", "tunnel", "mcp", "repo_connection_id"];
/// Of its launch parameters.
const LAUNCH_UNSUPPORTED: [&str; 4] = [
    "launch_parameters.launch_commands",
    "launch_parameters.network_policy_id",
    "launch_parameters.required_services",
    "launch_parameters.user_parameters",
];
