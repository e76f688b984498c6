//! Why something about devboxes was not done, in the words that the api passes on.

use link::cli::Denial;
use link::front::{Denied, DevboxTell};
use model::limits::{COMMAND_BYTES_MAX, EXECUTIONS_MAX, HOSTED_DEVBOXES_MAX};
use service::{AuthError, DevboxDenial};

/// Why something was not done. Never contains what the caller sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The service refused.
    #[error(transparent)]
    Denied(#[from] DevboxDenial),
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("this server has as many devboxes as it may ({HOSTED_DEVBOXES_MAX}): shut one down and try again")]
    TooManyDevboxes,
    #[error("this devbox runs as many commands as it may ({EXECUTIONS_MAX}): wait for one to end, or kill one")]
    TooManyCommands,
    #[error("too much is asked about devboxes at a time: wait for some of it to be answered, and try again")]
    TooManyQuestions,
    #[error("this devbox is not running: wait for its status `running`, or make a new one")]
    NotRunning,
    #[error("this devbox has ended, and what its commands said with it: its states say why; make a new one")]
    Ended,
    #[error("a command is at most {COMMAND_BYTES_MAX} bytes without zero bytes: put a longer one into a file of the devbox first")]
    CommandUnfit,
    #[error("there is no such command in this devbox")]
    NoExecution,
    #[error("the devbox could not do it: {0}")]
    Refused(String),
    #[error("what keeps the devboxes does not answer: it starts again by itself within seconds, without them; make a new one")]
    KeeperAway,
    #[error("this devbox is somebody else's sandbox, of which only the network is here: run commands where it runs")]
    Remote,
    #[error("the forward proxy is off, so another's sandbox could not get out: start the server with `tightlip up --gateway ADDR:PORT`")]
    ProxyOff,
    #[error(
        "the forward proxy listens on every address, so nothing says how the sandbox reaches it: add --gateway-url http://HOST:PORT (`gateway_url`)"
    )]
    NoProxyUrl,
    #[error("the bundle's path is absolute and has letters, digits and /._-+@ only, such as /etc/tightlip/bundle.pem")]
    BundleUnfit,
    #[error("devboxes over the API are off on this server: set `[devbox] local = true` in tightlip.toml, or listen on loopback only")]
    Off,
}

impl Trouble {
    /// Which kind of denial this is to the command line.
    pub(crate) const fn why(&self) -> Denial {
        match self {
            Self::Denied(error) => error.denial(),
            Self::Auth(error) => service::bindings::auth_denial(error),
            Self::NoExecution => Denial::NotFound,
            Self::NotRunning | Self::Ended | Self::CommandUnfit | Self::Remote | Self::NoProxyUrl | Self::BundleUnfit => Denial::Invalid,
            Self::TooManyDevboxes | Self::TooManyCommands | Self::TooManyQuestions | Self::KeeperAway => Denial::Unavailable,
            Self::Refused(_) => Denial::Failed,
            Self::Off | Self::ProxyOff => Denial::Forbidden,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::Denied(error) => error.code(),
            Self::Auth(error) => error.code(),
            Self::TooManyDevboxes => "too_many_devboxes",
            Self::TooManyCommands => "too_many_executions",
            Self::TooManyQuestions => "too_many_questions",
            Self::NotRunning | Self::Ended => "devbox_not_running",
            Self::CommandUnfit => "command_unfit",
            Self::NoExecution => "execution_unknown",
            Self::Refused(_) => "devbox_failed",
            Self::KeeperAway => "devboxes_unavailable",
            Self::Remote => "devbox_remote",
            Self::ProxyOff => "forward_proxy_off",
            Self::NoProxyUrl => "gateway_url_missing",
            Self::BundleUnfit => "bundle_path_invalid",
            Self::Off => "devboxes_off",
        }
    }
}

impl From<Trouble> for DevboxTell {
    fn from(trouble: Trouble) -> Self {
        Self::Denied(Denied { why: trouble.why(), code: trouble.code().to_owned(), message: trouble.to_string() })
    }
}

impl From<link::keeper::Trouble> for Trouble {
    fn from(trouble: link::keeper::Trouble) -> Self {
        use link::keeper::Trouble as Kept;
        match trouble {
            Kept::NoDevbox | Kept::NotNow => Self::NotRunning,
            Kept::NoExecution => Self::NoExecution,
            Kept::TooMany => Self::TooManyCommands,
            Kept::Refused(words) => Self::Refused(words),
        }
    }
}
