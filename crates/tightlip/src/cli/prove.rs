//! `tightlip prove`: runs the proof against this very program and shows its report.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::prove::attempts::Channel;
use ::prove::report::Demand;

use super::fault::{Exit, Fault};
use super::output::Output;

/// What to try, and where to show it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Write the report to this file too, as a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Try these channels only, as `--json` names them
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',', value_parser = channel)]
    only: Vec<Channel>,
    /// Take what could not be tried on this machine for a failure too (exit code 10)
    #[arg(long)]
    complete: bool,
}

/// Proves, or says what leaked (exit code 10).
pub(super) fn prove(args: &Args, out: &Output) -> Result<i32, Fault> {
    let failed = |error: anyhow::Error| Fault::new(Exit::Failure, format!("failed to run the proof: {error:#}"));
    let Some(names) = std::env::var_os(ALONE) else { return alone() };
    let names = Some(PathBuf::from(names)).filter(|names| !names.as_os_str().is_empty());
    let program = std::env::current_exe().map_err(|error| failed(error.into()))?;
    // Before anything is tried: whether there will be a page is known now.
    let page = args.html.as_deref().map(|file| opened(file).map_err(|error| not_written(&error))).transpose()?;
    let shows_progress = !out.json() && std::io::stderr().is_terminal();
    let progress = |line: &str| show(&format!("\r\u{1b}[K{line}"));
    let variables = variables();
    let plan = ::prove::Plan {
        only: &args.only,
        names: names.as_deref(),
        variables: &variables,
        demand: if args.complete { Demand::Everything } else { Demand::WhatIsHere },
        progress: if shows_progress { Some(&progress) } else { None },
    };
    let report = ::prove::run(&program, plan);
    if shows_progress {
        show("\r\u{1b}[K");
    }
    let report = report.map_err(failed)?;
    out.result(&report.json(), || report.to_string().trim_end().to_owned());
    let outcome = page.map_or(Ok(()), |page| written(page, &report.html()).map_err(|error| not_written(&error)));
    // That something leaked is worse than that it could not be written down.
    if report.holds() { outcome.map(|()| 0) } else { Ok(LEAK) }
}

/// Runs this command again in a network of its own: names and addresses of the proof are nobody else's, and nothing of it leaves the machine.
fn alone() -> Result<i32, Fault> {
    let failed = |error: std::io::Error| Fault::new(Exit::Failure, format!("failed to start the proof: {error}"));
    let folder = std::env::temp_dir().join(format!("tightlip-names-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(failed)?;
    let names = folder.join("hosts");
    let status = std::fs::write(&names, "127.0.0.1 localhost\n").and_then(|()| {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        Command::new("/proc/self/exe").arg0("tightlip").arg(SUBCOMMAND).arg(&names).args(arguments).status()
    });
    let _ = std::fs::remove_dir_all(&folder);
    Ok(status.map_err(failed)?.code().unwrap_or(Exit::Failure as i32))
}

/// The hidden subcommand: goes into a network of its own, then becomes the command that follows.
pub(crate) fn go_alone() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let names = arguments.next().unwrap_or_default();
    let gone = devbox::alone(Path::new(&names));
    let names = if gone.is_ok() { names } else { OsString::new() };
    let error = Command::new("/proc/self/exe").arg0("tightlip").args(arguments).env(ALONE, names).exec();
    show(&format!("tightlip: failed to start the proof: {error}\n"));
    std::process::ExitCode::FAILURE
}

/// An earlier page stays until there is another.
fn opened(file: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(file)
}

fn written(mut file: File, page: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(page.as_bytes())
}

fn not_written(error: &std::io::Error) -> Fault {
    Fault::new(Exit::Failure, format!("failed to write the page: {error}"))
}

/// Standard error takes it or not: progress is no result.
fn show(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn channel(word: &str) -> Result<Channel, String> {
    let words: Vec<&str> = Channel::ALL.into_iter().map(Channel::word).collect();
    Channel::ALL.into_iter().find(|channel| channel.word() == word).ok_or_else(|| format!("the channels are {}", words.join(", ")))
}

/// What the server's processes are given beside their own variables: nothing.
#[cfg(not(feature = "faults"))]
const fn variables() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// The seeded fault.
#[cfg(feature = "faults")]
fn variables() -> Vec<(&'static str, String)> {
    std::env::var(service::faults::VARIABLE).map(|fault| (service::faults::VARIABLE, fault)).into_iter().collect()
}

/// The report says that the proof does not hold: a leak was found, or something is missing so that nothing was proved.
const LEAK: i32 = 10;
/// The first argument of the process that goes into a network of its own.
pub(crate) const SUBCOMMAND: &str = "__alone";
/// Says that this process is there, and which hosts file it has; empty where none could be made.
const ALONE: &str = "TIGHTLIP_ALONE";

const EXAMPLES: &str = "\
Starts a throw-away server with planted values in a network of its own, attacks it from inside a devbox, from other devboxes and accounts, over the API, \
and by its files, and searches every byte that came out. The same attempts with a plain environment variable must leak, and ordinary clients must get \
through, or the proof counts for nothing. It takes less than a minute, and nothing of it leaves the machine.

Examples:
  tightlip prove
  tightlip prove --html proof.html
  tightlip prove --only replies,forms,codings
  tightlip prove --complete   # for CI: fails where the machine keeps attempts from being made
  tightlip prove --json | jq '.attempts, .leaks'";
