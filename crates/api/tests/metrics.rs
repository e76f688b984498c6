//! `GET /metrics`, and the number that every answer carries.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use std::collections::HashSet;

use server::Server;

/// The figure of this name and labels.
fn figure(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|found| found.strip_prefix(line).and_then(|rest| rest.strip_prefix(' ')));
    found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn another_accounts_key_sees_no_figures() {
    let server = Server::start();
    server.call("GET", "/metrics", None, "").await.is(401, "key_missing");
    server.call("GET", "/metrics", Some(&server.stranger), "").await.is(403, "owner_only");
}

#[tokio::test]
async fn what_was_asked_and_refused_is_counted_by_our_own_words() {
    let server = Server::start();
    server.create("A").await;
    server.create("B").await;
    server.get("/v1/secrets/NONE").await.is(404, "secret_unknown");
    server.get("/canary-path/canary").await.is(404, "route_unknown");
    server.call("CANARY", "/v1/secrets", Some(&server.key), "").await.is(405, "method_unknown");
    let reply = server.get("/metrics").await;
    assert_eq!(reply.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = reply.text;
    assert!(text.ends_with("# EOF\n"));
    let requests = |labels: &str| figure(&text, &format!("tightlip_http_requests_total{{{labels}}}"));
    assert_eq!(requests(r#"method="POST",route="/v1/secrets",status="200""#), 2.0);
    assert_eq!(requests(r#"method="GET",route="/v1/secrets/{name}",status="404""#), 1.0);
    assert_eq!(requests(r#"method="GET",route="none",status="404""#), 1.0);
    assert_eq!(requests(r#"method="other",route="/v1/secrets",status="405""#), 1.0);
    assert_eq!(figure(&text, r#"tightlip_http_problems_total{code="secret_unknown"}"#), 1.0);
    assert_eq!(figure(&text, r#"tightlip_http_request_seconds_count{route="/v1/secrets"}"#), 3.0);
    assert_eq!(figure(&text, "tightlip_store_changes_total"), 2.0);
    assert!((1.0..=2.0).contains(&figure(&text, "tightlip_store_commits_total")));
    assert_eq!(figure(&text, "tightlip_gateway_up"), 1.0);
    assert_eq!(figure(&text, "tightlip_gateway_devboxes"), 0.0);
    assert_eq!(figure(&text, "tightlip_gateway_event_lag_seconds"), 0.0);
}

#[tokio::test]
async fn a_gateway_that_is_away_hides_no_other_figure() {
    let (server, end) = Server::start_alone();
    drop(end);
    let text = server.get("/metrics").await.text;
    assert_eq!(figure(&text, "tightlip_gateway_up"), 0.0);
    assert_eq!(figure(&text, "tightlip_store_changes_total"), 0.0);
}

#[tokio::test]
async fn every_answer_has_a_number_of_its_own() {
    let server = Server::start();
    let mut numbers = HashSet::new();
    for path in ["/healthz", "/v1/secrets", "/v1/secrets/NONE", "/nowhere", "/healthz"] {
        let reply = server.get(path).await;
        let number = reply.headers["x-tightlip-request"].to_str().unwrap().to_owned();
        assert!(number.starts_with("req_") && number.len() == 26, "{number}");
        assert!(numbers.insert(number));
    }
}
