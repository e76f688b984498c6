//! Why a command failed: what happened, what to do next, and the exit code. Every error of the floors below becomes one here.

use client::{ClientError, Distrust};
use link::PacketError;
use link::cli::Denial;

use crate::folder::FolderError;

/// A failure, ready to be shown.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The exit code.
    pub(crate) exit: Exit,
    /// The stable word of `--json`.
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// The next command, or what to do.
    pub(crate) next: Option<String>,
}

/// Exit codes, as the README lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Failure = 1,
    Usage = 2,
    NotFound = 3,
    NotAuthenticated = 4,
    Exists = 5,
    Unreachable = 6,
    Refused = 7,
    Tampered = 10,
    CannotStart = 125,
    NotExecutable = 126,
    CommandNotFound = 127,
}

impl Exit {
    /// The word that stands for the code where the server gave none.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotAuthenticated => "not_authenticated",
            Self::Exists => "exists",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Tampered => "tampered",
            Self::CannotStart => "cannot_start",
            Self::NotExecutable => "not_executable",
            Self::CommandNotFound => "command_not_found",
        }
    }
}

impl Fault {
    /// A failure with the exit code's own word.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: exit.word().to_owned(), message: message.into(), next: None }
    }

    /// A misuse of the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The data folder is served by another process: the exit code of what cannot be reached, and a word of its own.
    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self { code: "in_use".to_owned(), ..Self::new(Exit::Unreachable, message) }
    }

    /// A failure of the system, with its causes.
    pub(crate) fn failure(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(Exit::Failure, chain(error))
    }

    /// The same failure, with what to do next.
    #[must_use]
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The same failure, in the words of `tightlip run`, whose small exit codes are its command's.
    #[must_use]
    pub(crate) fn before_the_command(self) -> Self {
        let exit = match self.exit {
            Exit::Usage | Exit::CannotStart | Exit::NotExecutable | Exit::CommandNotFound => self.exit,
            Exit::Failure | Exit::NotFound | Exit::NotAuthenticated | Exit::Exists | Exit::Unreachable | Exit::Refused | Exit::Tampered => {
                Exit::CannotStart
            }
        };
        Self { exit, ..self }
    }

    /// What the gateway refused.
    pub(crate) fn denied(why: Denial, message: String) -> Self {
        let exit = match why {
            Denial::NotFound => Exit::NotFound,
            Denial::NotAuthenticated => Exit::NotAuthenticated,
            Denial::Forbidden => Exit::Refused,
            Denial::Exists => Exit::Exists,
            Denial::Invalid => Exit::Usage,
            Denial::Unavailable => Exit::Unreachable,
            Denial::Failed => Exit::Failure,
        };
        Self::new(exit, message)
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Status { status, code, message } => {
                let exit = match (status, code.as_str()) {
                    (400, "duplicate") => Exit::Exists,
                    (401, _) => Exit::NotAuthenticated,
                    (403, _) => Exit::Refused,
                    (404, _) => Exit::NotFound,
                    (503, _) => Exit::Unreachable,
                    _ => Exit::Failure,
                };
                let code = if code.is_empty() { exit.word().to_owned() } else { code };
                Self { exit, code, message, next: None }
            }
            ClientError::Unreachable(_) | ClientError::Timeout | ClientError::Malformed => Self::new(Exit::Unreachable, chain(&error))
                .next("check --url and TIGHTLIP_URL; without them the server of this machine is used"),
            ClientError::Untrusted(why) => {
                let fault = Fault { code: "untrusted".to_owned(), ..Self::new(Exit::Unreachable, error.to_string()) };
                fault.next(trusted(why))
            }
            ClientError::Address | ClientError::Key => Self::new(Exit::Usage, error.to_string()),
            ClientError::Setup(_) => Self::failure(&error),
        }
    }
}

impl From<PacketError> for Fault {
    fn from(error: PacketError) -> Self {
        let exit = match error {
            PacketError::Closed | PacketError::Timeout | PacketError::Io(_) => Exit::Unreachable,
            PacketError::Malformed => Exit::Failure,
        };
        Self::new(exit, format!("failed to talk to the server: {}", chain(&error)))
    }
}

impl From<FolderError> for Fault {
    fn from(error: FolderError) -> Self {
        Self::failure(&error)
    }
}

/// What makes a certificate trusted.
const fn trusted(why: Distrust) -> &'static str {
    match why {
        Distrust::UnknownIssuer => {
            "export SSL_CERT_FILE=/path/to/ca.pem   (the authority's certificate, or one that is signed by itself; it takes the place of the system's)"
        }
        Distrust::Authority => {
            "give the server a certificate without CA:TRUE, such as one that your own authority issued, and name that authority:\n\
             export SSL_CERT_FILE=/path/to/ca.pem"
        }
        Distrust::WrongName => "use a name of the certificate in the address, or have one issued for this name",
        Distrust::Time => "renew the server's certificate, or set this machine's clock right",
        Distrust::Malformed => "give the server another certificate",
    }
}

/// An error and its causes in one line, no cause said twice.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
