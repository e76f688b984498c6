//! `cargo xtask timing [SAMPLES]`: whether the time of comparing keys tells anything about them, on a release build (`crates/service/examples/timing.rs`).

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::bench::process;
use crate::say;

/// Builds and runs it. Fails where something is found, and where the control is not.
pub fn run(arguments: &[String]) -> ExitCode {
    match measured(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => say("timing: two inputs can be told apart, or the control cannot", ExitCode::FAILURE),
        Err(error) => say(&format!("timing: {error:#}"), ExitCode::FAILURE),
    }
}

fn measured(arguments: &[String]) -> Result<bool> {
    let samples = match arguments {
        [] => None,
        [samples] => Some(samples.parse::<u64>().context("usage: cargo xtask timing [SAMPLES]")?.to_string()),
        [_, _, ..] => anyhow::bail!("usage: cargo xtask timing [SAMPLES]"),
    };
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--locked"]).args(process::PACKAGES).args([
        "-p",
        "tightlip-service",
        "--example",
        "timing",
    ]);
    ensure!(cargo.status().context("cargo does not start")?.success(), "the release build failed");
    Ok(process::command("examples/timing").args(samples).status()?.success())
}
