//! Who answers: the gateway's decisions, near or over the link, or another tightlip's door that calls are passed on to.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use link::agents::{AgentTell, AgentVerb};
use rmcp::model::JsonObject;

use crate::outcome::Outcome;

/// What decides about what an agent asks. Knows who the agent is.
pub trait Backend: Send + Sync + 'static {
    /// Answers one question.
    fn ask(&self, verb: AgentVerb) -> BoxFuture<'_, Answered>;

    /// Does work that takes a processor's time on a thread that may, in this caller's turn: no caller's message holds up another's. Where it cannot be done, it is dropped.
    fn aside(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'_, ()>;

    /// Where a person's browser reaches the entry page: the api's own address, without a path; none where that is not known.
    fn pages(&self) -> Option<String>;
}

/// What a [`Backend`] answers.
pub type Answered = Result<AgentTell, Unanswered>;

/// Another tightlip's door, which has the same tools.
pub trait Relay: Send + Sync + 'static {
    /// Passes one call on, whose arguments were looked at here.
    fn call(&self, tool: &'static str, arguments: JsonObject) -> BoxFuture<'_, Relayed>;
}

/// What a [`Relay`] brings back.
pub type Relayed = Result<Outcome, Unanswered>;

/// Why there is no answer. Holds nothing that was sent.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unanswered {
    /// The gateway is away, or too slow.
    #[error("the gateway does not answer: it starts again by itself within seconds; try again, and look at the output of `tightlip up`")]
    Away,
    /// Something else stands in the way: its stable code, and what mends it.
    #[error("{message}")]
    Because {
        /// The code.
        code: String,
        /// What happened, and the next step.
        message: String,
    },
}

/// Who answers.
#[derive(Clone)]
pub(crate) enum Source {
    Backend(Arc<dyn Backend>),
    Relay(Arc<dyn Relay>),
}
