//! The README's transcript, replayed: each command is run as it stands, and what it shows is what the README says.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Stdio;

use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};

const README: &str = include_str!("../../../README.md");
const MARK: &str = "<!-- transcript: replayed by crates/tightlip/tests/readme.rs -->\n```console\n";

#[test]
fn the_readmes_transcript_is_true() {
    let canary = Canary::make("ghp_").unwrap();
    let hosts = vec!["api.github.com".to_owned(), "api.openai.com".to_owned()];
    let upstream = Upstream::start(UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: None }).unwrap();
    let pairs = [("api.github.com", &upstream), ("api.openai.com", &upstream)];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_tightlip")), Launch { upstreams: &pairs, ..Launch::default() }).unwrap();
    let work = server.beside().join("work");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("token.txt"), canary.value()).unwrap();

    let steps = transcript();
    assert!(steps.len() >= 6, "the transcript has {} commands", steps.len());
    let folder = server.binary().parent().unwrap().to_string_lossy().into_owned();
    for (command, expected) in steps {
        let line = format!("PATH={folder}:$PATH; {command}");
        let mut shell = server.command(&[]);
        let variables: Vec<_> = shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).env_clear().envs(variables).current_dir(&work);
        let output = shell.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!canary.is_in(shown.as_bytes()));
        assert!(matches(&shown, &expected), "`{command}` showed:\n{shown}\nand the README says:\n{expected}");
    }
}

/// The commands of the transcript, each with what it shows.
fn transcript() -> Vec<(String, String)> {
    let block = README.split(MARK).nth(1).unwrap().split("\n```").next().unwrap();
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push((command.to_owned(), String::new())),
            None => {
                let shown = &mut steps.last_mut().unwrap().1;
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    steps
}

/// Line by line; `…` at a line's end stands for anything.
fn matches(shown: &str, expected: &str) -> bool {
    let (shown, expected): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), expected.lines().collect());
    let same = |(shown, expected): (&&str, &&str)| match expected.strip_suffix('…') {
        Some(beginning) => shown.starts_with(beginning),
        None => shown == expected,
    };
    shown.len() == expected.len() && shown.iter().zip(&expected).all(same)
}
