//! Why something that an agent or the page of its request asks was not done: in words, as a code, and as a denial.

use link::agents::{AgentTell, EntryTell};
use link::cli::Denial;
use link::front::Denied;
use model::Refusal;
use model::limits::{
    DEVBOX_TOKENS_MAX, REQUEST_HOSTS_MAX, REQUEST_METHOD_BYTES_MAX, REQUEST_METHODS_MAX, REQUEST_NAME_BYTES_MAX, REQUEST_REASON_CHARS_MAX,
    REQUESTS_PER_DEVBOX_MAX, REQUESTS_PER_KEY_MAX, REQUESTS_WAITING_MAX,
};
use store::StoreError;

use crate::authenticate::AuthError;
use crate::bindings::{BindingsError, auth_denial};
use crate::denial::DevboxDenial;
use crate::ids::IdsError;

/// Why something was not done. Never contains what was sent.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The API key with which the devbox was opened is not good any more.
    #[error("the API key that opened this devbox has ended, and the devbox with it: start a new one with a key that is good")]
    Ended,
    /// An argument looks like a secret.
    #[error(
        "something in this call looks like a secret, so it was refused and kept nowhere: names, hosts and reasons hold none; if it is real, it has been shown to a model: rotate it at its \
         issuer; a person stores the new one with `tightlip secret set NAME`"
    )]
    LooksLikeSecret,
    /// The reason does not fit.
    #[error("a reason is 1 to {REQUEST_REASON_CHARS_MAX} printable characters: say in a sentence what the secret or the host is for")]
    Reason,
    /// The hosts do not fit.
    #[error("name 1 to {REQUEST_HOSTS_MAX} hosts, such as api.example.com or *.example.com")]
    Hosts,
    /// The form has a name that is not plain.
    #[error("the name in the form is one short word of printable ASCII, without quotes, `\\`, `$` and backticks")]
    Form,
    /// The form writes the value into content.
    #[error(
        "in a query or a body a host may keep the value and show it to others, so no agent asks for that: ask without a form, or have a person bind it narrowly, as in `tightlip bind NAME --host HOST --methods POST --path /PATH --as body`"
    )]
    FormContent,
    /// The name, the methods, or all together, are longer than a person reads with care, or than can be bound.
    #[error(
        "this is too long: ask for a name of at most {REQUEST_NAME_BYTES_MAX} characters, at most {REQUEST_METHODS_MAX} methods of {REQUEST_METHOD_BYTES_MAX}, or a shorter form"
    )]
    TooLong,
    /// No such secret, as far as the asker may know.
    #[error("no secret of this name is to be seen from here: see list_secrets, and ask for it with request_secret")]
    SecretUnknown,
    /// The secret is there already.
    #[error("there is a secret of this name already: use it as how_to_use says, and ask for a further host with request_access")]
    SecretThere,
    /// What is asked for is so already.
    #[error("this is allowed already, and nobody was asked: see how_to_use and test_secret")]
    Granted,
    /// Only a devbox reaches hosts.
    #[error("a host without a secret is asked for from inside a devbox; name the secret that is to be bound to the host")]
    DevboxOnly,
    /// Too many requests wait.
    #[error(
        "at most {REQUESTS_PER_DEVBOX_MAX} requests of a devbox, {REQUESTS_PER_KEY_MAX} of a key and {REQUESTS_WAITING_MAX} of an account wait at a time, and not many more lapse in a day: have a person decide some with `tightlip requests`"
    )]
    TooMany,
    /// No such request, as far as the asker may know.
    #[error("no request of this id is to be seen from here: see `tightlip requests`")]
    RequestUnknown,
    /// The request is decided, or its time is over.
    #[error("this request was decided, or its time is over: see `tightlip requests`, or have the agent ask again")]
    Closed,
    /// No such link.
    #[error("this link is not known, or a newer one took its place: see `tightlip requests` for a fresh one")]
    LinkUnknown,
    /// The link was used.
    #[error(
        "this link was opened before, and works once: see `tightlip requests` for a fresh one, and who opened this one in `tightlip events`"
    )]
    LinkOpened,
    /// The link is too old.
    #[error("this link is older than it may be: see `tightlip requests` for a fresh one")]
    LinkLapsed,
    /// No such session.
    #[error("this page is not open in this browser, or was for too long: see `tightlip requests` for a fresh link")]
    SessionUnknown,
    /// What was shown is not what is asked now.
    #[error("the agent asks for something else by now, and nothing was stored: see `tightlip requests` for what it asks")]
    Changed,
    /// The proof does not hold.
    #[error(
        "this is not the code that `tightlip requests` shows now, or not an API key of the account with the scope `secrets`; nothing was stored"
    )]
    ProofWrong,
    /// Somebody stored a secret of that name meanwhile.
    #[error(
        "there is a secret of this name by now, and it was not touched: look with `tightlip requests`, and let the agent have it, or refuse the request"
    )]
    NameTaken,
    /// The stored secret is not the request's.
    #[error(
        "the stored secret is not the one that the request is about: look at `tightlip events`, refuse the request, and have the agent ask again"
    )]
    NotTheOne,
    /// The secret is not there yet.
    #[error(
        "no secret of this name is stored yet: `tightlip approve ID` asks for its value at a terminal, or takes it from standard input"
    )]
    ValueMissing,
    /// A person typed the value a moment ago.
    #[error("a person is typing the value of this request at this moment: look at its status, and try again in a minute")]
    BeingTyped,
    /// The devbox has ended.
    #[error("the devbox that asked has ended: there is nothing to let through")]
    DevboxGone,
    /// The devbox has as many as it may.
    #[error("the devbox has as many secrets ({DEVBOX_TOKENS_MAX}) or hosts as it may: start another one")]
    DevboxFull,
    /// Bindings cannot be made.
    #[error(transparent)]
    Bindings(BindingsError),
    /// Stored rows are not what was written.
    #[error(
        "stored rows of the request, its devbox or its secret were changed outside tightlip, so nothing follows from them: look with `tightlip verify`"
    )]
    Tampered,
    /// The databases do not answer.
    #[error("failed to use the gateway's databases, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// The gateway cannot decide now.
    #[error("failed to decide, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Undecided,
}

impl AgentsError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::Ended => "token_ended",
            Self::LooksLikeSecret => "looks_like_secret",
            Self::Reason => "reason_invalid",
            Self::Hosts => "hosts_invalid",
            Self::Form => "form_invalid",
            Self::FormContent => "form_content",
            Self::TooLong => "too_large",
            Self::SecretUnknown => "secret_unknown",
            Self::SecretThere => "secret_exists",
            Self::Granted => "already_allowed",
            Self::DevboxOnly => "devbox_only",
            Self::TooMany => "too_many_requests",
            Self::RequestUnknown => "request_unknown",
            Self::Closed => "request_closed",
            Self::LinkUnknown => "link_unknown",
            Self::LinkOpened => "link_opened",
            Self::LinkLapsed => "link_lapsed",
            Self::SessionUnknown => "session_unknown",
            Self::Changed => "request_changed",
            Self::ProofWrong => "proof_wrong",
            Self::NameTaken => "name_taken",
            Self::NotTheOne => "secret_mismatch",
            Self::ValueMissing => "value_missing",
            Self::BeingTyped => "request_in_use",
            Self::DevboxGone => "devbox_unknown",
            Self::DevboxFull => "devbox_full",
            Self::Bindings(_) => "binding_refused",
            Self::Tampered => "row_tampered",
            Self::Unavailable(_) => "gateway_unavailable",
            Self::Undecided => "undecided",
        }
    }

    /// Which kind of denial this is.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::Auth(error) => auth_denial(error),
            Self::Bindings(error) => error.denial(),
            Self::Ended | Self::ProofWrong => Denial::NotAuthenticated,
            Self::LooksLikeSecret
            | Self::Reason
            | Self::Hosts
            | Self::Form
            | Self::FormContent
            | Self::TooLong
            | Self::DevboxOnly
            | Self::ValueMissing => Denial::Invalid,
            Self::SecretUnknown
            | Self::RequestUnknown
            | Self::LinkUnknown
            | Self::LinkOpened
            | Self::LinkLapsed
            | Self::SessionUnknown
            | Self::DevboxGone => Denial::NotFound,
            Self::SecretThere | Self::Granted | Self::NameTaken => Denial::Exists,
            Self::Closed | Self::Changed | Self::NotTheOne | Self::DevboxFull | Self::Tampered => Denial::Forbidden,
            Self::TooMany | Self::BeingTyped | Self::Unavailable(_) | Self::Undecided => Denial::Unavailable,
        }
    }

    fn denied(&self) -> Denied {
        Denied { why: self.denial(), code: self.code().to_owned(), message: self.to_string() }
    }
}

impl From<AgentsError> for AgentTell {
    fn from(error: AgentsError) -> Self {
        Self::Denied(error.denied())
    }
}

impl From<AgentsError> for EntryTell {
    fn from(error: AgentsError) -> Self {
        Self::Denied(error.denied())
    }
}

impl From<StoreError> for AgentsError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Unmarked) { Self::Tampered } else { Self::Unavailable(error) }
    }
}

impl From<Refusal> for AgentsError {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::SecretTampered {
            Self::Tampered
        } else if refusal == Refusal::SecretGone {
            Self::SecretUnknown
        } else if refusal == Refusal::TokenEnded {
            Self::Ended
        } else {
            Self::Undecided
        }
    }
}

impl From<BindingsError> for AgentsError {
    fn from(error: BindingsError) -> Self {
        Self::Bindings(error)
    }
}

impl From<DevboxDenial> for AgentsError {
    fn from(denial: DevboxDenial) -> Self {
        match denial.denial() {
            Denial::NotFound => Self::DevboxGone,
            Denial::Forbidden => Self::Tampered,
            Denial::NotAuthenticated | Denial::Exists | Denial::Invalid | Denial::Unavailable | Denial::Failed => Self::Undecided,
        }
    }
}

impl From<IdsError> for AgentsError {
    fn from(_: IdsError) -> Self {
        Self::Undecided
    }
}
