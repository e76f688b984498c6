//! Who says what has leaked: every byte that somebody obtained, and every byte that arrived where it should not, is searched for every planted value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::bail;
use tempfile::TempDir;

use crate::attempts::{Attempt, Control, all};
use crate::canary::Canary;
use crate::outcome::Outcome;
use crate::probe::{ATTEMPT_HEADER, NARROW};
use crate::report::{InControl, Row, State};
use crate::scene::{FOREIGN, LED, PUBLIC, Values};
use crate::upstream::Record;

/// The planted values.
pub(crate) struct Judge {
    pub(crate) values: Values,
    canaries: Vec<Canary>,
    repo: TempDir,
}

/// What arrived.
pub(crate) struct Seen {
    pub(crate) upstream: Vec<Record>,
    pub(crate) bound: &'static str,
}

impl Judge {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let canaries =
            ["ghp_", "ghp_", "ghp_", "ghp_", "nrw_", "led_"].into_iter().map(Canary::make).collect::<anyhow::Result<Vec<_>>>()?;
        let value = |number: usize| canaries[number].value().to_owned();
        let values = Values { agents: value(0), rotated: value(1), old: value(2), spare: value(3), kindless: value(5) };
        let repo = tempfile::Builder::new().prefix("tightlip-repo-").tempdir()?;
        fs::create_dir_all(repo.path().join("info"))?;
        fs::write(repo.path().join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(repo.path().join("info/refs"), format!("{}\trefs/heads/main\n", "5".repeat(40)))?;
        Ok(Self { values, canaries, repo })
    }

    /// A repository for git to list.
    pub(crate) fn repo(&self) -> anyhow::Result<PathBuf> {
        Ok(self.repo.path().to_owned())
    }

    pub(crate) fn narrow(&self) -> &str {
        self.canaries[4].value()
    }

    pub(crate) fn led(&self) -> &str {
        self.canaries[5].value()
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.canaries.iter().any(|canary| canary.is_in(bytes))
    }

    /// The rows of the report.
    pub(crate) fn rows(
        &self,
        attempts: &[&'static Attempt],
        brokered: &BTreeMap<String, Outcome>,
        control: &BTreeMap<String, Outcome>,
        seen: &Seen,
    ) -> anyhow::Result<Vec<Row>> {
        let arrived: BTreeSet<String> = self.strayed(seen).filter_map(named).collect();
        let mut rows = Vec::new();
        for attempt in attempts {
            let state = match brokered.get(attempt.name) {
                None => bail!("nothing was reported of `{}`", attempt.name),
                Some(Outcome::NotTried(why)) => State::NotTried(why.clone()),
                Some(Outcome::Tried(bytes)) if self.is_in(bytes) || arrived.contains(attempt.name) => State::Leaked,
                Some(Outcome::Tried(_)) => State::Held,
            };
            let control = match (attempt.control, control.get(attempt.name)) {
                (Control::Absent, _) => InControl::Absent,
                (Control::Leaks, Some(Outcome::Tried(bytes))) if self.is_in(bytes) => InControl::Leaked,
                (Control::Leaks, Some(Outcome::Tried(_))) => InControl::Held,
                (Control::Leaks, Some(Outcome::NotTried(_))) => InControl::NotTried,
                (Control::Leaks, None) => bail!("nothing was reported of `{}` in the control", attempt.name),
            };
            rows.push(Row { name: attempt.name, channel: attempt.channel, threat: attempt.threat, state, control });
        }
        Ok(rows)
    }

    /// Values that arrived where they should not, and of which no attempt is known.
    pub(crate) fn elsewhere(&self, seen: &Seen) -> usize {
        let known: BTreeSet<&str> = all().into_iter().map(|attempt| attempt.name).collect();
        self.strayed(seen).filter(|record| named(record).is_none_or(|name| !known.contains(name.as_str()))).count()
    }

    /// Requests in which the gateway wrote the value where it belongs.
    pub(crate) fn swapped(&self, seen: &Seen) -> usize {
        seen.upstream.iter().filter(|record| record.host == seen.bound && record.holds(&self.values.agents)).count()
    }

    /// Requests that hold a value and should not: at another host, in another place, or at an address that is no host's.
    fn strayed<'a>(&'a self, seen: &'a Seen) -> impl Iterator<Item = &'a Record> {
        seen.upstream.iter().filter(|record| {
            if named(record).is_some_and(|name| name == FOREIGN) {
                self.is_in(&record.bytes)
            } else if record.host == seen.bound {
                self.is_in(&without_credentials(&record.bytes))
            } else if record.host == NARROW {
                !is_narrow(&record.line) && self.is_in(&record.bytes) || self.is_in(&without_credentials(&record.bytes))
            } else if record.host.ends_with(LED) {
                !PUBLIC.contains(&record.dialled) && self.is_in(&record.bytes)
            } else {
                self.is_in(&record.bytes)
            }
        })
    }
}

/// Whether the other secret is bound to this.
fn is_narrow(line: &str) -> bool {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    method == "GET" && (path == "/narrow" || path.starts_with("/narrow/") && !path.contains("..") && !path.contains('%'))
}

/// The request without the lines in which a credential may stand.
fn without_credentials(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(head);
    let is_credential = |line: &[u8]| line.to_ascii_lowercase().starts_with(b"authorization:");
    let lines = head.split(|byte| *byte == b'\n').filter(|line| !is_credential(line));
    [&lines.collect::<Vec<_>>().join(&b'\n'), body].concat()
}

/// The attempt that a request belongs to, by its own word.
fn named(record: &Record) -> Option<String> {
    let text = String::from_utf8_lossy(&record.bytes);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(name, _)| name.eq_ignore_ascii_case(ATTEMPT_HEADER));
    named.next().map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn record(host: &str, text: &str) -> Record {
        let line = text.lines().next().unwrap_or_default().to_owned();
        Record { host: host.to_owned(), line, bytes: text.replace('\n', "\r\n").into_bytes(), dialled: IpAddr::from([127, 0, 0, 1]) }
    }

    #[test]
    fn a_value_may_arrive_at_its_host_in_its_place_and_nowhere_else() {
        let judge = Judge::make().expect("randomness");
        let (value, narrow) = (judge.values.agents.clone(), judge.narrow().to_owned());
        let strays = |host: &str, text: String| {
            let seen = Seen { upstream: vec![record(host, &text)], bound: "b" };
            judge.strayed(&seen).count() == 1
        };
        assert!(strays("u", format!("GET / HTTP/1.1\nauthorization: Bearer {value}\n\n")));
        assert!(strays("b", format!("GET /?t={value} HTTP/1.1\nhost: b\n\n")));
        assert!(strays("b", format!("GET / HTTP/1.1\nx-note: {value}\n\n")));
        assert!(strays("b", format!("POST / HTTP/1.1\nauthorization: Bearer {value}\n\n{value}")));
        assert!(!strays("b", format!("GET / HTTP/1.1\nauthorization: Bearer {value}\n\n")));
        assert!(strays("b", format!("GET / HTTP/1.1\nauthorization: Bearer {value}\nx-attempt: {FOREIGN}\n\n")));
        assert!(strays(NARROW, format!("POST /narrow HTTP/1.1\nauthorization: Bearer {narrow}\n\n")));
        assert!(strays(NARROW, format!("GET /narrow/../x HTTP/1.1\nauthorization: Bearer {narrow}\n\n")));
        assert!(!strays(NARROW, format!("GET /narrow/x HTTP/1.1\nauthorization: Bearer {narrow}\n\n")));
        assert!(strays("n1.led.example.com", format!("GET / HTTP/1.1\nauthorization: Bearer {}\n\n", judge.led())));
    }
}
