//! Commands in devboxes, over a stand-in that hands out what they write two bytes at a time.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use link::front::DevboxVerb;
use serde_json::{Value, json};
use server::{CANARY, Reply, Server};

const ID: &str = "01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1e";

async fn devbox(server: &Server) -> String {
    format!("/v1/devboxes/{}", server.post("/v1/devboxes", "{}").await.text("id"))
}

async fn numbered(server: &Server, path: &str, number: &str, body: &str) -> Reply {
    let request = Request::post(path).header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    server.send(request.header("x-request-id", number).body(Body::from(body.to_owned())).unwrap()).await
}

fn command(text: &str) -> String {
    json!({ "command": text }).to_string()
}

/// The chunks of a stream of server-sent events, and where each begins.
fn chunks(reply: &Reply) -> Vec<(String, u64)> {
    assert_eq!(reply.headers["content-type"], "text/event-stream", "{}", reply.text);
    let data = reply.text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|line| {
        let chunk: Value = serde_json::from_str(line).unwrap();
        (chunk["output"].as_str().unwrap().to_owned(), chunk["offset"].as_u64().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn a_body_that_is_no_command_is_refused_and_nothing_runs() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    server.take_asked();
    for route in ["execute", "execute_async", "execute_sync"] {
        for (body, code) in [
            (String::new(), "body_not_json"),
            (r#"{"command":["canary"]}"#.into(), "body_shape"),
            ("{}".into(), "command_invalid"),
            (command(""), "command_invalid"),
            (command(&format!("{CANARY}\0")), "command_invalid"),
            (command(&"x".repeat(100 * 1024 + 1)), "command_invalid"),
            (r#"{"command":"a","command_id":"canary"}"#.into(), "command_id_invalid"),
            (r#"{"command":"a","optimistic_timeout":-1}"#.into(), "seconds_invalid"),
            (r#"{"command":"a","attach_stdin":true}"#.into(), "field_unsupported"),
        ] {
            server.post(&format!("{devbox}/{route}"), &body).await.is(400, code);
        }
        server.post(&format!("{devbox}/{route}?last_n=x"), &command("a")).await.is(400, "last_n_invalid");
    }
    assert!(server.take_asked().is_empty());
    assert_eq!(server.post(&format!("{devbox}/execute"), &command(&"x".repeat(100 * 1024))).await.status, 200);
    assert!(matches!(server.take_asked().as_slice(), [DevboxVerb::Execute { .. }, DevboxVerb::Output { .. }, ..]));
}

#[tokio::test]
async fn a_command_that_ends_is_shown_with_its_code_and_output() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    let ended = server.post(&format!("{devbox}/execute"), &json!({ "command": "echo hello", "command_id": ID }).to_string()).await.json();
    let wanted = json!({
        "devbox_id": devbox.rsplit('/').next().unwrap(),
        "execution_id": ID,
        "status": "completed",
        "exit_status": 0,
        "stdout": "hello",
        "stderr": "an error\n",
        "stdout_truncated": false,
        "stderr_truncated": false,
    });
    assert_eq!(ended, wanted);
    assert_eq!(server.get(&format!("{devbox}/executions/{ID}")).await.json(), wanted);
    let waited = server.post(&format!("{devbox}/executions/{ID}/wait_for_status"), r#"{"statuses":["completed"]}"#).await.json();
    assert_eq!(waited, wanted);
    let detail = server.post(&format!("{devbox}/execute_sync"), &command("echo hello")).await.json();
    assert_eq!((&detail["exit_status"], &detail["stdout"], detail.get("status")), (&json!(0), &json!("hello"), None));
}

#[tokio::test]
async fn a_command_that_runs_on_is_shown_as_running_and_waited_for_until_408() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    server.take_asked();
    let body = json!({ "command": "sleep 100", "command_id": ID, "optimistic_timeout": 2.5 }).to_string();
    let running = server.post(&format!("{devbox}/execute"), &body).await.json();
    assert_eq!((&running["status"], running.get("exit_status"), running.get("stdout")), (&json!("running"), None, None));
    let asked = server.take_asked();
    let [DevboxVerb::Execute { .. }, DevboxVerb::Execution { wait_ms: 2500, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    let path = format!("{devbox}/executions/{ID}");
    for _ in 0..2 {
        let body = r#"{"statuses":["completed"],"timeout_seconds":60.0}"#;
        numbered(&server, &format!("{path}/wait_for_status"), "1", body).await.is(408, "hold_over");
        let asked = server.take_asked();
        let [DevboxVerb::Execution { wait_ms: 25_000, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    }
    let waited = server.post(&format!("{path}/wait_for_status"), r#"{"statuses":["queued","running"]}"#).await.json();
    assert_eq!(waited["status"], "running");
    let sync = format!("{devbox}/execute_sync");
    numbered(&server, &sync, "2", &command("sleep 100")).await.is(408, "hold_over");
    let killed = server.post(&format!("{path}/kill"), r#"{"kill_process_group":true}"#).await.json();
    assert_eq!((&killed["status"], &killed["exit_status"]), (&json!("completed"), &json!(137)));
    // A wait under the number of one that ended with 408 is answered afresh.
    let waited = numbered(&server, &format!("{path}/wait_for_status"), "1", r#"{"statuses":["completed"]}"#).await.json();
    assert_eq!(waited, killed);
}

#[tokio::test]
async fn the_same_numbered_request_does_not_run_again() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    let path = format!("{devbox}/execute_async");
    let first = numbered(&server, &path, "1", &command("sleep 1")).await.text("execution_id");
    assert_eq!(numbered(&server, &path, "1", &command("sleep 1")).await.text("execution_id"), first);
    assert_ne!(numbered(&server, &path, "2", &command("sleep 1")).await.text("execution_id"), first);
}

#[tokio::test]
async fn the_last_lines_are_shown_and_said_to_be_a_part() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    let lines = |range: std::ops::Range<u32>| range.map(|line| format!("line {line}\n")).collect::<String>();
    for (query, count, shown, is_part) in [
        ("", 100, lines(0..100), false),
        ("", 101, lines(1..101), true),
        ("?last_n=2", 101, lines(99..101), true),
        ("?last_n=0", 3, String::new(), true),
        ("?last_n=100000000000000000000000", 101, lines(0..101), false),
    ] {
        let ended = server.post(&format!("{devbox}/execute{query}"), &command(&format!("lines {count}"))).await.json();
        assert_eq!((&ended["stdout"], &ended["stdout_truncated"]), (&json!(shown), &json!(is_part)), "{query} of {count}");
        assert_eq!(ended["stderr_truncated"], query == "?last_n=0");
    }
    let ended = server.post(&format!("{devbox}/execute"), &command("bytes")).await.json();
    assert_eq!(
        (&ended["stdout"], &ended["stdout_truncated"], &ended["exit_status"]),
        (&json!("\u{fffd}\u{fffd} \u{fffd}"), &json!(true), &json!(3))
    );
}

#[tokio::test]
async fn a_stream_is_whole_characters_and_ends_with_the_command() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    let text = "a€😀\nb";
    let id = server.post(&format!("{devbox}/execute_async"), &command(&format!("echo {text}"))).await.text("execution_id");
    let stream = |which: &str, query: &str| format!("{devbox}/executions/{id}/stream_{which}_updates{query}");
    let told = chunks(&server.get(&stream("stdout", "")).await);
    assert_eq!(told.iter().map(|(output, _)| output.as_str()).collect::<String>(), text);
    let mut at = 0;
    for (output, offset) in &told {
        assert_eq!(*offset, at, "{told:?}");
        at += output.len() as u64;
    }
    assert_eq!(chunks(&server.get(&stream("stdout", "?offset=4")).await).concat_text(), "😀\nb");
    assert_eq!(chunks(&server.get(&stream("stdout", "?offset=10")).await), []);
    assert_eq!(chunks(&server.get(&stream("stderr", "")).await).concat_text(), "an error\n");
    let id = server.post(&format!("{devbox}/execute_async"), &command("bytes")).await.text("execution_id");
    let told = chunks(&server.get(&format!("{devbox}/executions/{id}/stream_stdout_updates")).await);
    assert_eq!((told.concat_text().as_str(), told[0].1), ("\u{fffd}\u{fffd} \u{fffd}", 2));
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_by_a_status() {
    let server = Server::start();
    let devbox = devbox(&server).await;
    let id = server.post(&format!("{devbox}/execute_async"), &command("echo a")).await.text("execution_id");
    for which in ["stdout", "stderr"] {
        for offset in ["x", "-1", "1.5"] {
            server.get(&format!("{devbox}/executions/{id}/stream_{which}_updates?offset={offset}")).await.is(400, "offset_invalid");
        }
        for unknown in [ID, "canary", "01997d2a-3f5b-4c44-8a51-5f0b6f3a9c1e"] {
            server.get(&format!("{devbox}/executions/{unknown}/stream_{which}_updates")).await.is(404, "execution_unknown");
        }
        let path = format!("{devbox}/executions/{id}/stream_{which}_updates");
        server.call("GET", &path, Some(&server.stranger), "").await.is(404, "devbox_unknown");
        server.call("GET", &path, None, "").await.is(401, "key_missing");
    }
    for unknown in [ID, "canary"] {
        server.get(&format!("{devbox}/executions/{unknown}")).await.is(404, "execution_unknown");
        server.post(&format!("{devbox}/executions/{unknown}/kill"), "").await.is(404, "execution_unknown");
        let wait = server.post(&format!("{devbox}/executions/{unknown}/wait_for_status"), r#"{"statuses":["completed"]}"#).await;
        wait.is(404, "execution_unknown");
    }
    for body in ["{}", r#"{"statuses":["done"]}"#] {
        server.post(&format!("{devbox}/executions/{id}/wait_for_status"), body).await.is(400, "statuses_invalid");
    }
}

trait ConcatText {
    fn concat_text(&self) -> String;
}

impl ConcatText for Vec<(String, u64)> {
    fn concat_text(&self) -> String {
        self.iter().map(|(output, _)| output.as_str()).collect()
    }
}
