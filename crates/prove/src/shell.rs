//! The agent's shell: a line for `sh`, in a process group of its own, for a short time.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::answer::{CURL_SAYS, is_answered};
use crate::attempts::Attempt;
use crate::outcome::Outcome;
use crate::probe::{ATTEMPT_HEADER, Knowledge};

/// Runs an attempt's line where the programs that it needs are there; every byte that it wrote.
pub(crate) fn run(knowledge: &Knowledge, attempt: &Attempt, needs: &[&str], line: &str) -> Outcome {
    match run_line(knowledge, attempt.name, needs, line) {
        Outcome::Tried(said) if !is_answered(&said, attempt.answer) => Outcome::Unanswered(said),
        told @ (Outcome::Tried(_) | Outcome::NotTried(_) | Outcome::Unanswered(_)) => told,
    }
}

/// The same, whoever is answered what.
pub(crate) fn run_line(knowledge: &Knowledge, name: &str, needs: &[&str], line: &str) -> Outcome {
    if let Some(absent) = needs.iter().find(|program| !is_there(program)) {
        return Outcome::NotTried(format!("{absent} is not there"));
    }
    let tries: String = needs.iter().filter_map(|program| Some(format!("{} || exec echo '{NOT_RUNNING}'\n", try_out(program)?))).collect();
    match obtain(knowledge, name, &format!("{tries}{line}")) {
        Ok(said) if said.bytes.starts_with(NOT_RUNNING.as_bytes()) => {
            Outcome::NotTried(format!("{} does not run here", needs.join(" or ")))
        }
        // What was cut short has been tried in part only, whatever it said until then.
        Ok(said) if said.is_cut => Outcome::Unanswered([said.bytes, b"\n[it did not end in time]".to_vec()].concat()),
        Ok(said) => Outcome::Tried(said.bytes),
        Err(error) => Outcome::Unanswered(format!("[the shell did not start: {error}]").into_bytes()),
    }
}

/// What a line wrote.
struct Said {
    bytes: Vec<u8>,
    /// Whether it was ended before its end.
    is_cut: bool,
}

fn obtain(knowledge: &Knowledge, name: &str, line: &str) -> std::io::Result<Said> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{line}")]).envs(variables(knowledge, name));
    let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            let _ = stdout.take(SAID_BYTES_MAX).read_to_end(&mut bytes);
        }
        bytes
    });
    let begun = Instant::now();
    while child.try_wait()?.is_none() && begun.elapsed() < PATIENCE && !reader.is_finished() {
        std::thread::park_timeout(LOOK);
    }
    let is_cut = child.try_wait()?.is_none() && begun.elapsed() >= PATIENCE;
    // What it left behind holds the pipe open.
    let _ = killpg(Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)), Signal::SIGKILL);
    child.wait()?;
    Ok(Said { bytes: reader.join().unwrap_or_default(), is_cut })
}

/// What the lines name: hosts as URLs, and curl's options where there is no gateway to find them.
fn variables(knowledge: &Knowledge, name: &str) -> Vec<(&'static str, String)> {
    let base = |host: &str| match knowledge.direct.get(host) {
        Some(address) => format!("https://127.0.0.1:{}", address.port()),
        None => format!("https://{host}"),
    };
    let bundle = knowledge.bundle.as_ref().map(|bundle| bundle.display().to_string());
    let curl = bundle.as_ref().map_or(String::new(), |bundle| format!("--cacert {bundle}"));
    let mut all = vec![
        ("BASE", base(&knowledge.bound)),
        ("FAR", base(&knowledge.unbound)),
        ("BOUND", knowledge.bound.clone()),
        ("UNBOUND", knowledge.unbound.clone()),
        ("DATA", knowledge.data.display().to_string()),
        ("SERVER_PID", knowledge.pid.to_string()),
        ("API", knowledge.api.map_or(String::new(), |api| api.to_string())),
        // Behind each answer curl says its status, so that one that failed does not pass for one that was told something.
        ("C", format!("curl -sS -m 12 -w {CURL_SAYS}%{{http_code}}\\n {curl}")),
        ("NAMED", format!("{ATTEMPT_HEADER}: {name}")),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
    ];
    for name in ["SSL_CERT_FILE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"] {
        all.extend(bundle.clone().map(|bundle| (name, bundle)));
    }
    all
}

/// Whether a program is on the path.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|file| file.is_file())
}

/// How to see that a program is more than a name: some are stand-ins that look for the real one.
fn try_out(program: &str) -> Option<&'static str> {
    match program {
        "python3" => Some("python3 -c '' 2>/dev/null"),
        "node" => Some("node -e 0 2>/dev/null"),
        _ => None,
    }
}

const NOT_RUNNING: &str = "[the program does not run]";
const SAID_BYTES_MAX: u64 = 8 << 20;
/// An interpreter alone may take seconds to begin, where the machine is busy.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);
