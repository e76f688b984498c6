//! What callers send for the environment of somebody else's sandbox. Everything in it decides who gets where, so an unknown field is refused and not ignored.

use std::collections::BTreeMap;

use link::cli::NewRemote;
use model::limits::{ALLOW_PATTERNS_MAX, DEVBOX_TOKENS_MAX, KEEP_ALIVE_DEFAULT_MS, KEEP_ALIVE_MAX_MS, REMOTE_SOURCES_MAX};
use model::{EnvName, HostPattern, Label, Network, ProxyUrl, SecretName};
use serde::Deserialize;
use serde_json::Number;

use super::devboxes::{DevboxBodyError, GatewayWire, gateways};
use super::{BodyError, parse, whole};
use crate::problem::ApiError;

/// An environment as it is asked for. What is `null` is missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    secrets: Option<BTreeMap<String, String>>,
    #[serde(default)]
    gateways: Option<BTreeMap<String, GatewayWire>>,
    #[serde(default)]
    allow: Option<Vec<String>>,
    #[serde(default)]
    source_networks: Option<Vec<String>>,
    #[serde(default)]
    keep_alive_time_seconds: Option<Number>,
    #[serde(default)]
    gateway_url: Option<String>,
    #[serde(default)]
    bundle_path: Option<String>,
}

/// An environment that is wanted.
pub(crate) fn env(bytes: &[u8], request: Option<[u8; 32]>) -> Result<NewRemote, ApiError> {
    let wire: Wire = parse(bytes, BodyError::EnvironmentShape)?;
    let secrets = wire.secrets.unwrap_or_default();
    if secrets.len() > DEVBOX_TOKENS_MAX {
        return Err(DevboxBodyError::TooMany("secrets").into());
    }
    let secret = |(env, name): (String, String)| {
        let env = env.parse::<EnvName>().map_err(|_| DevboxBodyError::Variable("secrets"))?;
        Ok((env, name.parse::<SecretName>().map_err(|_| DevboxBodyError::SecretName)?))
    };
    let keep_alive_ms = match wire.keep_alive_time_seconds {
        None => KEEP_ALIVE_DEFAULT_MS,
        Some(seconds) => {
            let ms = whole(&seconds).and_then(|seconds| seconds.checked_mul(1000));
            ms.filter(|ms| (1..=KEEP_ALIVE_MAX_MS).contains(ms)).ok_or(DevboxBodyError::EnvironmentLife)?
        }
    };
    let name = wire.name.filter(|name| !name.is_empty());
    Ok(NewRemote {
        name: name.map(|name| name.parse::<Label>().map(String::from)).transpose().map_err(|_| DevboxBodyError::NameIllegal)?,
        secrets: secrets.into_iter().map(secret).collect::<Result<_, DevboxBodyError>>()?,
        gateways: gateways(wire.gateways.unwrap_or_default())?,
        allow: list::<HostPattern>(wire.allow, ALLOW_PATTERNS_MAX, "allow", DevboxBodyError::Pattern)?,
        sources: list::<Network>(wire.source_networks, REMOTE_SOURCES_MAX, "source_networks", DevboxBodyError::Source)?,
        keep_alive_ms,
        gateway_url: wire.gateway_url.map(|url| url.parse::<ProxyUrl>()).transpose().map_err(|_| DevboxBodyError::GatewayUrl)?,
        bundle: wire.bundle_path.unwrap_or_else(|| BUNDLE_DEFAULT.to_owned()),
        request,
    })
}

fn list<T: std::str::FromStr>(
    texts: Option<Vec<String>>,
    most: usize,
    field: &'static str,
    wrong: DevboxBodyError,
) -> Result<Vec<T>, DevboxBodyError> {
    let texts = texts.unwrap_or_default();
    if texts.len() > most {
        return Err(DevboxBodyError::TooMany(field));
    }
    texts.iter().map(|text| text.parse().map_err(|_| wrong)).collect()
}

/// Where the file of certificates will lie, where the caller does not say.
const BUNDLE_DEFAULT: &str = "/etc/tightlip/bundle.pem";
