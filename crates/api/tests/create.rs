//! `POST /v1/secrets`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::{CANARY, Server};

#[tokio::test]
async fn a_taken_name_is_refused_with_400() {
    let server = Server::start();
    server.create("TOKEN").await;
    server.post("/v1/secrets", &format!(r#"{{"name":"TOKEN","value":"{CANARY}"}}"#)).await.is(400, "duplicate");
}

#[tokio::test]
async fn an_illegal_name_is_refused() {
    let server = Server::start();
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "a?b", "a#b", "a%b", "a b", "ä", "canary/", &long] {
        server.post("/v1/secrets", &format!(r#"{{"name":"{name}","value":"{CANARY}"}}"#)).await.is(400, "name_illegal");
    }
}

#[tokio::test]
async fn an_empty_or_oversized_value_is_refused() {
    let server = Server::start();
    server.post("/v1/secrets", r#"{"name":"A","value":""}"#).await.is(400, "value_empty");
    let large = CANARY.repeat(64 * 1024 / CANARY.len() + 1);
    server.post("/v1/secrets", &format!(r#"{{"name":"A","value":"{large}"}}"#)).await.is(400, "value_too_large");
    let larger = CANARY.repeat(128 * 1024 / CANARY.len() + 1);
    server.post("/v1/secrets", &format!(r#"{{"name":"A","value":"{larger}"}}"#)).await.is(400, "body_too_large");
    assert_eq!(server.get("/v1/secrets").await.json()["total_count"], 0);
}

#[tokio::test]
async fn what_is_no_create_body_is_refused_without_an_echo() {
    let server = Server::start();
    for (body, code) in [
        ("", "body_not_json"),
        ("canary", "body_not_json"),
        (r#"{"name":"A","value":"canary"#, "body_not_json"),
        (r#"{"name":"A","value":"canary\x"}"#, "body_not_json"),
        (r#"{"name":"A","value":"canary"} canary"#, "body_not_json"),
        (r#""canary""#, "body_shape"),
        (r#"["A","canary"]"#, "body_shape"),
        (r#"{"name":"A","value":{"canary":1}}"#, "body_shape"),
        (r#"{"name":"A","value":["canary"]}"#, "body_shape"),
        (r#"{"name":"A","value":12345678}"#, "body_shape"),
        (r#"{"name":["canary"],"value":"canary"}"#, "body_shape"),
        (r#"{"name":"A","value":"canary","value":"canary"}"#, "body_shape"),
        (r#"{"value":"canary"}"#, "name_missing"),
        (r#"{"name":null,"value":"canary"}"#, "name_missing"),
        (r#"{"name":"A"}"#, "value_missing"),
        (r#"{"name":"A","value":null}"#, "value_missing"),
    ] {
        let reply = server.post("/v1/secrets", body).await;
        assert_eq!(reply.json()["code"], code, "{body}");
        reply.is(400, code);
    }
    server.post("/v1/secrets", &"[".repeat(100_000)).await.is(400, "body_not_json");
}

#[tokio::test]
async fn a_created_secret_is_exactly_four_fields() {
    let server = Server::start();
    let json = server.create("GITHUB_TOKEN").await.json();
    let object = json.as_object().unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["create_time_ms", "id", "name", "update_time_ms"]);
    assert_eq!((&json["name"], &json["create_time_ms"]), (&"GITHUB_TOKEN".into(), &installation::START.unix_ms().into()));
    assert!(json["id"].as_str().unwrap().starts_with("sec_"));
}

#[tokio::test]
async fn unknown_fields_and_any_content_type_are_taken() {
    let server = Server::start();
    let reply = server.post("/v1/secrets", &format!(r#"{{"name":"A","value":"{CANARY}","more":{{"canary":[1]}}}}"#)).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn the_largest_value_is_taken_even_escaped() {
    let server = Server::start();
    let largest = "\\n".repeat(64 * 1024 - CANARY.len());
    let reply = server.post("/v1/secrets", &format!(r#"{{"name":"A","value":"{CANARY}{largest}"}}"#)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}
