//! `GET /v1/events`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use model::Refusal;
use server::{CANARY, Server};
use service::NewCa;
use tower::ServiceExt;

fn open_devbox(server: &Server) -> service::DevboxCard {
    let caller = server.gate.authenticate(Some(&server.key)).unwrap();
    let ca = NewCa { devbox: server.gate.make_devbox_id().unwrap(), pem: String::new(), key: vec![1].into() };
    server.gate.open(&caller, None, vec![], ca).unwrap().card
}

#[tokio::test]
async fn a_bad_query_is_refused() {
    let server = Server::start();
    for (query, code) in [
        ("limit=-1", "limit_invalid"),
        ("after=canary", "after_invalid"),
        ("after=1", "after_invalid"),
        ("after=-1-2", "after_invalid"),
        ("after=99999999999999999999-1", "after_invalid"),
        ("secret=canary/x", "secret_invalid"),
        ("follow=canary", "follow_invalid"),
    ] {
        server.get(&format!("/v1/events?{query}")).await.is(400, code);
    }
}

#[tokio::test]
async fn both_chains_are_one_list_in_pages_that_meet() {
    let server = Server::start();
    for number in 0..5 {
        server.create(&format!("S{number}")).await;
    }
    let card = open_devbox(&server);
    server.gate.refused(&card, Refusal::HostNotAllowed, Some(&"a.example.com".parse().unwrap()));
    server.gate.flush().unwrap();
    let all = server.get("/v1/events?limit=1000").await;
    let mut kinds = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/v1/events?limit=2&after={after}")).await;
        kinds.extend(page.each("events", "kind"));
        after = page.json()["cursor"].as_str().unwrap().to_owned();
        if page.json()["has_more"] == false {
            break;
        }
    }
    assert_eq!(kinds, all.each("events", "kind"));
    let writers = all.each("events", "writer");
    assert!(writers.contains(&"api".to_owned()) && writers.contains(&"gateway".to_owned()));
    let end = server.get(&format!("/v1/events?after={after}")).await;
    assert_eq!((end.each("events", "kind").len(), end.json()["cursor"].as_str().unwrap()), (0, after.as_str()));
    let one = server.get("/v1/events?secret=S3").await;
    assert_eq!((one.each("events", "kind"), one.each("events", "name")), (vec!["secret_created".into()], vec!["S3".into()]));
    assert!(server.call("GET", "/v1/events?secret=S3", Some(&server.stranger), "").await.each("events", "kind").is_empty());
}

#[tokio::test]
async fn a_follower_gets_what_happens_and_ends_with_the_server() {
    let server = Server::start();
    server.create("BEFORE").await;
    let request =
        Request::get("/v1/events?follow=true").header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    let mut created = false;
    while !text.contains("AFTER") {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        if text.contains("BEFORE") && !created {
            created = true;
            server.post("/v1/secrets", &format!(r#"{{"name":"AFTER","value":"{CANARY}"}}"#)).await;
        }
    }
    assert!(!text.contains("canary") && text.contains("\ndata:") || text.starts_with("id:"));
    server.desk.stop();
    while let Some(frame) = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap() {
        frame.unwrap();
    }
}
