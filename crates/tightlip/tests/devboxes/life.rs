//! A devbox's life: made, used, watched, ended.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::road::{BOUND, Road, users};

#[test]
fn a_command_runs_in_a_private_home_with_tokens_and_variables() {
    for user in users() {
        let road = Road::start(user);
        let client = Client::owner(&road.server);
        let devbox = client.devbox(&json!({
            "name": "first",
            "environment_variables": { "COLOUR": "blue and green" },
            "secrets": { "GITHUB_TOKEN": "GITHUB_TOKEN" },
            "metadata": { "team": "a" },
            "launch_parameters": { "keep_alive_time_seconds": 60.0, "resource_size_request": "X_SMALL" },
        }));
        assert_eq!((&devbox.view["name"], &devbox.view["metadata"]["team"]), (&json!("first"), &json!("a")));
        assert_eq!(devbox.view["launch_parameters"]["resource_size_request"], "X_SMALL");
        assert!(devbox.view.get("secrets").is_none() && devbox.view.get("environment_variables").is_none());
        let states: Vec<_> = devbox.view["state_transitions"].as_array().unwrap().iter().map(|state| state["status"].clone()).collect();
        assert_eq!(states, ["queued", "provisioning", "initializing", "running"]);

        let said = devbox.sh("pwd; echo $HOME; echo $COLOUR; shopt -q login_shell && echo login; ls -A; echo $GITHUB_TOKEN");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], lines[1], "it begins in its home: {said}");
        assert_eq!(lines[2..4], ["blue and green", "login"]);
        let token = *lines.last().unwrap();
        assert!(token.starts_with("ghp_") && token.len() == 40, "{said}");
        road.assert_no_value(said.as_bytes());

        let answer = devbox.sh("curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
        assert_eq!(answer, "{\"authorized\":true}");
        assert!(road.upstream.records_of(BOUND)[0].holds(&format!("Bearer {}", road.canary.value())));
        assert_eq!(devbox.sh("echo kept > file"), "");
        assert_eq!(devbox.sh("cat file").trim(), "kept", "one command finds what another left");
    }
}

#[test]
fn it_ends_when_it_is_told_to_and_nothing_works_afterwards() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({ "secrets": { "GITHUB_TOKEN": "GITHUB_TOKEN" } }));
    devbox.begin("sleep 1000");
    let ended = devbox.shutdown();
    assert_eq!((&ended["status"], &ended["shutdown_reason"]), (&json!("shutdown"), &json!("api_shutdown")));
    assert!(ended["end_time_ms"].as_i64().unwrap() >= ended["create_time_ms"].as_i64().unwrap());
    assert_eq!(devbox.shutdown()["status"], "shutdown", "ended already is ended");
    let (status, body) = client.post(&devbox.path("/execute_async"), &json!({ "command": "true" }));
    assert_eq!((status, &body["code"]), (400, &json!("devbox_not_running")));
}

#[test]
fn its_time_ends_it_unless_it_is_kept_alive() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let begun = Instant::now();
    let devbox = client.devbox(&json!({ "launch_parameters": { "keep_alive_time_seconds": 3 } }));
    for _ in 0..4 {
        std::thread::park_timeout(Duration::from_millis(1000));
        client.ok(client.post(&devbox.path("/keep_alive"), &json!({})));
    }
    assert_eq!(devbox.status(), "running", "kept alive for {:?}", begun.elapsed());
    devbox.wait_for("shutdown");
    assert_eq!(client.ok(client.get(&devbox.path("")))["shutdown_reason"], "keep_alive_timeout");
}

#[test]
fn it_lives_as_long_as_its_entrypoint() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({ "entrypoint": "echo begun > ~/begun; while [ ! -e ~/end ]; do sleep 0.1; done" }));
    assert_eq!(devbox.sh("sleep 0.3; cat begun").trim(), "begun");
    devbox.begin("touch end");
    devbox.wait_for("shutdown");
    assert_eq!(client.ok(client.get(&devbox.path("")))["shutdown_reason"], "entrypoint_exit");
}

#[test]
fn output_is_streamed_from_any_byte_on() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = client.devbox(&json!({}));
    let execution = devbox.begin("for n in 1 2 3; do echo \"line $n ä\"; sleep 0.2; done; echo oops >&2; exit 4");
    let stream = |which: &str, query: &str| client.text(&devbox.path(&format!("/executions/{execution}/stream_{which}_updates{query}")));
    let outputs = |text: &str| -> String {
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap()["output"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(outputs(&stream("stdout", "")), "line 1 ä\nline 2 ä\nline 3 ä\n");
    assert_eq!(outputs(&stream("stdout", "?offset=10")), "line 2 ä\nline 3 ä\n");
    assert_eq!(outputs(&stream("stderr", "")), "oops\n");
    assert_eq!(devbox.execution(&execution)["exit_status"], 4);
}

#[test]
fn a_list_is_newest_first_and_by_state() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let (first, second) = (client.devbox(&json!({ "name": "first" })), client.devbox(&json!({ "name": "second" })));
    let listed = client.ok(client.get("/v1/devboxes?limit=1"));
    assert_eq!((&listed["devboxes"][0]["id"], &listed["has_more"], &listed["total_count"]), (&json!(second.id), &json!(true), &json!(2)));
    let rest = client.ok(client.get(&format!("/v1/devboxes?starting_after={}", second.id)));
    assert_eq!(rest["devboxes"][0]["id"], json!(first.id));
    first.shutdown();
    let running = client.ok(client.get("/v1/devboxes?status=running"));
    assert_eq!(running["devboxes"].as_array().unwrap().len(), 1);
    assert_eq!(running["devboxes"][0]["id"], json!(second.id));
}

#[test]
fn the_same_request_makes_one_devbox_and_runs_one_command() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let numbered = |path: &str, body: &serde_json::Value| {
        let head = format!("POST {path}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nx-request-id: once", client.key);
        let answer = crate::http::ask(&road.server, &head, &body.to_string());
        serde_json::from_str::<serde_json::Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let (one, two) = (numbered("/v1/devboxes", &json!({ "name": "x" })), numbered("/v1/devboxes", &json!({ "name": "x" })));
    assert_eq!(one["id"], two["id"]);
    assert_eq!(client.ok(client.get("/v1/devboxes"))["total_count"], 1);
    let id = one["id"].as_str().unwrap();
    client.ok(client.post(&format!("/v1/devboxes/{id}/wait_for_status"), &json!({ "statuses": ["running"] })));
    let execute = format!("/v1/devboxes/{id}/execute_async");
    let command = json!({ "command": "echo ran >> ran; sleep 0.2; wc -l < ran" });
    let (one, two) = (numbered(&execute, &command), numbered(&execute, &command));
    assert_eq!(one["execution_id"], two["execution_id"]);
    client.ok(client.post(&format!("/v1/devboxes/{id}/shutdown"), &json!({})));
}
