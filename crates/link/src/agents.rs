//! What an agent asks, and what a person decides of it. An agent may know names, learn how to use them, test them and ask; no message here holds a value.
//!
//! An agent is a devbox, known by the socket that it came in at, or the holder of an API key. A devbox sees its own things only, a key its account's.

pub use model::Wish;
use model::{
    AccountId, ApiKeyId, Binding, DevboxId, EnvName, Form, Host, HostPattern, Methods, Refusal, RequestId, SecretId, SecretName, Timestamp,
    Token,
};
use serde::{Deserialize, Serialize};

use crate::front::Denied;

/// What an agent asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentVerb {
    /// The secrets that it may use. Answered by [`AgentTell::Secrets`].
    ListSecrets,
    /// Where and how a secret is used. Answered by [`AgentTell::Use`].
    HowToUse {
        /// Which.
        name: SecretName,
    },
    /// Whether a request with this secret would pass, decided as for a real one; nothing is sent. Answered by [`AgentTell::Tested`]: of the host that is named, or
    /// one for each binding, of the first of its methods and its own path where none are named.
    TestSecret {
        /// Which.
        name: SecretName,
        /// Towards this host.
        host: Option<Host>,
        /// With this method; `GET` where none is named.
        method: Option<String>,
        /// For this path; `/` where none is named.
        path: Option<String>,
    },
    /// What was refused, newest first. Answered by [`AgentTell::Refusals`].
    MyRefusals {
        /// At most so many; clamped to [`model::limits::LINK_PAGE_ITEMS_MAX`].
        limit: usize,
    },
    /// Ask a person for a secret that is not there. Answered by [`AgentTell::Request`].
    RequestSecret {
        /// Under which name it will be stored.
        name: SecretName,
        /// Towards which hosts it is wanted; at least one.
        hosts: Vec<HostPattern>,
        /// How the value is written into a request; none: `auto`.
        form: Option<Form>,
        /// Why, in the agent's own words: shown to the person, quoted.
        reason: String,
    },
    /// Ask a person for a secret to be bound to one more host, or, where no secret is named, for the devbox to reach a host. Answered by [`AgentTell::Request`].
    RequestAccess {
        /// The secret; none: without one.
        secret: Option<SecretName>,
        /// Where to.
        host: HostPattern,
        /// With which methods; empty: all.
        methods: Methods,
        /// Why, in the agent's own words: shown to the person, quoted.
        reason: String,
    },
    /// What became of a request. Answered by [`AgentTell::Request`].
    RequestStatus {
        /// Which.
        id: RequestId,
    },
    /// What was asked of people, newest first. Answered by [`AgentTell::Requests`].
    ListRequests {
        /// Those made before this one.
        after: Option<RequestId>,
        /// At most so many; clamped to [`model::limits::LINK_PAGE_ITEMS_MAX`].
        limit: usize,
    },
}

/// What an agent is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentTell {
    /// Secrets that may be used.
    Secrets(Vec<Usable>),
    /// Where and how one is used.
    Use(Usable),
    /// What would be decided.
    Tested(Vec<Tested>),
    /// What was refused.
    Refusals(Vec<Seen>),
    /// A request, as it stands.
    Request(Box<AgentRequest>),
    /// Requests, as they stand.
    Requests {
        /// Newest first.
        requests: Vec<AgentRequest>,
        /// Whether there are older ones.
        has_more: bool,
    },
    /// It was not done.
    Denied(Denied),
}

/// A secret as an agent may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usable {
    /// Its name.
    pub name: SecretName,
    /// What its value looks like, where it was recognised: the kind's id.
    pub kind: Option<String>,
    /// The variable that holds the placeholder, inside a devbox that was given one.
    pub env: Option<EnvName>,
    /// Where it may go.
    pub bindings: Vec<Usage>,
}

/// One place where a secret may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The hosts.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    /// The methods; empty: all.
    pub methods: Methods,
    /// What the path begins with.
    pub path: String,
    /// How the value is written there.
    pub form: Form,
}

/// What would be decided of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Towards this host; of a pattern, as it stands.
    pub host: String,
    /// The form in which the value would be written, or why the request would be refused.
    pub decided: Result<Form, Refusal>,
}

/// Refusals of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When, last.
    pub time: Timestamp,
    /// Why.
    pub refusal: Refusal,
    /// Towards which host, where one was named.
    pub host: Option<Host>,
    /// Which secret, where one was found.
    pub name: Option<SecretName>,
    /// How often.
    pub count: u64,
}

/// A request of an agent's, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRequest {
    /// By which it is asked about, approved or refused.
    pub id: RequestId,
    /// What is wanted.
    pub wanted: Wish,
    /// Why, in the agent's own words.
    pub reason: String,
    /// The devbox that asked, if one did.
    pub devbox: Option<DevboxId>,
    /// The API key that asked, if one did; of a devbox, the one that it was made with.
    pub key: Option<ApiKeyId>,
    /// What became of it.
    pub status: RequestStatus,
    /// When it was asked.
    pub created: Timestamp,
    /// When it lapses where nobody decides.
    pub expires: Timestamp,
    /// The path of the page where a person types the value, at the api's own address; told once, to whoever asked for a secret. Whoever opens it also needs
    /// a key of their own or the code that `tightlip requests` shows.
    pub entry_path: Option<String>,
    /// The variable's usual name and the placeholder, once a devbox's request was granted.
    pub placeholder: Option<Placeholder>,
}

/// The secret that a person means who lets a request through, where there was none when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meant {
    /// One whose value was typed for the request: it goes where the request says, and nowhere else.
    Typed(SecretId),
    /// One that somebody stored since: it keeps going where it went.
    Stored(SecretId),
}

impl Meant {
    /// Which.
    #[must_use]
    pub const fn id(&self) -> &SecretId {
        match self {
            Self::Typed(id) | Self::Stored(id) => id,
        }
    }
}

/// A request that was decided, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The request.
    #[serde(flatten)]
    pub request: AgentRequest,
    /// Whether a placeholder was made for the devbox that asked, now or when the value was typed.
    pub given: bool,
    /// Where the secret may go now, all in all; empty where it is about none.
    pub reach: Vec<HostPattern>,
}

/// What stands for a value in a devbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// The variable to put it in.
    pub env: EnvName,
    /// The placeholder.
    pub token: Token,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// Nobody has decided yet.
    Waiting,
    /// A person typed the value; the hosts that its binding does not cover are not decided.
    Entered,
    /// It was granted.
    Approved,
    /// It was refused.
    Refused,
    /// Nobody decided in time, or too many wrong proofs were shown at its page.
    Expired,
}

/// What the entry page asks of the gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryAsk {
    /// Open a link, which works once. Answered by [`EntryTell::Opened`].
    Open {
        /// The secret part of the link.
        link: String,
    },
    /// Look at the request of a session again. Answered by [`EntryTell::Shown`].
    Look {
        /// The session.
        session: String,
    },
    /// Whether a value may be stored for the request. Answered by [`EntryTell::Allowed`].
    Allow {
        /// The session.
        session: String,
        /// The digest of what was shown.
        digest: String,
        /// How the person shows that they may.
        proof: EntryProof,
    },
    /// A value was stored for the request. Answered by [`EntryTell::Shown`].
    Stored {
        /// The session.
        session: String,
        /// The secret that was made.
        secret: SecretId,
    },
}

/// How a person shows that they may type a value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryProof {
    /// An API key of the account with the scope `secrets`.
    Key(String),
    /// The code that `tightlip requests` shows.
    Code(String),
}

/// What the entry page is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryTell {
    /// The link was opened, and does not work any more.
    Opened {
        /// What the browser shows from now on.
        session: String,
        /// What is asked.
        entry: Box<Entry>,
    },
    /// What is asked, as it stands.
    Shown(Box<Entry>),
    /// A value may be stored, in this account and under this name, with this key's rights.
    Allowed {
        /// The account.
        account: AccountId,
        /// The key: the person's own, or the one that was shown where the code was read.
        key: ApiKeyId,
        /// The name.
        name: SecretName,
    },
    /// It was not done.
    Denied(Denied),
}

/// A request for a secret as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The request.
    pub request: AgentRequest,
    /// SHA-256 over everything that is shown, in hexadecimal.
    pub digest: String,
    /// What the devbox is called, where it has a name.
    pub devbox_name: Option<String>,
}

/// A request as a person with a terminal sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedView {
    /// What is asked, with a link that works where a value is wanted and the admin key was shown.
    pub entry: Entry,
    /// What the person types into the page; none without the admin key, or with a key that may not store secrets.
    pub code: Option<String>,
    /// Whether there was a secret of that name when it was asked, or one was made for it.
    pub secret_exists: bool,
    /// The secret of that name that was stored since, where there was none: a person names it to have it bound.
    pub stored_since: Option<SecretId>,
    /// Bindings of the secret that let through less, at hosts that are asked for: approving it lifts what they leave out.
    pub lifts: Vec<Binding>,
    /// Where the secret may go already: a devbox that is given it, or holds it, may use it there as well. Empty where there is none yet, or no devbox is given one.
    pub reach: Vec<HostPattern>,
    /// Whether the devbox that asked holds a placeholder already, since the value was typed.
    pub given: bool,
    /// Whether the devbox that asked has ended: what is let through then is for the next ones.
    pub devbox_ended: bool,
    /// Why it cannot be let through as things are, where that is known.
    pub hindered: Option<String>,
}

impl std::fmt::Debug for EntryProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Code(_) => "Code",
        })
    }
}
