//! What is told of the server and by each tool, in both revisions.

use mcp::Tool;
use serde_json::{Value, json};

use crate::table::{Mood, Table, anew, call, call_anew, post, right};

#[tokio::test]
async fn an_older_client_greets_and_is_told_what_there_is() {
    let table = Table::new(Mood::Well);
    for (asked, agreed) in [("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
        let greeting = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
        let (status, reply) = post(table.server(), &greeting, &[("mcp-protocol-version", asked)]).await;
        assert_eq!((status, &reply["result"]["protocolVersion"]), (200, &json!(agreed)), "{reply}");
        assert_eq!(reply["result"]["serverInfo"]["name"], "tightlip");
        assert!(reply["result"]["instructions"].as_str().unwrap().contains("placeholder"));
    }
    let (status, _) = post(table.server(), &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), &[]).await;
    assert_eq!(status, 202);
    let (status, reply) = post(table.server(), &json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }), &[]).await;
    assert_eq!((status, &reply["result"]), (200, &json!({})));
}

#[tokio::test]
async fn a_newer_client_discovers_without_a_greeting() {
    let mut message = call_anew("", json!({}), json!({}));
    message["method"] = json!("server/discover");
    message["params"] = json!({ "_meta": message["params"]["_meta"] });
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
    let (status, reply) = post(Table::new(Mood::Well).server(), &message, &headers).await;
    assert_eq!(status, 200, "{reply}");
    assert!(reply["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")));
    assert!(reply["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2025-11-25")));
}

#[tokio::test]
async fn every_tool_answers_as_its_schema_says_in_both_revisions() {
    for tool in Tool::ALL.map(Tool::name) {
        let table = Table::new(Mood::Well);
        let (_, listed) = post(table.server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }), &[]).await;
        let described = listed["result"]["tools"].as_array().unwrap().iter().find(|listed| listed["name"] == tool).unwrap().clone();
        let schema = jsonschema::validator_for(&described["outputSchema"]).unwrap();
        assert!(jsonschema::is_valid(&described["inputSchema"], &right(tool)), "{tool}");
        for (message, headers) in [(call(tool, right(tool)), Vec::new()), (call_anew(tool, right(tool), json!({})), anew(tool).to_vec())] {
            let (status, reply) = post(table.server(), &message, &headers).await;
            let result = &reply["result"];
            assert_eq!((status, &result["isError"]), (200, &json!(false)), "{tool}: {reply}");
            assert!(schema.is_valid(&result["structuredContent"]), "{tool}: {result}");
            let again: Value = serde_json::from_str(result["content"][1]["text"].as_str().unwrap()).unwrap();
            assert_eq!(again, result["structuredContent"], "{tool}");
            assert_eq!(result.get("resultType").is_some(), !headers.is_empty(), "{tool}: {result}");
        }
    }
}

#[tokio::test]
async fn an_error_says_what_mends_it_and_keeps_to_the_schema() {
    for (mood, code) in [(Mood::Away, "gateway_away"), (Mood::Denying, "secret_unknown")] {
        for tool in Tool::ALL.map(Tool::name) {
            let table = Table::new(mood);
            let (_, listed) = post(table.server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }), &[]).await;
            let described = listed["result"]["tools"].as_array().unwrap().iter().find(|listed| listed["name"] == tool).unwrap().clone();
            let (_, reply) = post(table.server(), &call(tool, right(tool)), &[]).await;
            let result = &reply["result"];
            assert_eq!((&result["isError"], &result["structuredContent"]["code"]), (&json!(true), &json!(code)), "{tool}: {reply}");
            assert!(jsonschema::is_valid(&described["outputSchema"], &result["structuredContent"]), "{tool}: {result}");
            assert!(result["content"][0]["text"].as_str().unwrap().starts_with(code), "{tool}");
        }
    }
}

#[tokio::test]
async fn how_to_use_names_the_variable_and_test_names_the_mend() {
    let table = Table::new(Mood::Well);
    let (_, reply) = post(table.server(), &call("how_to_use", right("how_to_use")), &[]).await;
    let advice = reply["result"]["structuredContent"]["advice"].as_array().unwrap();
    assert!(advice[0].as_str().unwrap().starts_with("api.github.com: put $GH_TOKEN into the header"), "{advice:?}");
    assert_eq!(advice[1], "*.example.com, GET,POST only, paths below /v1 only: send the header `x-api-key: $GH_TOKEN`");
    let (_, reply) = post(table.server(), &call("test_secret", right("test_secret")), &[]).await;
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("1 of 2 would pass.") && text.contains("tightlip bind NAME --host HOST"), "{text}");
}

#[tokio::test]
async fn the_skill_is_read_over_the_door() {
    let server = || Table::new(Mood::Well).server();
    let (_, listed) = post(server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/list" }), &[]).await;
    let resources = listed["result"]["resources"].as_array().unwrap();
    assert_eq!(resources.len(), skill::FILES.len());
    for (resource, file) in resources.iter().zip(skill::FILES) {
        let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": resource["uri"] } });
        let (_, read) = post(server(), &read, &[]).await;
        assert_eq!(read["result"]["contents"][0]["text"], file.text);
    }
    let (_, skills) = post(server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "skills/list" }), &[]).await;
    assert_eq!(skills["result"]["skills"][0]["frontmatter"]["name"], skill::NAME, "{skills}");
    let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "file:///etc/passwd" } });
    let (_, refused) = post(server(), &unknown, &[]).await;
    assert!(refused["error"]["code"].is_number() && !refused.to_string().contains("passwd"), "{refused}");
}
