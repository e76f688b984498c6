//! What the api asks of the gateway, over the socketpair that both inherit.
//!
//! The gateway trusts nothing that it is told here: every question is answered with metadata only.

use std::collections::BTreeMap;

use model::devbox::About;
use model::{
    AccountId, ApiKeyId, ChainedEvent, DevboxId, DevboxStatus, Endpoint, EnvName, ExecutionId, GatewayConfigId, Hosted, Mechanism, Refusal,
    Scope, SecretId, SecretName, Stream, Timestamp, Token, TokenHash,
};
use serde::{Deserialize, Serialize};

use crate::agents::{AgentTell, AgentVerb, EntryAsk, EntryTell};
use crate::calls::Numbered;
use crate::cli::{BindingView, Denial, MadeRemote, NewRemote};
use crate::keeper::{Execution, Output};

/// A question.
pub type Question = Numbered<Ask>;
/// An answer to the question of the same number.
pub type Answer = Numbered<Tell>;

/// What the api may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Whether the gateway is ready.
    Health,
    /// The bindings of an account's secrets, a page at a time, in the order of the secrets' ids.
    Bindings {
        /// Whose.
        account: AccountId,
        /// Of this secret only.
        name: Option<SecretName>,
        /// After this secret.
        after: Option<SecretId>,
    },
    /// What the gateway has done and refused since it started.
    Figures,
    /// When API keys were used at the gateway since this was asked last: only the api may write that down.
    KeyUses,
    /// The gateway's events of an account, in the order of their numbers.
    Events {
        /// Whose.
        account: AccountId,
        /// Of this secret's name only.
        name: Option<SecretName>,
        /// After this number; 0 from the start.
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// Put the gateway's mark on an API key that is about to be made, for whoever shows this one. Answered by [`Tell::Marked`].
    MarkKey {
        /// The API key that makes it.
        api_key: String,
        /// What is made. It is of the same account.
        new: NewKey,
    },
    /// Something about devboxes, for whoever shows this API key. The api does not speak for its callers here: the gateway authenticates them itself, so that
    /// an api that is not itself obtains nothing but what its callers could.
    Devbox {
        /// An API key.
        api_key: String,
        /// What.
        verb: Box<DevboxVerb>,
    },
    /// Something that an agent asks, which shows this API key. The gateway authenticates it itself, as above. Answered by [`Tell::Agent`].
    Agent {
        /// An API key.
        api_key: String,
        /// What.
        verb: Box<AgentVerb>,
    },
    /// Something of the page where a person types the value that an agent asked for. Answered by [`Tell::Entry`].
    Entry(Box<EntryAsk>),
}

/// What a caller asks about devboxes. A list needs the scope `read`; a look at one devbox or command (`Get`, `Execution`, `Output`) `read` or `devbox`, since whoever
/// may run commands waits for them and sees what they write; all else needs `devbox`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevboxVerb {
    /// Make one. Answered by [`DevboxTell::Devbox`] once it is queued. The same request again gets the same devbox.
    Create(Box<NewDevbox>),
    /// Some of the account's, newest first. Answered by [`DevboxTell::Devboxes`].
    List {
        /// Below this one.
        after: Option<DevboxId>,
        /// At most so many; clamped to [`model::limits::LINK_PAGE_ITEMS_MAX`].
        limit: usize,
        /// In this state only.
        status: Option<DevboxStatus>,
    },
    /// One. Answered by [`DevboxTell::Devbox`] when it is in one of these states, or in a final one, or when the wait is over; at once where no state is named.
    Get {
        /// Which.
        devbox: DevboxId,
        /// The states that are waited for.
        until: Vec<DevboxStatus>,
        /// How long. Milliseconds.
        wait_ms: u64,
    },
    /// Count its time from now on again. Answered by [`DevboxTell::Devbox`].
    KeepAlive {
        /// Which.
        devbox: DevboxId,
    },
    /// End it; done already is done. Answered by [`DevboxTell::Devbox`] when nothing of it is left.
    Shutdown {
        /// Which.
        devbox: DevboxId,
    },
    /// Run a command. Answered by [`DevboxTell::Execution`].
    Execute {
        /// Where.
        devbox: DevboxId,
        /// The text for a login shell.
        command: String,
        /// The caller's own id for it.
        execution: Option<ExecutionId>,
        /// The caller's number for this request: the same one does not run again.
        request: Option<[u8; 32]>,
    },
    /// How a command fares. Answered by [`DevboxTell::Execution`] when it has ended or the wait is over.
    Execution {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
        /// How long to wait for its end. Milliseconds.
        wait_ms: u64,
    },
    /// A piece of a command's output. Answered by [`DevboxTell::Output`].
    Output {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
        /// Which of its streams.
        stream: Stream,
        /// From this byte on.
        from: u64,
        /// How long to wait for something. Milliseconds.
        wait_ms: u64,
    },
    /// End a command. Answered by [`DevboxTell::Execution`].
    Kill {
        /// Where.
        devbox: DevboxId,
        /// Which.
        execution: ExecutionId,
    },
    /// Make an environment for somebody else's sandbox. Answered by [`DevboxTell::Remote`]. The same request again ends what it made before and makes another: the
    /// answer carries a credential, and is kept nowhere.
    Env(Box<NewRemote>),
    /// One more gateway for a devbox that runs. Answered by [`DevboxTell::GatewayToken`].
    GatewayToken {
        /// Which.
        devbox: DevboxId,
        /// The gateway.
        gateway: Named<GatewayConfigId>,
        /// The secret.
        secret: Named<SecretId>,
    },
}

/// An API key that is about to be made.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewKey {
    /// Its id.
    pub id: ApiKeyId,
    /// SHA-256 of the credential.
    pub hash: TokenHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is no longer good, if ever.
    pub expires: Option<Timestamp>,
}

/// A devbox that is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewDevbox {
    /// What is shown of it later. Its gateways are filled in by the gateway.
    pub about: About,
    /// Variables that are no secrets.
    pub env: BTreeMap<EnvName, String>,
    /// Variables that hold a token for a secret.
    pub secrets: BTreeMap<EnvName, SecretName>,
    /// Gateways, by the prefix of their variables: `PREFIX` and `PREFIX_URL`.
    pub gateways: BTreeMap<EnvName, GatewayWanted>,
    /// What runs as long as it lives: the text for a login shell.
    pub entrypoint: Option<String>,
    /// The caller's number for this request.
    pub request: Option<[u8; 32]>,
}

/// A gateway that is wanted in a devbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayWanted {
    /// The config.
    pub gateway: Named<GatewayConfigId>,
    /// The secret.
    pub secret: Named<SecretId>,
}

/// A thing by its id, or by what people call it. Which of the two a text is, its reader tries in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<Id> {
    /// The text as an id, where it can be one.
    pub id: Option<Id>,
    /// The text.
    pub name: String,
}

/// A token for a gateway, as made. Shown once.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeToken {
    /// The token.
    pub token: Token,
    /// Where the devbox sends its requests.
    pub url: String,
    /// Where they lead.
    pub endpoint: Endpoint,
    /// The config.
    pub config: GatewayConfigId,
    /// The only devbox that may use it.
    pub devbox: DevboxId,
    /// How the credential is written.
    pub mechanism: Mechanism,
}

/// What the gateway has done and refused since it started, over all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that carried a value to a host.
    pub uses: u64,
    /// Requests refused, by reason; reasons that never came are left out.
    pub refusals: Vec<(Refusal, u64)>,
    /// Devboxes that are open.
    pub devboxes: u64,
    /// Uses and refusals that were counted and are not written yet.
    pub pending: u64,
    /// How long the oldest of those may have waited. Milliseconds.
    pub lag_ms: u64,
}

/// What the gateway answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// It can decide and record.
    Ready,
    /// It cannot; the text says why.
    NotReady(String),
    /// A page of bindings.
    Bindings {
        /// The page.
        bindings: Vec<BindingView>,
        /// Where the next page begins; none after the last.
        next: Option<SecretId>,
    },
    /// Events.
    Events(Vec<ChainedEvent>),
    /// Figures.
    Figures(Figures),
    /// Keys and when each was used last, to the minute.
    KeyUses(Vec<(ApiKeyId, Timestamp)>),
    /// To [`Ask::MarkKey`]: the mark, or why there is none.
    Marked(Result<Vec<u8>, Denied>),
    /// To [`Ask::Devbox`].
    Devbox(Box<DevboxTell>),
    /// To [`Ask::Agent`].
    Agent(Box<AgentTell>),
    /// To [`Ask::Entry`].
    Entry(Box<EntryTell>),
    /// It could not be answered.
    Failed,
}

/// What the gateway answers about devboxes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DevboxTell {
    /// A devbox.
    Devbox(Hosted),
    /// A page of devboxes.
    Devboxes {
        /// The page.
        devboxes: Vec<Hosted>,
        /// Whether there are older ones.
        has_more: bool,
        /// How many there are on all pages.
        total: u64,
    },
    /// How a command fares.
    Execution(Execution),
    /// A piece of a command's output.
    Output(Output),
    /// A token for a gateway.
    GatewayToken(MadeToken),
    /// The environment of somebody else's sandbox.
    Remote(Box<MadeRemote>),
    /// It was not done.
    Denied(Denied),
}

/// Something that was not done.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Denied {
    /// Why, as the command line knows it.
    pub why: Denial,
    /// The stable code.
    pub code: String,
    /// What happened and what mends it; never what was sent.
    pub message: String,
}
