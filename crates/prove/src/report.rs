//! What `tightlip prove` found: a table by channel, or JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::attempts::Channel;

/// The outcome of all attempts.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One for each attempt.
    pub rows: Vec<Row>,
    /// Requests to an unbound host that held the value.
    pub leaked_outside: usize,
    /// Requests to the bound host in which the gateway had put the value: the proof that swapping happened at all.
    pub swapped: usize,
    /// 1 when the server's log at its most talkative held the value.
    pub log_leaks: usize,
    /// Files of the data folder that held the value.
    pub at_rest: usize,
    /// How long it took.
    pub seconds: f64,
}

/// One attempt's outcome.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The attempt.
    pub name: &'static str,
    /// Its channel.
    pub channel: Channel,
    /// Whether the devbox received the value.
    pub leaked: bool,
    /// Whether the same attempt obtained the value where it stood in a plain variable.
    pub control_leaked: bool,
}

impl Report {
    /// How many leaks there were in all.
    #[must_use]
    pub fn leaks(&self) -> usize {
        self.rows.iter().filter(|row| row.leaked).count() + self.leaked_outside + self.log_leaks + self.at_rest
    }

    /// How many attempts obtained the value in the control.
    #[must_use]
    pub fn control_leaks(&self) -> usize {
        self.rows.iter().filter(|row| row.control_leaked).count()
    }

    /// Whether nothing leaked, the control did, and the gateway swapped at all: only then is the proof one.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.leaks() == 0 && self.control_leaks() >= CONTROL_LEAKS_MIN && self.swapped > 0
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "attempts": self.rows.len(),
            "leaks": self.leaks(),
            "holds": self.holds(),
            "controls": { "plain_environment_leaks": self.control_leaks(), "swapped_requests": self.swapped },
            "unbound_upstream_leaks": self.leaked_outside,
            "log_leaks": self.log_leaks,
            "files_at_rest_leaks": self.at_rest,
            "seconds": self.seconds,
            "channels": self.rows,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut channels: BTreeMap<Channel, (usize, usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            let sums = channels.entry(row.channel).or_default();
            *sums = (sums.0 + 1, sums.1 + usize::from(row.leaked), sums.2 + usize::from(row.control_leaked));
        }
        writeln!(f, "{:<18} {:>8} {:>6}   {:>24}", "channel", "attempts", "leaks", "leaks with a plain value")?;
        for (channel, (attempts, leaks, control)) in channels {
            writeln!(f, "{:<18} {attempts:>8} {leaks:>6}   {control:>24}", channel.title())?;
        }
        for row in self.rows.iter().filter(|row| row.leaked) {
            writeln!(f, "LEAK: {}", row.name)?;
        }
        let others = [
            ("the unbound upstream", self.leaked_outside),
            ("the server's log at TRACE", self.log_leaks),
            ("files of the data folder", self.at_rest),
        ];
        for (place, leaks) in others {
            writeln!(f, "{place}: {leaks} leaks")?;
        }
        writeln!(f, "requests in which the gateway swapped the value: {}", self.swapped)?;
        let (attempts, leaks, control) = (self.rows.len(), self.leaks(), self.control_leaks());
        writeln!(f, "{attempts} attempts, {leaks} leaks; the same attempts with a plain variable: {control} leaks; {:.1} s", self.seconds)
    }
}

/// How many attempts must leak in the control: those that need nothing but a value in the open.
const CONTROL_LEAKS_MIN: usize = 10;
