//! Running the targets, and reading what libFuzzer says.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use super::{folder, seeds};

/// One target's run.
pub struct Ran {
    pub target: String,
    pub seconds: u64,
    pub executions: u64,
    per_second: u64,
    /// Edges of the coverage that were reached.
    edges: u64,
    /// Inputs that reached something new.
    new: usize,
    /// Inputs that broke a promise, took too long, or too much memory.
    crashes: Vec<PathBuf>,
    ended_well: bool,
}

impl Ran {
    pub fn is_clean(&self) -> bool {
        self.ended_well && self.crashes.is_empty()
    }

    pub fn line(&self) -> String {
        let Self { target, executions, per_second, edges, new, .. } = self;
        let crashes = self.crashes.len().max(usize::from(!self.ended_well));
        format!("{target:<10} {executions:>12} {per_second:>10} {edges:>8} {new:>8} {crashes:>8}")
    }

    /// What was said, where the inputs are, and the command for each; a short input itself besides, since a machine may be gone before anybody looks.
    pub fn how_to_see_again(&self, bins: &Path) -> String {
        let program = bins.join(&self.target);
        let mut lines = vec![format!("{}: see {}", self.target, log(&self.target).display())];
        let said = fs::read(log(&self.target)).unwrap_or_default();
        lines.extend(reasons(&String::from_utf8_lossy(&said)));
        for input in &self.crashes {
            lines.push(format!("  {} {}", program.display(), input.display()));
            match fs::read(input) {
                Ok(bytes) if bytes.len() <= SHOWN_BYTES_MAX => lines.push(format!("  its bytes, for `xxd -r -p`: {}", hex(&bytes))),
                Ok(bytes) => lines.push(format!("  it has {} bytes", bytes.len())),
                Err(error) => lines.push(format!("  it cannot be read: {error}")),
            }
        }
        lines.join("\n")
    }
}

/// Runs every target for so many seconds, `jobs` of them side by side.
pub fn all(bins: &Path, targets: &[String], seconds: u64, jobs: usize) -> Result<Vec<Ran>> {
    let waiting = Mutex::new(targets.iter().cloned().collect::<VecDeque<_>>());
    let ran = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let Some(target) = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
                    let one = one(bins, &target, seconds).with_context(|| target);
                    ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
            });
        }
    });
    let mut ran = ran.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect::<Result<Vec<Ran>>>()?;
    ran.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(ran)
}

fn one(bins: &Path, target: &str, seconds: u64) -> Result<Ran> {
    let (learned, artifacts) = (corpus(target), folder().join("artifacts").join(target));
    for path in [&learned, &artifacts, &folder().join("logs"), &seeds(target)] {
        fs::create_dir_all(path)?;
    }
    let before = files(&learned).len();
    let old = files(&artifacts);
    let mut command = Command::new(bins.join(target));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024"]).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    let dictionary = Path::new("fuzz/dictionaries").join(format!("{target}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let said = fs::File::create(log(target))?;
    let status = command.arg(&learned).arg(seeds(target)).stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).status()?;
    let text = String::from_utf8_lossy(&fs::read(log(target))?).into_owned();
    let number = |word: &str| text.lines().rev().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok());
    let edges = text.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok());
    let executions = number("stat::number_of_executed_units:").unwrap_or_default();
    ensure!(!status.success() || executions > 0, "it ran nothing: see {}", log(target).display());
    Ok(Ran {
        target: target.to_owned(),
        seconds,
        executions,
        per_second: number("stat::average_exec_per_sec:").unwrap_or_default(),
        edges: edges.unwrap_or_default(),
        new: files(&learned).len().saturating_sub(before),
        crashes: files(&artifacts).into_iter().filter(|path| !old.contains(path)).collect(),
        ended_well: status.success(),
    })
}

/// What a target said when it broke: its panics, each with the line that says why, and libFuzzer's own errors.
fn reasons(log: &str) -> Vec<String> {
    let mut after_panic = false;
    let said = log.lines().filter(|line| {
        let panic = line.contains(" panicked at ");
        std::mem::replace(&mut after_panic, panic) || panic || line.contains("ERROR: libFuzzer")
    });
    said.take(REASONS_MAX).map(|line| format!("  {}", line.chars().take(REASON_CHARS_MAX).collect::<String>())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The smallest set of inputs that reaches every edge which anything reached, in place of the committed one.
pub fn merge(bins: &Path, target: &str) -> Result<String> {
    let (fresh, committed) = (folder().join("merged").join(target), seeds(target));
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    fs::create_dir_all(&committed)?;
    let mut command = Command::new(bins.join(target));
    command.args(["-merge=1", "-use_counters=0"]).arg(format!("-max_len={SEED_BYTES_MAX}"));
    let status =
        command.args([&fresh, &committed, &corpus(target)]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "merging {target} failed");
    let kept = files(&fresh);
    let bytes: u64 = kept.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum();
    fs::remove_dir_all(&committed)?;
    fs::create_dir_all(&committed)?;
    for path in &kept {
        fs::copy(path, committed.join(path.file_name().context("a file has a name")?))?;
    }
    Ok(format!("{} inputs, {bytes} bytes", kept.len()))
}

/// What a target learned on this machine.
fn corpus(target: &str) -> PathBuf {
    folder().join("corpus").join(target)
}

fn log(target: &str) -> PathBuf {
    folder().join("logs").join(format!("{target}.log"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default()
}

/// Longer ones find nothing that shorter ones do not, and take longer.
const INPUT_BYTES_MAX: usize = 4096;
/// Of an input that is committed.
const SEED_BYTES_MAX: usize = 512;
/// Of an input that is shown.
const SHOWN_BYTES_MAX: usize = 4096;
/// Of what a target said.
const REASONS_MAX: usize = 8;
const REASON_CHARS_MAX: usize = 400;
