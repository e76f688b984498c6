//! A stored value is in no answer (every answer of every test is searched) and in no file, WAL included.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use server::{CANARY, Server};

#[tokio::test]
async fn no_file_ever_holds_a_value() {
    let server = Server::start();
    for name in ["A", "B", "GITHUB_TOKEN"] {
        server.create(name).await;
        server.post(&format!("/v1/secrets/{name}"), &format!(r#"{{"value":"{CANARY}-again"}}"#)).await;
        // What is refused must not be left behind either.
        server.post("/v1/secrets", &format!(r#"{{"name":"{name}","value":"{CANARY}"}}"#)).await.is(400, "duplicate");
        server.post("/v1/secrets", &format!(r#"{{"name":"{name}","value":"{CANARY}"#)).await.is(400, "body_not_json");
    }
    server.post("/v1/secrets/A/delete", "").await;
    for path in ["/v1/secrets", "/v1/secrets/B", "/v1/bindings", "/v1/bindings/GITHUB_TOKEN", "/v1/events?limit=1000"] {
        assert_eq!(server.get(path).await.status, 200);
    }
    let mut searched = 0;
    for file in std::fs::read_dir(server.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        searched += bytes.len();
        // No window of eight bytes of it.
        for window in CANARY.as_bytes().windows(8) {
            assert!(!bytes.windows(8).any(|found| found == window));
        }
    }
    assert!(searched > 10_000);
}
