//! Calls about API keys: make, list, revoke.

use bytes::Bytes;
use http::Method;
use model::{ApiKeyId, Label, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::transport::Client;

/// An API key as the server shows it: never the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it; may be empty.
    pub name: Label,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub create_time_ms: Timestamp,
    /// From when on it is not good any more, if ever.
    pub expire_time_ms: Option<Timestamp>,
    /// When it was last used, to the minute, if it was.
    pub last_used_time_ms: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoke_time_ms: Option<Timestamp>,
}

/// A page of keys, newest first.
#[derive(Debug, Deserialize)]
pub struct KeyPage {
    /// The page.
    pub api_keys: Vec<KeyView>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// A new key with its credential, which no later call shows.
#[derive(Serialize, Deserialize)]
pub struct CreatedKey {
    /// Its record.
    pub api_key: KeyView,
    /// The credential.
    pub key: String,
}

#[derive(Serialize)]
struct Wanted<'a> {
    name: &'a Label,
    scopes: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<u64>,
}

impl Client {
    /// Makes a key.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the server refuses, and when it cannot be reached.
    pub fn create_key(&self, name: &Label, scopes: &[Scope], expires_in_seconds: Option<u64>) -> Result<CreatedKey, ClientError> {
        let body = serde_json::to_vec(&Wanted { name, scopes, expires_in_seconds }).map_err(|_| ClientError::Malformed)?;
        self.call(Method::POST, "/v1/api-keys", body.into())
    }

    /// Every key of the account, newest first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; [`ClientError::Malformed`] when its pages do not end.
    pub fn keys(&self) -> Result<Vec<KeyView>, ClientError> {
        let mut all: Vec<KeyView> = Vec::new();
        loop {
            let after = all.last().map(|key| format!("&starting_after={}", key.id)).unwrap_or_default();
            let limit = model::limits::PAGE_ITEMS_MAX;
            let page: KeyPage = self.call(Method::GET, &format!("/v1/api-keys?limit={limit}{after}"), Bytes::new())?;
            let grows = page.api_keys.last().is_some_and(|last| all.last().is_none_or(|before| last.id < before.id));
            all.extend(page.api_keys);
            match (page.has_more, grows) {
                (false, _) => return Ok(all),
                (true, false) => return Err(ClientError::Malformed),
                (true, true) => {}
            }
        }
    }

    /// Revokes a key, for good.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server refuses or cannot be reached.
    pub fn revoke_key(&self, id: &ApiKeyId) -> Result<KeyView, ClientError> {
        self.call(Method::POST, &format!("/v1/api-keys/{id}/revoke"), Bytes::new())
    }
}
