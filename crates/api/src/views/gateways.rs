//! Gateway configs as callers see them.

use model::gateway::{Description, HeaderKey, HeaderText};
use model::{AccountId, CustomHeader, Endpoint, GatewayConfig, GatewayConfigId, HeaderContent, Label, Mechanism, SecretId};
use serde::Serialize;
use service::GatewayConfigPage;

/// A gateway config.
#[derive(Serialize)]
pub(crate) struct GatewayConfigView {
    id: GatewayConfigId,
    name: Label,
    endpoint: Endpoint,
    auth_mechanism: MechanismView,
    create_time_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    custom_headers: Vec<HeaderView>,
}

/// A page of gateway configs.
#[derive(Serialize)]
pub(crate) struct GatewayConfigListView {
    gateway_configs: Vec<GatewayConfigView>,
    has_more: bool,
    total_count: u64,
}

/// How a credential is written.
#[derive(Serialize)]
pub(crate) struct MechanismView {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<HeaderKey>,
}

/// A further header: the id of the secret whose value stands in it, or its text, which is no secret.
#[derive(Serialize)]
struct HeaderView {
    name: HeaderKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<HeaderText>,
}

impl From<GatewayConfig> for GatewayConfigView {
    fn from(config: GatewayConfig) -> Self {
        let GatewayConfig { id, account, name, endpoint, mechanism, headers, description, created } = config;
        Self {
            id,
            name,
            endpoint,
            auth_mechanism: mechanism.into(),
            create_time_ms: created.unix_ms(),
            account_id: account,
            description,
            custom_headers: headers.into_iter().map(HeaderView::from).collect(),
        }
    }
}

impl From<GatewayConfigPage> for GatewayConfigListView {
    fn from(page: GatewayConfigPage) -> Self {
        let gateway_configs = page.configs.into_iter().map(GatewayConfigView::from).collect();
        Self { gateway_configs, has_more: page.has_more, total_count: page.total }
    }
}

impl From<Mechanism> for MechanismView {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Bearer => Self { r#type: "bearer", key: None },
            Mechanism::Basic => Self { r#type: "basic", key: None },
            Mechanism::Header(key) => Self { r#type: "header", key: Some(key) },
        }
    }
}

impl From<CustomHeader> for HeaderView {
    fn from(header: CustomHeader) -> Self {
        let CustomHeader { name, content } = header;
        match content {
            HeaderContent::Secret(secret) => Self { name, secret: Some(secret), value: None },
            HeaderContent::Text(text) => Self { name, secret: None, value: Some(text) },
        }
    }
}
