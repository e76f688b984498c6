//! What the command line asks of the api at `control.sock`: what no API key may do, by the user who runs the server.
//!
//! One request to a connection. An account's first key is made by the gateway, and the api is told its hash.

use model::{Account, AccountId, ApiKeyId, Label, Scope, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

use crate::cli::Denial;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Make an account with its first key. Answered by [`Reply::AccountCreated`].
    CreateAccount {
        /// What people call it.
        name: Label,
        /// Whether it may use the product's routes.
        devbox_capability: bool,
        /// Its id and its first key, as the gateway made them.
        begun: Begun,
    },
    /// The accounts, a page at a time, oldest first. Answered by [`Reply::Accounts`].
    Accounts {
        /// After this account.
        after: Option<AccountId>,
    },
}

/// An account's id and its first key, which has every scope: made by the gateway, so that the api learns of the key's hash only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The account's id.
    pub account: AccountId,
    /// The key's id.
    pub key: ApiKeyId,
    /// SHA-256 of the key.
    pub hash: TokenHash,
    /// When both were made.
    pub created: Timestamp,
    /// The gateway's mark on the key.
    pub mac: Vec<u8>,
}

/// A reply.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// An account was made.
    AccountCreated(Created),
    /// A page of accounts.
    Accounts {
        /// The page.
        accounts: Vec<Account>,
        /// Where the next page begins; none after the last.
        next: Option<AccountId>,
    },
    /// It was not done.
    Refused {
        /// Why.
        why: Denial,
        /// What happened and what mends it; never what was sent.
        message: String,
    },
}

/// An account with its first key.
#[derive(Serialize, Deserialize)]
pub struct Created {
    /// The account.
    pub account: Account,
    /// The key's id.
    pub key_id: ApiKeyId,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// When the key was made.
    pub created: Timestamp,
}
