//! `/v1/gateway-configs`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use server::things::GATEWAY_CONFIG;
use server::{CANARY, Reply, Server};

fn plan(change: impl FnOnce(&mut Value)) -> String {
    let mut plan = json!({ "name": "mine", "endpoint": "https://api.example.com", "auth_mechanism": { "type": "bearer" } });
    change(&mut plan);
    plan.to_string()
}

async fn numbered(server: &Server, path: &str, number: &str, body: &str) -> Reply {
    let request = Request::post(path).header("host", "localhost").header("authorization", format!("Bearer {}", server.key));
    server.send(request.header("x-request-id", number).body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_body_that_is_no_gateway_config_is_refused_with_what_mends_it() {
    let server = Server::start();
    server.create("TOKEN").await;
    let header = |content: Value| json!([{ "name": "x-a", "value": "1" }, content]);
    for (body, code) in [
        (String::new(), "body_not_json"),
        ("[]".into(), "body_shape"),
        (format!(r#"{{"name":["{CANARY}"]}}"#), "body_shape"),
        (plan(|plan| plan["name"] = Value::Null), "name_missing"),
        (plan(|plan| plan["name"] = "".into()), "name_missing"),
        (plan(|plan| plan["name"] = format!("{CANARY}\n").into()), "name_illegal"),
        (plan(|plan| plan["endpoint"] = Value::Null), "endpoint_missing"),
        (plan(|plan| plan["endpoint"] = format!("http://{CANARY}.example.com").into()), "endpoint_invalid"),
        (plan(|plan| plan["endpoint"] = "https://127.0.0.1".into()), "endpoint_invalid"),
        (plan(|plan| plan["auth_mechanism"] = Value::Null), "auth_mechanism_missing"),
        (plan(|plan| plan["auth_mechanism"] = json!({ "type": CANARY })), "auth_mechanism_invalid"),
        (plan(|plan| plan["auth_mechanism"] = json!({})), "auth_mechanism_invalid"),
        (plan(|plan| plan["auth_mechanism"] = json!({ "type": "header" })), "auth_mechanism_invalid"),
        (plan(|plan| plan["auth_mechanism"] = json!({ "type": "bearer", "key": "x-a" })), "auth_mechanism_invalid"),
        (plan(|plan| plan["auth_mechanism"] = json!({ "type": "header", "key": "Host" })), "header_invalid"),
        (plan(|plan| plan["description"] = "\u{0}".into()), "description_invalid"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "x-b" }))), "header_invalid"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "x-b", "value": "1", "secret": "TOKEN" }))), "header_invalid"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "value": "1" }))), "header_invalid"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "x-b", "value": "1\r\nx: 2" }))), "header_invalid"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "X-A", "value": "2" }))), "header_twice"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "Authorization", "value": "2" }))), "header_twice"),
        (plan(|plan| plan["custom_headers"] = header(json!({ "name": "x-b", "secret": CANARY }))), "header_secret_unknown"),
        (plan(|plan| plan["custom_headers"] = json!(vec![json!({ "name": "x-a", "value": "1" }); 9])), "custom_headers_too_many"),
    ] {
        server.post("/v1/gateway-configs", &body).await.is(400, code);
    }
    let foreign = server.call("POST", "/v1/secrets", Some(&server.stranger), r#"{"name":"THEIRS","value":"some value"}"#).await.text("id");
    for theirs in ["THEIRS", &foreign] {
        let body = plan(|plan| plan["custom_headers"] = json!([{ "name": "x-b", "secret": theirs }]));
        server.post("/v1/gateway-configs", &body).await.is(400, "header_secret_unknown");
    }
    assert_eq!(server.get("/v1/gateway-configs").await.json()["total_count"], 2);
}

#[tokio::test]
async fn what_every_account_has_is_listed_last_and_cannot_be_changed() {
    let server = Server::start();
    let listed = server.get("/v1/gateway-configs").await;
    assert_eq!(listed.each("gateway_configs", "name"), ["openai", "anthropic"]);
    for id in listed.each("gateway_configs", "id") {
        let one = server.get(&format!("/v1/gateway-configs/{id}")).await.json();
        assert!(one.get("account_id").is_none());
        server.post(&format!("/v1/gateway-configs/{id}"), r#"{"name":"other"}"#).await.is(403, "gateway_config_fixed");
        server.post(&format!("/v1/gateway-configs/{id}/delete"), "").await.is(403, "gateway_config_fixed");
    }
    assert_eq!(server.get("/v1/gateway-configs").await.json(), listed.json());
}

#[tokio::test]
async fn a_gateway_config_lives_from_its_creation_to_its_end() {
    let server = Server::start();
    let secret = server.create("TOKEN").await.text("id");
    let made = server.post("/v1/gateway-configs", GATEWAY_CONFIG).await.json();
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/gateway-configs/{id}");
    assert_eq!(
        made,
        json!({
            "id": id,
            "name": "mine",
            "endpoint": "https://api.example.com/v1",
            "auth_mechanism": { "type": "header", "key": "x-api-key" },
            "create_time_ms": made["create_time_ms"],
            "account_id": server.owner.id,
            "description": "what it is for",
            "custom_headers": [{ "name": "x-second", "secret": secret }, { "name": "x-version", "value": "1" }],
        })
    );
    assert_eq!(server.get(&path).await.json(), made);
    let by_id = json!({ "custom_headers": [{ "name": "x-second", "secret": secret }] });
    assert_eq!(server.post(&path, &by_id.to_string()).await.json()["custom_headers"], by_id["custom_headers"]);
    let changed = server.post(&path, r#"{"auth_mechanism":{"type":"basic"},"custom_headers":[],"name":null}"#).await.json();
    assert_eq!((&changed["auth_mechanism"], &changed["custom_headers"]), (&json!({ "type": "basic" }), &json!([])));
    assert_eq!((&changed["name"], &changed["endpoint"], &changed["description"]), (&made["name"], &made["endpoint"], &made["description"]));
    assert_eq!(server.post(&format!("{path}/delete"), "{}").await.json(), changed);
    server.get(&path).await.is(404, "gateway_config_unknown");
    server.post(&path, "{}").await.is(404, "gateway_config_unknown");
    server.post(&format!("{path}/delete"), "").await.is(404, "gateway_config_unknown");
    server.get("/v1/gateway-configs/no-id").await.is(404, "gateway_config_unknown");
    let events = server.get("/v1/events?limit=100").await;
    let kinds = events.each("events", "kind");
    let told: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| kind.starts_with("gateway")).collect();
    assert_eq!(told, ["gateway_config_created", "gateway_config_updated", "gateway_config_updated", "gateway_config_deleted"]);
    assert_eq!(events.each("events", "gateway").iter().filter(|gateway| gateway.as_str() == id).count(), 4);
}

#[tokio::test]
async fn the_list_is_paged_and_found_by_a_part_of_a_name() {
    let server = Server::start();
    for name in ["one", "two", "Anthropic too"] {
        let made = server.post("/v1/gateway-configs", &plan(|plan| plan["name"] = name.into())).await;
        assert_eq!(made.status, 200, "{}", made.text);
    }
    let first = server.get("/v1/gateway-configs?limit=2").await;
    assert_eq!(first.each("gateway_configs", "name"), ["Anthropic too", "two"]);
    assert_eq!((&first.json()["has_more"], &first.json()["total_count"]), (&json!(true), &json!(5)));
    let last = first.each("gateway_configs", "id").pop().unwrap();
    let rest = server.get(&format!("/v1/gateway-configs?starting_after={last}")).await;
    assert_eq!(rest.each("gateway_configs", "name"), ["one", "openai", "anthropic"]);
    let found = server.get("/v1/gateway-configs?name=anthropic").await;
    assert_eq!(found.each("gateway_configs", "name"), ["Anthropic too", "anthropic"]);
    assert_eq!(found.json()["total_count"], 2);
    server.get("/v1/gateway-configs?limit=-1").await.is(400, "limit_invalid");
    server.get("/v1/gateway-configs?starting_after=sec_000000000000000000000").await.is(400, "starting_after_invalid");
    server.get(&format!("/v1/gateway-configs?name={}", "x".repeat(101))).await.is(400, "name_invalid");
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_body_is_another_request() {
    let server = Server::start();
    let made = numbered(&server, "/v1/gateway-configs", "1", &plan(|_| {})).await.json();
    assert_eq!(numbered(&server, "/v1/gateway-configs", "1", &plan(|_| {})).await.json(), made);
    let other = numbered(&server, "/v1/gateway-configs", "1", &plan(|plan| plan["name"] = "other".into())).await.json();
    assert_ne!(other["id"], made["id"]);
    let delete = format!("/v1/gateway-configs/{}/delete", made["id"].as_str().unwrap());
    assert_eq!(numbered(&server, &delete, "2", "").await.json(), made);
    assert_eq!(numbered(&server, &delete, "2", "").await.json(), made);
    numbered(&server, &delete, "3", "").await.is(404, "gateway_config_unknown");
    assert_eq!(server.get("/v1/gateway-configs").await.json()["total_count"], 3);
}
