//! `/v1/secrets/id/{id}`, its `update` and `delete`; and the secret that is named `id`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::{CANARY, Server};

fn update_body() -> String {
    format!(r#"{{"value":"{CANARY} again"}}"#)
}

#[tokio::test]
async fn what_is_no_id_of_ours_is_404_everywhere() {
    let server = Server::start();
    server.create("TOKEN").await;
    for id in ["sec_000000000000000000000", "TOKEN", "canary", "%ff", "update", "sec_", "a%2Fb"] {
        server.get(&format!("/v1/secrets/id/{id}")).await.is(404, "secret_unknown");
        server.post(&format!("/v1/secrets/id/{id}/update"), &update_body()).await.is(404, "secret_unknown");
        server.post(&format!("/v1/secrets/id/{id}/delete"), "").await.is(404, "secret_unknown");
    }
}

#[tokio::test]
async fn another_accounts_id_is_unknown() {
    let server = Server::start();
    let id = server.create("TOKEN").await.json()["id"].as_str().unwrap().to_owned();
    for (method, path, body) in [("GET", "", String::new()), ("POST", "/update", update_body()), ("POST", "/delete", String::new())] {
        let path = format!("/v1/secrets/id/{id}{path}");
        server.call(method, &path, Some(&server.stranger), &body).await.is(404, "secret_unknown");
    }
    assert_eq!(server.get("/v1/secrets/TOKEN").await.status, 200);
}

#[tokio::test]
async fn an_id_works_as_the_name_does_until_the_delete() {
    let server = Server::start();
    let created = server.create("TOKEN").await.json();
    let at = format!("/v1/secrets/id/{}", created["id"].as_str().unwrap());
    assert_eq!(server.get(&at).await.json(), created);
    server.post(&format!("{at}/update"), "{}").await.is(400, "value_missing");
    assert_eq!(server.post(&format!("{at}/update"), &update_body()).await.json()["id"], created["id"]);
    assert_eq!(server.post(&format!("{at}/delete"), "").await.json()["name"], "TOKEN");
    let again = server.create("TOKEN").await.json();
    assert_ne!(again["id"], created["id"]);
    server.get(&at).await.is(404, "secret_unknown");
    server.post(&format!("{at}/update"), &update_body()).await.is(404, "secret_unknown");
    server.post(&format!("{at}/delete"), "").await.is(404, "secret_unknown");
    assert_eq!(server.get("/v1/secrets/TOKEN").await.json(), again);
}

#[tokio::test]
async fn a_name_that_looks_like_an_id_is_a_name() {
    let server = Server::start();
    let id = server.create("TOKEN").await.json()["id"].as_str().unwrap().to_owned();
    server.get(&format!("/v1/secrets/{id}")).await.is(404, "secret_unknown");
    let named = server.create(&id).await.json();
    assert_eq!(server.get(&format!("/v1/secrets/{id}")).await.json(), named);
    assert_eq!(server.get(&format!("/v1/secrets/id/{id}")).await.json()["name"], "TOKEN");
    assert_eq!(server.post(&format!("/v1/secrets/{id}/delete"), "").await.json(), named);
    assert_eq!(server.get("/v1/secrets/TOKEN").await.status, 200);
}

#[tokio::test]
async fn a_secret_named_id_is_a_secret() {
    let server = Server::start();
    server.post("/v1/secrets/id/delete", "").await.is(404, "secret_unknown");
    server.get("/v1/secrets/id/delete").await.is(404, "secret_unknown");
    let created = server.create("id").await.json();
    assert_eq!(server.get("/v1/secrets/id").await.json(), created);
    server.post("/v1/secrets/id/delete", "canary").await.is(400, "body_not_json");
    assert_eq!(server.post("/v1/secrets/id", &update_body()).await.json()["id"], created["id"]);
    assert_eq!(server.post("/v1/secrets/id/delete", "{}").await.json()["id"], created["id"]);
    server.get("/v1/secrets/id").await.is(404, "secret_unknown");
}
