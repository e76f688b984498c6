//! `GET /v1/bindings` and `GET /v1/bindings/{secret_name}`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use model::Binding;
use server::{CANARY, Server};

#[tokio::test]
async fn what_is_not_there_is_404_and_a_bad_cursor_400() {
    let server = Server::start();
    server.get("/v1/bindings/canary").await.is(404, "secret_unknown");
    server.get("/v1/bindings?starting_after=canary").await.is(400, "starting_after_invalid");
    server.create("TOKEN").await;
    server.call("GET", "/v1/bindings/TOKEN", Some(&server.stranger), "").await.is(404, "secret_unknown");
    assert!(server.call("GET", "/v1/bindings", Some(&server.stranger), "").await.each("bindings", "host").is_empty());
}

#[tokio::test]
async fn while_the_gateway_is_away_it_is_said_so() {
    let (server, end) = Server::start_alone();
    server.create("TOKEN").await;
    drop(end);
    server.get("/v1/bindings").await.is(503, "gateway_away");
    server.get("/v1/bindings/TOKEN").await.is(503, "gateway_away");
    server.get("/v1/events").await.is(503, "gateway_away");
    assert_eq!(server.get("/v1/secrets/TOKEN").await.status, 200);
}

#[tokio::test]
async fn bindings_are_shown_as_they_are_in_force() {
    let server = Server::start();
    server.create("UNBOUND").await;
    let name = installation::secret_name("GITHUB_TOKEN");
    server.post("/v1/secrets", &format!(r#"{{"name":"GITHUB_TOKEN","value":"{CANARY}"}}"#)).await;
    let by_kind = server.get("/v1/bindings/GITHUB_TOKEN").await;
    assert!(by_kind.each("bindings", "host").contains(&"api.github.com".to_owned()));
    assert!(by_kind.each("bindings", "source").iter().all(|source| source == "kind"));
    let caller = server.gate.authenticate(Some(&server.key)).unwrap();
    let binding = Binding { form: "basic:x".parse().unwrap(), ..Binding::to_host("ghe.example.com".parse().unwrap()) };
    server.gate.bind(&server.admin_key, &caller, &name, binding).unwrap();
    let all = server.get("/v1/bindings").await;
    assert_eq!(all.each("bindings", "secret_name"), ["GITHUB_TOKEN", "UNBOUND"]);
    assert_eq!(all.each("bindings", "host"), ["ghe.example.com", ""]);
    assert_eq!(all.each("bindings", "form"), ["basic:x", ""]);
    assert_eq!((&all.json()["has_more"], &all.json()["next"]), (&false.into(), &serde_json::Value::Null));
}
