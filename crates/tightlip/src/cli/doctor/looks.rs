//! What was looked at, and how it is.

use serde::Serialize;

use super::super::fault::Fault;
use super::super::output::{Output, table};

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Not as it could be, and no reason to stop.
    Note,
    /// Something does not work before this is mended.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Look {
    check: String,
    state: State,
    found: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All looks, in their order.
#[derive(Default, Serialize)]
pub(super) struct Looks {
    checks: Vec<Look>,
}

impl Looks {
    pub(super) fn ok(&mut self, check: &str, found: impl Into<String>) {
        self.add(check, State::Ok, found, None);
    }

    pub(super) fn note(&mut self, check: &str, found: impl Into<String>, next: impl Into<String>) {
        self.add(check, State::Note, found, Some(next.into()));
    }

    pub(super) fn broken(&mut self, check: &str, found: impl Into<String>, next: impl Into<String>) {
        self.add(check, State::Broken, found, Some(next.into()));
    }

    /// A failure of ours, with the command that it names.
    pub(super) fn fault(&mut self, check: &str, fault: Fault) {
        self.add(check, State::Broken, fault.message, fault.next);
    }

    fn add(&mut self, check: &str, state: State, found: impl Into<String>, next: Option<String>) {
        self.checks.push(Look { check: check.to_owned(), state, found: found.into(), next });
    }

    /// How many things are broken.
    pub(super) fn broken_count(&self) -> usize {
        self.checks.iter().filter(|look| look.state == State::Broken).count()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken_count() > 0
    }

    /// A table, and what to do.
    pub(super) fn shown(&self, out: &Output) -> String {
        let row = |look: &Look| {
            let state = match look.state {
                State::Ok => "ok",
                State::Note => "note",
                State::Broken => "BROKEN",
            };
            [state.to_owned(), look.check.clone(), look.found.clone()]
        };
        let lines = table(["", "CHECK", "FOUND"], &self.checks.iter().map(row).collect::<Vec<_>>());
        let told = |look: &Look| look.next.as_ref().map(|next| out.hinted(&format!("{}: {next}", look.check)));
        let next: Vec<String> = self.checks.iter().filter_map(told).collect();
        if next.is_empty() { lines } else { format!("{lines}\n\nWhat to do:\n  {}", next.join("\n  ")) }
    }
}
