//! `POST /v1/secrets`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
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
async fn a_body_that_is_said_to_be_something_else_than_json_is_refused() {
    let server = Server::start();
    let send = |content_type: &'static str, body: String| {
        let request = Request::post("/v1/secrets").header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
        server.send(request.header("content-type", content_type).body(Body::from(body)).unwrap())
    };
    let body = |name: &str| format!(r#"{{"name":"{name}","value":"{CANARY}"}}"#);
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "", "json"] {
        send(content_type, body("A")).await.is(400, "media_type");
    }
    assert_eq!(server.get("/v1/secrets").await.json()["total_count"], 0);
    for (content_type, name) in [("application/json", "A"), ("Application/JSON; charset=utf-8", "B"), ("application/merge-patch+json", "C")]
    {
        assert_eq!(send(content_type, body(name)).await.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn unknown_fields_are_taken_and_no_content_type_is_json() {
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
