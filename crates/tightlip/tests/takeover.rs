//! A server that a command started for itself gives way to one that a person starts, and what it served goes on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
const CLIENT: &str = "
import socket, sys, time
for _ in sys.stdin:
    for attempt in range(200):
        try:
            socket.create_connection((socket.gethostbyname('api.github.com'), 80), 5).close()
            print('reached the gateway', flush=True)
            break
        except OSError:
            time.sleep(0.1)
";

#[test]
fn up_takes_the_place_of_a_detached_server_and_its_devbox_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command.args(arguments).env("TIGHTLIP_DATA", folder.path().join("data")).env("HOME", folder.path()).current_dir(&work);
        command
    };
    let mut set = command(&["secret", "set", "GITHUB_TOKEN"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(b"ghp_0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
    assert!(set.wait().unwrap().success(), "no server ran, so one was started");
    let detached = holder(folder.path());

    let mut agent =
        command(&["run", "-q", "--", "/usr/bin/python3", "-c", CLIENT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(agent.stdout.take().unwrap());
    assert!(reaches(&mut agent, &mut shown));

    let mut up = command(&["up", "--listen", "127.0.0.1:0", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.is_empty() {
        let mut said = String::new();
        up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("`up` did not start: {said}");
    }
    assert_ne!(holder(folder.path()), detached);
    assert!(reaches(&mut agent, &mut shown), "the devbox was taken up by the new server");

    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
    kill(Pid::from_raw(i32::try_from(up.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(up.wait().unwrap().success());
}

#[test]
fn a_server_whose_folder_was_deleted_leaves_its_successors_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = || {
        let mut command = Command::new(BINARY);
        command.args(["up", "--listen", "127.0.0.1:0", "--json"]).env("TIGHTLIP_DATA", &data).env("HOME", folder.path());
        let mut up = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("url"), "{line}");
        up
    };
    let stop = |mut up: Child| {
        kill(Pid::from_raw(i32::try_from(up.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(up.wait().unwrap().success());
    };
    let old = start();
    std::fs::remove_dir_all(&data).unwrap();
    let new = start();
    stop(old);
    assert!(data.join("gateway.sock").exists() && data.join("address").exists());
    stop(new);
    assert!(!data.join("gateway.sock").exists() && !data.join("address").exists());
}

fn holder(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("data/lock")).unwrap()
}

fn reaches(agent: &mut Child, shown: &mut BufReader<std::process::ChildStdout>) -> bool {
    agent.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    line.trim() == "reached the gateway"
}
