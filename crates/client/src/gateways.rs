//! Calls about gateway configs.

use bytes::Bytes;
use http::Method;
use model::gateway::{Endpoint, Mechanism};
use model::{GatewayConfigId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::devboxes::body;
use crate::error::ClientError;
use crate::transport::Client;

/// A gateway config as the server shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewayConfigView {
    /// Its id.
    pub id: GatewayConfigId,
    /// What people call it.
    pub name: String,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// How the credential is written there.
    pub auth_mechanism: Mechanism,
    /// When it was made.
    pub create_time_ms: Timestamp,
    /// All else that the server shows.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    gateway_configs: Vec<GatewayConfigView>,
    has_more: bool,
}

impl Client {
    /// Makes a gateway config.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the server refuses, and when it cannot be reached.
    pub fn create_gateway_config(&self, wanted: &Value) -> Result<GatewayConfigView, ClientError> {
        self.call(Method::POST, "/v1/gateway-configs", body(wanted))
    }

    /// Changes what `wanted` names.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server refuses or cannot be reached.
    pub fn update_gateway_config(&self, id: &GatewayConfigId, wanted: &Value) -> Result<GatewayConfigView, ClientError> {
        self.call(Method::POST, &format!("/v1/gateway-configs/{id}"), body(wanted))
    }

    /// Every gateway config of the account, newest first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; [`ClientError::Malformed`] when its pages do not end.
    pub fn gateway_configs(&self) -> Result<Vec<GatewayConfigView>, ClientError> {
        let mut all: Vec<GatewayConfigView> = Vec::new();
        loop {
            let after = all.last().map(|last| format!("&starting_after={}", last.id)).unwrap_or_default();
            let path = format!("/v1/gateway-configs?limit={}{after}", model::limits::PAGE_ITEMS_MAX);
            let page: Page = self.call(Method::GET, &path, Bytes::new())?;
            let grows = page.gateway_configs.last().is_some_and(|last| all.last().is_none_or(|before| last.id < before.id));
            all.extend(page.gateway_configs);
            match (page.has_more, grows) {
                (false, _) => return Ok(all),
                (true, false) => return Err(ClientError::Malformed),
                (true, true) => {}
            }
        }
    }

    /// One gateway config.
    ///
    /// # Errors
    /// As [`Client::update_gateway_config`].
    pub fn gateway_config(&self, id: &GatewayConfigId) -> Result<GatewayConfigView, ClientError> {
        self.call(Method::GET, &format!("/v1/gateway-configs/{id}"), Bytes::new())
    }

    /// Deletes a gateway config, for good.
    ///
    /// # Errors
    /// As [`Client::update_gateway_config`].
    pub fn delete_gateway_config(&self, id: &GatewayConfigId) -> Result<GatewayConfigView, ClientError> {
        self.call(Method::POST, &format!("/v1/gateway-configs/{id}/delete"), Bytes::new())
    }
}
