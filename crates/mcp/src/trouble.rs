//! Why a call came to nothing, as its caller is told: a code and what mends it, never anything that was sent.

use link::front::Denied;

use crate::guard::Doubt;
use crate::limits::{REASON_CHARS_MAX, TEXT_BYTES_MAX};
use crate::source::Unanswered;
use crate::tool::Tool;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Something that looks like a value stands in the call.
    #[error(
        "the call holds something that looks like a secret's value, so it was not looked at and is kept nowhere. It has been in your context: tell the person to \
         rotate it. No tool takes a value: refer to the secret by its name, and ask for one that is missing with request_secret"
    )]
    LooksSecret,
    /// A text in the call is longer than any that a tool takes.
    #[error(
        "the call holds a text of more than {TEXT_BYTES_MAX} bytes, so it was not looked at: the longest that a tool takes is a reason of {REASON_CHARS_MAX} characters"
    )]
    TextTooLong,
    /// An argument that the tool does not have.
    #[error("the call has an argument that this tool does not take; it takes {}", words(.0.arguments()))]
    ArgumentUnknown(Tool),
    /// An argument that the tool needs.
    #[error("the call lacks the argument `{0}`")]
    ArgumentMissing(&'static str),
    /// An argument that is not what it should be.
    #[error("the argument `{name}` is not right: {want}")]
    ArgumentIllegal {
        /// Which.
        name: &'static str,
        /// What it should be.
        want: String,
    },
    /// The state that came back with a client's answer is none of ours.
    #[error("the requestState is none that this server gave: call request_status with the request's id")]
    StateUnknown,
    /// Who decides said no.
    #[error("{}", .0.message)]
    Denied(Denied),
    /// Nobody decided.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// An answer to another question.
    #[error("the gateway answered something else than it was asked: try again, and look at the output of `tightlip up`")]
    Unexpected,
}

impl Trouble {
    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::LooksSecret => "looks_like_secret",
            Self::TextTooLong => "text_too_long",
            Self::ArgumentUnknown(_) => "argument_unknown",
            Self::ArgumentMissing(_) => "argument_missing",
            Self::ArgumentIllegal { .. } => "argument_illegal",
            Self::StateUnknown => "state_unknown",
            Self::Denied(denied) => &denied.code,
            Self::Unanswered(Unanswered::Away) => "gateway_away",
            Self::Unanswered(Unanswered::Because { code, .. }) => code,
            Self::Unexpected => "internal",
        }
    }
}

impl From<Doubt> for Trouble {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Secret => Self::LooksSecret,
            Doubt::TooLong => Self::TextTooLong,
        }
    }
}

fn words(arguments: &[&str]) -> String {
    if arguments.is_empty() { "none".to_owned() } else { arguments.join(", ") }
}
