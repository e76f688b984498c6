//! The table in `docs/scopes.md`, held to the document and to the server: every route with every scope alone, and with none.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use model::Scope;
use server::Server;
use server::document::{Operation, operations};
use server::things::Things;

const TABLE: &str = include_str!("../../../docs/scopes.md");

/// Method, path and scope of each row.
fn table() -> Vec<(String, String, Scope)> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
    rows.map(|(route, scope)| {
        let (method, path) = route.split_once(' ').unwrap();
        (method.to_owned(), path.to_owned(), scope.parse().unwrap())
    })
    .collect()
}

#[test]
fn the_table_and_the_document_name_the_same_scopes() {
    let mut documented: Vec<_> = operations()
        .into_iter()
        .filter(Operation::is_closed)
        .map(|operation| (operation.method, operation.path, operation.value["x-scope"].as_str().unwrap().parse::<Scope>().unwrap()))
        .collect();
    let mut table = table();
    let by_name = |row: &(String, String, Scope)| (row.1.clone(), row.0.clone());
    documented.sort_by_key(by_name);
    table.sort_by_key(by_name);
    assert_eq!(table, documented);
}

#[tokio::test]
async fn each_route_takes_its_scope_and_no_other() {
    let mut tried = 0;
    for (method, path, needed) in table() {
        let server = Server::start();
        let mut things = Things::make(&server).await;
        // A key that each of the single-scope keys could revoke, were it not for the route's scope.
        let weakest = server.post("/v1/api-keys", r#"{"name":"weakest","scopes":["keys"]}"#).await.json();
        things.key = weakest["api_key"]["id"].as_str().unwrap().to_owned();
        let operation = operations().into_iter().find(|operation| operation.path == path && operation.method == method).unwrap();
        let (path, body) = things.right(&operation);
        let body = if path == "/v1/api-keys" && method == "POST" { r#"{"scopes":["keys"]}"#.to_owned() } else { body };
        let ask = |key: String| {
            let (server, method, path, body) = (&server, method.clone(), path.clone(), body.clone());
            async move { server.call(&method, &path, Some(&key), &body).await }
        };
        for scope in Scope::ALL.into_iter().filter(|scope| *scope != needed) {
            ask(server.only[scope.as_str()].clone()).await.is(403, "scope_missing");
            tried += 1;
        }
        ask(server.without[needed.as_str()].clone()).await.is(403, "scope_missing");
        ask(server.poor.clone()).await.is(403, "no_capability");
        let reply = ask(server.only[needed.as_str()].clone()).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
    }
    assert_eq!(tried, table().len() * 3);
}
