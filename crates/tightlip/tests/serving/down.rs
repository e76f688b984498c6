//! `tightlip down`, and a restore where a command's own server serves: what is stopped, and what is said of it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::server::{BINARY, Place, Server, children, is_gone, wait_for};

fn call(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().env("HOME", data.parent().unwrap()).env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", crate::server::state(data)).arg("--data").arg(data).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn holder(data: &Path) -> u32 {
    std::fs::read_to_string(data.join("lock")).unwrap().trim().parse().unwrap()
}

#[test]
fn where_none_runs_that_is_said_and_no_failure() {
    let place = Place::new();
    let output = call(&place.data(), &["down"]);
    assert!(output.status.success() && said(&output).contains("no server runs on"), "{}", said(&output));
    assert!(!place.data().exists());
    let json = call(&place.data(), &["down", "--json"]);
    assert!(String::from_utf8(json.stdout).unwrap().contains("\"stopped\":false"));
}

#[test]
fn a_server_that_a_person_started_is_stopped_with_its_children() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let pid = server.process.id();
    let ended = children(pid);
    let output = call(&place.data(), &["down"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(&format!("process {pid}")) && said(&output).contains("`tightlip up` had started"), "{}", said(&output));
    assert!(ended.into_iter().all(is_gone), "it waits for the end");
    assert!(wait_for("the end", || server.process.try_wait().unwrap()).success());
    assert!(said(&call(&place.data(), &["down"])).contains("no server runs on"));
}

#[test]
fn a_server_that_a_command_started_is_stopped_too() {
    let place = Place::new();
    assert!(call(&place.data(), &["secret", "list"]).status.success());
    let pid = holder(&place.data());
    let output = call(&place.data(), &["down", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["stopped"], &told["pid"]), (&true.into(), &pid.into()));
    assert!(is_gone(pid.cast_signed()));
}

#[test]
fn what_holds_the_folder_and_is_no_server_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.data()).unwrap();
    let script = "exec 9>>\"$1\"; flock 9; echo $$ > \"$1\"; echo held; exec sleep 60";
    let mut other = Command::new("sh");
    other.args(["-c", script, "holder"]).arg(place.data().join("lock")).stdout(Stdio::piped());
    let mut other = other.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line).unwrap();
    let output = call(&place.data(), &["down"]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("is no `tightlip --data"), "{}", said(&output));
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn the_lock_does_not_choose_who_is_stopped() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    // What an api that was taken over may write: the lock is open in it.
    let mut victim =
        Command::new("sh").args(["-c", "echo runs; read never", "sh", "up"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(victim.stdout.take().unwrap()), &mut line).unwrap();
    std::fs::write(place.data().join("lock"), format!("{}\n", victim.id())).unwrap();
    let output = call(&place.data(), &["down"]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(!said(&output).contains("kill -9"), "{}", said(&output));
    assert!(victim.try_wait().unwrap().is_none() && server.process.try_wait().unwrap().is_none(), "nobody was stopped");
    std::fs::write(place.data().join("lock"), format!("{}\n", server.process.id())).unwrap();
    assert!(call(&place.data(), &["down"]).status.success());
    assert!(wait_for("the end", || server.process.try_wait().unwrap()).success());
    drop(victim.stdin.take());
    victim.wait().unwrap();
}

#[test]
fn a_restore_ends_a_commands_own_server_and_not_a_persons() {
    let place = Place::new();
    let (data, backup) = (place.data(), place.data().with_file_name("kept.backup"));
    assert!(call(&data, &["backup", backup.to_str().unwrap()]).status.code() == Some(3), "there is no data folder yet");
    assert!(call(&data, &["secret", "list"]).status.success());
    assert!(call(&data, &["backup", backup.to_str().unwrap()]).status.success());
    let pid = holder(&data);
    let kept = call(&data, &["restore", backup.to_str().unwrap()]);
    assert!(kept.status.code() == Some(5) && !is_gone(pid.cast_signed()), "nothing is stopped for nothing: {}", said(&kept));
    let restored = call(&data, &["restore", backup.to_str().unwrap(), "--force", "--accept-rollback"]);
    assert!(restored.status.success() && is_gone(pid.cast_signed()), "{}", said(&restored));
    assert!(said(&restored).contains("tightlip --data"), "{}", said(&restored));

    let mut server = Server::start(&data);
    let refused = call(&data, &["restore", backup.to_str().unwrap(), "--force", "--json"]);
    let problem: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((refused.status.code(), &problem["code"]), (Some(6), &"in_use".into()));
    assert!(problem["message"].as_str().unwrap().contains(" down`"), "{problem}");
    assert!(server.process.try_wait().unwrap().is_none());
}

#[test]
fn a_backup_goes_into_a_file_only() {
    let place = Place::new();
    let output = call(&place.data(), &["backup", "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("not to standard output"), "{}", said(&output));
    assert!(!Path::new("-").exists() && !place.data().exists());
}
