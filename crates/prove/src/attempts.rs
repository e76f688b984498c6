//! The attempts: each a name, a channel, the threat that it belongs to, and what is done.

use crate::answer::{Answer, Reply};
use crate::probe::Knowledge;
use crate::scene::{Remains, Scene};

mod accounts;
mod addresses;
mod api;
mod at_rest;
mod channel;
mod codings;
mod command_line;
mod devboxes;
mod dns;
mod environment;
mod files;
mod framing;
mod kernel;
mod misplaced;
mod paths;
mod processes;
mod replies;
mod sockets;
mod taken_over;
mod tools;
mod ways_out;
mod wrong_host;

pub use channel::Channel;
pub use dns::Over;

/// One way to try.
pub struct Attempt {
    /// Its name: no two have the same.
    pub name: &'static str,
    /// The channel that it tries.
    pub channel: Channel,
    /// The number of its threat in the threat model.
    pub threat: u8,
    /// What it must do in the control.
    pub control: Control,
    /// What it takes for an answer: without one it was not tried.
    pub answer: Answer,
    /// What is done.
    pub way: Way,
}

impl Attempt {
    /// The same, where a closed connection is a refusal too.
    const fn may_be_closed(self) -> Self {
        Self { answer: Answer::OrClosed, ..self }
    }

    /// Whether the agent itself makes it.
    pub(crate) const fn is_agents(&self) -> bool {
        !matches!(self.way, Way::Outside(_) | Way::After(_))
    }
}

/// What an attempt must do where nothing holds it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Obtain the value, which stands in a plain variable: otherwise the attempt finds nothing anywhere, and its silence proves nothing.
    Leaks,
    /// Where no walls hold it back, get at something that no agent should: tried outside of any devbox, with a placeholder in the variable. Only what reads or
    /// asks may be such an attempt, and nothing that changes the machine on which it runs.
    Reaches,
    /// Where no walls hold it back, arrive: what it asks is heard in the proof's own network, by nobody else. Tried outside of any devbox, with a placeholder.
    Arrives,
    /// It has no counterpart there: it is about something that plain variables do not have.
    Absent,
}

/// What is done.
pub enum Way {
    /// The agent does it by itself, in the devbox, and asks nobody.
    Does(fn(&Knowledge) -> Vec<u8>),
    /// The agent dials by itself; every reply.
    Dials(fn(&Knowledge) -> Vec<Reply>),
    /// The agent asks a resolver of its own.
    Questions {
        /// By what.
        over: Over,
        /// What is asked.
        questions: fn(&Knowledge) -> Vec<Vec<u8>>,
    },
    /// The agent's shell runs a line, where the programs that it needs are there.
    Shell {
        /// The programs.
        needs: &'static [&'static str],
        /// The line.
        line: &'static str,
    },
    /// The agent sends these bytes to a host over TLS: see [`Knowledge::fill`].
    Asks {
        /// The host.
        to: To,
        /// The bytes.
        request: &'static str,
    },
    /// Somebody else does it: another devbox, another account, whoever has the files.
    Outside(fn(&Scene<'_>) -> anyhow::Result<Vec<u8>>),
    /// What is left is looked at when the server has ended.
    After(fn(&Remains) -> anyhow::Result<Vec<u8>>),
}

/// Where the agent's bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The host that the secret is bound to.
    Bound,
    /// A host that the devbox may reach and the secret is not bound to.
    Unbound,
    /// The host that the other secret is bound to, for one method below one path.
    Narrow,
    /// A host that the devbox may not reach.
    Strange,
}

/// All of them, in the order in which they are shown.
#[must_use]
pub fn all() -> Vec<&'static Attempt> {
    let tables: [&'static [Attempt]; 22] = [
        environment::ATTEMPTS,
        files::ATTEMPTS,
        processes::ATTEMPTS,
        kernel::ATTEMPTS,
        tools::ATTEMPTS,
        sockets::ATTEMPTS,
        dns::ATTEMPTS,
        ways_out::ATTEMPTS,
        wrong_host::ATTEMPTS,
        misplaced::ATTEMPTS,
        framing::ATTEMPTS,
        paths::ATTEMPTS,
        addresses::ATTEMPTS,
        replies::SURFACES,
        replies::FORMS,
        codings::ATTEMPTS,
        devboxes::ATTEMPTS,
        accounts::ATTEMPTS,
        api::ATTEMPTS,
        taken_over::ATTEMPTS,
        at_rest::ATTEMPTS,
        command_line::ATTEMPTS,
    ];
    tables.into_iter().flatten().collect()
}

const fn does(name: &'static str, channel: Channel, threat: u8, control: Control, make: fn(&Knowledge) -> Vec<u8>) -> Attempt {
    Attempt { name, channel, threat, control, answer: Answer::Any, way: Way::Does(make) }
}

const fn dials(name: &'static str, channel: Channel, threat: u8, control: Control, dial: fn(&Knowledge) -> Vec<Reply>) -> Attempt {
    Attempt { name, channel, threat, control, answer: Answer::Http, way: Way::Dials(dial) }
}

const fn shell(
    name: &'static str,
    channel: Channel,
    threat: u8,
    control: Control,
    needs: &'static [&'static str],
    line: &'static str,
) -> Attempt {
    Attempt { name, channel, threat, control, answer: Answer::Any, way: Way::Shell { needs, line } }
}

/// A line that asks a host and says whether it was answered to its end: by curl's options in `$C`, or by `says` of another tool's exit code.
const fn web(
    name: &'static str,
    channel: Channel,
    threat: u8,
    control: Control,
    needs: &'static [&'static str],
    line: &'static str,
) -> Attempt {
    Attempt { answer: Answer::Http, ..shell(name, channel, threat, control, needs, line) }
}

const fn asks(name: &'static str, channel: Channel, threat: u8, control: Control, to: To, request: &'static str) -> Attempt {
    Attempt { name, channel, threat, control, answer: Answer::Http, way: Way::Asks { to, request } }
}

const fn outside(name: &'static str, channel: Channel, threat: u8, make: fn(&Scene<'_>) -> anyhow::Result<Vec<u8>>) -> Attempt {
    Attempt { name, channel, threat, control: Control::Absent, answer: Answer::Any, way: Way::Outside(make) }
}

const fn after(name: &'static str, channel: Channel, threat: u8, make: fn(&Remains) -> anyhow::Result<Vec<u8>>) -> Attempt {
    Attempt { name, channel, threat, control: Control::Absent, answer: Answer::Any, way: Way::After(make) }
}

/// A line that an attempt writes where it got at something that holds no value by itself and that no agent should have.
pub(crate) const REACHED: &str = "[reached]";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn at_least_two_hundred_are_tried_and_no_two_are_one() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|attempt| attempt.name).collect();
        assert_eq!(names.len(), all.len(), "two attempts have one name");
        let mut done = BTreeSet::new();
        for attempt in &all {
            assert!((1..=37).contains(&attempt.threat), "{}", attempt.name);
            let what = match &attempt.way {
                Way::Shell { line, .. } => (*line).to_owned(),
                Way::Asks { to, request } => format!("{to:?} {request}"),
                Way::Does(_) | Way::Dials(_) | Way::Questions { .. } | Way::Outside(_) | Way::After(_) => String::new(),
            };
            let is_code = what.is_empty();
            // The linker may fold what is equal, so only what is data is compared.
            assert!(is_code || done.insert(what), "{} does what another does", attempt.name);
        }
        assert!(all.len() >= 200, "{}", all.len());
    }

    #[test]
    fn whatever_asks_a_host_must_be_answered() {
        for attempt in all() {
            let asks = match &attempt.way {
                Way::Shell { line, .. } => ["\"$BASE", "\"$FAR", "$C ", "-connect $h"].iter().any(|word| line.contains(word)),
                Way::Asks { .. } | Way::Dials(_) | Way::Questions { .. } => true,
                Way::Does(_) | Way::Outside(_) | Way::After(_) => false,
            };
            assert!(!asks || attempt.answer != Answer::Any, "{}", attempt.name);
            let Way::Shell { line, .. } = &attempt.way else { continue };
            let says_so = line.contains("$C ") || line.contains("; says $? ");
            assert!(attempt.answer != Answer::Http || says_so, "{}", attempt.name);
        }
    }

    #[test]
    fn the_threat_model_says_of_no_threat_that_is_tried_that_it_is_not() {
        let page = include_str!("../../../docs/threat-model.md");
        let rows = page.split("\n### ").skip(1).filter_map(|row| Some((row.split_once(". ")?.0.parse::<u8>().ok()?, row)));
        let untried: BTreeSet<u8> = rows.filter(|(_, row)| row.contains("\n- Proof: none")).map(|(number, _)| number).collect();
        let tried: BTreeSet<u8> = all().iter().map(|attempt| attempt.threat).collect();
        assert!(!untried.is_empty() && untried.is_disjoint(&tried), "{untried:?} of {tried:?}");
    }
}
