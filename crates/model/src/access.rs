//! Who may do what: accounts, API keys and their scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, ApiKeyId};
use crate::time::Timestamp;
use crate::token::TokenHash;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// Whether it may use the product's routes at all (403 without).
    pub devbox_capability: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A bearer credential's record. The credential itself is stored nowhere but as its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// SHA-256 of the credential.
    pub hash: TokenHash,
    /// What it may do.
    pub scopes: Scopes,
    /// What people call it; empty where it has no name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer good, if ever.
    pub expires: Option<Timestamp>,
    /// When it was revoked, if it was. It is never good again.
    pub revoked: Option<Timestamp>,
    /// When it was last shown, to the minute, if it was.
    pub last_used: Option<Timestamp>,
}

/// One thing that an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// List and get.
    Read,
    /// Create, update and delete secrets.
    Secrets,
    /// Create and use devboxes.
    Devbox,
    /// Make and revoke API keys.
    Keys,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scopes(u8);

/// A word that names no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("scopes are read, secrets, devbox and keys")]
pub struct ScopeError;

impl ApiKey {
    /// A new key without a name or an end, never used.
    #[must_use]
    pub const fn new(id: ApiKeyId, account: AccountId, hash: TokenHash, scopes: Scopes, created: Timestamp) -> Self {
        Self { id, account, hash, scopes, name: String::new(), created, expires: None, revoked: None, last_used: None }
    }

    /// Whether the key is good at `now`: neither revoked nor expired.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 4] = [Self::Read, Self::Secrets, Self::Devbox, Self::Keys];

    /// The scope's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Secrets => "secrets",
            Self::Devbox => "devbox",
            Self::Keys => "keys",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Secrets => 2,
            Self::Devbox => 4,
            Self::Keys => 8,
        }
    }
}

impl Scopes {
    /// All scopes: the owner's.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Words separated by commas.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let find = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(ScopeError);
        text.split(',').map(find).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = Scope::ALL.into_iter().filter(|scope| self.contains(*scope)).map(Scope::as_str).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_is_no_scope() {
        assert_eq!("read,admin".parse::<Scopes>(), Err(ScopeError));
        assert_eq!("".parse::<Scopes>(), Err(ScopeError));
    }

    #[test]
    fn a_set_holds_what_was_named_and_nothing_else() {
        let scopes: Scopes = "read,devbox".parse().expect("words");
        assert!(scopes.contains(Scope::Read) && scopes.contains(Scope::Devbox));
        assert!(!scopes.contains(Scope::Secrets) && !scopes.contains(Scope::Keys));
        assert_eq!(scopes.to_string(), "read,devbox");
    }
}
