//! What the command line asks of the api at `control.sock`: what no API key may do, by the user who runs the server.
//!
//! One request to a connection. The answer to a made account carries its first key, shown this once.

use model::{Account, AccountId, ApiKeyId, Label, Scope, Timestamp};
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
    },
    /// The accounts, a page at a time, oldest first. Answered by [`Reply::Accounts`].
    Accounts {
        /// After this account.
        after: Option<AccountId>,
    },
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
    /// The key itself.
    pub key: String,
}
