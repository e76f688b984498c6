//! `/v1/devboxes`, over a stand-in for the gateway's devboxes.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use link::front::DevboxVerb;
use model::DevboxStatus;
use serde_json::{Value, json};
use server::devboxes::DENIALS;
use server::{CANARY, Reply, Server};

async fn numbered(server: &Server, path: &str, number: &str, body: &str) -> Reply {
    let request = Request::post(path).header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    server.send(request.header("x-request-id", number).body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn what_would_change_what_a_program_gets_is_refused_by_name() {
    let server = Server::start();
    let mounts = ["mounts", "code_mounts", "file_mounts", "blueprint_id", "blueprint_name", "snapshot_id", "tunnel", "mcp"];
    for field in mounts {
        for something in [json!("a"), json!([CANARY]), json!({ "a": CANARY }), json!(1), json!(true)] {
            let refused = server.post("/v1/devboxes", &json!({ field: something }).to_string()).await;
            refused.is(400, "field_unsupported");
            assert!(refused.text.contains(&format!("`{field}`")), "{}", refused.text);
        }
        for nothing in [Value::Null, json!([]), json!({}), json!("")] {
            let made = server.post("/v1/devboxes", &json!({ field: nothing }).to_string()).await;
            assert_eq!(made.status, 200, "{field}: {}", made.text);
        }
    }
    for launch in [
        json!({ "launch_commands": ["a"] }),
        json!({ "network_policy_id": "np_1" }),
        json!({ "user_parameters": { "uid": 1 } }),
        json!({ "required_services": ["a"] }),
        json!({ "architecture": "sparc" }),
    ] {
        server.post("/v1/devboxes", &json!({ "launch_parameters": launch }).to_string()).await.is(400, "field_unsupported");
    }
}

#[tokio::test]
async fn a_body_that_is_no_devbox_is_refused_with_what_mends_it() {
    let server = Server::start();
    let many: serde_json::Map<String, Value> = (0..201).map(|number| (format!("A{number}"), json!("B"))).collect();
    for (body, code) in [
        (json!([]), "body_shape"),
        (json!({ "environment_variables": [CANARY] }), "body_shape"),
        (json!({ "environment_variables": { "A": 1 } }), "body_shape"),
        (json!({ "launch_parameters": 1 }), "body_shape"),
        (json!({ "name": "a\u{1b}[31m" }), "name_illegal"),
        (json!({ "environment_variables": { CANARY: "a" } }), "variable_illegal"),
        (json!({ "environment_variables": { "A": "\u{0}" } }), "entries_too_many"),
        (json!({ "environment_variables": { "A": "x".repeat(32 * 1024 + 1) } }), "entries_too_many"),
        (json!({ "environment_variables": many }), "entries_too_many"),
        (json!({ "metadata": many }), "entries_too_many"),
        (json!({ "metadata": { "a": "\u{0}" } }), "entries_too_many"),
        (json!({ "secrets": { "A": format!("{CANARY}/") } }), "secret_invalid"),
        (json!({ "secrets": { "1A": "A" } }), "variable_illegal"),
        (json!({ "gateways": { "A": { "gateway": "a" } } }), "gateway_invalid"),
        (json!({ "gateways": { "A-B": { "gateway": "a", "secret": "b" } } }), "variable_illegal"),
        (json!({ "secrets": { "A": "B" }, "environment_variables": { "A": "b" } }), "variable_twice"),
        (json!({ "environment_variables": { "A_URL": "b" }, "gateways": { "A": { "gateway": "a", "secret": "b" } } }), "variable_twice"),
        (json!({ "launch_parameters": { "keep_alive_time_seconds": 0 } }), "keep_alive_invalid"),
        (json!({ "launch_parameters": { "keep_alive_time_seconds": 172_801 } }), "keep_alive_invalid"),
        (json!({ "launch_parameters": { "keep_alive_time_seconds": 1.5 } }), "keep_alive_invalid"),
        (json!({ "launch_parameters": { "keep_alive_time_seconds": "1" } }), "keep_alive_invalid"),
        (json!({ "launch_parameters": { "a": "x".repeat(32 * 1024) } }), "entries_too_many"),
        (json!({ "entrypoint": "a\u{0}" }), "command_invalid"),
        (json!({ "entrypoint": "x".repeat(100 * 1024 + 1) }), "command_invalid"),
    ] {
        server.post("/v1/devboxes", &body.to_string()).await.is(400, code);
    }
    // Small enough for the api, too large for the gateway: quotes become longer on the way.
    let quotes = |count| "\"".repeat(count);
    let large = json!({ "entrypoint": quotes(44_000), "launch_parameters": { "a": quotes(16_000) }, "metadata": { "a": quotes(5000) } });
    server.post("/v1/devboxes", &large.to_string()).await.is(400, "body_too_large");
    assert!(server.take_asked().is_empty());
}

#[tokio::test]
async fn a_devbox_is_asked_for_as_it_was_meant_and_shown_without_its_variables() {
    let server = Server::start();
    let secret = server.create("TOKEN").await.text("id");
    let config = server.get("/v1/gateway-configs?name=anthropic").await.each("gateway_configs", "id").pop().unwrap();
    let launch = json!({ "keep_alive_time_seconds": 90.0, "resource_size_request": "SMALL" });
    let body = json!({
        "name": "mine",
        "environment_variables": { "PLAIN": CANARY },
        "secrets": { "ENV": "TOKEN" },
        "gateways": { "ANTHROPIC": { "gateway": config, "secret": "TOKEN" }, "OTHER": { "gateway": "mine", "secret": secret } },
        "metadata": { "a": "b" },
        "entrypoint": "sleep 1",
        "launch_parameters": launch,
        "unknown": true,
    });
    let made = server.post("/v1/devboxes", &body.to_string()).await.json();
    let specs = &made["gateway_specs"];
    assert_eq!((&specs["ANTHROPIC"]["gateway_config_id"], &specs["OTHER"]["secret_id"]), (&json!(config), &json!(secret)));
    assert_eq!((&made["name"], &made["metadata"], &made["launch_parameters"]), (&json!("mine"), &json!({ "a": "b" }), &launch));
    assert_eq!((&made["status"], &made["capabilities"]), (&json!("running"), &json!([])));
    assert!(made.get("end_time_ms").is_none() && made.get("secrets").is_none() && made.get("environment_variables").is_none());
    let asked = server.take_asked();
    let [DevboxVerb::Create(new)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((new.about.keep_alive_ms, new.entrypoint.as_deref(), new.request), (90_000, Some("sleep 1"), None));
    assert_eq!(new.env.values().collect::<Vec<_>>(), [CANARY]);
    assert_eq!(new.gateways.values().map(|wanted| wanted.gateway.id.is_some()).collect::<Vec<_>>(), [true, false]);
    assert!(server.devboxes.lock().unwrap().keys.iter().all(|key| *key == server.key), "the caller's own key is shown at the gateway");
}

#[tokio::test]
async fn the_same_numbered_request_is_about_the_same_devbox() {
    let server = Server::start();
    let made = numbered(&server, "/v1/devboxes", "1", "{}").await.text("id");
    assert_eq!(numbered(&server, "/v1/devboxes", "1", "{}").await.text("id"), made);
    assert_ne!(numbered(&server, "/v1/devboxes", "2", "{}").await.text("id"), made);
    let path = "/v1/devboxes/create_and_await_running";
    numbered(&server, path, "3", r#"{"name":"slow"}"#).await.is(408, "hold_over");
    numbered(&server, path, "3", r#"{"name":"slow"}"#).await.is(408, "hold_over");
    assert_eq!(server.get("/v1/devboxes").await.json()["total_count"], 3);
    assert_eq!(numbered(&server, path, "4", "{}").await.json()["status"], "running");
}

#[tokio::test]
async fn a_wait_ends_with_the_state_or_with_408_and_never_shows_another_state() {
    let server = Server::start();
    let [slow, running, failed] = ["slow", "running", "failing"].map(|name| format!(r#"{{"name":"{name}"}}"#));
    let slow = server.post("/v1/devboxes", &slow).await.text("id");
    let running = server.post("/v1/devboxes", &running).await.text("id");
    let failed = server.post("/v1/devboxes", &failed).await.text("id");
    server.take_asked();
    let wait = |id: &str| format!("/v1/devboxes/{id}/wait_for_status");
    for (seconds, wait_ms) in [("null", 30_000), ("0", 0), ("1.5", 1500), ("29.99", 29_990), ("1e9", 30_000), ("1e300", 30_000)] {
        let body = format!(r#"{{"statuses":["running","shutdown"],"timeout_seconds":{seconds}}}"#);
        numbered(&server, &wait(&slow), "1", &body).await.is(408, "hold_over");
        let asked = server.take_asked();
        let [DevboxVerb::Get { until, wait_ms: asked, .. }] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((until.as_slice(), *asked), (&[DevboxStatus::Running, DevboxStatus::Shutdown][..], wait_ms));
    }
    assert_eq!(server.post(&wait(&running), r#"{"statuses":["running"]}"#).await.json()["status"], "running");
    assert_eq!(server.post(&wait(&slow), r#"{"statuses":["scheduled"]}"#).await.json()["status"], "queued");
    let told = server.post(&wait(&failed), r#"{"statuses":["running"]}"#).await.json();
    assert_eq!((&told["status"], &told["failure_reason"]), (&json!("failure"), &json!("execution_failed")));
    assert_eq!(told["state_transitions"][1]["failure_reason"], "its walls could not be built");
    for (body, code) in [
        ("", "body_not_json"),
        (r#"{"statuses":"running"}"#, "body_shape"),
        ("{}", "statuses_invalid"),
        (r#"{"statuses":[]}"#, "statuses_invalid"),
        (r#"{"statuses":["canary"]}"#, "statuses_invalid"),
        (r#"{"statuses":["running"],"timeout_seconds":-1}"#, "seconds_invalid"),
    ] {
        server.post(&wait(&slow), body).await.is(400, code);
    }
}

#[tokio::test]
async fn an_unknown_or_foreign_devbox_is_404_in_every_route() {
    let server = Server::start();
    let devbox = server.post("/v1/devboxes", "{}").await.text("id");
    let command = server.post(&format!("/v1/devboxes/{devbox}/execute"), r#"{"command":"echo a"}"#).await.text("execution_id");
    let bodies = [
        ("wait_for_status", r#"{"statuses":["running"]}"#),
        ("shutdown", ""),
        ("keep_alive", "{}"),
        ("create_gateway_token", r#"{"gateway":"a","secret":"b"}"#),
        ("execute", r#"{"command":"a"}"#),
        ("execute_async", r#"{"command":"a"}"#),
        ("execute_sync", r#"{"command":"a"}"#),
        (&*format!("executions/{command}/kill"), ""),
        (&*format!("executions/{command}/wait_for_status"), r#"{"statuses":["completed"]}"#),
    ];
    for id in ["dbx_000000000000000000000", "dbx_1", "sec_000000000000000000000"] {
        server.get(&format!("/v1/devboxes/{id}")).await.is(404, "devbox_unknown");
        for (route, body) in bodies {
            server.post(&format!("/v1/devboxes/{id}/{route}"), body).await.is(404, "devbox_unknown");
        }
    }
    for (route, body) in bodies {
        let reply = server.call("POST", &format!("/v1/devboxes/{devbox}/{route}"), Some(&server.stranger), body).await;
        reply.is(404, "devbox_unknown");
    }
    assert_eq!(server.get(&format!("/v1/devboxes/{devbox}")).await.json()["status"], "running");
}

#[tokio::test]
async fn the_list_is_of_one_account_newest_first_and_as_long_as_is_asked_for() {
    let server = Server::start();
    server.call("POST", "/v1/devboxes", Some(&server.stranger), "{}").await.text("id");
    let mut made = Vec::new();
    for name in ["a", "slow", "b", "c", "d"] {
        made.insert(0, server.post("/v1/devboxes", &format!(r#"{{"name":"{name}"}}"#)).await.text("id"));
    }
    // The gateway gives two at a time.
    let all = server.get("/v1/devboxes?limit=5000").await;
    assert_eq!((all.each("devboxes", "id"), &all.json()["has_more"], &all.json()["total_count"]), (made.clone(), &json!(false), &json!(5)));
    let first = server.get("/v1/devboxes?limit=3").await;
    assert_eq!((first.each("devboxes", "id"), &first.json()["has_more"]), (made[..3].to_vec(), &json!(true)));
    let rest = server.get(&format!("/v1/devboxes?starting_after={}", made[2])).await;
    assert_eq!((rest.each("devboxes", "id"), &rest.json()["has_more"]), (made[3..].to_vec(), &json!(false)));
    let queued = server.get("/v1/devboxes?status=queued").await;
    assert_eq!((queued.each("devboxes", "name"), &queued.json()["total_count"]), (vec!["slow".to_owned()], &json!(1)));
    server.get("/v1/devboxes?status=canary").await.is(400, "status_invalid");
    server.get("/v1/devboxes?limit=-1").await.is(400, "limit_invalid");
    server.get("/v1/devboxes?starting_after=x").await.is(400, "starting_after_invalid");
}

#[tokio::test]
async fn what_the_gateway_refuses_is_told_in_its_words() {
    let server = Server::start();
    let statuses = [404, 401, 403, 400, 400, 503, 500];
    for ((name, _), status) in DENIALS.into_iter().zip(statuses) {
        let reply = server.post("/v1/devboxes", &json!({ "name": name }).to_string()).await;
        reply.is(status, "a_code_of_the_gateways");
        assert!(reply.text.contains("what mends it"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_is_503() {
    let (server, end) = Server::start_alone();
    drop(end);
    server.post("/v1/devboxes", "{}").await.is(503, "gateway_away");
    server.get("/v1/devboxes").await.is(503, "gateway_away");
}

#[tokio::test]
async fn a_devbox_ends_and_says_why() {
    let server = Server::start();
    let devbox = server.post("/v1/devboxes", "{}").await.text("id");
    let kept = server.post(&format!("/v1/devboxes/{devbox}/keep_alive"), "").await.text("status");
    let token = server.post(&format!("/v1/devboxes/{devbox}/create_gateway_token"), r#"{"gateway":"anthropic","secret":"A"}"#).await.json();
    assert!(token["token"].as_str().unwrap().starts_with("gws_"));
    assert_eq!((kept.as_str(), &token["auth_mechanism"]), ("running", &json!({ "type": "header", "key": "x-api-key" })));
    let ended = server.post(&format!("/v1/devboxes/{devbox}/shutdown"), "{}").await.json();
    assert_eq!((&ended["status"], &ended["shutdown_reason"]), (&json!("shutdown"), &json!("api_shutdown")));
    assert!(ended["end_time_ms"].is_i64());
    for body in ["", "{}", r#"{"gateway":"a"}"#, r#"{"gateway":"","secret":"a"}"#, r#"{"gateway":"a","secret":"\u0000"}"#] {
        let reply = server.post(&format!("/v1/devboxes/{devbox}/create_gateway_token"), body).await;
        reply.is(400, if body.is_empty() { "body_not_json" } else { "gateway_invalid" });
    }
}

#[tokio::test]
async fn where_devboxes_are_off_every_route_of_theirs_says_so_and_asks_nothing() {
    let server = Server::start_without_devboxes();
    for operation in server::document::operations().into_iter().filter(|operation| operation.path.starts_with("/v1/devboxes")) {
        let path = operation.path.replace("{id}", "dbx_0").replace("{devbox_id}", "dbx_0").replace("{execution_id}", "x");
        let reply = server.call(&operation.method, &path, Some(&server.key), if operation.method == "POST" { "{}" } else { "" }).await;
        reply.is(403, "devboxes_off");
        server.call(&operation.method, &path, None, "").await.is(401, "key_missing");
    }
    assert!(server.take_asked().is_empty());
    assert_eq!(server.get("/v1/gateway-configs").await.status, 200);
}
