//! The document in its two forms, the schema of a secret, and how the document differs from the published one that clients were written for.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/document.rs"]
mod document;

use std::collections::BTreeSet;

use api::rest::documents::{OPENAPI_YAML, SECRET_SCHEMA};
use document::{DOCUMENT, modern, operations};
use serde_json::{Value, json};

/// Published by others, as it was given.
const GIVEN: &str = include_str!("given/runloop-secrets-api-openapi.yml");
/// Every difference, with its reason.
const DIFFERENCES: &str = include_str!("../../../docs/openapi-differences.md");

#[test]
fn the_json_is_made_of_the_yaml() {
    let yaml: Value = serde_saphyr::from_str(OPENAPI_YAML).unwrap();
    assert!(yaml == *DOCUMENT, "run `cargo xtask openapi`");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_answers() {
    let mut names = BTreeSet::new();
    for operation in operations() {
        let at = format!("{} {}", operation.method, operation.path);
        assert!(names.insert(operation.value["operationId"].as_str().unwrap().to_owned()), "{at}: the same operationId twice");
        assert!(operation.value["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{at}: no summary");
        let needed: &[&str] = if operation.is_closed() { &["200", "401", "403", "429", "500", "503"] } else { &["200", "403"] };
        for status in needed {
            assert!(operation.value["responses"].get(*status).is_some(), "{at}: does not tell of {status}");
        }
    }
}

#[test]
fn no_answer_has_a_place_for_a_value() {
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let taken = name.ends_with("Parameters");
        let has_value = schema["properties"].get("value").is_some();
        // What stands in a header of a gateway config as it is was never a secret: a secret is named there by its id.
        assert!(taken || !has_value || name == "CustomHeaderView", "{name} shows a value");
        // What stands in a message of an agent's is its protocol's to say, and each tool's schemas are held by the door's own tests.
        if !taken && schema["type"] == "object" && !["EmptyRecord", "McpMessage"].contains(&name.as_str()) {
            assert_eq!(schema["additionalProperties"], false, "{name} may show more than it says");
        }
    }
}

#[test]
fn the_secret_schema_says_what_the_document_says() {
    let schema: Value = serde_json::from_str(SECRET_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let bare = |value: &Value| -> Value {
        let text = serde_json::to_string(&without_prose(value)).unwrap();
        serde_json::from_str(&text.replace("#/components/schemas/", "#/$defs/")).unwrap()
    };
    for (name, ours) in schema["$defs"].as_object().unwrap() {
        assert_eq!(bare(ours), bare(&modern(&DOCUMENT["components"]["schemas"][name])), "{name}");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut secret = json!({ "id": "sec_000000000000000000000", "name": "A", "create_time_ms": 1, "update_time_ms": 2 });
    assert!(validator.is_valid(&secret));
    secret["value"] = json!("v");
    assert!(!validator.is_valid(&secret));
}

#[test]
fn each_difference_from_the_published_document_is_listed_with_its_reason() {
    let given: Value = serde_saphyr::from_str(GIVEN).unwrap();
    let mut found = BTreeSet::new();
    for (path, item) in given["paths"].as_object().unwrap() {
        for (method, theirs) in item.as_object().unwrap() {
            let ours = DOCUMENT["paths"][path].get(method).unwrap_or_else(|| panic!("{method} {path} is missing"));
            compare(&format!("{} {path}", method.to_uppercase()), &flat(theirs, &given), &flat(ours, &DOCUMENT), &mut found);
        }
    }
    for (name, theirs) in given["components"]["schemas"].as_object().unwrap() {
        compare(name, theirs, &DOCUMENT["components"]["schemas"][name], &mut found);
    }
    let listed: BTreeSet<String> = DIFFERENCES
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(difference, reason)| {
            assert!(reason.trim_end_matches('|').trim().len() > 10, "{difference}: no reason");
            difference.to_owned()
        })
        .collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "not listed: {new:#?}\nlisted, and no difference: {gone:#?}");
}

/// An operation without references, its parameters by name.
fn flat(operation: &Value, document: &Value) -> Value {
    let resolve = |value: &Value| match value["$ref"].as_str() {
        Some(pointer) => document.pointer(&pointer[1..]).unwrap().clone(),
        None => value.clone(),
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
        let parameter = resolve(parameter);
        (
            parameter["name"].as_str().unwrap().to_owned(),
            json!({ "in": parameter["in"], "required": parameter["required"], "schema": parameter["schema"] }),
        )
    });
    let responses = operation["responses"].as_object().unwrap().iter().map(|(status, response)| {
        let content = resolve(response)["content"]["application/json"]["schema"].clone();
        (status.clone(), if content.is_null() { json!({}) } else { json!({ "schema": content }) })
    });
    json!({
        "parameters": parameters.collect::<serde_json::Map<_, _>>(),
        "body": { "required": operation["requestBody"]["required"], "schema": operation["requestBody"]["content"]["application/json"]["schema"] },
        "responses": responses.collect::<serde_json::Map<_, _>>(),
    })
}

/// Names every place where two values differ, prose apart.
fn compare(at: &str, theirs: &Value, ours: &Value, found: &mut BTreeSet<String>) {
    let (theirs, ours) = (without_prose(theirs), without_prose(ours));
    match (&theirs, &ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                compare(&format!("{at} {key}"), a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        _ if theirs == ours => {}
        (Value::Null, _) => {
            found.insert(format!("{at}: ours only"));
        }
        (_, Value::Null) => {
            found.insert(format!("{at}: theirs only"));
        }
        _ => {
            found.insert(format!("{at}: {theirs} there, {ours} here"));
        }
    }
}

/// A schema without what is for people only.
fn without_prose(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, value)| {
                let prose = matches!(key.as_str(), "description" | "summary" | "title" | "format" | "default" | "writeOnly" | "example");
                !prose || !(value.is_string() || value.is_boolean() || value.is_number())
            });
            kept.map(|(key, value)| (key.clone(), without_prose(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_prose).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
