//! What is wrong is answered with the contract's status and what to do.

use serde_json::{Value, json};

use crate::client::Client;
use crate::road::{Road, users};

fn assert_says((status, body): (u16, Value), expected: u16, words: &str) {
    assert_eq!(status, expected, "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[test]
fn unknown_things_are_not_found_and_never_repeated() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let (known, unknown) = ("dbx_000000000000000000000", "01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1e");
    assert_says(client.get(&format!("/v1/devboxes/{known}")), 404, "devbox");
    let canary = "SOMETHING_THAT_WAS_SENT";
    for wanted in [
        json!({ "secrets": { canary: "NO_SUCH_SECRET" } }),
        json!({ "gateways": { canary: { "gateway": "no-such-gateway", "secret": "GITHUB_TOKEN" } } }),
        json!({ "gateways": { canary: { "gateway": "anthropic", "secret": "NO_SUCH_SECRET" } } }),
    ] {
        let (status, body) = client.post("/v1/devboxes", &wanted);
        assert_eq!(status, 404, "{body}");
        assert!(!body.to_string().contains(canary) && !body.to_string().contains("NO_SUCH"), "{body}");
    }
    let devbox = client.devbox(&json!({}));
    assert_says(client.get(&devbox.path(&format!("/executions/{unknown}"))), 404, "command");
    assert_says(client.get(&devbox.path("/executions/not-an-id")), 404, "");
}

#[test]
fn a_hold_that_ends_is_408_and_asked_again() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let execution = devbox.begin("sleep 3; echo done");
    let path = devbox.path(&format!("/executions/{execution}/wait_for_status"));
    let begun = std::time::Instant::now();
    let (status, _) = client.post(&path, &json!({ "statuses": ["completed"], "timeout_seconds": 1 }));
    assert_eq!(status, 408);
    assert!(begun.elapsed().as_millis() >= 900 && begun.elapsed().as_secs() < 3);
    assert_eq!(devbox.wait(&execution)["stdout"], "done\n");
    let (status, _) = client.post(&devbox.path("/wait_for_status"), &json!({ "statuses": ["shutdown"], "timeout_seconds": 1.0 }));
    assert_eq!(status, 408);
}

#[test]
fn a_command_that_never_ends_is_killed_with_all_that_it_started() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let execution = devbox.begin("sleep 1000 & sleep 1000 & trap '' TERM; sleep 1000");
    assert_eq!(devbox.execution(&execution)["status"], "running");
    client.ok(client.post(&devbox.path(&format!("/executions/{execution}/kill")), &json!({})));
    assert_eq!(devbox.wait(&execution)["exit_status"], 137);
    assert_eq!(devbox.sh("pgrep -c sleep; true").trim(), "0");
}

#[test]
fn output_over_the_limit_keeps_its_end_and_says_so() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let execution = devbox.begin("seq 1 400000; echo the end");
    let view = devbox.wait(&execution);
    assert_eq!((&view["stdout_truncated"], &view["exit_status"]), (&json!(true), &json!(0)));
    let shown = view["stdout"].as_str().unwrap();
    assert!(shown.ends_with("400000\nthe end\n") && shown.lines().count() == 100, "{} lines", shown.lines().count());
    assert_eq!(devbox.run("true").code, 0, "the devbox goes on");
}

#[test]
fn a_full_process_table_is_told_and_can_be_ended() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    devbox.begin("python3 -c '\nimport os, time\nwhile True:\n    try:\n        if os.fork() == 0:\n            time.sleep(1000)\n    except OSError:\n        time.sleep(0.5)\n'");
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let (status, body) = client.post(&devbox.path("/execute_async"), &json!({ "command": "true" }));
        if status != 200 {
            assert!(status == 503 || status == 500 || status == 400, "{status} {body}");
            assert!(body["message"].as_str().unwrap().len() > 20, "{body}");
            break;
        }
        assert!(std::time::Instant::now() < limit, "the table never filled");
    }
    assert_eq!(devbox.shutdown()["status"], "shutdown");
    assert_eq!(client.devbox(&json!({})).run("true").code, 0, "others are unaffected");
}

#[test]
fn a_shutdown_ends_a_stream_that_is_read() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let execution = devbox.begin("echo begun; sleep 1000");
    let said = std::thread::scope(|scope| {
        let reading = scope.spawn(|| client.text(&devbox.path(&format!("/executions/{execution}/stream_stdout_updates"))));
        std::thread::park_timeout(std::time::Duration::from_millis(500));
        devbox.shutdown();
        reading.join().unwrap()
    });
    assert!(said.contains("begun"), "{said}");
}

#[test]
fn what_is_no_devbox_is_refused_before_anything_is_made() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    for wanted in [
        json!({ "secrets": { "1BAD": "GITHUB_TOKEN" } }),
        json!({ "secrets": { "A": 7 } }),
        json!({ "environment_variables": { "A": "a\u{0}b" } }),
        json!({ "environment_variables": { "A": "x" }, "secrets": { "A": "GITHUB_TOKEN" } }),
        json!({ "launch_parameters": { "keep_alive_time_seconds": -1 } }),
        json!({ "launch_parameters": { "keep_alive_time_seconds": 1e9 } }),
        json!({ "gateways": { "A": { "gateway": "anthropic" } } }),
        json!({ "mounts": [{ "type": "object_mount" }] }),
        json!([]),
    ] {
        let (status, body) = client.post("/v1/devboxes", &wanted);
        assert_eq!(status, 400, "{wanted} {body}");
    }
    assert_eq!(client.ok(client.get("/v1/devboxes"))["total_count"], 0);
}
