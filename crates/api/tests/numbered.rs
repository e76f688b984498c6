//! `x-request-id`: a change that was done is not done again.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use server::{CANARY, Reply, Server};

async fn post(server: &Server, path: &str, numbers: &[&str], body: &str) -> Reply {
    let request = Request::post(path).header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    let request = numbers.iter().fold(request, |request, number| request.header("x-request-id", *number));
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn body(name: &str) -> String {
    format!(r#"{{"name":"{name}","value":"{CANARY}"}}"#)
}

#[tokio::test]
async fn without_one_number_each_request_is_its_own() {
    let server = Server::start();
    for (name, numbers) in [("A", &[][..]), ("B", &[""]), ("C", &["1", "2"]), ("D", &["\u{e4}"])] {
        assert_eq!(post(&server, "/v1/secrets", numbers, &body(name)).await.status, 200, "{numbers:?}");
        post(&server, "/v1/secrets", numbers, &body(name)).await.is(400, "duplicate");
    }
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_whatever_happened_since() {
    let server = Server::start();
    let created = post(&server, "/v1/secrets", &["one"], &body("A")).await.json();
    assert_eq!(post(&server, "/v1/secrets", &["one"], &body("A")).await.json(), created);
    let deleted = post(&server, "/v1/secrets/A/delete", &["two"], "").await.json();
    assert_eq!(post(&server, "/v1/secrets/A/delete", &["two"], "").await.json(), deleted);
    assert_eq!(post(&server, "/v1/secrets", &["one"], &body("A")).await.json(), created);
    post(&server, "/v1/secrets/A/delete", &["three"], "").await.is(404, "secret_unknown");
    assert_eq!(server.get("/v1/secrets").await.json()["total_count"], 0);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let server = Server::start();
    post(&server, "/v1/secrets", &["one"], "canary").await.is(400, "body_not_json");
    post(&server, "/v1/secrets", &["one"], r#"{"name":"A","value":""}"#).await.is(400, "value_empty");
    assert_eq!(post(&server, "/v1/secrets", &["one"], &body("A")).await.status, 200);
}
