//! What goes into the store and comes out of it, where a noun of `model` alone does not say it.

use model::{
    Account, AccountId, ApiKey, ApiKeyId, DataKeyRecord, DevboxId, EnvName, Event, GatewayConfig, Grant, HostPattern, Sealed, Secret,
    SecretName, Timestamp, TokenHash,
};

use crate::hosted::GatewayGrant;

/// A secret with its sealed value and the record of the data key that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// What is known of the value.
    pub secret: Secret,
    /// The sealed value.
    pub sealed: Sealed,
    /// The data key named by `sealed`.
    pub data_key: DataKeyRecord,
}

/// What was answered to a request that its caller numbered: kept in the transaction of the change itself, so that one is never without the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// The API key that asked.
    pub key: ApiKeyId,
    /// SHA-256 of the route and the caller's number.
    pub request: [u8; 32],
    /// What was shown.
    pub shown: Shown,
}

/// What an answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A secret's metadata.
    Secret(Secret),
    /// A gateway config.
    GatewayConfig(GatewayConfig),
}

/// What a change leaves behind beside its rows: its event, and the answer to the request that asked for it, where that had a number.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The event.
    pub event: &'a Event,
    /// The answer.
    pub answer: Option<&'a AnswerRow>,
}

/// Secrets, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPage {
    /// The page.
    pub secrets: Vec<Secret>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// How many secrets the account has, on all pages.
    pub total: u64,
}

/// Gateway configs, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfigPage {
    /// The page.
    pub configs: Vec<GatewayConfig>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// How many there are on all pages, those that every account has included.
    pub total: u64,
}

/// What a writer has committed since it was opened: changes are committed in groups, and how many share one is what a disk's speed is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// Groups.
    pub groups: u64,
    /// Changes in them.
    pub changes: u64,
}

/// API keys, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// The page.
    pub keys: Vec<ApiKey>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// How many keys the account has, on all pages, revoked ones too.
    pub total: u64,
}

/// Accounts, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPage {
    /// The page.
    pub accounts: Vec<Account>,
    /// Whether there are newer ones.
    pub has_more: bool,
    /// How many accounts there are, on all pages.
    pub total: u64,
}

/// A request to make an API key that its caller numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// The key that was shown.
    pub caller: ApiKeyId,
    /// SHA-256 of route and number.
    pub hash: [u8; 32],
}

/// A key that a numbered request made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedKey {
    /// The key.
    pub key: ApiKey,
    /// The request.
    pub request: KeyRequest,
    /// The key that the same request made before, which is revoked now.
    pub replaced: Option<ApiKeyId>,
}

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Of this account.
    pub account: AccountId,
    /// About the secret of this name only.
    pub name: Option<SecretName>,
    /// After this number; 0 from the start.
    pub after: u64,
    /// At most so many; more than [`model::limits::PAGE_ITEMS_MAX`] is clamped.
    pub limit: usize,
}

/// The last link of a chain of events. Kept elsewhere, it shows later whether the chain's end was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last event's number; 0 where there is none.
    pub seq: u64,
    /// Its hash; the chain's beginning where there is none.
    pub hash: [u8; 32],
}

/// A devbox as the gateway keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevboxRow {
    /// Its id.
    pub id: DevboxId,
    /// Whose it is.
    pub account: AccountId,
    /// The API key with which it was opened.
    pub key: ApiKeyId,
    /// What it may reach beside its secrets' hosts.
    pub allow: Vec<HostPattern>,
    /// SHA-256 of what the CLI shows to take it up again.
    pub resume: TokenHash,
    /// Its CA's certificate.
    pub ca_pem: String,
    /// Its CA's key, wrapped by the gateway. Erased when the devbox is closed.
    pub ca_key: Vec<u8>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was closed, if it was.
    pub closed: Option<Timestamp>,
}

/// A grant with what a devbox calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The grant.
    pub grant: Grant,
    /// The variable in which the devbox holds the token.
    pub env: EnvName,
    /// The secret's name.
    pub name: SecretName,
    /// The token itself, wrapped by the gateway. Erased when the devbox is closed.
    pub token: Vec<u8>,
    /// For which gateway of the devbox it is, where it is for one.
    pub gateway: Option<GatewayGrant>,
}

impl From<Secret> for Shown {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl From<GatewayConfig> for Shown {
    fn from(config: GatewayConfig) -> Self {
        Self::GatewayConfig(config)
    }
}

impl<'a> From<&'a Event> for Recorded<'a> {
    fn from(event: &'a Event) -> Self {
        Self { event, answer: None }
    }
}

impl EventQuery {
    /// All events of an account from the first, at most `limit`.
    #[must_use]
    pub const fn of(account: AccountId, limit: usize) -> Self {
        Self { account, name: None, after: 0, limit }
    }
}
