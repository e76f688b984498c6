//! Who is let in: every route stands in each table.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use api::rest::router::OPENAPI;
use axum::body::Body;
use http::Request;
use server::{CANARY, Server};

/// Every route that needs a key, with a body that would be right.
const CLOSED: [(&str, &str, &str); 8] = [
    ("GET", "/v1/secrets", ""),
    ("POST", "/v1/secrets", r#"{"name":"NEW","value":"canary-7f3a9c51e2d84b60"}"#),
    ("GET", "/v1/secrets/TOKEN", ""),
    ("POST", "/v1/secrets/TOKEN", r#"{"value":"canary-7f3a9c51e2d84b60"}"#),
    ("POST", "/v1/secrets/TOKEN/delete", ""),
    ("GET", "/v1/bindings", ""),
    ("GET", "/v1/bindings/TOKEN", ""),
    ("GET", "/v1/events", ""),
];
const OPEN: [(&str, &str); 3] = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.yaml")];

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_nothing_is_done() {
    let server = Server::start();
    let before = server.create("TOKEN").await.json();
    for (method, path, body) in CLOSED {
        server.call(method, path, None, body).await.is(401, "key_missing");
        server.call(method, path, Some("tlk_wrong"), body).await.is(401, "key_unknown");
        server.call(method, path, Some(&"x".repeat(5000)), body).await.is(401, "key_unknown");
        server.call(method, path, Some(&server.admin_key), body).await.is(401, "admin_key_refused");
    }
    assert_eq!(server.get("/v1/secrets/TOKEN").await.json(), before);
}

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
async fn a_key_that_may_read_changes_nothing() {
    let server = Server::start();
    server.create("TOKEN").await;
    for (method, path, body) in CLOSED {
        let reply = server.call(method, path, Some(&server.reader), body).await;
        if method == "POST" { reply.is(403, "scope_missing") } else { assert_eq!(reply.status, 200, "{path}: {}", reply.text) }
    }
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
    let routes = CLOSED.iter().map(|(method, path, _)| (*method, *path)).chain(OPEN);
    for (method, path) in routes.chain([("GET", "/nowhere")]) {
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
    for path in ["/", "/canary", "/v1", "/v1/secrets/", "/v1/secrets/a/b", "/v1/secrets/a/delete/b", "/v1/Secrets"] {
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

#[test]
fn the_tables_the_document_and_the_router_name_the_same_routes() {
    let mut tables: Vec<_> = CLOSED
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .chain(OPEN)
        .map(|(method, path)| {
            let path =
                if path.starts_with("/v1/bindings") { path.replace("TOKEN", "{secret_name}") } else { path.replace("TOKEN", "{name}") };
            (path, method.to_lowercase())
        })
        .collect();
    let (mut document, mut routed) = (documented(), routed());
    tables.sort();
    document.sort();
    routed.sort();
    assert_eq!(document, routed);
    assert_eq!(tables, routed);
}

/// Paths stand at two spaces in the document, methods at four.
fn documented() -> Vec<(String, String)> {
    let (mut routes, mut path) = (Vec::new(), None);
    let paths = OPENAPI.lines().skip_while(|line| *line != "paths:").skip(1).take_while(|line| line.starts_with(' '));
    for line in paths {
        let word = line.trim().trim_end_matches(':').to_owned();
        match line.len() - line.trim_start().len() {
            2 => path = Some(word),
            4 if matches!(word.as_str(), "get" | "post" | "put" | "patch" | "delete" | "head" | "options") => {
                routes.push((path.clone().unwrap(), word));
            }
            _ => {}
        }
    }
    routes
}

/// A route is one line of the router: `.route("PATH", METHOD(handler).METHOD(handler))`.
fn routed() -> Vec<(String, String)> {
    let lines = include_str!("../src/rest/router.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
    let mut routes = Vec::new();
    for line in lines {
        let (path, methods) = line.split_once('"').unwrap();
        for method in ["get", "post", "put", "patch", "delete", "any"] {
            if methods.contains(&format!(" {method}(")) || methods.contains(&format!(".{method}(")) {
                routes.push((path.to_owned(), method.to_owned()));
            }
        }
    }
    routes
}
