//! What goes into the store and comes out of it, where a noun of `model` alone does not say it.

use model::{
    Account, AccountId, ApiKey, ApiKeyId, Binding, DataKeyRecord, DevboxId, EnvName, Event, GatewayConfigId, Grant, HostPattern, Hosted,
    PairingId, Sealed, Secret, SecretId, SecretName, StoredBinding, Timestamp, TokenHash,
};

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
    pub secret: Secret,
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

/// What ties a grant to a gateway of its devbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayGrant {
    /// The config.
    pub config: GatewayConfigId,
    /// The gateway's DNS label inside the devbox.
    pub label: String,
    /// What the grant is for.
    pub role: GatewayRole,
}

/// What a grant is to its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayRole {
    /// Its token is the gateway's own.
    Credential,
    /// A secret that stands in a custom header; the devbox holds no token for it.
    Header,
}

/// A devbox of the API's: what its row has beside what every devbox has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedRow {
    /// What is shown of it.
    pub hosted: Hosted,
    /// The API key that asked for it.
    pub key: ApiKeyId,
    /// SHA-256 of the route and the caller's number.
    pub request: Option<[u8; 32]>,
}

/// A devbox of the API's with all that is written when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHosted {
    /// What every devbox has.
    pub devbox: DevboxRow,
    /// What the API's have.
    pub hosted: HostedRow,
    /// Its grants.
    pub granted: Vec<GrantRow>,
    /// What a person is asked.
    pub pairings: Vec<PairingRow>,
    /// Bindings that were made at once, since nobody wants to be asked.
    pub bindings: Vec<StoredBinding>,
}

/// One more gateway of a devbox, with all that is written when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGateway {
    /// The devbox.
    pub devbox: DevboxId,
    /// The gateway's grants.
    pub granted: Vec<GrantRow>,
    /// What a person is asked.
    pub pairings: Vec<PairingRow>,
    /// Bindings that were made at once.
    pub bindings: Vec<StoredBinding>,
}

/// Devboxes of the API's, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedPage {
    /// The page.
    pub devboxes: Vec<Hosted>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// How many there are, on all pages.
    pub total: u64,
}

/// A secret and a destination of a gateway config's, which a person is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRow {
    /// Its id.
    pub id: PairingId,
    /// Whose secret it is.
    pub account: AccountId,
    /// The secret.
    pub secret: SecretId,
    /// The binding that letting it through would make.
    pub binding: Binding,
    /// The devbox that asked first.
    pub devbox: DevboxId,
    /// The config that it asked with.
    pub config: GatewayConfigId,
    /// What was decided.
    pub status: PairingStatus,
    /// When it was asked.
    pub created: Timestamp,
    /// When it was decided, if it was.
    pub decided: Option<Timestamp>,
    /// HMAC-SHA-256 (RFC 2104) by the gateway's key over [`PairingRow::mac_input`].
    pub mac: Vec<u8>,
}

/// What was decided of a pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingStatus {
    /// Nothing yet.
    Waiting,
    /// The secret may go there.
    Approved,
    /// It may not.
    Refused,
}

/// Whether a secret's value may be given to devboxes as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureRow {
    /// The secret. A secret deleted and made again is another one.
    pub secret: SecretId,
    /// Whose it is.
    pub account: AccountId,
    /// Whether it may.
    pub plain: bool,
    /// When that was said.
    pub created: Timestamp,
    /// HMAC-SHA-256 (RFC 2104) by the gateway's key over [`ExposureRow::mac_input`].
    pub mac: Vec<u8>,
}

impl GatewayRole {
    /// The role's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Header => "header",
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Credential, Self::Header].into_iter().find(|role| role.as_str() == word)
    }
}

impl PairingStatus {
    /// The status's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Approved, Self::Refused].into_iter().find(|status| status.as_str() == word)
    }
}

impl PairingRow {
    /// The bytes that the gateway's MAC covers: every field but the MAC, each with its length before it.
    #[must_use]
    pub fn mac_input(&self) -> Vec<u8> {
        let binding = &self.binding;
        let methods = binding.methods.as_slice().join(",");
        let decided = self.decided.map_or_else(String::new, |at| at.unix_ms().to_string());
        framed(&[
            self.id.as_str(),
            self.account.as_str(),
            self.secret.as_str(),
            &binding.host.to_string(),
            &binding.port.to_string(),
            &methods,
            binding.path.as_str(),
            &binding.form.to_string(),
            self.devbox.as_str(),
            self.config.as_str(),
            self.status.as_str(),
            &self.created.unix_ms().to_string(),
            &decided,
        ])
    }
}

impl ExposureRow {
    /// The bytes that the gateway's MAC covers: every field but the MAC, each with its length before it.
    #[must_use]
    pub fn mac_input(&self) -> Vec<u8> {
        let plain = if self.plain { "plain" } else { "brokered" };
        framed(&[self.secret.as_str(), self.account.as_str(), plain, &self.created.unix_ms().to_string()])
    }
}

fn framed(parts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
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
