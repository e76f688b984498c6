//! Events: what happened, by whom, to what. No field can hold a value: each is a noun of ours, and the store chains them by hash.

use serde::{Deserialize, Serialize};

use crate::host::{Host, HostPattern};
use crate::id::{AccountId, ApiKeyId, DevboxId, GatewayConfigId, RequestId, SecretId};
use crate::name::SecretName;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Which process wrote an event: each has its own chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// The api, in the store.
    Api,
    /// The gateway, in its own database.
    Gateway,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// An account was made.
    AccountCreated,
    /// An API key was made.
    KeyCreated,
    /// The gateway put its mark on an API key that was about to be made.
    KeyMarked,
    /// An API key was revoked.
    KeyRevoked,
    /// A secret was created.
    SecretCreated,
    /// A secret's value was replaced.
    SecretUpdated,
    /// A secret was deleted, every version erased.
    SecretDeleted,
    /// A gateway config was made.
    GatewayConfigCreated,
    /// A gateway config was changed.
    GatewayConfigUpdated,
    /// A gateway config was removed.
    GatewayConfigDeleted,
    /// An explicit binding was made.
    BindingCreated,
    /// An explicit binding was removed.
    BindingDeleted,
    /// A devbox was opened.
    DevboxOpened,
    /// A devbox ended.
    DevboxClosed,
    /// A devbox used a secret towards a host for the first time. On disk before the value left.
    SecretFirstUsed,
    /// Later uses, counted.
    SecretUsed,
    /// A request was refused.
    Refused,
    /// A devbox that runs was given one more gateway.
    GatewayTokenCreated,
    /// A gateway config wants a secret that is bound nowhere: a person is asked.
    PairingRequested,
    /// A person let a gateway config have a secret.
    PairingApproved,
    /// A person did not.
    PairingRefused,
    /// A secret's value may be given to devboxes as it is.
    SecretExposed,
    /// A secret's value may no longer be given to devboxes as it is.
    SecretBrokered,
    /// A devbox was given a secret's value as it is.
    SecretGivenPlain,
    /// A devbox reached a host of the pass-through list for the first time: what is said there is not seen.
    PassedThrough,
    /// A backup of the whole installation was written and read back.
    BackedUp,
    /// The anchor outside of the data folder was not there any more, and was made anew: what was put back before that is not noticed.
    AnchorMissing,
    /// A person accepted a data folder that is older than its anchor.
    RollbackAccepted,
    /// An agent asked a person for something.
    RequestMade,
    /// The link to the page where a person types the value that an agent asked for was opened. It does not work any more.
    RequestOpened,
    /// Somebody at that page could not show that they may.
    RequestProofWrong,
    /// A person typed that value.
    RequestEntered,
    /// A person let an agent have what it asked for.
    RequestApproved,
    /// A person did not.
    RequestRefused,
    /// Somebody tried to type the value and could not show that they may, as often as is let, or the agent asked in another way, or its devbox has ended: the
    /// request is dead.
    RequestLapsed,
    /// A devbox that runs was given a placeholder more, or may reach a host more.
    DevboxGivenMore,
}

/// An audit record. The store adds its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Whose account.
    pub account: AccountId,
    /// With which API key, where one was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
    /// About which API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_key: Option<ApiKeyId>,
    /// Which secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretId>,
    /// Its name at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SecretName>,
    /// Its version at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Which gateway config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayConfigId>,
    /// Which devbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devbox: Option<DevboxId>,
    /// Which request of an agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Towards which host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Towards which hosts, where it is more than one: a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<HostPattern>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// How often, where uses or refusals are counted together; of a devbox that ended, how many grants ended with it; of a link that was opened, the how many-th of its
    /// request it was; of a wrong code, the how many-th.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// An event in its chain, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedEvent {
    /// Whose chain.
    pub writer: Writer,
    /// 1 for the chain's first event, then without gaps.
    pub seq: u64,
    /// SHA-256 over the previous event's hash and this event, in hexadecimal.
    pub hash: String,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl Event {
    /// An event with nothing but its kind, time and account; the rest is filled in by struct update.
    #[must_use]
    pub const fn bare(kind: EventKind, time: Timestamp, account: AccountId) -> Self {
        Self {
            time,
            kind,
            account,
            key: None,
            about_key: None,
            secret: None,
            name: None,
            version: None,
            gateway: None,
            devbox: None,
            request: None,
            host: None,
            pattern: None,
            refusal: None,
            count: None,
        }
    }

    /// The same event, towards these hosts.
    #[must_use]
    pub fn towards(self, host: Option<&HostPattern>) -> Self {
        match host {
            Some(HostPattern::Exact(host)) => Self { host: Some(host.clone()), ..self },
            Some(pattern @ HostPattern::OneLabel(_)) => Self { pattern: Some(pattern.clone()), ..self },
            None => self,
        }
    }

    /// The same event, about this secret.
    #[must_use]
    pub fn about(self, secret: &crate::Secret) -> Self {
        Self { secret: Some(secret.id.clone()), name: Some(secret.name.clone()), version: Some(secret.version), ..self }
    }
}
