//! `cargo xtask fuzz [--seconds N | --minutes N] [--jobs N] [--log] [TARGET]...`: builds the fuzz targets of `fuzz/` and runs each for a while, some side by side.
//!
//! Crates of the workspace are compiled with libFuzzer's coverage by the pinned stable compiler (`fuzz/rustc-with-coverage`), all others are those of every other
//! build. `--merge` writes what was learned into the small corpora that are committed. A crash makes the command fail, with the input and the command that
//! shows it again.

mod hours;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::say;
use run::Ran;

/// What is asked for.
struct Plan {
    seconds: u64,
    jobs: usize,
    log: bool,
    merge: bool,
    targets: Vec<String>,
}

/// Runs what the arguments name, or all targets.
pub fn run(arguments: &[String]) -> ExitCode {
    match fuzzed(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => say("fuzz: something was found", ExitCode::FAILURE),
        Err(error) => say(&format!("fuzz: {error:#}"), ExitCode::FAILURE),
    }
}

fn fuzzed(arguments: &[String]) -> Result<bool> {
    let plan = Plan::read(arguments, &targets()?)?;
    let bins = build(&plan.targets)?;
    if plan.merge {
        for target in &plan.targets {
            show(&format!("{target}: {}", run::merge(&bins, target)?));
        }
        return Ok(true);
    }
    let ran = run::all(&bins, &plan.targets, plan.seconds, plan.jobs)?;
    show(&format!("{:<10} {:>12} {:>10} {:>8} {:>8} {:>8}", "target", "executions", "a second", "edges", "new", "crashes"));
    for one in &ran {
        show(&one.line());
    }
    for one in ran.iter().filter(|one| !one.is_clean()) {
        show(&one.how_to_see_again(&bins));
    }
    if plan.log {
        hours::add(&ran)?;
    }
    Ok(ran.iter().all(Ran::is_clean))
}

impl Plan {
    fn read(arguments: &[String], known: &[String]) -> Result<Self> {
        let mut plan = Self { seconds: SECONDS_DEFAULT, jobs: JOBS_DEFAULT, log: false, merge: false, targets: Vec::new() };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse().ok()).filter(|number| *number > 0);
            match word {
                "--seconds" => plan.seconds = number().context("--seconds takes a number")?,
                "--minutes" => plan.seconds = 60 * number().context("--minutes takes a number")?,
                "--jobs" => plan.jobs = usize::try_from(number().context("--jobs takes a number")?)?,
                "--log" => plan.log = true,
                "--merge" => plan.merge = true,
                target if known.iter().any(|known| known == target) => plan.targets.push(target.to_owned()),
                _ => bail!("usage: cargo xtask fuzz [--seconds N | --minutes N] [--jobs N] [--log] [--merge] [{}]...", known.join("|")),
            }
        }
        if plan.targets.is_empty() {
            plan.targets = known.to_vec();
        }
        Ok(plan)
    }
}

/// The targets' names.
fn targets() -> Result<Vec<String>> {
    let files = fs::read_dir("fuzz/fuzz_targets").context("there is no fuzz/fuzz_targets: run it from the project's root")?;
    let mut names: Vec<String> = files.flatten().filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Builds the targets and gives the folder of their copies, so that a build does not change what runs.
fn build(names: &[String]) -> Result<PathBuf> {
    let wrapper = std::path::absolute("fuzz/rustc-with-coverage")?;
    let mut cargo = Command::new("cargo");
    // With the product beside them, other crates have the features that they have in its own build, and are not built again.
    cargo.args(["build", "--quiet", "--locked", "-p", "tightlip", "-p", "tightlip-fuzz", "--features", "tightlip-fuzz/run"]);
    for name in names {
        cargo.args(["--bin", name]);
    }
    ensure!(cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper).status().context("cargo does not start")?.success(), "the build failed");
    let bins = folder().join("bin");
    fs::create_dir_all(&bins)?;
    for name in names {
        let copy = bins.join(name);
        // Another run may be using it.
        let _ = fs::remove_file(&copy);
        fs::copy(target().join("debug").join(name), copy).with_context(|| format!("{name} was not built"))?;
    }
    Ok(bins)
}

/// Where runs keep what is not committed.
fn folder() -> PathBuf {
    target().join("fuzz")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

fn seeds(target: &str) -> PathBuf {
    Path::new("fuzz/corpus").join(target)
}

#[expect(clippy::print_stdout, reason = "what was found is this command's output")]
fn show(line: &str) {
    println!("{line}");
}

const SECONDS_DEFAULT: u64 = 60;
const JOBS_DEFAULT: usize = 2;
