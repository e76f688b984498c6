//! Why nothing was done about a devbox: in words for people, as a code, and as a denial for the command line.

use link::cli::Denial;
use model::limits::{
    ALLOW_PATTERNS_MAX, DEVBOX_ENTRIES_MAX, DEVBOX_ENTRY_BYTES_MAX, DEVBOX_TOKENS_MAX, HOSTED_DEVBOXES_MAX,
    HOSTED_DEVBOXES_PER_ACCOUNT_MAX, LINK_FDS_MAX, PAIRINGS_WAITING_MAX, REMOTE_SOURCES_MAX,
};
use store::StoreError;
use vault::{KeyringError, RandomError};

use crate::authenticate::AuthError;
use crate::bindings::auth_denial;
use crate::ids::IdsError;

/// Why a devbox was not opened, resumed or closed. Never contains what the caller sent: a secret is named by its place in the request.
#[derive(Debug, thiserror::Error)]
pub enum DevboxDenial {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A wanted secret does not exist.
    #[error("secret {0} of those asked for does not exist: see `tightlip secret list`, or store it with `tightlip secret set NAME`")]
    SecretUnknown(usize),
    /// A wanted secret cannot be swapped.
    #[error("secret {which} of those asked for cannot be sent: {why}")]
    Unusable {
        /// Its place in the request, from 1.
        which: usize,
        /// Why, and what to do.
        why: &'static str,
    },
    /// Two wanted secrets in one variable.
    #[error("secret {0} of those asked for would stand in a variable that is taken already: name another with --secret ENV=NAME")]
    EnvTwice(usize),
    /// A value that is given as it is cannot stand in a variable.
    #[error(
        "secret {0} of those asked for holds a zero byte, which no variable can: store it again without, or give it with `tightlip expose NAME --brokered`"
    )]
    NoVariable(usize),
    /// A wanted gateway's config does not exist.
    #[error("the config of gateway {0} of those asked for does not exist: see the list of gateway configs, or create it")]
    GatewayUnknown(usize),
    /// A wanted gateway's secret does not exist.
    #[error(
        "the secret of gateway {0} of those asked for, or one in its config's custom headers, does not exist: see `tightlip secret list`"
    )]
    GatewaySecretUnknown(usize),
    /// A wanted gateway's secret cannot be swapped.
    #[error("the secret of gateway {which} of those asked for, or one in its config's custom headers, cannot be used: {why}")]
    GatewayUnusable {
        /// Its place in the request, from 1.
        which: usize,
        /// Why, and what to do.
        why: &'static str,
    },
    /// Two gateways of one name inside the devbox.
    #[error(
        "gateway {0} of those asked for needs another prefix: one of its variables, or its name inside the devbox, is taken already, or the \
         prefix has neither letter nor digit"
    )]
    GatewayTwice(usize),
    /// A gateway's secret is bound, but not to the gateway's endpoint.
    #[error(
        "the secret of gateway {0} of those asked for, or one in its config's custom headers, is bound, and none of its bindings covers the \
         config's endpoint in the form in which the config writes it: choose another secret, or bind it with `tightlip bind NAME --host HOST \
         --path PATH --as FORM`"
    )]
    Excluded(usize),
    /// Too many pairings wait for a person.
    #[error("{PAIRINGS_WAITING_MAX} pairings of this account wait to be approved: see `tightlip requests`, and approve or refuse some")]
    TooManyPairings,
    /// A pairing's destination is too long.
    #[error("the endpoint of gateway {0} of those asked for is too long to be bound: use a shorter path")]
    EndpointTooLong(usize),
    /// A devbox with too much in its request.
    #[error(
        "a devbox has at most {DEVBOX_ENTRIES_MAX} variables and as many entries of metadata, each of at most {DEVBOX_ENTRY_BYTES_MAX} bytes \
         and without zero bytes, and at most {ABOUT_BYTES_MAX} bytes of name, metadata and launch parameters: ask for less"
    )]
    TooLarge,
    /// As many devboxes as there may be.
    #[error(
        "this server has at most {HOSTED_DEVBOXES_MAX} devboxes at a time, and {HOSTED_DEVBOXES_PER_ACCOUNT_MAX} of one account: shut one down, and try again"
    )]
    TooManyDevboxes,
    /// More tokens than a devbox may hold.
    #[error("a devbox holds at most {DEVBOX_TOKENS_MAX} secrets: ask for fewer")]
    TooManySecrets,
    /// More patterns than a devbox may have.
    #[error("a devbox has at most {ALLOW_PATTERNS_MAX} --allow patterns: use wildcards such as *.example.com")]
    TooManyPatterns,
    /// More networks than one devbox may come from.
    #[error("a devbox comes from at most {REMOTE_SOURCES_MAX} networks: name larger ones, or ask for no --source")]
    TooManySources,
    /// More ports than can be handed over.
    #[error("the bindings of the secrets name more than {PORTS_MAX} ports: ask for fewer secrets")]
    TooManyPorts,
    /// No such devbox, or it has ended.
    #[error("this devbox has ended or never was: start a new one")]
    NotFound,
    /// The text that resumes a devbox is wrong.
    #[error("this devbox cannot be taken up by this process: start a new one with `tightlip run`")]
    WrongResume,
    /// Its rows, or what was decided of its secrets, are not what was written.
    #[error(
        "stored rows of the devbox or of its secrets were changed outside tightlip, so it is not taken up or given more: look with `tightlip verify`"
    )]
    Tampered,
    /// The databases do not answer.
    #[error("failed to use the gateway's databases, and nothing was opened: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// The gateway cannot decide, or its keys or the system's randomness fail.
    #[error("failed to make the devbox's tokens, and nothing was opened: look at the output of `tightlip up`")]
    Internal,
}

impl DevboxDenial {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::SecretUnknown(_) | Self::GatewaySecretUnknown(_) => "secret_unknown",
            Self::Unusable { .. } | Self::GatewayUnusable { .. } => "secret_unusable",
            Self::EnvTwice(_) | Self::GatewayTwice(_) => "variable_taken",
            Self::NoVariable(_) => "value_unfit",
            Self::GatewayUnknown(_) => "gateway_unknown",
            Self::Excluded(_) => "pairing_excluded",
            Self::TooManyPairings => "too_many_pairings",
            Self::EndpointTooLong(_)
            | Self::TooLarge
            | Self::TooManySecrets
            | Self::TooManyPatterns
            | Self::TooManySources
            | Self::TooManyPorts => "too_large",
            Self::TooManyDevboxes => "too_many_devboxes",
            Self::NotFound => "devbox_unknown",
            Self::WrongResume => "resume_wrong",
            Self::Tampered => "devbox_tampered",
            Self::Unavailable(_) => "gateway_unavailable",
            Self::Internal => "gateway_failed",
        }
    }

    /// Which kind of denial this is to the command line.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::Auth(error) => auth_denial(error),
            Self::SecretUnknown(_) | Self::GatewayUnknown(_) | Self::GatewaySecretUnknown(_) | Self::NotFound => Denial::NotFound,
            Self::Unusable { .. } | Self::GatewayUnusable { .. } | Self::Tampered => Denial::Forbidden,
            Self::WrongResume => Denial::NotAuthenticated,
            Self::EnvTwice(_)
            | Self::NoVariable(_)
            | Self::GatewayTwice(_)
            | Self::Excluded(_)
            | Self::EndpointTooLong(_)
            | Self::TooLarge
            | Self::TooManySecrets
            | Self::TooManyPatterns
            | Self::TooManySources
            | Self::TooManyPorts => Denial::Invalid,
            Self::TooManyPairings | Self::TooManyDevboxes | Self::Unavailable(_) | Self::Internal => Denial::Unavailable,
        }
    }
}

impl From<StoreError> for DevboxDenial {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Unmarked) { Self::Tampered } else { Self::Unavailable(error) }
    }
}

impl From<KeyringError> for DevboxDenial {
    fn from(_: KeyringError) -> Self {
        Self::Internal
    }
}

impl From<RandomError> for DevboxDenial {
    fn from(_: RandomError) -> Self {
        Self::Internal
    }
}

impl From<IdsError> for DevboxDenial {
    fn from(_: IdsError) -> Self {
        Self::Internal
    }
}

/// Each port is a descriptor in one message; two are for DNS.
pub(crate) const PORTS_MAX: usize = LINK_FDS_MAX - 4;
/// What is shown again of a devbox: fits into one message of the link with all that is told beside it.
pub(crate) const ABOUT_BYTES_MAX: usize = 64 * 1024;
