//! How long each target has run in all: a table that is committed, and written only where that is asked for (`--log`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::run::Ran;

/// Adds these runs.
pub fn add(ran: &[Ran]) -> Result<()> {
    let text = fs::read_to_string(FILE).unwrap_or_default();
    let mut sums = read(&text)?;
    for one in ran {
        let (seconds, executions) = sums.entry(one.target.clone()).or_default();
        *seconds += one.seconds;
        *executions += one.executions;
    }
    fs::write(FILE, written(&sums)).context("fuzz/hours.tsv cannot be written")
}

fn read(text: &str) -> Result<BTreeMap<String, (u64, u64)>> {
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let (target, seconds, executions) = (cells.next()?, cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
        Some((target.to_owned(), (seconds, executions)))
    };
    text.lines().skip(1).map(|line| row(line).context("fuzz/hours.tsv has a row of another form")).collect()
}

fn written(sums: &BTreeMap<String, (u64, u64)>) -> String {
    let mut text = HEAD.to_owned();
    for (target, (seconds, executions)) in sums {
        let hours = seconds / 3600;
        let minutes = seconds % 3600 / 60;
        writeln!(text, "{target}\t{seconds}\t{executions}\t{hours} h {minutes:02} min").expect("a text takes all");
    }
    text
}

const FILE: &str = "fuzz/hours.tsv";
const HEAD: &str = "target\tseconds\texecutions\ttime\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_anything_else_is_refused() {
        assert!(read("head\nfind\tmany\t1\n").is_err());
        let sums = BTreeMap::from([("arm".to_owned(), (3661, 7)), ("find".to_owned(), (60, 1_000_000))]);
        assert_eq!(read(&written(&sums)).expect("a table"), sums);
    }
}
