//! `tightlip prove` is no proof where its gateway falls silent or ends in the middle, whatever was tried until then.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");

/// A process: its parent and its arguments.
struct Process {
    parent: u32,
    arguments: Vec<String>,
}

fn processes() -> BTreeMap<u32, Process> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let parent = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap();
        let arguments = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        all.insert(pid, Process { parent, arguments });
    }
    all
}

/// The processes above one, up to the proof's own.
fn above(all: &BTreeMap<u32, Process>, pid: u32, proof: u32) -> Option<Vec<&Process>> {
    let (mut line, mut at) = (Vec::new(), pid);
    while at != proof {
        let process = all.get(&at)?;
        line.push(process);
        at = process.parent;
    }
    Some(line)
}

/// The gateway, once the agent in its devbox has begun.
fn gateway_under_attack(proof: u32) -> Option<i32> {
    let all = processes();
    let of = |word: &str, at: usize| {
        let here = all.iter().filter(move |(_, process)| process.arguments.get(at).is_some_and(|argument| argument == word));
        here.filter_map(|(pid, _)| Some((*pid, above(&all, *pid, proof)?))).collect::<Vec<_>>()
    };
    let in_devbox = |line: &[&Process]| line.iter().any(|process| process.arguments.get(1).is_some_and(|word| word == "run"));
    of("__probe", 1).iter().find(|(_, line)| in_devbox(line))?;
    of("__gateway", 1).first().and_then(|(pid, _)| i32::try_from(*pid).ok())
}

/// A proof of the channel, whose gateway something happens to as soon as it is attacked.
fn proof(channel: &str, happens: impl FnOnce(Pid)) -> (Output, serde_json::Value) {
    let mut command = Command::new(BINARY);
    command.args(["prove", "--json", "--only", channel]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    let gateway = loop {
        if let Some(gateway) = gateway_under_attack(child.id()) {
            break gateway;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no devbox was attacked");
        std::thread::park_timeout(Duration::from_millis(2));
    };
    happens(Pid::from_raw(gateway));
    let output = child.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

#[test]
fn attempts_that_a_silent_gateway_did_not_answer_are_no_proof() {
    let (output, report) = proof("forms", |gateway| {
        kill(gateway, Signal::SIGSTOP).unwrap();
        std::thread::park_timeout(SILENCE);
        kill(gateway, Signal::SIGCONT).unwrap();
    });
    assert_ne!(output.status.code(), Some(0), "{report:#}");
    let unanswered = report["unanswered"].as_array().unwrap();
    assert!(report["holds"] == false && !unanswered.is_empty(), "{report:#}");
}

#[test]
fn a_gateway_that_ended_in_the_middle_and_was_started_again_is_no_proof() {
    let (output, report) = proof("replies", |gateway| kill(gateway, Signal::SIGKILL).unwrap());
    assert_ne!(output.status.code(), Some(0), "{report:#}");
    // Where it ended before the devbox stood, the proof did not run at all.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = report["ended"].as_array().is_some_and(|ended| ended.iter().any(|process| process.as_str().unwrap().contains("gateway")));
    assert!(report["holds"] == false && told || said.contains("failed to run the proof"), "{report:#}\n{said}");
}

#[test]
fn what_is_asked_of_a_resolver_is_heard_where_no_walls_are() {
    let output = Command::new(BINARY).args(["prove", "--json", "--only", "dns"]).stdin(Stdio::null()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{report:#}\n{}", String::from_utf8_lossy(&output.stderr));
    let controls = &report["controls"];
    assert!(controls["could"].as_u64().unwrap() >= 10 && controls["leaked"] == controls["could"], "{report:#}");
}

/// Longer than any attempt waits for its answer.
const SILENCE: Duration = Duration::from_secs(16);
