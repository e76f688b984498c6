//! What the command line asks of the gateway at `gateway.sock`.
//!
//! Whoever changes bindings or exposure, decides a pairing, makes a backup or looks at everything shows the admin key. Whoever opens a devbox shows an API key with the scope `devbox`.

use std::collections::BTreeMap;

use model::{
    AccountId, Binding, BindingSource, DevboxId, EnvName, Host, HostPattern, Hosted, KindId, Label, Network, PairingId, ProxyUrl, Refusal,
    RequestId, SecretId, SecretName, Timestamp, Token,
};
use serde::{Deserialize, Serialize};

use crate::agents::{AskedView, Decided, Meant};
use crate::control::Begun;
use crate::front::GatewayWanted;
pub use crate::verified::{AnchorSeen, ChainHead, Finding, RowCounts, TrustedSetting, Verified};

/// A request. One request, one [`Reply`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Whether the gateway is ready. Answered by [`Reply::Ready`].
    Status,
    /// Open a devbox. Answered by [`Reply::DevboxOpened`]. The devbox ends with this connection unless it is resumed over another.
    OpenDevbox {
        /// An API key with the scope `devbox`.
        api_key: String,
        /// The secrets; none: every usable secret of the account.
        secrets: Option<Vec<Wanted>>,
        /// Hosts that the devbox may reach beside those that its secrets are bound to.
        allow: Vec<HostPattern>,
    },
    /// Make an environment for somebody else's sandbox. Answered by [`Reply::Remote`]. It does not end with this connection.
    OpenRemote {
        /// An API key with the scope `devbox`.
        api_key: String,
        /// What is wanted.
        wanted: NewRemote,
    },
    /// The devbox's listeners, as descriptors beside this message in the order of `roles`. Answered by [`Reply::Done`].
    HandListeners {
        /// Which devbox.
        devbox: DevboxId,
        /// What each descriptor is.
        roles: Vec<Role>,
    },
    /// Take up a devbox that the gateway lost by a restart, with its listeners again. Answered by [`Reply::Done`].
    ResumeDevbox {
        /// Which devbox.
        devbox: DevboxId,
        /// The text that [`Reply::DevboxOpened`] gave.
        resume: String,
        /// What each descriptor is.
        roles: Vec<Role>,
    },
    /// End a devbox. Answered by [`Reply::DevboxClosed`].
    CloseDevbox {
        /// Which devbox.
        devbox: DevboxId,
    },
    /// Make an explicit binding. Answered by [`Reply::Bindings`] with the secret's bindings as they are now.
    Bind {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// The secret.
        name: SecretName,
        /// The binding.
        binding: Binding,
    },
    /// Remove explicit bindings: those of one host, or all. Answered by [`Reply::Bindings`].
    Unbind {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// The secret.
        name: SecretName,
        /// Of this host only.
        host: Option<HostPattern>,
    },
    /// Write a backup into the new, empty file whose descriptor is beside this message, open to write and read. Answered by [`Reply::BackedUp`].
    Backup {
        /// The admin key.
        admin_key: String,
        /// An API key, with which the backup is recorded in the owner's events.
        api_key: String,
    },
    /// Look at every row and every event. Answered by [`Reply::Verifying`], as often as there is something to tell, and then by [`Reply::Verified`].
    Verify {
        /// The admin key.
        admin_key: String,
    },
    /// The pairings of gateway configs and secrets that wait for a person. Answered by [`Reply::Pairings`].
    Requests {
        /// An API key of the account with the scope `read`.
        api_key: String,
    },
    /// Let a pairing through. Answered by [`Reply::Bindings`] with the secret's bindings as they are now.
    Approve {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// Which.
        id: PairingId,
    },
    /// Do not let a pairing through. Answered by [`Reply::Done`].
    Refuse {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// Which.
        id: PairingId,
    },
    /// What agents ask of a person, oldest first. Answered by [`Reply::Asked`].
    Asked {
        /// The admin key: with it come links and codes.
        admin_key: Option<String>,
        /// An API key of the account with the scope `read`; codes need `secrets` as well.
        api_key: String,
        /// After this one.
        after: Option<RequestId>,
    },
    /// Let an agent have what it asked for. Answered by [`Reply::Decided`].
    ApproveAsked {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// Which.
        id: RequestId,
        /// The secret that was stored since it was asked and that the person means. None where there was one, or none is wanted.
        meant: Option<Meant>,
    },
    /// Do not let an agent have what it asked for. Answered by [`Reply::Decided`].
    RefuseAsked {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// Which.
        id: RequestId,
    },
    /// Say whether devboxes of the API are given a secret's value as it is. Answered by [`Reply::Done`].
    Expose {
        /// The admin key.
        admin_key: String,
        /// An API key of the account.
        api_key: String,
        /// The secret.
        name: SecretName,
        /// Whether.
        exposure: Exposure,
    },
    /// Make the id of a new account and its first key, for the api to write down. Answered by [`Reply::AccountBegun`].
    BeginAccount,
    /// The bindings of one secret, or of all. Answered by [`Reply::Bindings`].
    Bindings {
        /// An API key of the account with the scope `read`.
        api_key: String,
        /// Of this secret only.
        name: Option<SecretName>,
        /// After this secret.
        after: Option<SecretId>,
    },
}

/// A reply.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Ready.
    Ready,
    /// A devbox was opened.
    DevboxOpened(Opened),
    /// The environment of somebody else's sandbox.
    Remote(Box<MadeRemote>),
    /// A page of bindings.
    Bindings {
        /// The page.
        bindings: Vec<BindingView>,
        /// Where the next page begins; none after the last.
        next: Option<SecretId>,
    },
    /// Pairings that wait, oldest first.
    Pairings(Vec<PairingView>),
    /// What agents ask: as many as fit into one message; none after the last.
    Asked(Vec<AskedView>),
    /// A request of an agent's, as it was decided.
    Decided(Box<Decided>),
    /// An account that is about to be made, and its first key, which is shown this once.
    AccountBegun {
        /// What the api writes down.
        begun: Begun,
        /// The key.
        key: String,
    },
    /// A devbox was ended.
    DevboxClosed {
        /// What was refused to it, each once.
        refused: Vec<RefusedHere>,
    },
    /// A backup was written and read back.
    BackedUp(BackedUp),
    /// How far a look at everything has come. More replies to the same request follow.
    Verifying {
        /// Rows and events that were looked at.
        done: u64,
        /// Of how many.
        of: u64,
    },
    /// Everything was looked at.
    Verified(Box<Verified>),
    /// It was done.
    Done,
    /// It was not done.
    Refused {
        /// Why.
        why: Denial,
        /// What happened and what mends it; never what was sent.
        message: String,
    },
}

/// Why a request was not done; the command line's exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// No such secret or devbox.
    NotFound,
    /// The API key or admin key is missing or wrong.
    NotAuthenticated,
    /// The key may not do this, or the rules forbid it.
    Forbidden,
    /// There is such a thing already.
    Exists,
    /// The request makes no sense.
    Invalid,
    /// The gateway cannot decide now.
    Unavailable,
    /// It was tried and failed.
    Failed,
}

/// A secret wanted in a devbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The variable that holds the token.
    pub env: EnvName,
    /// The secret.
    pub name: SecretName,
}

/// An environment that is wanted for somebody else's sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewRemote {
    /// What people call it.
    pub name: Option<String>,
    /// Variables that hold a placeholder for a secret.
    pub secrets: BTreeMap<EnvName, SecretName>,
    /// Gateways by base URL, each under the prefix of its two variables.
    pub gateways: BTreeMap<EnvName, GatewayWanted>,
    /// Hosts that it may reach beside those that its secrets are bound to.
    pub allow: Vec<HostPattern>,
    /// Where its connections may come from; empty: from anywhere.
    pub sources: Vec<Network>,
    /// How long it lives. Milliseconds.
    pub keep_alive_ms: u64,
    /// How it reaches the forward proxy; none: at the address where that listens.
    pub gateway_url: Option<ProxyUrl>,
    /// Where it will find the file of certificates.
    pub bundle: String,
    /// The caller's number for this request.
    pub request: Option<[u8; 32]>,
}

/// The environment of somebody else's sandbox, as made. Told once.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeRemote {
    /// What is shown of it.
    pub devbox: Hosted,
    /// What it shows to the forward proxy: whoever holds it is this devbox.
    pub credential: Token,
    /// Its placeholders, and its gateways' tokens.
    pub placeholders: Vec<Given>,
    /// All its variables but the placeholders; those that lead through the proxy hold the credential.
    pub env: Vec<Variable>,
    /// The certificate of its own authority, PEM.
    pub ca_pem: String,
}

/// A variable that may hold the credential.
#[derive(Clone, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: String,
}

/// A devbox, as opened.
#[derive(Serialize, Deserialize)]
pub struct Opened {
    /// Its id.
    pub devbox: DevboxId,
    /// Shown again to resume it after a restart of the gateway.
    pub resume: String,
    /// The variables and their placeholders.
    pub env: Vec<Given>,
    /// The certificate of the devbox's own authority, PEM.
    pub ca_pem: String,
    /// The TCP ports to listen on.
    pub ports: Vec<u16>,
    /// Secrets of the account that were left out, when all were asked for.
    pub left_out: Vec<LeftOut>,
}

/// A variable and its placeholder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Given {
    /// The variable.
    pub env: EnvName,
    /// The secret.
    pub name: SecretName,
    /// The placeholder.
    pub token: Token,
    /// The secret is bound to no host: its placeholder leads nowhere yet.
    pub unbound: bool,
}

/// A secret that was left out, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub name: SecretName,
    /// Why, in words.
    pub why: String,
}

/// A backup, as made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// The moment that it shows.
    pub made: Timestamp,
    /// The file's length.
    pub bytes: u64,
    /// Secrets in it, of all accounts.
    pub secrets: u64,
    /// Events in it.
    pub events: ChainCounts,
}

/// How many events each chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCounts {
    /// The api's.
    pub api: u64,
    /// The gateway's.
    pub gateway: u64,
}

/// What was refused to a devbox, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHere {
    /// Why.
    pub refusal: Refusal,
    /// Towards which host, where there was one.
    pub host: Option<Host>,
    /// How often.
    pub count: u64,
}

/// What a handed-over descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A listening TCP socket on this port of every address.
    Tcp(u16),
    /// A UDP socket on port 53 of every address.
    Dns,
}

/// A secret's binding, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingView {
    /// Whose secret.
    pub account: AccountId,
    /// The secret's id.
    pub secret_id: SecretId,
    /// The secret's name.
    pub secret_name: SecretName,
    /// What the gateway takes the value for.
    pub kind: Option<KindId>,
    /// The binding; none where the secret is unbound.
    pub binding: Option<Binding>,
    /// Who made it.
    pub source: Option<BindingSource>,
    /// Why the value cannot be sent anywhere, whatever it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot_be_sent: Option<String>,
    /// Whether devboxes of the API are given the value as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_plain: bool,
}

/// A secret that is bound nowhere, and where a gateway config would send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingView {
    /// By which it is approved or refused.
    pub id: PairingId,
    /// The secret's name.
    pub secret: SecretName,
    /// The binding that approving it makes.
    pub binding: Binding,
    /// What the config is called, where it still exists.
    pub gateway: Option<Label>,
    /// The devbox that asked first.
    pub devbox: DevboxId,
    /// When it was asked.
    pub created: Timestamp,
}

/// How devboxes of the API are given a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// Its value, as it is.
    Plain,
    /// A token in its place.
    Brokered,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=(..)", self.name)
    }
}
