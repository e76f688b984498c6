//! What `tightlip prove` found: a table by channel, or JSON, or a page.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::attempts::Channel;
use crate::clients;
use crate::outcome::Outcome;

/// The outcome of all attempts.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One for each attempt.
    pub rows: Vec<Row>,
    /// What arrived with a value, or at all, where none should be, of which no attempt is known: where it did.
    pub elsewhere: Vec<String>,
    /// Requests to the bound host in which the gateway had put the value: the proof that swapping happened at all.
    pub swapped: usize,
    /// The ordinary clients.
    pub clients: Vec<ClientRow>,
    /// Processes of the server that ended, or were started again, before the proof was over.
    pub ended: Vec<String>,
    /// What has to have been tried.
    #[serde(skip)]
    pub demand: Demand,
    /// How long it took.
    pub seconds: f64,
}

/// What has to have been tried, or the proof does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// What this machine lets be tried.
    #[default]
    WhatIsHere,
    /// Every attempt, in the control too.
    Everything,
}

/// One attempt's outcome.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The attempt.
    pub name: &'static str,
    /// Its channel.
    pub channel: Channel,
    /// The number of its threat.
    pub threat: u8,
    /// What came of it.
    pub state: State,
    /// What came of it where nothing held it back.
    pub control: InControl,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It obtained nothing.
    Held,
    /// It obtained a value.
    Leaked,
    /// It could not be made on this machine, and why.
    NotTried(String),
    /// It was made, and was not answered or went wrong by itself: the last of what it said.
    Unanswered(String),
}

/// What came of an attempt in the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InControl {
    /// It obtained the value, as it must.
    Leaked,
    /// It did not, so that its silence proves nothing.
    Held,
    /// It could not be made there.
    NotTried,
    /// It has no counterpart there.
    Absent,
}

/// How an ordinary client fared.
#[derive(Debug, Serialize)]
pub struct ClientRow {
    /// Its name.
    pub name: &'static str,
    /// What came of it.
    pub state: ClientState,
}

/// How an ordinary client fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// It got through with the value.
    GotThrough,
    /// It did not, and the last of what it said.
    Failed(String),
    /// It is not there, and what of it.
    NotThere(String),
}

/// A channel's sums.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Sums {
    pub(crate) attempts: usize,
    pub(crate) leaks: usize,
    pub(crate) not_tried: usize,
    /// How many of these were made, and not answered.
    pub(crate) unanswered: usize,
    pub(crate) control_leaked: usize,
    pub(crate) control_could: usize,
}

impl Report {
    /// With no process of the server that ended.
    pub(crate) fn new(rows: Vec<Row>, elsewhere: Vec<String>, swapped: usize, clients: &BTreeMap<String, Outcome>, took: Duration) -> Self {
        let clients = clients::ALL.iter().map(|client| ClientRow {
            name: client.name,
            state: match clients.get(client.name) {
                Some(Outcome::Tried(shown)) if client.got_through(shown) => ClientState::GotThrough,
                Some(Outcome::Tried(shown)) => ClientState::Failed(last_words(shown)),
                Some(Outcome::NotTried(why)) => ClientState::NotThere(why.clone()),
                Some(Outcome::Unanswered(shown)) => ClientState::Failed(last_words(shown)),
                None => ClientState::Failed("nothing was reported".to_owned()),
            },
        });
        Self {
            rows,
            elsewhere,
            swapped,
            clients: clients.collect(),
            ended: Vec::new(),
            demand: Demand::default(),
            seconds: took.as_secs_f64(),
        }
    }

    /// How many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.sums().attempts
    }

    /// How many leaks there were in all.
    #[must_use]
    pub fn leaks(&self) -> usize {
        self.sums().leaks + self.elsewhere.len()
    }

    /// Whether nothing leaked, whatever was made was answered, every control leaked, every client that is there got through, the gateway swapped at all, and the
    /// server's processes are those of the beginning: only then is the proof one. What this machine lacks is a failure where [`Demand::Everything`] is asked for.
    #[must_use]
    pub fn holds(&self) -> bool {
        let sums = self.sums();
        let failed = self.clients.iter().any(|client| matches!(client.state, ClientState::Failed(_)));
        let answered = sums.unanswered == 0 && self.ended.is_empty();
        let enough = match self.demand {
            Demand::WhatIsHere => true,
            Demand::Everything => self.is_complete(),
        };
        self.leaks() == 0
            && answered
            && enough
            && sums.attempts > 0
            && sums.control_leaked == sums.control_could
            && self.swapped > 0
            && !failed
    }

    /// Whether every attempt could be made on this machine, in the control too.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    /// Attempts that could not be made, or were not answered, or could not be made in the control.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let is_missing = |row: &&Row| matches!(row.state, State::NotTried(_) | State::Unanswered(_)) || row.control == InControl::NotTried;
        self.rows.iter().filter(is_missing).map(|row| row.name).collect()
    }

    /// What the text and the page say where something is missing.
    pub(crate) fn what_is_missing(&self) -> String {
        format!("{} of {} attempts, or their controls, could not be made or were not answered", self.missing().len(), self.rows.len())
    }

    pub(crate) fn sums(&self) -> Sums {
        self.rows.iter().fold(Sums::default(), Sums::with)
    }

    pub(crate) fn channels(&self) -> Vec<(Channel, Sums)> {
        let of = |channel: Channel| self.rows.iter().filter(move |row| row.channel == channel).fold(Sums::default(), Sums::with);
        Channel::ALL.into_iter().map(|channel| (channel, of(channel))).filter(|(_, sums)| sums.attempts + sums.not_tried > 0).collect()
    }

    /// Names of clients in a state.
    pub(crate) fn clients_that(&self, is: impl Fn(&ClientState) -> bool) -> Vec<&'static str> {
        self.clients.iter().filter(|client| is(&client.state)).map(|client| client.name).collect()
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let sums = self.sums();
        let channels: BTreeMap<&str, Sums> = self.channels().into_iter().map(|(channel, sums)| (channel.word(), sums)).collect();
        serde_json::json!({
            "attempts": sums.attempts,
            "leaks": self.leaks(),
            "not_tried": sums.not_tried,
            "unanswered": self.rows.iter().filter(|row| matches!(row.state, State::Unanswered(_))).map(|row| row.name).collect::<Vec<_>>(),
            "ended": self.ended,
            "holds": self.holds(),
            "complete": self.is_complete(),
            "missing": self.missing(),
            "leaked": self.rows.iter().filter(|row| row.state == State::Leaked).map(|row| row.name).collect::<Vec<_>>(),
            "elsewhere": self.elsewhere,
            "controls": { "leaked": sums.control_leaked, "could": sums.control_could, "swapped_requests": self.swapped },
            "clients": self.clients,
            "channels": channels,
            "rows": self.rows,
            "seconds": self.seconds,
        })
    }
}

impl Sums {
    fn with(mut self, row: &Row) -> Self {
        match row.state {
            State::Held => self.attempts += 1,
            State::Leaked => {
                self.attempts += 1;
                self.leaks += 1;
            }
            State::NotTried(_) => self.not_tried += 1,
            State::Unanswered(_) => {
                self.not_tried += 1;
                self.unanswered += 1;
            }
        }
        match row.control {
            InControl::Leaked => {
                self.control_leaked += 1;
                self.control_could += 1;
            }
            InControl::Held => self.control_could += 1,
            InControl::NotTried | InControl::Absent => {}
        }
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20} {:>8} {:>9} {:>6}   {:>18}", "channel", "attempts", "not tried", "leaks", "unguarded, leaks")?;
        for (channel, sums) in self.channels() {
            let control =
                if sums.control_could == 0 { "-".to_owned() } else { format!("{} of {}", sums.control_leaked, sums.control_could) };
            writeln!(f, "{:<20} {:>8} {:>9} {:>6}   {control:>18}", channel.title(), sums.attempts, sums.not_tried, sums.leaks)?;
        }
        for row in &self.rows {
            match &row.state {
                State::Leaked => writeln!(f, "LEAK: {}", row.name)?,
                State::NotTried(why) => writeln!(f, "not tried: {}: {}", row.name, first_line(why))?,
                State::Unanswered(said) => writeln!(f, "NOT ANSWERED: {}: {}", row.name, first_line(said))?,
                State::Held => {}
            }
            match row.control {
                InControl::Held => writeln!(f, "THE CONTROL DID NOT LEAK: {}", row.name)?,
                InControl::NotTried => writeln!(f, "not tried in the control: {}", row.name)?,
                InControl::Leaked | InControl::Absent => {}
            }
        }
        for process in &self.ended {
            writeln!(f, "THE SERVER DID NOT STAY: {process}")?;
        }
        for where_to in &self.elsewhere {
            writeln!(f, "LEAK, of no known attempt: {where_to}")?;
        }
        let sums = self.sums();
        writeln!(f, "clients that got through: {}", self.clients_that(|state| *state == ClientState::GotThrough).join(", "))?;
        let absent = self.clients_that(|state| matches!(state, ClientState::NotThere(_)));
        if !absent.is_empty() {
            writeln!(f, "clients that are not there: {}", absent.join(", "))?;
        }
        for client in &self.clients {
            if let ClientState::Failed(said) = &client.state {
                writeln!(f, "CLIENT FAILED: {}: {said}", client.name)?;
            }
        }
        writeln!(f, "requests in which the gateway swapped the value: {}", self.swapped)?;
        match self.demand {
            _ if self.is_complete() => {}
            Demand::WhatIsHere => writeln!(f, "not complete: {}", self.what_is_missing())?,
            Demand::Everything => writeln!(f, "NOT COMPLETE: {}", self.what_is_missing())?,
        }
        writeln!(
            f,
            "{} attempts, {} leaks; unguarded {} of {} leak; {:.1} s",
            sums.attempts,
            self.leaks(),
            sums.control_leaked,
            sums.control_could,
            self.seconds
        )
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

pub(crate) fn last_words(shown: &[u8]) -> String {
    let text = String::from_utf8_lossy(shown);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    last.trim().chars().take(SAID_CHARS_MAX).collect()
}

const SAID_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: State, control: InControl, client: ClientState) -> Report {
        let row = Row { name: "<a>", channel: Channel::Replies, threat: 2, state, control };
        Report {
            rows: vec![row],
            elsewhere: vec![],
            swapped: 1,
            clients: vec![ClientRow { name: "curl", state: client }],
            ended: vec![],
            demand: Demand::default(),
            seconds: 1.0,
        }
    }

    #[test]
    fn a_leak_a_control_that_holds_and_a_client_that_fails_are_no_proof() {
        let through = ClientState::GotThrough;
        assert!(!report(State::Leaked, InControl::Leaked, through.clone()).holds());
        assert!(!report(State::Held, InControl::Held, through.clone()).holds());
        assert!(!report(State::Held, InControl::Leaked, ClientState::Failed("no".into())).holds());
        assert!(!report(State::NotTried("no".into()), InControl::Leaked, through.clone()).holds());
        assert!(!Report { elsewhere: vec!["there".to_owned()], ..report(State::Held, InControl::Leaked, through.clone()) }.holds());
        assert!(!Report { swapped: 0, ..report(State::Held, InControl::Leaked, through.clone()) }.holds());
        assert!(!report(State::Unanswered("late".into()), InControl::Absent, through.clone()).holds());
        assert!(!Report { ended: vec!["the gateway".to_owned()], ..report(State::Held, InControl::Leaked, through.clone()) }.holds());
        assert!(report(State::Held, InControl::Absent, ClientState::NotThere("no".into())).holds());
        assert!(report(State::Held, InControl::Leaked, through).holds());
    }

    #[test]
    fn one_attempt_without_an_answer_fails_a_proof_of_many() {
        let mut report = report(State::Held, InControl::Leaked, ClientState::GotThrough);
        assert!(report.holds());
        let row = |state| Row { name: "b", channel: Channel::Replies, threat: 2, state, control: InControl::Absent };
        report.rows.push(row(State::NotTried("curl is not there".into())));
        assert!(report.holds() && !report.is_complete());
        report.rows.push(row(State::Unanswered("nobody spoke".into())));
        assert!(!report.holds() && report.to_string().contains("NOT ANSWERED: b: nobody spoke"));
    }

    #[test]
    fn a_proof_of_which_a_part_was_not_tried_is_not_complete() {
        let report = |state, control| report(state, control, ClientState::NotThere("no".into()));
        assert!(!report(State::NotTried("no".into()), InControl::Leaked).is_complete());
        assert!(!report(State::Held, InControl::NotTried).is_complete());
        assert!(report(State::Held, InControl::Leaked).is_complete() && report(State::Leaked, InControl::Absent).is_complete());
    }

    #[test]
    fn json_text_and_page_agree_on_what_is_missing_and_on_whether_that_is_enough() {
        for (state, control) in [(State::NotTried("no docker".into()), InControl::Absent), (State::Held, InControl::NotTried)] {
            let some = Report { rows: vec![row("held", State::Held, InControl::Leaked), row("absent", state, control)], ..whole() };
            let (json, text, page) = (some.json(), some.to_string(), some.html());
            assert!(json["holds"] == true && json["complete"] == false && json["missing"] == serde_json::json!(["absent"]), "{json:#}");
            assert!(
                text.contains("not complete: 1 ") && page.contains("Not complete: 1 ") && !page.contains("does not hold"),
                "{text}\n{page}"
            );
            let demanded = Report { demand: Demand::Everything, ..some };
            let (json, text, page) = (demanded.json(), demanded.to_string(), demanded.html());
            assert!(!demanded.holds() && json["holds"] == false && json["complete"] == false, "{json:#}");
            assert!(text.contains("NOT COMPLETE: 1 ") && page.contains("The proof does not hold") && !page.contains("Nothing leaked"));
        }
        let all = Report { demand: Demand::Everything, ..whole() };
        assert!(all.holds() && all.json()["complete"] == true && all.json()["missing"] == serde_json::json!([]));
        assert!(!all.to_string().to_lowercase().contains("not complete") && !all.html().to_lowercase().contains("not complete"));
    }

    fn row(name: &'static str, state: State, control: InControl) -> Row {
        Row { name, channel: Channel::Replies, threat: 2, state, control }
    }

    fn whole() -> Report {
        report(State::Held, InControl::Leaked, ClientState::GotThrough)
    }

    #[test]
    fn what_was_not_tried_is_not_counted_as_held() {
        let json = report(State::NotTried("curl is not there".into()), InControl::NotTried, ClientState::GotThrough).json();
        assert_eq!(
            (json["attempts"].as_u64(), json["not_tried"].as_u64(), json["controls"]["could"].as_u64()),
            (Some(0), Some(1), Some(0))
        );
    }

    #[test]
    fn the_page_says_all_of_it_and_runs_nothing() {
        let page = report(State::Leaked, InControl::Leaked, ClientState::Failed("<script>x</script>".into())).html();
        assert!(page.contains("&lt;a&gt;") && page.contains("&lt;script&gt;") && page.contains("prefers-color-scheme"));
        for forbidden in ["<script", "http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}
