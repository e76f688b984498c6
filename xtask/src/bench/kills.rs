//! B7: the crash test, with many rounds and the release build.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::process::PACKAGES;
use super::{Figure, Limit, progress};

/// `kill -9` under eight writers, over and over: `crates/tightlip/tests/crash.rs`.
pub fn measure() -> Result<Vec<Figure>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--release", "--quiet", "--locked"]).args(PACKAGES).args(["--test", "crash", "--", "--nocapture"]);
    let mut test = cargo.env("TIGHTLIP_CRASH_ROUNDS", ROUNDS).stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut last = String::new();
    for line in BufReader::new(test.stderr.take().context("no output")?).lines() {
        last = line?;
        progress(&last);
    }
    ensure!(test.wait()?.success(), "an acknowledged change was lost, or the server did not come back: see above");
    // `crash: 200 rounds, N acknowledged, 0 lost, ready in 70 ms (p50), 180 ms (max)`
    let ready = last.split("ready in ").nth(1).and_then(|rest| rest.split(" ms").next()?.parse::<f64>().ok());
    Ok(vec![Figure {
        bar: "B7",
        promise: "ready again after kill -9 of either process, of both or of the supervisor, under 8 writers, and nothing acknowledged lost",
        measured: ready.context("the test does not say how long it took")? / 1e3,
        unit: "s",
        limit: Limit::Most(0.3),
        detail: last.trim_start_matches("crash: ").to_owned(),
    }])
}

const ROUNDS: &str = "200";
