//! What goes into the ledger and comes out of it about the API's devboxes: their gateways, the pairings that these ask for, and exposure.

use model::framing::framed;
use model::{AccountId, ApiKeyId, Binding, DevboxId, GatewayConfigId, Hosted, PairingId, SecretId, StoredBinding, Timestamp};

use crate::rows::{DevboxRow, GrantRow};

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
        framed([
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
        framed([self.secret.as_str(), self.account.as_str(), plain, &self.created.unix_ms().to_string()])
    }
}
