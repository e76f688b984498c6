//! The agent's shell: a line for `sh`, in a process group of its own, for a short time.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::answer::{SAYS, is_answered};
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
        Ok(Said { bytes, cut: Some(why) }) => Outcome::Unanswered([bytes, format!("\n[{why}]").into_bytes()].concat()),
        Ok(Said { bytes, cut: None }) => Outcome::Tried(bytes),
        Err(error) => Outcome::Unanswered(format!("[the shell did not start: {error}]").into_bytes()),
    }
}

/// What a line wrote.
struct Said {
    bytes: Vec<u8>,
    /// Why that is not all of it, where it is not.
    cut: Option<String>,
}

fn obtain(knowledge: &Knowledge, name: &str, line: &str) -> std::io::Result<Said> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{SAYS_SO}\n{line}")]).envs(variables(knowledge, name));
    let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(SAID_BYTES_MAX).read_to_end(&mut bytes));
        (bytes, read)
    });
    let begun = Instant::now();
    while child.try_wait()?.is_none() && begun.elapsed() < PATIENCE && !reader.is_finished() {
        std::thread::park_timeout(LOOK);
    }
    let is_late = child.try_wait()?.is_none() && begun.elapsed() >= PATIENCE;
    // What it left behind holds the pipe open.
    let _ = killpg(Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)), Signal::SIGKILL);
    child.wait()?;
    let (bytes, read) = reader.join().map_err(|_| std::io::Error::other("its reader broke off"))?;
    let cut = match read {
        _ if is_late => Some("it did not end in time".to_owned()),
        Err(error) => Some(error.to_string()),
        Ok(length) if length as u64 >= SAID_BYTES_MAX => Some("it said more than is kept".to_owned()),
        Ok(_) => None,
    };
    Ok(Said { bytes, cut })
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
        ("C", format!("curl -sS -m 12 -w {SAYS}%{{http_code}}\\n {curl}")),
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
/// By which a line says of a tool whether it was answered to its end: its exit code, and those that say so.
const SAYS_SO: &str = "says() { case \" $2 \" in *\" $1 \"*) echo answered:yes;; *) echo answered:000 by exit code $1;; esac; }";
const SAID_BYTES_MAX: u64 = 8 << 20;
/// An interpreter alone may take seconds to begin, where the machine is busy.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use crate::answer::Answer;

    use super::*;

    #[test]
    fn a_tool_that_failed_was_not_answered() {
        let said = |line: &str| match run_line(&Knowledge::default(), "a", &[], line) {
            Outcome::Tried(said) => is_answered(&said, Answer::Http),
            Outcome::NotTried(_) | Outcome::Unanswered(_) => panic!("it ran"),
        };
        assert!(said("true; says $? 0") && said("(exit 8); says $? '0 8'"));
        assert!(!said("(exit 4); says $? '0 8 44'") && !said("false; says $? 0") && !said("echo HTTP/1.1 200 OK"));
    }

    #[test]
    fn a_line_of_which_not_everything_was_kept_was_not_tried() {
        let line = format!("echo begun; head -c {SAID_BYTES_MAX} /dev/zero; echo ended");
        let outcome = run_line(&Knowledge::default(), "a", &[], &line);
        assert!(matches!(&outcome, Outcome::Unanswered(said) if said.starts_with(b"begun")));
        assert!(matches!(run_line(&Knowledge::default(), "a", &[], "echo all"), Outcome::Tried(said) if said == b"all\n"));
    }
}
