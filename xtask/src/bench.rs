//! `cargo xtask bench [b1] [b2] [b6] [--json]`: the bars of performance, each with its baseline from the same run. Ratios bind; absolute figures depend on the
//! machine. Subject and baseline take turns, and medians are compared, since machines are noisy.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::say;

mod load;
mod server;

mod b1;
mod b2;
mod b6;

/// One figure beside its bar.
pub(crate) struct Figure {
    pub(crate) bar: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// At most, or at least, so much; none for a figure that explains another.
    pub(crate) wanted: Option<Wanted>,
}

#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

/// What the benches run.
pub(crate) struct Programs {
    pub(crate) tightlip: PathBuf,
    pub(crate) bare: PathBuf,
    pub(crate) raw_commits: PathBuf,
    pub(crate) fill: PathBuf,
}

/// Runs the benches that are named, or all.
pub fn run(arguments: &[String]) -> ExitCode {
    let json = arguments.iter().any(|word| word == "--json");
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--json").collect();
    match measure(&named) {
        Ok(figures) => {
            show(&figures, json);
            if figures.iter().all(Figure::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => say(&format!("bench: {error:#}"), ExitCode::FAILURE),
    }
}

fn measure(named: &[&str]) -> anyhow::Result<Vec<Figure>> {
    if let Some(unknown) = named.iter().find(|name| !BENCHES.iter().any(|(known, _)| known == *name)) {
        bail!("{unknown} is no bench; there are b1, b2 and b6");
    }
    let programs = build()?;
    let mut figures = Vec::new();
    for (name, bench) in BENCHES.iter().filter(|(name, _)| named.is_empty() || named.contains(name)) {
        progress(&format!("{name}:"));
        figures.extend(bench(&programs)?);
    }
    Ok(figures)
}

/// Builds what is measured, as a release is built.
fn build() -> anyhow::Result<Programs> {
    progress("building the release and the baselines");
    let cargo = std::env::var_os("CARGO").context("run this as `cargo xtask bench`")?;
    let built = |arguments: &[&str]| {
        let status = Command::new(&cargo).args(["build", "--release", "--locked"]).args(arguments).status()?;
        if status.success() { Ok(()) } else { Err(anyhow::anyhow!("`cargo build --release {}` failed", arguments.join(" "))) }
    };
    built(&["--bin", "tightlip"])?;
    built(&["--package", "tightlip-api", "--example", "bare"])?;
    built(&["--package", "tightlip-store", "--example", "raw_commits", "--example", "fill"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("release");
    let example = |name: &str| target.join("examples").join(name);
    Ok(Programs { tightlip: target.join("tightlip"), bare: example("bare"), raw_commits: example("raw_commits"), fill: example("fill") })
}

/// An empty folder on the disk of the build, which is a real one where `/tmp` may be memory.
pub(crate) fn scratch(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(Path::new("target").join("bench").join(name))?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(folder)
}

impl Figure {
    fn holds(&self) -> bool {
        match self.wanted {
            None => true,
            Some(Wanted::AtMost(most)) => self.value <= most,
            Some(Wanted::AtLeast(least)) => self.value >= least,
        }
    }

    fn line(&self) -> String {
        let wanted = match self.wanted {
            None => String::new(),
            Some(Wanted::AtMost(most)) => format!("at most {most}"),
            Some(Wanted::AtLeast(least)) => format!("at least {least}"),
        };
        let verdict = match (self.wanted, self.holds()) {
            (None, _) => "",
            (Some(_), true) => "met",
            (Some(_), false) => "MISSED",
        };
        format!("{:3} {:58} {:>10.3} {:8} {wanted:16} {verdict}", self.bar, self.what, self.value, self.unit).trim_end().to_owned()
    }
}

fn show(figures: &[Figure], json: bool) {
    for figure in figures {
        if json {
            let line = serde_json::json!({ "bar": figure.bar, "what": figure.what, "value": figure.value, "unit": figure.unit, "met": figure.holds() });
            out(&line.to_string());
        } else {
            out(&figure.line());
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn out(line: &str) {
    println!("{line}");
}

/// What is being done, for whoever waits.
pub(crate) fn progress(text: &str) {
    let _shown = say(&format!("bench: {text}"), ExitCode::SUCCESS);
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

type Bench = fn(&Programs) -> anyhow::Result<Vec<Figure>>;
const BENCHES: [(&str, Bench); 3] = [("b1", b1::run), ("b2", b2::run), ("b6", b6::run)];
