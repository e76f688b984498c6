//! What looks like a value gets nowhere: not to the backend, not into an answer; and messages that are none are said to be so.

use mcp::{Tool, limits};
use serde_json::{Value, json};

use crate::table::{Mood, Table, anew, call, call_anew, post, right, send};

/// Looks like a value of a known kind, and like nothing else.
const CANARIES: [&str; 4] = [
    "ghp_abcdEFGH1234ijklMNOP5678qrstUVWX90yz",
    "sk_live_51CanaryCanary0123456789abcdefCanary",
    "f81d4fae7dec11d0a76500a0c91e6bf6aa55cc33",
    "the password is: hunter2canary",
];

/// Nothing of the canary is anywhere in the text.
fn is_free_of(text: &str, canary: &str) {
    for piece in canary.as_bytes().windows(10) {
        assert!(!text.contains(std::str::from_utf8(piece).unwrap()), "{text}");
    }
}

#[tokio::test]
async fn a_value_in_any_argument_of_any_tool_is_refused_in_both_revisions() {
    for canary in CANARIES {
        for tool in Tool::ALL {
            let known = tool.arguments().iter().copied();
            for argument in known.chain(["surplus"]) {
                for place in [json!(canary), json!([canary]), json!({ "deep": [{ "er": canary }] }), json!({ canary: 1 })] {
                    let mut arguments = right(tool.name());
                    arguments[argument] = place;
                    refused(tool.name(), arguments, canary).await;
                }
            }
            let mut arguments = right(tool.name());
            arguments[canary] = json!(true);
            refused(tool.name(), arguments, canary).await;
        }
    }
}

async fn refused(tool: &str, arguments: Value, canary: &str) {
    let older = (call(tool, arguments.clone()), Vec::new());
    let newer = (call_anew(tool, arguments, json!({ "elicitation": { "url": {} } })), anew(tool).to_vec());
    for (message, headers) in [older, newer] {
        let table = Table::new(Mood::Well);
        let (status, reply) = post(table.server(), &message, &headers).await;
        let result = &reply["result"];
        assert_eq!((status, &result["isError"]), (200, &json!(true)), "{message}: {reply}");
        assert_eq!(result["structuredContent"]["code"], "looks_like_secret", "{message}: {reply}");
        assert!(result["structuredContent"]["message"].as_str().unwrap().contains("rotate"));
        assert!(table.asked.lock().unwrap().is_empty(), "{message}");
        is_free_of(&reply.to_string(), canary);
    }
}

#[tokio::test]
async fn a_value_as_a_tool_method_address_or_field_is_refused() {
    for canary in CANARIES {
        let messages = [
            call(canary, json!({})),
            json!({ "jsonrpc": "2.0", "id": 1, "method": canary }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": format!("skill://{canary}/SKILL.md") } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "skills/get", "params": { "uri": canary } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "cursor": canary } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { canary: 1 } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", canary: 1 }),
            json!({ "jsonrpc": "2.0", "id": 1, "result": { "action": canary } }),
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "reason": canary } }),
            json!([call("list_secrets", json!({ "x": canary }))]),
        ];
        for message in messages {
            let table = Table::new(Mood::Well);
            let (status, reply) = post(table.server(), &message, &[]).await;
            assert!(status == 400 || status == 202 || reply["result"]["isError"] == true, "{message}: {status} {reply}");
            assert!(table.asked.lock().unwrap().is_empty());
            is_free_of(&reply.to_string(), canary);
        }
    }
}

#[tokio::test]
async fn a_text_longer_than_any_argument_is_refused_before_it_is_looked_at() {
    let long = "pwd=".repeat(1 + limits::TEXT_BYTES_MAX / 4);
    for place in [json!(long), json!([long]), json!({ &*long: 1 })] {
        let table = Table::new(Mood::Well);
        let (status, reply) = post(table.server(), &call("how_to_use", json!({ "name": place })), &[]).await;
        assert_eq!((status, &reply["result"]["structuredContent"]["code"]), (200, &json!("text_too_long")), "{reply}");
        assert!(table.asked.lock().unwrap().is_empty() && !reply.to_string().contains("pwd="), "{reply}");
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "skills/get", "params": { "uri": long } });
    let (status, reply) = post(Table::new(Mood::Well).server(), &message, &[]).await;
    assert_eq!((status, &reply["error"]["data"]["code"]), (400, &json!("text_too_long")), "{reply}");
}

#[tokio::test]
async fn messages_are_looked_through_where_nobody_else_waits() {
    let table = Table::new(Mood::Well);
    post(table.server(), &call("how_to_use", json!({ "name": "GITHUB_TOKEN" })), &[]).await;
    let (messages, calls) = (1, 1);
    assert_eq!(table.aside.load(std::sync::atomic::Ordering::Relaxed), messages + calls);
}

#[tokio::test]
async fn a_value_in_a_header_of_the_protocols_is_refused() {
    for name in ["mcp-method", "mcp-name", "mcp-protocol-version", "content-type"] {
        let table = Table::new(Mood::Well);
        let message = call_anew("list_secrets", json!({}), json!({}));
        let mut headers = anew("list_secrets").to_vec();
        headers.push((name, CANARIES[0]));
        let (status, reply) = post(table.server(), &message, &headers).await;
        assert_eq!((status, &reply["error"]["data"]["code"]), (400, &json!("header_illegal")), "{name}: {reply}");
        is_free_of(&reply.to_string(), CANARIES[0]);
        assert!(table.asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_member_that_is_named_twice_is_nobodys() {
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"request_status","arguments":{"id":"a"},"name":"request_access","arguments":{"host":"a.example.com","reason":"x"}}}"#;
    let table = Table::new(Mood::Well);
    let reply = send(table.server(), twice.as_bytes(), &[]).await;
    let said: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!((&said["error"]["code"], &said["error"]["data"]["code"]), (&json!(-32600), &json!("not_of_protocol")), "{said}");
    assert!(table.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_message_is_said_to_be_none() {
    let server = || Table::new(Mood::Well).server();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, status, code) in [
        (&b"zebra"[..], 400, "body_not_json"),
        (b"", 400, "body_not_json"),
        (b"\xff\xfe", 400, "body_not_json"),
        (deep.as_bytes(), 400, "body_not_json"),
        (b"17", 400, "not_of_protocol"),
        (b"[]", 400, "not_of_protocol"),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, "not_of_protocol"),
        (br#"["ghp_abcdEFGH1234ijklMNOP5678qrstUVWX90yz"]"#, 400, "looks_like_secret"),
        (&vec![b' '; limits::MESSAGE_BYTES_MAX + 1], 413, "body_too_large"),
    ] {
        let reply = send(server(), body, &[]).await;
        let said: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!((reply.status().as_u16(), &said["error"]["data"]["code"]), (status, &json!(code)), "{said}");
    }
    for (headers, status) in [
        ([("accept", "text/html")], 406),
        ([("content-type", "text/plain")], 415),
        ([("mcp-protocol-version", "1999-01-01")], 400),
        ([("origin", "https://zebra.example.com")], 403),
    ] {
        let (got, reply) = post(server(), &call("list_secrets", json!({})), &headers).await;
        assert_eq!(got, status, "{headers:?}: {reply}");
        assert!(!reply.to_string().contains("zebra") && reply["error"]["message"].is_string(), "{reply}");
    }
    for message in [json!({}), json!({ "jsonrpc": "2.0", "id": 1 }), json!({ "jsonrpc": "1.0", "id": 1, "method": "ping" }), json!([])] {
        let (status, reply) = post(server(), &message, &[]).await;
        assert!((400..500).contains(&status) && reply["error"]["message"].is_string(), "{message}: {status} {reply}");
    }
}

#[tokio::test]
async fn a_newer_message_must_say_everything_and_its_headers_the_same() {
    let server = || Table::new(Mood::Well).server();
    let whole = call_anew("list_secrets", json!({}), json!({}));
    for missing in ["clientCapabilities", "protocolVersion"] {
        let mut message = whole.clone();
        message["params"]["_meta"].as_object_mut().unwrap().remove(&format!("io.modelcontextprotocol/{missing}"));
        let (status, reply) = post(server(), &message, &anew("list_secrets")).await;
        assert!(status == 400 && reply["error"]["code"].is_number(), "{missing}: {status} {reply}");
    }
    for wrong in [("mcp-name", "how_to_use"), ("mcp-method", "tools/list")] {
        let mut headers = anew("list_secrets").to_vec();
        headers.push(wrong);
        let (status, reply) = post(server(), &whole, &headers).await;
        assert_eq!(status, 400, "{wrong:?}: {reply}");
        assert!(!reply.to_string().contains("how_to_use"), "{reply}");
    }
}
