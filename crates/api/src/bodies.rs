//! What callers send: read up to a limit into memory that is wiped, parsed into nouns, never repeated in an error.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::BodyExt;
use model::access::{LabelError, ScopeError};
use model::limits::API_BODY_BYTES_MAX;
use model::{AccountId, Scope, Scopes, SecretName};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Number;
use service::{KeyPlan, KeysError};
use tokio::time::{Instant, timeout, timeout_at};
use vault::SecretValue;
use zeroize::Zeroizing;

use crate::limits::{BODY_DRAIN_BYTES_MAX, BODY_TIME, DISCARD_TIME};
use crate::problem::ApiError;
use crate::shares::{Shares, Taken};

pub(crate) mod devboxes;
pub(crate) mod environments;
pub(crate) mod gateways;

/// The body of a create.
pub(crate) struct CreateBody {
    pub(crate) name: SecretName,
    pub(crate) value: SecretValue,
}

/// The body of an update.
pub(crate) struct UpdateBody {
    pub(crate) value: SecretValue,
}

/// Why a body is not what a route takes. Never contains any of it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyError {
    /// Too large.
    #[error("the body is larger than 131072 bytes: a value has at most 65536")]
    TooLarge,
    /// The connection broke off.
    #[error("the body broke off before its end: send it again")]
    Broken,
    /// It took too long.
    #[error("the body did not arrive within {} s: send it again, faster", BODY_TIME.as_secs())]
    Slow,
    /// Too many at a time.
    #[error("the server reads too many bodies at a time: try again")]
    Busy,
    /// Said to be something else than JSON.
    #[error("the body is not said to be JSON: send it with `Content-Type: application/json`")]
    MediaType,
    /// Not JSON.
    #[error("the body is not valid JSON: send an object, as /openapi.yaml shows for this route")]
    NotJson,
    /// JSON of another shape.
    #[error("the body must be a JSON object in which `name` and `value` are strings, each written once")]
    Shape,
    /// JSON of another shape, where a key is described.
    #[error(
        "the body must be a JSON object such as {{\"name\": \"CI\", \"scopes\": [\"read\"], \"expires_in_seconds\": 86400}}, each field written once"
    )]
    KeyShape,
    /// JSON of another shape, where a gateway config is described.
    #[error(
        "the body must be a JSON object such as {{\"name\": \"mine\", \"endpoint\": \"https://api.example.com\", \"auth_mechanism\": {{\"type\": \"bearer\"}}}}"
    )]
    GatewayShape,
    /// JSON of another shape, where a devbox is described.
    #[error(
        "the body must be a JSON object in which `environment_variables`, `secrets` and `metadata` map texts to texts, `gateways` texts to objects, and \
         `launch_parameters` is an object; {{}} will do"
    )]
    DevboxShape,
    /// JSON of another shape, where a command is described.
    #[error("the body must be a JSON object such as {{\"command\": \"echo hello\"}}")]
    CommandShape,
    /// JSON of another shape, where a wait is described.
    #[error(
        "the body must be a JSON object such as {{\"statuses\": [\"running\"], \"timeout_seconds\": 10}}, with states of /openapi.yaml"
    )]
    WaitShape,
    /// JSON of another shape, where a gateway and a secret are named.
    #[error("the body must be a JSON object such as {{\"gateway\": \"anthropic\", \"secret\": \"ANTHROPIC_API_KEY\"}}")]
    GatewayTokenShape,
    /// Not an environment.
    #[error(
        "the environment of somebody else's sandbox is an object of name, secrets, allow, source_networks, keep_alive_time_seconds, gateway_url and bundle_path: see /openapi.yaml"
    )]
    EnvironmentShape,
    /// Too large to be handed on.
    #[error("the request is larger than the gateway takes: send shorter variables, metadata or commands")]
    DevboxTooLarge,
    /// Not a key's name.
    #[error("the key's name is not legal: {LabelError}")]
    KeyNameIllegal,
    /// No scopes.
    #[error("the body has no `scopes`: send a list of read, secrets, devbox and keys")]
    ScopesMissing,
    /// Not a scope.
    #[error("`scopes` has something that is no scope: {ScopeError}")]
    ScopeUnknown,
    /// JSON that is no object, where nothing need be sent.
    #[error("the body must be empty or a JSON object: send none, or {{}}")]
    NoObject,
    /// No name.
    #[error("the body has no `name`: send the secret's name as a string")]
    NameMissing,
    /// Not a name.
    #[error("the name is not legal: a secret's name is 1 to 255 letters, digits, underscores, hyphens or dots, and not '.' or '..'")]
    NameIllegal,
    /// No value.
    #[error("the body has no `value`: send the secret's value as a string")]
    ValueMissing,
}

/// The wire's form, in which anything may be missing; unknown fields are ignored. A value that is `null` is missing.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    value: Option<SecretValue>,
}

/// A key as it is asked for.
#[derive(Deserialize)]
struct KeyWire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    expires_in_seconds: Option<Number>,
}

impl BodyError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge | Self::DevboxTooLarge => "body_too_large",
            Self::Broken => "body_broken",
            Self::Slow => "body_slow",
            Self::Busy => "bodies_full",
            Self::MediaType => "media_type",
            Self::NotJson => "body_not_json",
            Self::Shape
            | Self::KeyShape
            | Self::GatewayShape
            | Self::DevboxShape
            | Self::CommandShape
            | Self::WaitShape
            | Self::GatewayTokenShape
            | Self::EnvironmentShape
            | Self::NoObject => "body_shape",
            Self::KeyNameIllegal => "key_name_illegal",
            Self::ScopesMissing => "scopes_missing",
            Self::ScopeUnknown => "scope_unknown",
            Self::NameMissing => "name_missing",
            Self::NameIllegal => "name_illegal",
            Self::ValueMissing => "value_missing",
        }
    }
}

/// A body that was read, and the room that it takes.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    _room: Option<Taken>,
}

impl Held {
    pub(crate) const fn new(bytes: Zeroizing<Vec<u8>>, room: Option<Taken>) -> Self {
        Self { bytes, _room: room }
    }
}

/// Reads an account's body into memory that is wiped, once `room` has as many permits for it as it may have bytes. Of one that is too large, a little more is read and
/// thrown away, so that its sender reads our answer instead of a broken connection.
pub(crate) async fn read(headers: &HeaderMap, body: Body, room: &Shares<AccountId>, account: &AccountId) -> Result<Held, BodyError> {
    let bytes_max = body.size_hint().upper().map_or(API_BODY_BYTES_MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if bytes_max > API_BODY_BYTES_MAX {
        discard(body).await;
        return Err(BodyError::TooLarge);
    }
    let limit = Instant::now() + BODY_TIME;
    let permits = u32::try_from(bytes_max).expect("128 KiB fit");
    let room = timeout_at(limit, room.take(account, permits)).await.map_err(|_| BodyError::Busy)?;
    let bytes = timeout_at(limit, gather(body, bytes_max)).await.map_err(|_| BodyError::Slow)??;
    if bytes.is_empty() || is_json(headers) { Ok(Held { bytes, _room: room }) } else { Err(BodyError::MediaType) }
}

/// Gathers a body of at most so many bytes, known beforehand.
pub(crate) async fn gather(mut body: Body, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    // Never grows, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > bytes_max - bytes.len() {
            discard(body).await;
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// Reads what is left of a body, up to a limit, and keeps none of it.
pub(crate) async fn discard(mut body: Body) {
    let all = async {
        let mut left = BODY_DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whoever sends on after that sees a broken connection.
    let _ = timeout(DISCARD_TIME, all).await;
}

/// Whether the headers say JSON, or nothing. What a web page may send without asking (`text/plain`, forms) is refused with the rest.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(named), more) = (types.next(), types.next()) else { return true };
    let named = named.to_str().ok().filter(|_| more.is_none()).and_then(|named| named.split(';').next()).unwrap_or_default();
    let named = named.trim().to_ascii_lowercase();
    named == "application/json" || (named.starts_with("application/") && named.ends_with("+json"))
}

pub(crate) fn create(bytes: &[u8]) -> Result<CreateBody, BodyError> {
    let wire: Wire = parse(bytes, BodyError::Shape)?;
    let name = wire.name.ok_or(BodyError::NameMissing)?.parse().map_err(|_| BodyError::NameIllegal)?;
    Ok(CreateBody { name, value: wire.value.ok_or(BodyError::ValueMissing)? })
}

pub(crate) fn update(bytes: &[u8]) -> Result<UpdateBody, BodyError> {
    let wire: Wire = parse(bytes, BodyError::Shape)?;
    Ok(UpdateBody { value: wire.value.ok_or(BodyError::ValueMissing)? })
}

/// The body that asks for an API key.
pub(crate) fn key(bytes: &[u8]) -> Result<KeyPlan, ApiError> {
    let wire: KeyWire = parse(bytes, BodyError::KeyShape)?;
    let name = wire.name.unwrap_or_default().parse().map_err(|_| BodyError::KeyNameIllegal)?;
    let scopes = wire.scopes.ok_or(BodyError::ScopesMissing)?;
    let scopes = scopes.iter().map(|word| word.parse::<Scope>()).collect::<Result<Scopes, _>>().map_err(|_| BodyError::ScopeUnknown)?;
    let seconds = wire.expires_in_seconds.map(|number| whole(&number).ok_or(KeysError::Life)).transpose()?;
    Ok(KeyPlan { name, scopes, life: seconds.map(Duration::from_secs) })
}

/// A whole number, also where it was written as a float: some clients have no other numbers.
fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..FLOATS_EXACT).contains(float))?;
        format!("{float:.0}").parse().ok()
    })
}

/// A delete's body is nothing, or an object in which nothing is looked at.
pub(crate) fn empty(bytes: &[u8]) -> Result<(), BodyError> {
    match bytes.trim_ascii_start().first() {
        None => Ok(()),
        Some(b'{') => json(bytes),
        Some(_) => json(bytes).and(Err(BodyError::NoObject)),
    }
}

fn json(bytes: &[u8]) -> Result<(), BodyError> {
    serde_json::from_slice::<IgnoredAny>(bytes).map(|_| ()).map_err(|_| BodyError::NotJson)
}

fn parse<T: DeserializeOwned>(bytes: &[u8], shape: BodyError) -> Result<T, BodyError> {
    // serde would take a list for an object with its fields in order.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return json(bytes).and(Err(shape));
    }
    serde_json::from_slice(bytes).map_err(|error| if error.is_data() { shape } else { BodyError::NotJson })
}

/// Above it a float no longer tells neighbouring whole numbers apart (IEEE 754 binary64).
const FLOATS_EXACT: f64 = 9_007_199_254_740_992.0;
