//! Transcripts in documents, replayed: each command is run as it stands, and what it shows is what the document says.

use std::path::Path;
use std::process::{Command, Stdio};

use testkit::{Canary, Server};

/// Replays the transcripts that stand behind `mark`, in a folder of their own, and gives the number of commands.
pub fn replay(document: &str, mark: &str, server: &Server, work: &Path, canary: &Canary) -> usize {
    let steps = steps(document, mark);
    let folder = server.binary().parent().unwrap().to_string_lossy().into_owned();
    let command = server.command(&[]);
    let variables: Vec<_> = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    for (command, expected) in &steps {
        let line = format!("PATH={folder}:$PATH; {command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env_clear().envs(variables.clone()).current_dir(work);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let (shown, said) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(!canary.is_in(shown.as_bytes()) && !canary.is_in(said.as_bytes()));
        assert!(matches(&shown, expected), "`{command}` showed:\n{shown}\nand the document says:\n{expected}\n(beside it: {said})");
    }
    steps.len()
}

/// The commands of all transcripts, each with what it shows.
fn steps(document: &str, mark: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    for part in document.split(mark).skip(1) {
        let block = part.strip_prefix("\n```console\n").unwrap().split("\n```").next().unwrap();
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
