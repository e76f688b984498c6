//! Who is let in, and by which name. What each route asks for stands in `coverage.rs`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use server::document::operations;
use server::{CANARY, Server};

#[tokio::test]
async fn the_key_is_looked_at_before_anything_else() {
    let server = Server::start();
    let large = CANARY.repeat(10_000);
    server.call("POST", "/v1/secrets", None, "canary").await.is(401, "key_missing");
    server.call("POST", "/v1/secrets", None, &large).await.is(401, "key_missing");
    server.call("GET", "/v1/secrets?limit=-1", None, "").await.is(401, "key_missing");
    server.call("GET", "/v1/events?follow=true", None, "").await.is(401, "key_missing");
    server.call("GET", "/v1/bindings/NONE", None, "").await.is(401, "key_missing");
}

#[tokio::test]
async fn a_header_that_is_no_bearer_is_no_key() {
    let server = Server::start();
    for header in [server.key.clone(), format!("Basic {}", server.key), "Bearer".into(), "Bearer \u{e4}".into()] {
        let request = Request::get("/v1/secrets").header("host", "localhost").header("authorization", header).body(Body::empty());
        server.send(request.unwrap()).await.is(401, "key_unknown");
    }
    let twice = Request::get("/v1/secrets").header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    server.send(twice.header("authorization", "Bearer other").body(Body::empty()).unwrap()).await.is(401, "key_unknown");
    let lower = Request::get("/v1/secrets").header("host", "localhost").header("authorization", format!("bearer {}", server.key));
    assert_eq!(server.send(lower.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_and_a_page_are_refused_on_every_route() {
    let server = Server::start();
    let nowhere = ("GET".to_owned(), "/nowhere".to_owned());
    for (method, path) in operations().into_iter().map(|operation| (operation.method, operation.path)).chain([nowhere]) {
        let (method, path) = (method.as_str(), path.replace(['{', '}'], ""));
        let path = path.as_str();
        let call = |host: Option<&str>, origin: Option<&str>| {
            let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", server.key));
            for (name, value) in [("host", host), ("origin", origin)] {
                request = value.into_iter().fold(request, |request, value| request.header(name, value));
            }
            request.body(Body::empty()).unwrap()
        };
        server.send(call(None, None)).await.is(403, "host_unknown");
        server.send(call(Some("canary.example.com"), None)).await.is(403, "host_unknown");
        for origin in ["http://localhost:7080", "null", "https://canary.example.com"] {
            server.send(call(Some("localhost:7080"), Some(origin))).await.is(403, "origin_refused");
        }
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_said_so_in_json() {
    let server = Server::start();
    for path in ["/canary", "/v1", "/v1/secrets/", "/v1/secrets/a/b", "/v1/secrets/a/delete/b", "/v1/Secrets"] {
        server.get(path).await.is(404, "route_unknown");
    }
    for (method, path) in
        [("PUT", "/v1/secrets"), ("DELETE", "/v1/secrets/TOKEN"), ("GET", "/v1/secrets/TOKEN/delete"), ("POST", "/healthz")]
    {
        server.call(method, path, Some(&server.key), "canary").await.is(405, "method_unknown");
    }
}

#[tokio::test]
async fn every_answer_is_kept_by_nobody() {
    let server = Server::start();
    for path in ["/healthz", "/v1/secrets", "/nowhere"] {
        let reply = server.get(path).await;
        assert_eq!(
            (&reply.headers["cache-control"], &reply.headers["x-content-type-options"]),
            (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_refused_method_is_told_which_ones_there_are_and_what_is_away_when_to_come_back() {
    let (server, end) = Server::start_alone();
    drop(end);
    for (path, allowed) in [("/v1/secrets", "GET,HEAD,POST"), ("/v1/secrets/A/delete", "POST"), ("/healthz", "GET,HEAD")] {
        let reply = server.call("PUT", path, Some(&server.key), "").await;
        reply.is(405, "method_unknown");
        assert_eq!(reply.headers["allow"], allowed, "{path}");
    }
    let away = server.get("/v1/bindings").await;
    away.is(503, "gateway_away");
    assert_eq!((&away.headers["retry-after"], &away.headers["retry-after-ms"]), (&"1".parse().unwrap(), &"1000".parse().unwrap()));
    let unknown = server.get("/v1/secrets/NONE").await;
    unknown.is(404, "secret_unknown");
    assert!(!unknown.headers.contains_key("retry-after"));
}
