//! Every route of the document, asked in every way that must not work. What is let through without a key stands in one list, in which nothing may be idle.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use server::document::{Operation, operations};
use server::things::Things;
use server::{Reply, Server};

/// The routes that need no key. May only become fewer.
const OPEN: [&str; 13] = [
    "/",
    "/healthz",
    "/llms.txt",
    "/openapi.json",
    "/openapi.yaml",
    "/readyz",
    "/schemas/secret.json",
    "/skills/",
    "/skills/index.json",
    "/skills/using-brokered-secrets/SKILL.md",
    "/skills/using-brokered-secrets/references/clients.md",
    "/skills/using-brokered-secrets/references/refusals.md",
    "/skills/using-brokered-secrets/scripts/check.sh",
];
/// The routes that the document does not tell of: pages for people. What each refuses stands in `pages.rs`. May only become fewer.
const PAGES: [(&str, &str); 5] =
    [("/ui/entry", "GET"), ("/ui/entry", "POST"), ("/ui/icon.svg", "GET"), ("/ui/requests/{link}", "GET"), ("/ui/style.css", "GET")];
/// Verbs that no route has.
const NO_VERBS: [&str; 6] = ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];

/// The routes that need a key.
fn closed() -> Vec<Operation> {
    operations().into_iter().filter(Operation::is_closed).collect()
}

async fn ask(server: &Server, operation: &Operation, ids: &Things, key: Option<&str>) -> Reply {
    let (path, body) = ids.right(operation);
    if operation.path != "/mcp" {
        return server.call(&operation.method, &path, key, &body).await;
    }
    // Its protocol wants to know what is sent and what is taken.
    let mut request = Request::builder().method("POST").uri(path).header("host", "localhost:7080");
    for (name, value) in [("content-type", "application/json"), ("accept", "application/json, text/event-stream")] {
        request = request.header(name, value);
    }
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

/// What the account has, for a look at whether it was changed.
async fn state(server: &Server) -> Vec<serde_json::Value> {
    let mut state = Vec::new();
    let lists = ["secrets", "bindings", "api-keys?limit=1000", "events?limit=1000", "gateway-configs", "devboxes", "requests"];
    for path in lists.map(|list| format!("/v1/{list}")) {
        state.push(server.get(&path).await.json());
    }
    state
}

#[tokio::test]
async fn what_needs_no_key_is_what_the_list_says() {
    let open: Vec<String> = operations().into_iter().filter(|operation| !operation.is_closed()).map(|operation| operation.path).collect();
    assert_eq!(open, OPEN);
    let server = Server::start();
    for path in OPEN {
        assert_eq!(server.call("GET", path, None, "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_nothing_is_done() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    let before = state(&server).await;
    for operation in closed() {
        ask(&server, &operation, &ids, None).await.is(401, "key_missing");
        ask(&server, &operation, &ids, Some("tlk_wrong")).await.is(401, "key_unknown");
        ask(&server, &operation, &ids, Some(&"x".repeat(5000))).await.is(401, "key_unknown");
        ask(&server, &operation, &ids, Some(&server.admin_key)).await.is(401, "admin_key_refused");
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test]
async fn a_key_without_the_routes_scope_does_nothing() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    let before = state(&server).await;
    for operation in closed() {
        let scope = operation.value["x-scope"].as_str().unwrap_or_else(|| panic!("{}: the document names no scope", operation.path));
        let key = &server.without[scope];
        ask(&server, &operation, &ids, Some(key)).await.is(403, "scope_missing");
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test]
async fn an_account_without_the_capability_does_nothing() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    for operation in closed() {
        ask(&server, &operation, &ids, Some(&server.poor)).await.is(403, "no_capability");
    }
}

#[tokio::test]
async fn another_accounts_key_sees_and_changes_nothing_here() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    let before = state(&server).await;
    for operation in closed() {
        let reply = ask(&server, &operation, &ids, Some(&server.stranger)).await;
        if operation.value["x-owner-only"] == true {
            reply.is(403, "owner_only");
        } else if operation.path.contains('{') {
            assert_eq!(reply.status, 404, "{} {}: {}", operation.method, operation.path, reply.text);
        } else {
            assert_eq!(reply.status, 200, "{} {}: {}", operation.method, operation.path, reply.text);
            for ours in [&ids.secret, &ids.config, &ids.devbox, &ids.execution, &ids.request, "TOKEN", "WANTED", server.owner.id.as_str()] {
                assert!(!reply.text.contains(ours), "{} {} shows {ours}: {}", operation.method, operation.path, reply.text);
            }
        }
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test]
async fn a_key_with_the_routes_scope_alone_is_enough() {
    for operation in closed() {
        let server = Server::start();
        let ids = Things::make(&server).await;
        let scope = operation.value["x-scope"].as_str().unwrap();
        let reply = ask(&server, &operation, &ids, Some(&server.only[scope])).await;
        // Whoever may make and revoke keys makes and revokes none that may more than itself.
        let beyond = operation.path.starts_with("/v1/api-keys") && reply.text.contains("scopes_exceed_key");
        assert!(reply.status == 200 || beyond, "{} {}: {}", operation.method, operation.path, reply.text);
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    let before = state(&server).await;
    for operation in operations() {
        let (path, _) = ids.right(&operation);
        let reply = server.call("HEAD", &path, Some(&server.key), "").await;
        let get = operations().iter().any(|other| other.path == operation.path && other.method == "GET");
        assert_eq!((reply.status.as_u16(), reply.text.is_empty() || !get), (if get { 200 } else { 405 }, true), "{path}");
        let closed = get && operation.is_closed();
        let unknown = server.call("HEAD", &path, None, "").await.status.as_u16();
        assert_eq!(unknown, if closed { 401 } else { reply.status.as_u16() }, "{path}");
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test]
async fn a_wrong_verb_does_nothing_and_no_page_is_let_in() {
    let server = Server::start();
    let ids = Things::make(&server).await;
    let before = state(&server).await;
    for operation in operations() {
        let (path, body) = ids.right(&operation);
        let here = |method: &str| operations().iter().any(|other| other.path == operation.path && other.method == method);
        for method in NO_VERBS.into_iter().chain(["GET", "POST"]).filter(|method| !here(method)) {
            let reply = server.call(method, &path, Some(&server.key), &body).await;
            reply.is(405, "method_unknown");
            assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{method} {path}");
        }
    }
    assert_eq!(state(&server).await, before);
}

#[test]
fn the_document_and_the_router_name_the_same_routes() {
    let mut document: Vec<(String, String)> = operations().into_iter().map(|operation| (operation.path, operation.method)).collect();
    // The delete of a secret whose name is `id`: in the document a delete by name and a get by id like any other.
    document.extend(["GET", "POST"].map(|method| ("/v1/secrets/id/delete".to_owned(), method.to_owned())));
    document.extend(PAGES.map(|(path, method)| (path.to_owned(), method.to_owned())));
    let mut routed = routed();
    document.sort();
    routed.sort();
    assert_eq!(document, routed);
}

/// A route is one line of the router: `.route("PATH", METHOD(handler).METHOD(handler))`.
fn routed() -> Vec<(String, String)> {
    let lines = include_str!("../src/rest/router.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
    let mut routes = Vec::new();
    for line in lines {
        let (path, methods) = line.split_once('"').unwrap();
        for method in ["get", "post", "put", "patch", "delete", "any"] {
            if methods.contains(&format!(" {method}(")) || methods.contains(&format!(".{method}(")) {
                routes.push((path.to_owned(), method.to_uppercase()));
            }
        }
    }
    routes
}
