//! What a call becomes, and bad input on every tool: a clear answer, nothing asked of the backend, and no word of what was sent.

use link::agents::AgentVerb;
use mcp::Tool;
use model::Form;
use serde_json::{Value, json};

use crate::table::{Mood, Table, call, post, right};

/// The error of a call; nothing may have been asked.
async fn refused(tool: &str, arguments: Value) -> (String, String) {
    let table = Table::new(Mood::Well);
    let (status, reply) = post(table.server(), &call(tool, arguments.clone()), &[]).await;
    let result = &reply["result"];
    assert_eq!((status, &result["isError"]), (200, &json!(true)), "{tool} {arguments}: {reply}");
    assert!(table.asked.lock().unwrap().is_empty(), "{tool} {arguments}");
    let text = |key: &str| result["structuredContent"][key].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

#[tokio::test]
async fn what_is_missing_or_unknown_is_named() {
    for (tool, missing) in [
        ("how_to_use", "name"),
        ("test_secret", "name"),
        ("request_secret", "name"),
        ("request_secret", "hosts"),
        ("request_secret", "reason"),
        ("request_access", "host"),
        ("request_access", "reason"),
        ("request_status", "id"),
    ] {
        for absent in [None, Some(Value::Null)] {
            let mut arguments = right(tool);
            match absent {
                None => drop(arguments.as_object_mut().unwrap().remove(missing)),
                Some(null) => arguments[missing] = null,
            }
            let (code, message) = refused(tool, arguments).await;
            assert_eq!(code, "argument_missing", "{tool} {missing}");
            assert!(message.contains(&format!("`{missing}`")), "{message}");
        }
    }
    for tool in Tool::ALL {
        let mut arguments = right(tool.name());
        arguments["surplus"] = json!("more");
        let (code, message) = refused(tool.name(), arguments).await;
        assert_eq!(code, "argument_unknown");
        assert!(!message.contains("surplus") && tool.arguments().iter().all(|argument| message.contains(argument)), "{message}");
    }
}

#[tokio::test]
async fn what_is_not_right_is_said_without_an_echo() {
    let long = "a".repeat(1100);
    let many: Vec<String> = (0..21).map(|number| format!("host{number}.example.com")).collect();
    for (tool, argument, wrong) in [
        ("how_to_use", "name", json!("zebra crossing")),
        ("how_to_use", "name", json!(17)),
        ("how_to_use", "name", json!(["zebra"])),
        ("how_to_use", "name", json!("")),
        ("test_secret", "host", json!("https://zebra.example.com/")),
        ("test_secret", "host", json!("10.0.0.1")),
        ("test_secret", "method", json!("GET,POST")),
        ("test_secret", "method", json!("CONNECT")),
        ("test_secret", "path", json!("zebra")),
        ("test_secret", "path", json!("/zebra?x=1")),
        ("my_refusals", "limit", json!(0)),
        ("my_refusals", "limit", json!(201)),
        ("my_refusals", "limit", json!(-1)),
        ("my_refusals", "limit", json!(1.5)),
        ("my_refusals", "limit", json!("zebra")),
        ("request_secret", "hosts", json!([])),
        ("request_secret", "hosts", json!("zebra.example.com")),
        ("request_secret", "hosts", json!(["*.com"])),
        ("request_secret", "hosts", json!([17])),
        ("request_secret", "hosts", json!(many)),
        ("request_secret", "form", json!("zebra")),
        ("request_secret", "form", json!("header:host")),
        ("request_secret", "reason", json!("zebra\u{1b}[31m")),
        ("request_secret", "reason", json!(long)),
        ("request_access", "host", json!("*.*.example.com")),
        ("request_access", "methods", json!("GET")),
        ("request_access", "methods", json!(["zebra zebra"])),
        ("request_access", "methods", json!([1])),
        ("request_status", "id", json!("zebra")),
        ("request_status", "id", json!("sec_0UHQpqQ3K0m7W2xT5yBcD")),
    ] {
        let mut arguments = right(tool);
        arguments[argument] = wrong.clone();
        let (code, message) = refused(tool, arguments).await;
        assert_eq!(code, "argument_illegal", "{tool} {argument} {wrong}: {message}");
        assert!(message.contains(&format!("`{argument}`")) && !message.contains("zebra"), "{message}");
    }
    let mut blank = right("request_secret");
    blank["reason"] = json!("   ");
    assert_eq!(refused("request_secret", blank).await.0, "argument_missing");
}

#[tokio::test]
async fn a_call_becomes_what_it_says() {
    let table = Table::new(Mood::Well);
    for tool in Tool::ALL.map(Tool::name) {
        post(table.server(), &call(tool, right(tool)), &[]).await;
    }
    let asked = table.asked.lock().unwrap();
    let [
        AgentVerb::ListSecrets,
        AgentVerb::HowToUse { .. },
        AgentVerb::TestSecret { method, path, .. },
        AgentVerb::MyRefusals { limit: 5 },
        AgentVerb::RequestSecret { hosts, form: Some(Form::Bearer), reason, .. },
        AgentVerb::RequestAccess { secret: Some(_), methods, .. },
        AgentVerb::RequestStatus { .. },
    ] = &asked[..]
    else {
        panic!("{asked:?}")
    };
    assert_eq!((method.as_deref(), path.as_deref()), (Some("GET"), Some("/user")));
    assert_eq!((hosts.len(), reason.as_str(), methods.to_string().as_str()), (1, "to deploy", "POST"));
}

#[tokio::test]
async fn a_tool_or_method_that_there_is_not_is_said_without_an_echo() {
    let server = || Table::new(Mood::Well).server();
    let (_, reply) = post(server(), &call("zebra", json!({})), &[]).await;
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    let (_, other) = post(server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "zebra/list" }), &[]).await;
    assert_eq!(other["error"]["code"], -32601, "{other}");
    for text in [reply.to_string(), other.to_string()] {
        assert!(!text.contains("zebra"), "{text}");
    }
}
