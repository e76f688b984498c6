//! What the api asks of the gateway, over the socketpair that both inherit.
//!
//! The gateway trusts nothing that it is told here: every question is answered with metadata only.

use model::{AccountId, ApiKeyId, ChainedEvent, Refusal, SecretId, SecretName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cli::BindingView;

/// A question, numbered so that an answer that comes too late is not taken for another's.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    /// Counted up by the api.
    pub number: u64,
    /// What is asked.
    pub ask: Ask,
}

/// An answer to the question of the same number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The question's number.
    pub number: u64,
    /// What is answered.
    pub tell: Tell,
}

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
    /// It could not be answered.
    Failed,
}
