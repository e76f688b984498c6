//! `GET` and `POST /v1/secrets/{name}`, `POST /v1/secrets/{name}/delete`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::{CANARY, Server};

#[tokio::test]
async fn an_unknown_name_is_404_everywhere() {
    let server = Server::start();
    let body = format!(r#"{{"value":"{CANARY}"}}"#);
    for name in ["NONE", "canary", "a%2Fb", "a%20b", "%ff", "%2e%2e", "id", "sec_000000000000000000000"] {
        server.get(&format!("/v1/secrets/{name}")).await.is(404, "secret_unknown");
        server.post(&format!("/v1/secrets/{name}"), &body).await.is(404, "secret_unknown");
        server.post(&format!("/v1/secrets/{name}/delete"), "").await.is(404, "secret_unknown");
    }
}

#[tokio::test]
async fn another_accounts_secret_is_unknown() {
    let server = Server::start();
    server.create("TOKEN").await;
    let body = format!(r#"{{"value":"{CANARY}"}}"#);
    for (method, path, body) in
        [("GET", "/v1/secrets/TOKEN", ""), ("POST", "/v1/secrets/TOKEN", body.as_str()), ("POST", "/v1/secrets/TOKEN/delete", "")]
    {
        server.call(method, path, Some(&server.stranger), body).await.is(404, "secret_unknown");
    }
    assert_eq!(server.get("/v1/secrets/TOKEN").await.status, 200);
}

#[tokio::test]
async fn a_bad_update_changes_nothing() {
    let server = Server::start();
    let created = server.create("TOKEN").await;
    server.post("/v1/secrets/TOKEN", r#"{"value":""}"#).await.is(400, "value_empty");
    server.post("/v1/secrets/TOKEN", r#"{"name":"canary"}"#).await.is(400, "value_missing");
    server.post("/v1/secrets/TOKEN", "canary").await.is(400, "body_not_json");
    server.post("/v1/secrets/TOKEN/delete", "canary").await.is(400, "body_not_json");
    for body in ["false", "null", "[]", "\"canary\""] {
        server.post("/v1/secrets/TOKEN/delete", body).await.is(400, "body_shape");
    }
    assert_eq!(server.get("/v1/secrets/TOKEN").await.json(), created.json());
}

#[tokio::test]
async fn update_and_delete_answer_the_same_secret() {
    let server = Server::start();
    let created = server.create("my-secret.v1").await.json();
    let updated = server.post("/v1/secrets/my-secret.v1", &format!(r#"{{"value":"{CANARY} again"}}"#)).await;
    assert_eq!((updated.status.as_u16(), &updated.json()["id"]), (200, &created["id"]));
    for body in ["", "{}"] {
        server.create("OTHER").await;
        assert_eq!(server.post("/v1/secrets/OTHER/delete", body).await.status, 200);
    }
    let deleted = server.post("/v1/secrets/my-secret.v1/delete", "").await;
    assert_eq!((deleted.status.as_u16(), &deleted.json()["id"]), (200, &created["id"]));
    server.get("/v1/secrets/my-secret.v1").await.is(404, "secret_unknown");
    assert_ne!(server.create("my-secret.v1").await.json()["id"], created["id"]);
}
