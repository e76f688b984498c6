//! `/v1/devboxes/env`, over a stand-in for the gateway's devboxes.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use link::front::DevboxVerb;
use serde_json::{Value, json};
use server::{CANARY, Server};

#[tokio::test]
async fn a_body_that_is_no_environment_is_refused_with_what_mends_it() {
    let server = Server::start();
    let many: Vec<String> = (0..201).map(|number| format!("h{number}.example.com")).collect();
    let secrets: serde_json::Map<String, Value> = (0..101).map(|number| (format!("A{number}"), json!("B"))).collect();
    for (body, code) in [
        (json!([]), "body_shape"),
        (json!({ "entrypoint": CANARY }), "body_shape"),
        (json!({ "gateways": ["A"] }), "body_shape"),
        (json!({ "gateways": { CANARY: { "gateway": "a", "secret": "b" } } }), "variable_illegal"),
        (json!({ "gateways": { "A": { "gateway": CANARY } } }), "gateway_invalid"),
        (json!({ "allow": "api.example.com" }), "body_shape"),
        (json!({ "name": "a\u{1b}[31m" }), "name_illegal"),
        (json!({ "secrets": { CANARY: "a" } }), "variable_illegal"),
        (json!({ "secrets": { "A": "a b" } }), "secret_invalid"),
        (json!({ "secrets": secrets }), "entries_too_many"),
        (json!({ "allow": ["https://api.example.com"] }), "allow_invalid"),
        (json!({ "allow": ["*.com"] }), "allow_invalid"),
        (json!({ "allow": many }), "entries_too_many"),
        (json!({ "source_networks": ["10.0.0.1/8"] }), "source_networks_invalid"),
        (json!({ "source_networks": vec!["10.0.0.0/8"; 21] }), "entries_too_many"),
        (json!({ "keep_alive_time_seconds": 0 }), "keep_alive_invalid"),
        (json!({ "keep_alive_time_seconds": 172_801 }), "keep_alive_invalid"),
        (json!({ "gateway_url": "https://172.17.0.1:7081" }), "gateway_url_invalid"),
        (json!({ "gateway_url": "http://user:pass@172.17.0.1:7081" }), "gateway_url_invalid"),
    ] {
        let refused = server.post("/v1/devboxes/env", &body.to_string()).await;
        refused.is(400, code);
        assert!(!refused.text.contains(CANARY), "{}", refused.text);
    }
    assert!(server.take_asked().is_empty());
}

#[tokio::test]
async fn an_environment_is_told_with_what_is_confidential_in_it() {
    let server = Server::start();
    let body = json!({
        "name": "ci", "secrets": { "GITHUB_TOKEN": "TOKEN" }, "allow": ["*.example.com"], "source_networks": ["172.17.0.0/16"],
        "keep_alive_time_seconds": 60, "gateway_url": "http://172.17.0.1:7081", "bundle_path": null,
        "gateways": { "MY_API": { "gateway": "anthropic", "secret": "KEY" } },
    });
    let told = server.post("/v1/devboxes/env", &body.to_string()).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let told = told.json();
    assert_eq!(told["devbox"]["remote"], json!({ "source_networks": ["172.17.0.0/16"] }));
    assert_eq!((&told["devbox"]["status"], &told["devbox"]["name"]), (&json!("running"), &json!("ci")));
    assert_eq!((&told["confidential"], &told["unbound"]), (&json!(["GITHUB_TOKEN", "HTTPS_PROXY"]), &json!(["GITHUB_TOKEN"])));
    assert_eq!(told["environment_variables"]["SSL_CERT_FILE"], "/etc/tightlip/bundle.pem");
    let asked = server.take_asked();
    let [DevboxVerb::Env(asked)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((asked.keep_alive_ms, asked.request), (60_000, None));
    let gateway = &asked.gateways[&"MY_API".parse().unwrap()];
    assert_eq!((gateway.gateway.name.as_str(), gateway.secret.name.as_str()), ("anthropic", "KEY"));
}

#[tokio::test]
async fn a_retry_is_not_answered_from_memory() {
    let server = Server::start();
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = http::Request::post("/v1/devboxes/env").header("host", "localhost").header("x-request-id", "one");
        let request = request.header("authorization", format!("Bearer {}", server.key));
        told.push(server.send(request.body("{}".to_owned().into()).unwrap()).await.json()["devbox"]["id"].clone());
    }
    assert_ne!(told[0], told[1]);
    let asked = server.take_asked();
    let numbers: Vec<_> = asked.iter().map(|verb| if let DevboxVerb::Env(wanted) = verb { wanted.request } else { None }).collect();
    assert!(numbers[0].is_some() && numbers[0] == numbers[1], "the gateway is told which request it is");
}
