//! A secret: the metadata of a value. Nothing here can hold the value.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, SecretId};
use crate::kind::KindId;
use crate::name::SecretName;
use crate::time::Timestamp;

/// What is known of a value without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id; never used again after a delete.
    pub id: SecretId,
    /// Whose it is.
    pub account: AccountId,
    /// Unique within the account.
    pub name: SecretName,
    /// 1 at creation, one more at each update.
    pub version: u32,
    /// What the value looked like to the api when it was stored. A hint for people: the gateway decides from the value itself.
    pub kind: Option<KindId>,
    /// When the secret was created.
    pub created: Timestamp,
    /// When its value was last written.
    pub updated: Timestamp,
}
