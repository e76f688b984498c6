//! `tightlip prove`: runs the proof against this very program and shows its report.

use super::fault::{Exit, Fault};
use super::output::Output;

/// Nothing to choose.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

/// Proves, or says what leaked (exit code 10).
pub(super) fn prove(_args: &Args, out: &Output) -> Result<i32, Fault> {
    let failed = |error: anyhow::Error| Fault::new(Exit::Failure, format!("failed to run the proof: {error:#}"));
    let program = std::env::current_exe().map_err(|error| failed(error.into()))?;
    let report = prove::run(&program).map_err(failed)?;
    out.result(&report.json(), || report.to_string().trim_end().to_owned());
    Ok(if report.holds() { 0 } else { LEAK })
}

/// A leak was found, or the control did not leak, so that nothing was proved.
const LEAK: i32 = 10;

const EXAMPLES: &str = "\
Starts a throw-away server with a planted value, attacks it from inside a devbox, and searches every byte that came out. \
The same attempts with a plain environment variable must leak, or the proof counts for nothing.

Examples:
  tightlip prove
  tightlip prove --json";
