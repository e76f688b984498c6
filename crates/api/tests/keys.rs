//! `GET` and `POST /v1/api-keys`, `POST /v1/api-keys/{id}/revoke`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use serde_json::Value;
use server::{Reply, Server};

async fn make(server: &Server, body: &str) -> (String, String) {
    let made = server.post("/v1/api-keys", body).await.json();
    (made["api_key"]["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn revoke(server: &Server, id: &str) -> Reply {
    server.post(&format!("/v1/api-keys/{id}/revoke"), "").await
}

async fn total(server: &Server) -> Value {
    server.get("/v1/api-keys").await.json()["total_count"].clone()
}

#[tokio::test]
async fn a_body_that_describes_no_key_is_refused_and_makes_none() {
    let server = Server::start();
    let before = total(&server).await;
    for (body, code) in [
        ("", "body_not_json"),
        ("canary", "body_not_json"),
        ("[]", "body_shape"),
        (r#"{"scopes":"read"}"#, "body_shape"),
        (r#"{"scopes":["read"],"name":7}"#, "body_shape"),
        (r#"{"scopes":["read"],"expires_in_seconds":"canary"}"#, "body_shape"),
        ("{}", "scopes_missing"),
        (r#"{"scopes":null}"#, "scopes_missing"),
        (r#"{"scopes":[]}"#, "scopes_empty"),
        (r#"{"scopes":["canary"]}"#, "scope_unknown"),
        (r#"{"scopes":["read,keys"]}"#, "scope_unknown"),
        (r#"{"scopes":["read"],"name":" canary"}"#, "key_name_illegal"),
        (r#"{"scopes":["read"],"name":"canary\u001b[31m"}"#, "key_name_illegal"),
        (r#"{"scopes":["read"],"expires_in_seconds":0}"#, "expiry_invalid"),
        (r#"{"scopes":["read"],"expires_in_seconds":-1}"#, "expiry_invalid"),
        (r#"{"scopes":["read"],"expires_in_seconds":1.5}"#, "expiry_invalid"),
        (r#"{"scopes":["read"],"expires_in_seconds":1e300}"#, "expiry_invalid"),
        (r#"{"scopes":["read"],"expires_in_seconds":315360001}"#, "expiry_invalid"),
    ] {
        let reply = server.post("/v1/api-keys", body).await;
        assert_eq!(reply.json()["code"], code, "{body}: {}", reply.text);
        assert_eq!(reply.status, 400, "{body}");
    }
    assert_eq!(total(&server).await, before);
}

#[tokio::test]
async fn a_query_that_names_no_page_is_refused() {
    let server = Server::start();
    server.get("/v1/api-keys?limit=-1").await.is(400, "limit_invalid");
    for id in ["canary", "sec_000000000000000000000"] {
        server.get(&format!("/v1/api-keys?starting_after={id}")).await.is(400, "starting_after_invalid");
    }
}

#[tokio::test]
async fn an_unknown_id_is_404_and_more_than_the_callers_own_is_403() {
    let server = Server::start();
    for id in ["canary", "key_000000000000000000000", "sec_000000000000000000000"] {
        revoke(&server, id).await.is(404, "api_key_unknown");
    }
    let keys_only = &server.only["keys"];
    server.call("POST", "/v1/api-keys", Some(keys_only), r#"{"scopes":["read","keys"]}"#).await.is(403, "scopes_exceed_key");
    let path = format!("/v1/api-keys/{}/revoke", server.reader_id);
    server.call("POST", &path, Some(keys_only), "").await.is(403, "scopes_exceed_key");
    let (_, short) = make(&server, r#"{"scopes":["keys"],"expires_in_seconds":60}"#).await;
    let longer = r#"{"scopes":["keys"],"expires_in_seconds":61}"#;
    server.call("POST", "/v1/api-keys", Some(&short), longer).await.is(403, "expiry_exceeds_key");
}

#[tokio::test]
async fn the_last_key_of_its_like_is_not_revoked() {
    let server = Server::start();
    let all = server.get("/v1/api-keys?limit=100").await.json();
    let own = all["api_keys"].as_array().unwrap().iter().find(|key| key["scopes"].as_array().unwrap().len() == 4).unwrap()["id"].clone();
    revoke(&server, own.as_str().unwrap()).await.is(403, "last_key");
    assert_eq!(server.get("/v1/secrets").await.status, 200);
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_request_on_and_its_revoking_is_answered_again() {
    let server = Server::start();
    let (id, key) = make(&server, r#"{"scopes":["read"]}"#).await;
    assert_eq!(server.call("GET", "/v1/secrets", Some(&key), "").await.status, 200);
    let first = revoke(&server, &id).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert!(first.json()["revoke_time_ms"].is_i64());
    server.call("GET", "/v1/secrets", Some(&key), "").await.is(401, "key_revoked");
    assert_eq!(revoke(&server, &id).await.json(), first.json());
}

#[tokio::test]
async fn a_follower_whose_key_is_revoked_is_cut_off_within_a_second() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    let server = Server::start();
    let (id, key) = make(&server, r#"{"scopes":["read"]}"#).await;
    let request = Request::get("/v1/events?follow=true").header("host", "localhost").header("authorization", format!("Bearer {key}"));
    let mut body = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(revoke(&server, &id).await.status, 200);
    let end = async { while body.frame().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(1), end).await.expect("cut off in time");
}

#[tokio::test]
async fn a_key_is_shown_once_and_its_record_says_what_was_asked_for() {
    let server = Server::start();
    // Some clients have no whole numbers.
    let reply = server.post("/v1/api-keys", r#"{"name":"CI","scopes":["devbox","read","read"],"expires_in_seconds":3600.0}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let made = reply.json();
    let (view, key) = (&made["api_key"], made["key"].as_str().unwrap());
    assert!(key.starts_with("tlk_") && key.len() > 40);
    assert_eq!((&view["name"], &view["scopes"]), (&"CI".into(), &serde_json::json!(["read", "devbox"])));
    assert_eq!(view["expire_time_ms"].as_i64().unwrap() - view["create_time_ms"].as_i64().unwrap(), 3_600_000);
    assert_eq!((&view["last_used_time_ms"], &view["revoke_time_ms"]), (&Value::Null, &Value::Null));
    for path in ["/v1/api-keys?limit=100", "/v1/events?limit=100"] {
        assert!(!server.get(path).await.text.contains(&key[4..]), "{path}");
    }
    assert_eq!(server.get("/v1/api-keys?limit=1").await.json()["api_keys"][0], *view);
    for file in std::fs::read_dir(server.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|window| window == &key.as_bytes()[4..20]), "the credential is on disk");
    }
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_meet() {
    let server = Server::start();
    for number in 0..3 {
        make(&server, &format!(r#"{{"name":"K{number}","scopes":["read"]}}"#)).await;
    }
    let first = server.get("/v1/api-keys?limit=2").await;
    assert_eq!((first.each("api_keys", "name"), &first.json()["has_more"]), (vec!["K2".into(), "K1".into()], &true.into()));
    let last = first.each("api_keys", "id").pop().unwrap();
    let rest = server.get(&format!("/v1/api-keys?limit=100&starting_after={last}")).await;
    assert_eq!((rest.each("api_keys", "name")[0].as_str(), &rest.json()["has_more"]), ("K0", &false.into()));
}

#[tokio::test]
async fn a_use_is_written_down_to_the_minute() {
    let server = Server::start();
    let (_, key) = make(&server, r#"{"scopes":["read"]}"#).await;
    server.call("GET", "/v1/secrets", Some(&key), "").await;
    server.desk.write_uses();
    let used = server.get("/v1/api-keys?limit=1").await.json()["api_keys"][0]["last_used_time_ms"].as_i64().unwrap();
    let now = installation::START.unix_ms();
    assert_eq!(used, now - now % 60_000);
    // At the gateway too, which tells the api of it.
    let (_, key) = make(&server, r#"{"scopes":["devbox"]}"#).await;
    server.gate.authenticate(Some(&key)).unwrap();
    server.desk.write_uses();
    assert!(server.get("/v1/api-keys?limit=1").await.json()["api_keys"][0]["last_used_time_ms"].is_i64());
}

#[tokio::test]
async fn the_same_request_again_revokes_the_first_key_and_makes_another() {
    let server = Server::start();
    let ask = |number: &'static str| {
        let request = Request::post("/v1/api-keys").header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
        server.send(request.header("x-request-id", number).body(Body::from(r#"{"scopes":["read"]}"#)).unwrap())
    };
    let key = |reply: Reply| reply.json()["key"].as_str().unwrap().to_owned();
    let (first, second, other) = (key(ask("1").await), key(ask("1").await), key(ask("2").await));
    server.call("GET", "/v1/secrets", Some(&first), "").await.is(401, "key_revoked");
    for key in [second, other] {
        assert_eq!(server.call("GET", "/v1/secrets", Some(&key), "").await.status, 200);
    }
}
