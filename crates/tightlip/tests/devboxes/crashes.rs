//! What a devbox outlives, and what it does not.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::client::Client;
use crate::many::descendants;
use crate::road::{BOUND, Road, users};

fn child(road: &Road, subcommand: &str) -> Option<u32> {
    let is = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == subcommand.as_bytes())
    };
    descendants(road.server.pid()).into_iter().find(is)
}

fn kill_child(road: &Road, subcommand: &str) {
    let pid = child(road, subcommand).unwrap();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if child(road, subcommand).is_some_and(|new| new != pid)
            && crate::http::status(&crate::http::ask(&road.server, "GET /readyz", "")) == 200
        {
            return;
        }
        assert!(std::time::Instant::now() < limit, "{subcommand} did not come back");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_devbox_outlives_the_gateway_and_the_api() {
    for user in users() {
        let road = Road::start(user);
        let client = Client::owner(&road.server);
        let devbox = client.devbox(&json!({ "secrets": { "GITHUB_TOKEN": "GITHUB_TOKEN" } }));
        devbox.sh("echo kept > file");
        let execution = devbox.begin("echo before; while [ ! -e end ]; do sleep 0.1; done; echo after");
        for subcommand in ["__gateway", "__api"] {
            kill_child(&road, subcommand);
            assert_eq!(devbox.status(), "running");
            assert_eq!(devbox.sh("cat file").trim(), "kept");
            let answer = devbox.sh("curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
            assert_eq!(answer, "{\"authorized\":true}", "its token and its network stand");
        }
        devbox.sh("touch end");
        assert_eq!(devbox.wait(&execution)["stdout"], "before\nafter\n", "a command that ran meanwhile has lost nothing");
        assert_eq!(road.upstream.records_of(BOUND).len(), 2);
    }
}

#[test]
fn without_its_keeper_a_devbox_has_failed_and_another_can_be_made() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    devbox.begin("sleep 1000");
    kill_child(&road, "__keeper");
    devbox.wait_for("failure");
    assert_eq!(client.devbox(&json!({})).sh("echo well").trim(), "well");
}

#[test]
fn nothing_outlives_the_server() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    devbox.begin("sleep 1000");
    let processes: Vec<u32> = descendants(road.server.pid()).into_iter().filter(|pid| *pid != road.server.pid()).collect();
    assert!(processes.len() > 4, "{processes:?}");
    std::mem::forget(devbox);
    kill(Pid::from_raw(road.server.pid().cast_signed()), Signal::SIGKILL).unwrap();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let runs = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None))
    };
    while processes.iter().any(runs) {
        let left: Vec<_> = processes.iter().filter(|pid| runs(pid)).collect();
        assert!(std::time::Instant::now() < limit, "outlived the server: {left:?}");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_numbered_command_runs_once_also_when_the_gateway_starts_again() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let ask = |command: &str| {
        let head = format!(
            "POST {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nx-request-id: once",
            devbox.path("/execute_async"),
            client.key
        );
        let answer = crate::http::ask(&road.server, &head, &json!({ "command": command }).to_string());
        let view: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        view["execution_id"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned()
    };
    let first = ask("echo x >> ran; sleep 0.5");
    kill_child(&road, "__gateway");
    assert_eq!(ask("echo x >> ran; sleep 0.5"), first);
    devbox.wait(&first);
    assert_eq!(devbox.sh("cat ran"), "x\n");
    assert_ne!(ask("echo another"), first, "another command under the same number is another");
}

#[test]
fn an_end_that_cannot_be_written_is_told_and_written_later() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let ledger = rusqlite::Connection::open(road.server.data().join("gateway/gateway.db")).unwrap();
    let written = || -> String { ledger.query_row("SELECT status FROM hosted", [], |row| row.get(0)).unwrap() };
    ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(devbox.shutdown()["status"], "shutdown");
    assert_eq!(written(), "running", "nothing can be written");
    let told = client.ok(client.get(&devbox.path("")));
    assert_eq!((&told["status"], &told["shutdown_reason"]), (&json!("shutdown"), &json!("api_shutdown")));
    assert_eq!(client.ok(client.get("/v1/devboxes"))["devboxes"][0]["status"], "shutdown");
    ledger.execute_batch("ROLLBACK").unwrap();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while written() != "shutdown" {
        assert!(std::time::Instant::now() < limit, "it was never written");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert!(client.ok(client.get(&devbox.path("")))["end_time_ms"].is_i64());
}

#[test]
fn one_that_does_not_end_is_not_told_as_ended_and_ends_later() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let keeper = Pid::from_raw(child(&road, "__keeper").unwrap().cast_signed());
    kill(keeper, Signal::SIGSTOP).unwrap();
    let (status, body) = client.post(&devbox.path("/shutdown"), &json!({}));
    assert_eq!((status, &body["code"]), (503, &json!("devboxes_unavailable")));
    assert_eq!(devbox.status(), "running", "its processes are");
    kill(keeper, Signal::SIGCONT).unwrap();
    devbox.wait_for("shutdown");
    assert_eq!(client.ok(client.get(&devbox.path("")))["shutdown_reason"], "api_shutdown");
}
