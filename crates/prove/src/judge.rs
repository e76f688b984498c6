//! Who says what has leaked: every byte that somebody obtained, and every byte that arrived where it should not, is searched for every planted value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::bail;
use tempfile::TempDir;

use crate::attempts::{Attempt, Control, REACHED, all};
use crate::canary::Canary;
use crate::outcome::Outcome;
use crate::probe::{ATTEMPT_HEADER, NARROW};
use crate::report::{InControl, Row, State, last_words};
use crate::scene::{FOREIGN, LED, PUBLIC, Values};
use crate::upstream::Record;

/// The planted values.
pub(crate) struct Judge {
    pub(crate) values: Values,
    canaries: Vec<Canary>,
    /// What no agent may get at although it is no value: keys of the installation, and marks in its files and in its memory.
    keys: Vec<Canary>,
    repo: TempDir,
}

/// What arrived.
pub(crate) struct Seen {
    pub(crate) upstream: Vec<Record>,
    /// What was sent in the proof's own network to where nobody is, by somebody behind walls.
    pub(crate) overheard: Vec<Record>,
    pub(crate) bound: &'static str,
}

impl Judge {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let canaries =
            ["ghp_", "ghp_", "ghp_", "ghp_", "nrw_", "led_", "knd_"].into_iter().map(Canary::make).collect::<anyhow::Result<Vec<_>>>()?;
        let canaries = [canaries, vec![Canary::long()?]].concat();
        let value = |number: usize| canaries[number].value().to_owned();
        let values = Values { agents: value(0), rotated: value(1), old: value(2), spare: value(3), kindless: value(6) };
        let repo = tempfile::Builder::new().prefix("tightlip-repo-").tempdir()?;
        fs::create_dir_all(repo.path().join("info"))?;
        fs::write(repo.path().join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(repo.path().join("info/refs"), format!("{}\trefs/heads/main\n", "5".repeat(40)))?;
        Ok(Self { values, canaries, keys: Vec::new(), repo })
    }

    /// From now on these are the agent's to have as little as a value is.
    pub(crate) fn guard(&mut self, keys: impl IntoIterator<Item = Canary>) {
        self.keys.extend(keys);
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

    /// The one that is longer than most credentials.
    pub(crate) fn long(&self) -> &str {
        self.canaries[7].value()
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.canaries.iter().any(|canary| canary.is_in(bytes))
    }

    /// Whether an agent got at what it should not. The keys are their owner's, so that only agents are judged by them.
    fn is_reached(&self, bytes: &[u8]) -> bool {
        let says_so = || bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == REACHED.as_bytes());
        self.is_in(bytes) || self.keys.iter().any(|key| key.is_in(bytes)) || says_so()
    }

    /// The rows of the report.
    pub(crate) fn rows(
        &self,
        attempts: &[&'static Attempt],
        brokered: &BTreeMap<String, Outcome>,
        control: &BTreeMap<String, Outcome>,
        seen: &Seen,
    ) -> anyhow::Result<Vec<Row>> {
        let arrived: BTreeSet<String> =
            self.strayed(seen).filter_map(|record| named(record).map(|name| attempt_of(&name).to_owned())).collect();
        let mut rows = Vec::new();
        for attempt in attempts {
            let state = match brokered.get(attempt.name) {
                None => bail!("nothing was reported of `{}`", attempt.name),
                _ if arrived.contains(attempt.name) => State::Leaked,
                // What went wrong halfway may have obtained something before, and says so.
                Some(Outcome::NotTried(why)) if self.is_in(why.as_bytes()) => State::Leaked,
                Some(Outcome::NotTried(why)) => State::NotTried(why.clone()),
                Some(Outcome::Unanswered(bytes)) if attempt.is_agents() && self.is_reached(bytes) || self.is_in(bytes) => State::Leaked,
                // A tool's last word says why; what others tell begins with it.
                Some(Outcome::Unanswered(bytes)) if attempt.is_agents() => State::Unanswered(last_words(bytes)),
                Some(Outcome::Unanswered(bytes)) => State::Unanswered(String::from_utf8_lossy(bytes).into_owned()),
                Some(Outcome::Tried(bytes)) if self.is_in(bytes) => State::Leaked,
                Some(Outcome::Tried(bytes)) if attempt.is_agents() && self.is_reached(bytes) => State::Leaked,
                Some(Outcome::Tried(_)) => State::Held,
            };
            let control = match (attempt.control, control.get(attempt.name)) {
                (Control::Absent, _) => InControl::Absent,
                (_, None) => bail!("nothing was reported of `{}` in the control", attempt.name),
                (_, Some(Outcome::NotTried(_))) => InControl::NotTried,
                (Control::Leaks, Some(Outcome::Tried(bytes) | Outcome::Unanswered(bytes))) if self.is_in(bytes) => InControl::Leaked,
                (Control::Leaks, Some(_)) => InControl::Held,
                (Control::Reaches | Control::Arrives, Some(Outcome::Tried(bytes) | Outcome::Unanswered(bytes)))
                    if self.is_reached(bytes) =>
                {
                    InControl::Leaked
                }
                (Control::Reaches | Control::Arrives, Some(_)) => InControl::Held,
            };
            rows.push(Row { name: attempt.name, channel: attempt.channel, threat: attempt.threat, state, control });
        }
        Ok(rows)
    }

    /// Values that arrived where they should not, and whatever arrived where nothing should, of which no attempt is known: where, and named how.
    pub(crate) fn elsewhere(&self, seen: &Seen) -> Vec<String> {
        let known: BTreeSet<&str> = all().into_iter().map(|attempt| attempt.name).collect();
        let strayed = self.strayed(seen).filter(|record| named(record).is_none_or(|name| !known.contains(attempt_of(&name))));
        let value = strayed.map(|record| format!("a value at {}, dialled at {}", said(&record.host), record.dialled));
        let other = seen.overheard.iter().map(|record| format!("{} bytes, dialled at {}", record.bytes.len(), record.dialled));
        value.chain(other).collect()
    }

    /// Requests in which the gateway wrote the value where it belongs.
    pub(crate) fn swapped(&self, seen: &Seen) -> usize {
        seen.upstream.iter().filter(|record| record.host == seen.bound && record.holds(&self.values.agents)).count()
    }

    /// What holds a value and should not: at another host, in another place, at an address that is not the host's, or another host's value.
    fn strayed<'a>(&'a self, seen: &'a Seen) -> impl Iterator<Item = &'a Record> {
        seen.upstream.iter().filter(|record| {
            let (own, others): (Vec<&Canary>, Vec<&Canary>) = self.canaries.iter().partition(|canary| self.may_have(record, canary, seen));
            let holds = |canaries: &[&Canary], bytes: &[u8]| canaries.iter().any(|canary| canary.is_in(bytes));
            holds(&others, &record.bytes) || !own.is_empty() && holds(&own, &without_credentials(&record.bytes))
        })
    }

    /// Whether this value belongs into the credentials of this request: as far as the host, the address and the target go.
    fn may_have(&self, record: &Record, canary: &Canary, seen: &Seen) -> bool {
        let (value, loopback) = (canary.value(), IpAddr::from([127, 0, 0, 1]));
        if named(record).is_some_and(|name| name.starts_with(FOREIGN)) || !is_for_its_host(record) {
            return false;
        }
        if record.host == seen.bound {
            value != self.narrow() && value != self.led() && record.dialled == loopback
        } else if record.host == NARROW {
            value == self.narrow() && record.dialled == loopback && is_narrow(&record.line)
        } else {
            record.host.ends_with(LED) && value == self.led() && PUBLIC.contains(&record.dialled)
        }
    }
}

/// Whether a request means the host for which its connection was made, by everything that a server may go by.
fn is_for_its_host(record: &Record) -> bool {
    let mut words = record.line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let absolute = target.split_once("://").filter(|_| !target.starts_with('/'));
    let absolute = absolute.map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let head = head_of(&record.bytes);
    let hosts = head.split(|byte| *byte == b'\n').filter(|line| line.to_ascii_lowercase().starts_with(b"host:"));
    let hosts = hosts.map(|line| String::from_utf8_lossy(&line[5..]).trim().to_owned());
    let is_meant = |authority: &str| authority.rsplit_once(':').map_or(authority, |(name, _)| name).eq_ignore_ascii_case(&record.host);
    !["TRACE", "TRACK", "CONNECT"].contains(&method) && hosts.chain(absolute.map(str::to_owned)).all(|authority| is_meant(&authority))
}

fn said(host: &str) -> &str {
    if host.is_empty() { "no host" } else { host }
}

fn head_of(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    &bytes[..end]
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
    let (head, body) = bytes.split_at(head_of(bytes).len());
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

/// The attempt that a name tells of.
fn attempt_of(name: &str) -> &str {
    name.strip_prefix(FOREIGN).map_or(name, |rest| rest.trim_start_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
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
            let seen = Seen { upstream: vec![record(host, &text)], overheard: vec![], bound: "b" };
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

    #[test]
    fn what_went_wrong_halfway_has_leaked_where_it_obtained_a_value() {
        let judge = Judge::make().expect("randomness");
        let attempt = all().into_iter().find(|attempt| attempt.control == Control::Absent).expect("one without a control");
        let seen = Seen { upstream: vec![], overheard: vec![], bound: "b" };
        let state = |why: String| {
            let came = BTreeMap::from([(attempt.name.to_owned(), Outcome::NotTried(why))]);
            judge.rows(&[attempt], &came, &BTreeMap::new(), &seen).expect("a row")[0].state.clone()
        };
        assert_eq!(state("no".to_owned()), State::NotTried("no".to_owned()));
        assert_eq!(state(format!("cut off\nafter {}", judge.values.agents)), State::Leaked);
    }

    #[test]
    fn what_nobody_may_send_has_leaked_at_the_values_own_host_too_and_by_its_attempts_name() {
        let judge = Judge::make().expect("randomness");
        let attempt = all().into_iter().find(|attempt| attempt.name == "the ciphertext has a bit changed").expect("it is tried");
        let value = judge.values.spare.as_str();
        let state = |tag: String| {
            let text = format!("GET /echo HTTP/1.1\nhost: b\nx-attempt: {tag}\nauthorization: Bearer {value}\n\n");
            let seen = Seen { upstream: vec![record("b", &text)], overheard: vec![], bound: "b" };
            let came = BTreeMap::from([(attempt.name.to_owned(), Outcome::Tried(b"refused".to_vec()))]);
            assert!(judge.elsewhere(&seen).is_empty());
            judge.rows(&[attempt], &came, &BTreeMap::new(), &seen).expect("a row")[0].state.clone()
        };
        assert_eq!(state(format!("{FOREIGN}: {}", attempt.name)), State::Leaked);
        assert_eq!(state("asked".to_owned()), State::Held);
    }

    #[test]
    fn what_was_not_answered_is_told_and_a_value_in_it_has_leaked() {
        let judge = Judge::make().expect("randomness");
        let attempt = all().into_iter().find(|attempt| attempt.control == Control::Absent).expect("one without a control");
        let seen = Seen { upstream: vec![], overheard: vec![], bound: "b" };
        let state = |said: String| {
            let came = BTreeMap::from([(attempt.name.to_owned(), Outcome::Unanswered(said.into_bytes()))]);
            judge.rows(&[attempt], &came, &BTreeMap::new(), &seen).expect("a row")[0].state.clone()
        };
        assert_eq!(state("[nobody spoke]".to_owned()), State::Unanswered("[nobody spoke]".to_owned()));
        assert_eq!(state(format!("{} [cut off]", judge.values.agents)), State::Leaked);
    }

    #[test]
    fn a_value_strays_where_a_request_means_another_host_than_its_connection() {
        let judge = Judge::make().expect("randomness");
        let strays = |host: &str, text: &str, value: &str| {
            let seen = Seen { upstream: vec![record(host, &text.replace("{V}", value))], overheard: vec![], bound: "b" };
            judge.strayed(&seen).count() == 1
        };
        let value = judge.values.agents.as_str();
        assert!(!strays("b", "GET / HTTP/1.1\nHost: b:443\nauthorization: Bearer {V}\n\n", value));
        assert!(!strays("b", "GET /go?to=https://c/ HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n", value));
        assert!(!strays("b", "GET https://B/x HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n", value));
        for stray in [
            "GET / HTTP/1.1\nHost: c\nauthorization: Bearer {V}\n\n",
            "GET / HTTP/1.1\nHost: b\nhost: c\nauthorization: Bearer {V}\n\n",
            "GET https://c/ HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n",
            "CONNECT b:443 HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n",
            "TRACE / HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n",
            // Not whole: a head that never ends is looked through like any other.
            "GET / HTTP/1.1\nHost: b\nx: {V}",
        ] {
            assert!(strays("b", stray, value), "{stray}");
        }
        let plain = "GET / HTTP/1.1\nHost: b\nauthorization: Bearer {V}\n\n";
        assert!(
            strays("b", plain, judge.narrow())
                && strays("b", plain, judge.led())
                && strays(NARROW, "GET /narrow HTTP/1.1\nauthorization: {V}\n\n", value)
        );
        let elsewhere = Record { dialled: IpAddr::from([169, 254, 169, 254]), ..record("b", &plain.replace("{V}", value)) };
        assert_eq!(judge.strayed(&Seen { upstream: vec![elsewhere], overheard: vec![], bound: "b" }).count(), 1);
    }
}
