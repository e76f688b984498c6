//! No tool has a value in or out: every property of every schema stands in a list, and the list has no room for one.

use std::collections::BTreeSet;

use mcp::Tool;
use serde_json::{Value, json};

use crate::table::{Mood, Table, post};

/// Everything that tools take.
const TAKEN: [&str; 10] = ["form", "host", "hosts", "id", "limit", "method", "methods", "name", "path", "reason"];
/// Everything that they give. A placeholder is no value: it is made for one devbox, and worth nothing elsewhere.
const GIVEN: [&str; 31] = [
    "advice",
    "bindings",
    "code",
    "command",
    "count",
    "created_ms",
    "entry_url",
    "env",
    "expires_ms",
    "form",
    "host",
    "hosts",
    "id",
    "kind",
    "mend",
    "message",
    "methods",
    "name",
    "passes",
    "path",
    "placeholder",
    "port",
    "refusal",
    "refusals",
    "request",
    "results",
    "secret",
    "secrets",
    "status",
    "time_ms",
    "wants",
];
/// What a property of a value would be called.
const VALUES: [&str; 12] =
    ["value", "secret_value", "password", "passphrase", "token", "credential", "api_key", "apikey", "plaintext", "key", "bearer", "auth"];

async fn tools() -> Vec<Value> {
    let (_, listed) = post(Table::new(Mood::Well).server(), &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }), &[]).await;
    listed["result"]["tools"].as_array().unwrap().clone()
}

/// The names of all properties, however deep; every object must be closed.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(here)) = object.get("properties") {
                assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "an open object: {schema}");
                names.extend(here.keys().cloned());
            }
            assert!(!object.contains_key("patternProperties") && !object.contains_key("$ref"), "{schema}");
            object.values().for_each(|below| properties(below, names));
        }
        Value::Array(list) => list.iter().for_each(|below| properties(below, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn no_tool_takes_or_gives_a_value() {
    let (mut taken, mut given) = (BTreeSet::new(), BTreeSet::new());
    for tool in tools().await {
        properties(&tool["inputSchema"], &mut taken);
        properties(&tool["outputSchema"], &mut given);
    }
    let given_known: BTreeSet<String> = GIVEN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(taken, TAKEN.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(given, given_known);
    for name in taken.iter().chain(&given) {
        assert!(!VALUES.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn every_schema_is_one_and_says_what_the_tool_takes() {
    for (tool, listed) in Tool::ALL.into_iter().zip(tools().await) {
        assert_eq!(listed["name"], tool.name());
        for schema in ["inputSchema", "outputSchema"] {
            jsonschema::meta::validate(&listed[schema]).unwrap_or_else(|error| panic!("{}: {error}", tool.name()));
        }
        let names: BTreeSet<&str> = listed["inputSchema"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, tool.arguments().iter().copied().collect(), "{}", tool.name());
    }
}

#[tokio::test]
async fn the_annotations_are_true() {
    for tool in tools().await {
        let annotations = &tool["annotations"];
        assert_eq!((&annotations["destructiveHint"], &annotations["openWorldHint"]), (&json!(false), &json!(false)), "{tool}");
        let asks = tool["name"] == "request_secret" || tool["name"] == "request_access";
        assert_eq!(annotations["readOnlyHint"], !asks, "{tool}");
        assert_eq!(annotations["idempotentHint"], tool["name"] != "request_secret", "{tool}");
    }
}
