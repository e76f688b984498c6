//! Who may do what: accounts, API keys and their scopes, and what people call them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::framing::framed;
use crate::id::{AccountId, ApiKeyId};
use crate::limits::LABEL_CHARS_MAX;
use crate::text::is_invisible;
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
    /// HMAC-SHA-256 (RFC 2104) by the gateway's key over [`ApiKey::mac_input`]: the gateway saw the key made. Empty where it did not.
    pub mac: Vec<u8>,
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

/// What people call an account or a key: at most 100 characters, none of which moves a terminal's cursor or turns text around.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is no label. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name has at most {LABEL_CHARS_MAX} printable characters, and no blank at either end")]
pub struct LabelError;

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
        Self { id, account, hash, scopes, name: String::new(), created, expires: None, revoked: None, last_used: None, mac: Vec::new() }
    }

    /// The bytes that the gateway's MAC covers: whose key it is, which, what it may do and until when, each with its length before it.
    #[must_use]
    pub fn mac_input(&self) -> Vec<u8> {
        let hash: String = self.hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let expires = self.expires.map_or_else(String::new, |at| at.unix_ms().to_string());
        framed([self.id.as_str(), self.account.as_str(), &hash, &self.scopes.to_string(), &expires])
    }

    /// Whether the key is good at `now`: neither revoked nor expired.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }

    /// Whether the key, if neither is revoked, is good for at least as long as `other`.
    #[must_use]
    pub fn outlasts(&self, other: &Self) -> bool {
        match (self.expires, other.expires) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(end), Some(others)) => end >= others,
        }
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

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let printable = |c: char| !c.is_control() && !is_invisible(c);
        if text.chars().count() <= LABEL_CHARS_MAX && text.chars().all(printable) && text.trim() == text {
            Ok(Self(text.to_owned()))
        } else {
            Err(LabelError)
        }
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
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

    /// Whether every scope of `others` is in the set.
    #[must_use]
    pub const fn cover(&self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The scopes, always in the same order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(word: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(ScopeError)
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Words separated by commas.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split(',').map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::as_str).collect();
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
    fn a_label_moves_no_cursor_and_turns_no_text() {
        for text in [" a", "a ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{200b}b", &"x".repeat(101)] {
            assert_eq!(text.parse::<Label>(), Err(LabelError), "{text:?}");
        }
        for text in ["", "CI, nightly", "Ärger & Söhne", &"ü".repeat(100)] {
            assert_eq!(text.parse::<Label>().map(String::from).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_key_ends_when_it_is_revoked_or_its_time_is_over() {
        let at = Timestamp::from_unix_ms;
        let key = ApiKey::new(ApiKeyId::from_parts(at(5), 1), AccountId::from_parts(at(5), 1), TokenHash([0; 32]), Scopes::all(), at(5));
        let short = ApiKey { expires: Some(at(10)), ..key.clone() };
        assert!(!short.is_good(at(10)) && short.is_good(at(9)));
        assert!(!ApiKey { revoked: Some(at(6)), ..key.clone() }.is_good(at(6)));
        assert!(key.is_good(at(i64::MAX)));
        assert!(!short.outlasts(&key) && key.outlasts(&short) && key.outlasts(&key) && short.outlasts(&short));
    }

    #[test]
    fn a_set_covers_itself_and_its_parts() {
        let scopes: Scopes = "read,keys".parse().expect("words");
        assert!(!scopes.cover(Scopes::all()) && !scopes.cover("devbox".parse().expect("a word")));
        assert!(scopes.cover(scopes) && scopes.cover(Scopes::default()) && Scopes::all().cover(scopes));
    }

    #[test]
    fn a_set_holds_what_was_named_and_nothing_else() {
        let scopes: Scopes = "read,devbox".parse().expect("words");
        assert!(scopes.contains(Scope::Read) && scopes.contains(Scope::Devbox));
        assert!(!scopes.contains(Scope::Secrets) && !scopes.contains(Scope::Keys));
        assert_eq!(scopes.to_string(), "read,devbox");
    }

    #[test]
    fn the_mac_covers_whose_key_it_is_what_it_may_do_and_until_when() {
        let at = Timestamp::from_unix_ms;
        let key = ApiKey::new(ApiKeyId::from_parts(at(5), 1), AccountId::from_parts(at(5), 1), TokenHash([0; 32]), Scopes::all(), at(5));
        let changed = [
            ApiKey { id: ApiKeyId::from_parts(at(5), 2), ..key.clone() },
            ApiKey { account: AccountId::from_parts(at(5), 2), ..key.clone() },
            ApiKey { hash: TokenHash([1; 32]), ..key.clone() },
            ApiKey { scopes: "read".parse().expect("a scope"), ..key.clone() },
            ApiKey { expires: Some(at(9)), ..key.clone() },
        ];
        let inputs: std::collections::BTreeSet<Vec<u8>> = changed.iter().chain([&key]).map(ApiKey::mac_input).collect();
        assert_eq!(inputs.len(), changed.len() + 1);
        let told_otherwise = ApiKey { name: "a".to_owned(), last_used: Some(at(7)), ..key.clone() };
        assert_eq!(told_otherwise.mac_input(), key.mac_input());
    }

    #[test]
    fn a_label_is_read_from_a_string_as_it_is_written() {
        let label = Label::try_from("CI, nightly".to_owned()).expect("a label");
        assert_eq!(label.as_str(), "CI, nightly");
        assert_eq!(Label::try_from("a\nb".to_owned()), Err(LabelError));
    }

    #[test]
    fn a_set_is_empty_when_nothing_was_named_and_naming_twice_is_naming_once() {
        assert!(Scopes::default().is_empty() && !Scopes::all().is_empty());
        assert_eq!([Scope::Read, Scope::Read].into_iter().collect::<Scopes>().to_string(), "read");
    }
}
