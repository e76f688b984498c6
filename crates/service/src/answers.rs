//! Requests that their callers numbered (`x-request-id`): the same one again is not done again, but gets the first answer, for 24 hours.
//!
//! The answer is written in the transaction of the change, so that it is there exactly if the change is. Only changes that were made are answered again: a
//! refusal, a wait or a failure is decided afresh. What decides whether two requests are the same is key, route, number and what may be shown of the body, never a value:
//! a digest of a value at rest would let it be guessed.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

use model::{ApiKeyId, GatewayConfig, Secret};
use store::{AnswerRow, Shown, Store, StoreError};

use crate::authenticate::Caller;

/// A request by its route and its caller's number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request(pub(crate) [u8; 32]);

/// The numbered requests that are being done.
#[derive(Default)]
pub(crate) struct Doing {
    requests: Mutex<HashSet<(ApiKeyId, Request)>>,
    done: Condvar,
}

/// A noun that such a request may be answered with.
pub(crate) trait Noun: Clone + Into<Shown> {
    /// The noun that was shown, where it was one of this kind.
    fn of(shown: Shown) -> Option<Self>;
}

/// Why a change was not made.
pub(crate) trait Unchanged: From<StoreError> {
    /// Whether another process on the same store was faster.
    fn is_answered(&self) -> bool;
}

/// The turn of one of them. Ends when it is dropped.
struct Turn<'a> {
    doing: &'a Doing,
    slot: (ApiKeyId, Request),
}

impl Request {
    /// The request as 32 bytes, which tell neither route nor number.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.0
    }

    /// The same request, told apart from others of its number by what it is about, which may be shown: never a value.
    #[must_use]
    pub fn about(&self, what: &str) -> Self {
        let own: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(vault::hash_token(&format!("{own}\n{what}")).0)
    }

    /// The request that `route` (method and path) and the caller's own `number` name. Neither is kept.
    #[must_use]
    pub fn new(route: &str, number: &str) -> Self {
        // A path has no line break.
        Self(vault::hash_token(&format!("{route}\n{number}")).0)
    }
}

impl Doing {
    /// Does a change once: where the caller's request was answered before, that answer is given; where it is being done right now, it is waited for.
    ///
    /// `change` is given what to write beside its rows: a maker of the answer for the noun that it will show.
    pub(crate) fn once<N: Noun, E: Unchanged>(
        &self,
        store: &Store,
        caller: &Caller,
        now: model::Timestamp,
        change: impl FnOnce(&dyn Fn(&N) -> Option<AnswerRow>) -> Result<N, E>,
    ) -> Result<N, E> {
        let Some(request) = &caller.request else { return change(&|_| None) };
        let _turn = self.turn((caller.key.id.clone(), request.clone()));
        let before = || Ok::<_, E>(store.answer(&caller.key.id, &request.0, now)?.and_then(N::of));
        if let Some(noun) = before()? {
            return Ok(noun);
        }
        let answer = |noun: &N| Some(AnswerRow { key: caller.key.id.clone(), request: request.0, shown: noun.clone().into() });
        match change(&answer) {
            Err(error) if error.is_answered() => before()?.ok_or_else(|| StoreError::Conflict.into()),
            done => done,
        }
    }

    fn turn(&self, slot: (ApiKeyId, Request)) -> Turn<'_> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut requests = self.done.wait_while(requests, |doing| doing.contains(&slot)).unwrap_or_else(PoisonError::into_inner);
        requests.insert(slot.clone());
        Turn { doing: self, slot }
    }
}

impl Noun for Secret {
    fn of(shown: Shown) -> Option<Self> {
        match shown {
            Shown::Secret(secret) => Some(secret),
            Shown::GatewayConfig(_) => None,
        }
    }
}

impl Noun for GatewayConfig {
    fn of(shown: Shown) -> Option<Self> {
        match shown {
            Shown::GatewayConfig(config) => Some(config),
            Shown::Secret(_) => None,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.doing.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.slot);
        self.doing.done.notify_all();
    }
}
