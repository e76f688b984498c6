//! Calls about secrets: create, get, list, update, delete.

use bytes::Bytes;
use http::Method;
use model::{SecretId, SecretName, Timestamp};
use serde::{Deserialize, Serialize};
use vault::SecretValue;

use crate::error::ClientError;
use crate::transport::Client;

/// A secret as the server shows it: never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its id.
    pub id: SecretId,
    /// Its name.
    pub name: SecretName,
    /// When it was created.
    pub create_time_ms: Timestamp,
    /// When its value was last written.
    pub update_time_ms: Timestamp,
}

/// A page of secrets, newest first.
#[derive(Debug, Deserialize)]
pub struct SecretPage {
    /// The page.
    pub secrets: Vec<SecretView>,
    /// Whether older ones follow.
    pub has_more: bool,
    /// How many there are in all, where the server says.
    pub total_count: Option<u64>,
}

impl Client {
    /// Creates a secret; the value is consumed.
    ///
    /// # Errors
    /// [`ClientError::Status`] when the server refuses (400 with the code of a duplicate where the name is taken), and when it cannot be reached.
    pub fn create(&self, name: &SecretName, value: SecretValue) -> Result<SecretView, ClientError> {
        self.call(Method::POST, "/v1/secrets", Bytes::from_owner(vault::wire::create_body(name, value)))
    }

    /// The metadata of one secret.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server cannot be reached.
    pub fn get(&self, name: &SecretName) -> Result<SecretView, ClientError> {
        self.call(Method::GET, &format!("/v1/secrets/{name}"), Bytes::new())
    }

    /// One page of at most `limit` secrets, newest first, from the one after `after`.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub fn list_page(&self, limit: usize, after: Option<&SecretId>) -> Result<SecretPage, ClientError> {
        let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
        self.call(Method::GET, &format!("/v1/secrets?limit={limit}{after}"), Bytes::new())
    }

    /// Every secret of the account, newest first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; [`ClientError::Malformed`] when its pages do not end.
    pub fn list(&self) -> Result<Vec<SecretView>, ClientError> {
        let mut all: Vec<SecretView> = Vec::new();
        loop {
            let after = all.last().map(|secret| secret.id.clone());
            let page = self.list_page(model::limits::PAGE_ITEMS_MAX, after.as_ref())?;
            let stuck = page.secrets.last().is_none_or(|last| Some(&last.id) == after.as_ref());
            all.extend(page.secrets);
            match (page.has_more, stuck) {
                (false, _) => return Ok(all),
                (true, true) => return Err(ClientError::Malformed),
                (true, false) => {}
            }
        }
    }

    /// Replaces a secret's value; the value is consumed.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server refuses or cannot be reached.
    pub fn update(&self, name: &SecretName, value: SecretValue) -> Result<SecretView, ClientError> {
        self.call(Method::POST, &format!("/v1/secrets/{name}"), Bytes::from_owner(vault::wire::update_body(value)))
    }

    /// Deletes a secret, every version of it, for good.
    ///
    /// # Errors
    /// [`ClientError::Status`] with 404 where there is none, and when the server refuses or cannot be reached.
    pub fn delete(&self, name: &SecretName) -> Result<SecretView, ClientError> {
        self.call(Method::POST, &format!("/v1/secrets/{name}/delete"), Bytes::new())
    }
}
