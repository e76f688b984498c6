//! What callers send about gateway configs.

use std::str::FromStr;

use link::front::Named;
use model::access::LabelError;
use model::gateway::GatewayError;
use model::limits::CUSTOM_HEADERS_MAX;
use model::{Label, Mechanism};
use serde::Deserialize;
use service::{GatewayChange, GatewayPlan, GatewaysError, WantedContent, WantedHeader};

use super::parse;
use crate::bodies::BodyError;
use crate::problem::ApiError;

/// Why a body is no gateway config. Never contains any of it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum GatewayBodyError {
    /// No name.
    #[error("the body has no `name`: send what people are to call the gateway config")]
    NameMissing,
    /// Not a name.
    #[error("the gateway config's name is not legal: {LabelError}")]
    NameIllegal,
    /// No endpoint.
    #[error("the body has no `endpoint`: send a base URL such as https://api.example.com")]
    EndpointMissing,
    /// No mechanism.
    #[error(
        "the body has no `auth_mechanism`: send {{\"type\": \"bearer\"}}, {{\"type\": \"basic\"}} or {{\"type\": \"header\", \"key\": \"x-api-key\"}}"
    )]
    MechanismMissing,
    /// An unknown mechanism.
    #[error("`auth_mechanism.type` is bearer, basic or header")]
    MechanismUnknown,
    /// A header without a name.
    #[error("`auth_mechanism` of the type header needs `key`, the header's name")]
    KeyMissing,
    /// A name without a header.
    #[error("`auth_mechanism.key` belongs to the type header: leave it out")]
    KeyUnwanted,
    /// A further header with no content, or two.
    #[error("each of `custom_headers` has a `name` and either `secret` or `value`, not both")]
    HeaderContent,
}

/// The wire's form, in which anything may be missing; unknown fields are ignored. What is `null` is missing.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    auth_mechanism: Option<MechanismWire>,
    #[serde(default)]
    custom_headers: Option<Vec<HeaderWire>>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct MechanismWire {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

#[derive(Deserialize)]
struct HeaderWire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

impl GatewayBodyError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NameMissing => "name_missing",
            Self::NameIllegal => "name_illegal",
            Self::EndpointMissing => "endpoint_missing",
            Self::MechanismMissing => "auth_mechanism_missing",
            Self::MechanismUnknown | Self::KeyMissing | Self::KeyUnwanted => "auth_mechanism_invalid",
            Self::HeaderContent => "header_invalid",
        }
    }
}

/// A gateway config that is wanted.
pub(crate) fn create(bytes: &[u8]) -> Result<GatewayPlan, ApiError> {
    let GatewayChange { name, endpoint, mechanism, headers, description } = update(bytes)?;
    Ok(GatewayPlan {
        name: name.ok_or(GatewayBodyError::NameMissing)?,
        endpoint: endpoint.ok_or(GatewayBodyError::EndpointMissing)?,
        mechanism: mechanism.ok_or(GatewayBodyError::MechanismMissing)?,
        headers: headers.unwrap_or_default(),
        description,
    })
}

/// What is to be changed of one.
pub(crate) fn update(bytes: &[u8]) -> Result<GatewayChange, ApiError> {
    let wire: Wire = parse(bytes, BodyError::GatewayShape)?;
    let label = |text: String| text.parse::<Label>().map_err(|_| GatewayBodyError::NameIllegal);
    Ok(GatewayChange {
        name: wire.name.map(label).transpose()?,
        endpoint: wire.endpoint.map(|text| part(&text)).transpose()?,
        mechanism: wire.auth_mechanism.map(mechanism).transpose()?,
        headers: wire.custom_headers.map(headers).transpose()?,
        description: wire.description.map(|text| part(&text)).transpose()?,
    })
}

/// Something by its id or by what people call it.
pub(crate) fn named<Id: FromStr>(text: String) -> Named<Id> {
    Named { id: text.parse().ok(), name: text }
}

/// A part by its own rule.
fn part<T: FromStr<Err = GatewayError>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::Gateways(GatewaysError::Part(error)))
}

fn mechanism(wire: MechanismWire) -> Result<Mechanism, ApiError> {
    match (wire.r#type.as_deref(), wire.key) {
        (Some("bearer"), None) => Ok(Mechanism::Bearer),
        (Some("basic"), None) => Ok(Mechanism::Basic),
        (Some("bearer" | "basic"), Some(_)) => Err(GatewayBodyError::KeyUnwanted.into()),
        (Some("header"), Some(key)) => Ok(Mechanism::Header(part(&key)?)),
        (Some("header"), None) => Err(GatewayBodyError::KeyMissing.into()),
        (Some(_) | None, _) => Err(GatewayBodyError::MechanismUnknown.into()),
    }
}

fn headers(wires: Vec<HeaderWire>) -> Result<Vec<WantedHeader>, ApiError> {
    // Before each is looked at.
    if wires.len() > CUSTOM_HEADERS_MAX {
        return Err(GatewaysError::Part(GatewayError::TooManyHeaders).into());
    }
    let read = |wire: HeaderWire| {
        let content = match (wire.secret, wire.value) {
            (Some(secret), None) => WantedContent::Secret(named(secret)),
            (None, Some(text)) => WantedContent::Text(part(&text)?),
            (Some(_), Some(_)) | (None, None) => return Err(GatewayBodyError::HeaderContent.into()),
        };
        Ok(WantedHeader { name: part(&wire.name.ok_or(GatewayBodyError::HeaderContent)?)?, content })
    };
    wires.into_iter().map(read).collect()
}
