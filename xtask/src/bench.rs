//! `cargo xtask bench [b1] [b2] [b3] [b4] [b5] [b6] [b7] [scrub] [--json]`: each bar with its baseline from the same run, on a release build. Ratios bind, absolute figures advise.
//!
//! What is measured is the built server over HTTP, as a client sees it; what it is compared with are programs in `examples/` of the crates that own the
//! dependency. A bar that is missed makes the command fail.

mod base_url;
mod bodies;
mod creates;
mod devboxes;
mod kills;
mod load;
mod million;
mod nginx;
mod open_road;
pub mod process;
mod reads;
mod scrub;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::say;

/// One measured bar.
pub struct Figure {
    /// `B1` and so on.
    pub bar: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// What was measured; of a ratio, the ratio.
    pub measured: f64,
    /// Its unit; `x` for a ratio.
    pub unit: &'static str,
    /// What it must reach.
    pub limit: Limit,
    /// The figures below it.
    pub detail: String,
}

/// Which side of a number is good.
pub enum Limit {
    /// At most so much.
    Most(f64),
    /// At least so much.
    Least(f64),
}

impl Figure {
    const fn holds(&self) -> bool {
        match self.limit {
            Limit::Most(most) => self.measured <= most,
            Limit::Least(least) => self.measured >= least,
        }
    }

    fn line(&self) -> String {
        let (word, limit) = match self.limit {
            Limit::Most(most) => ("at most", most),
            Limit::Least(least) => ("at least", least),
        };
        let verdict = if self.holds() { "holds " } else { "MISSED" };
        let Self { bar, promise, measured, unit, detail, .. } = self;
        format!("{bar} {verdict} {measured:.2} {unit} ({word} {limit} {unit}): {promise}\n          {detail}")
    }

    /// Its texts are ours and hold nothing that JSON would escape.
    fn json(&self) -> String {
        let (side, limit) = match self.limit {
            Limit::Most(most) => ("at_most", most),
            Limit::Least(least) => ("at_least", least),
        };
        let Self { bar, promise, measured, unit, detail, .. } = self;
        let holds = self.holds();
        format!(
            r#"{{"bar":"{bar}","holds":{holds},"measured":{measured:.4},"unit":"{unit}","{side}":{limit},"promise":"{promise}","detail":"{detail}"}}"#
        )
    }
}

/// Runs what the arguments name, or all.
pub fn run(arguments: &[String]) -> ExitCode {
    match measured(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => say("bench: a bar was missed", ExitCode::FAILURE),
        Err(error) => say(&format!("bench: {error:#}"), ExitCode::FAILURE),
    }
}

/// Runs B7 alone.
pub fn crash() -> ExitCode {
    run(&["b7".to_owned()])
}

fn measured(arguments: &[String]) -> Result<bool> {
    let (options, named): (Vec<&str>, Vec<&str>) = arguments.iter().map(String::as_str).partition(|word| word.starts_with("--"));
    let json = match options[..] {
        [] => false,
        ["--json"] => true,
        _ => bail!("the only option is --json"),
    };
    if let Some(unknown) = named.iter().find(|name| !BARS.iter().any(|(known, _)| known == *name)) {
        bail!("{unknown} is none of {}", BARS.map(|(name, _)| name).join(", "));
    }
    process::build()?;
    let mut all_hold = true;
    for (_, measure) in BARS.iter().filter(|(name, _)| named.is_empty() || named.contains(name)) {
        for figure in measure().context("a measurement failed")? {
            all_hold &= figure.holds();
            show(&if json { figure.json() } else { figure.line() });
        }
    }
    Ok(all_hold)
}

/// What the gateway adds to a request, by either way into it.
fn gateway() -> Result<Vec<Figure>> {
    let mut figures = open_road::measure()?;
    figures.extend(base_url::measure()?);
    Ok(figures)
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stdout, reason = "what was measured is this command's output")]
fn show(line: &str) {
    println!("{line}");
}

fn progress(line: &str) {
    say(line, ExitCode::SUCCESS);
}

type Measure = fn() -> Result<Vec<Figure>>;
const BARS: [(&str, Measure); 8] = [
    ("b1", reads::measure),
    ("b2", creates::measure),
    ("b3", gateway),
    ("b4", bodies::measure),
    ("b5", devboxes::measure),
    ("b6", million::measure),
    ("b7", kills::measure),
    ("scrub", scrub::measure),
];
