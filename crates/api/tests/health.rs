//! `GET /healthz`, `GET /readyz` and `GET /openapi.yaml`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use std::time::{Duration, Instant};

use link::front::{Answer, Question, Tell};
use server::Server;

#[tokio::test]
async fn an_unready_gateway_makes_the_server_unready() {
    let (server, end) = Server::start_alone();
    std::thread::spawn(move || {
        let (question, _) = end.recv::<Question>().unwrap();
        end.send(&Answer { number: question.number, message: Tell::NotReady("its events cannot be written".into()) }, &[]).unwrap();
    });
    let reply = server.call("GET", "/readyz", None, "").await;
    reply.is(503, "not_ready");
    assert!(reply.text.contains("its events cannot be written"));
    server.call("GET", "/readyz", None, "").await.is(503, "not_ready");
    assert_eq!(server.call("GET", "/healthz", None, "").await.json()["status"], "ok");
}

#[tokio::test]
async fn a_store_or_events_that_cannot_be_read_make_the_server_unready() {
    for damage in ["ALTER TABLE meta RENAME TO lost", "ALTER TABLE events RENAME TO lost", "UPDATE events SET body = '{' WHERE seq = 1"] {
        let server = Server::start();
        let store = rusqlite::Connection::open(server.folder().join("tightlip.db")).unwrap();
        store.execute_batch("DELETE FROM events WHERE seq > 1").unwrap();
        assert_eq!(server.call("GET", "/readyz", None, "").await.status, 200);
        store.execute_batch(damage).unwrap();
        // One look serves all who ask within a moment.
        let limit = Instant::now() + Duration::from_secs(10);
        let mut reply = server.call("GET", "/readyz", None, "").await;
        while reply.status == 200 && Instant::now() < limit {
            reply = server.call("GET", "/readyz", None, "").await;
        }
        reply.is(503, "not_ready");
        assert!(reply.text.contains("the store or its events"), "{damage}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_change_whose_event_cannot_be_written_is_refused_and_leaves_nothing() {
    let server = Server::start();
    let store = rusqlite::Connection::open(server.folder().join("tightlip.db")).unwrap();
    store.execute_batch("CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
    let refused = server.post("/v1/secrets", r#"{"name":"A","value":"canary-7f3a9c51e2d84b60"}"#).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(server.get("/v1/secrets/A").await.status, 404);
}

#[tokio::test]
async fn a_ready_server_says_so_and_shows_its_document_without_a_key() {
    let server = Server::start();
    assert_eq!(server.call("GET", "/readyz", None, "").await.json()["status"], "ready");
    let document = server.call("GET", "/openapi.yaml", None, "").await;
    assert_eq!((document.status.as_u16(), document.text.as_str()), (200, api::rest::documents::OPENAPI_YAML));
}
