//! The capability of `capability/tightlip.yaml`: valid by its published schema, of operations that are the document's, and with no way in or out for a value.
//! Its published rules are held by `scripts/test-documents`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/document.rs"]
mod document;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use document::{DOCUMENT, operations, resolve};
use serde_json::Value;

static CAPABILITY: LazyLock<Value> = LazyLock::new(|| serde_saphyr::from_str(include_str!("../../../capability/tightlip.yaml")).unwrap());
/// Published by others, as it was released: `tests/documents/vendor/ikanos/README.md`.
const SCHEMA: &str = include_str!("../../../tests/documents/vendor/ikanos/schemas/ikanos-schema.json");
/// What may be done through it, each by an operation of the document. A value is stored by a person.
const OFFERED: [(&str, &str); 6] = [
    ("delete-secret", "deleteSecret"),
    ("get-bindings", "getBindings"),
    ("get-request", "getRequest"),
    ("get-secret", "getSecret"),
    ("list-requests", "listRequests"),
    ("list-secrets", "listSecrets"),
];
/// What a caller may fill in.
const PARAMETERS: [&str; 4] = ["id", "limit", "name", "starting_after"];

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Every text of it, with where it stands.
fn texts(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| texts(item, &format!("{at}/{index}"), found)),
        Value::Object(members) => members.iter().for_each(|(name, member)| texts(member, &format!("{at}/{name}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names of all that an output or an answer shows.
fn shown(value: &Value, found: &mut BTreeSet<String>) {
    let value = resolve(value);
    for (name, property) in entries(&value["properties"]) {
        found.insert(name.clone());
        shown(property, found);
    }
    for below in [&value["items"], &value[0]] {
        if !below.is_null() {
            shown(below, found);
        }
    }
}

/// What it consumes: the name, the method and the path as the document has it, and all of the operation.
fn consumed() -> Vec<(String, String, String, Value)> {
    let resources = CAPABILITY["capability"]["consumes"].as_array().unwrap().iter().flat_map(|one| entries(&one["resources"]));
    let one = |(_, resource): (&String, &Value)| -> Vec<(String, String, String, Value)> {
        let path = resource["path"].as_str().unwrap().replace("{{", "{").replace("}}", "}");
        let operation =
            |(name, one): (&String, &Value)| (name.clone(), one["method"].as_str().unwrap().to_owned(), path.clone(), one.clone());
        entries(&resource["operations"]).map(operation).collect()
    };
    resources.flat_map(one).collect()
}

/// With its parameters' names left out: `/v1/secrets/{}`.
fn shape(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn it_is_valid_by_its_published_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["properties"]["ikanos"]["const"], CAPABILITY["ikanos"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&CAPABILITY).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut broken = CAPABILITY.clone();
    broken["capability"]["exposes"][0]["port"] = "none".into();
    assert!(!validator.is_valid(&broken), "the schema holds it to nothing");
}

#[test]
fn what_it_consumes_is_the_documents_and_stores_nothing() {
    let mut found = Vec::new();
    for (name, method, path, operation) in consumed() {
        let ours = operations().into_iter().find(|ours| ours.method == method && shape(&ours.path) == shape(&path));
        let ours = ours.unwrap_or_else(|| panic!("{method} {path} is not in the document"));
        assert!(operation.get("body").is_none(), "{name} sends a body");
        for (parameter, place) in entries(&operation["inputParameters"]) {
            assert!(PARAMETERS.contains(&parameter.as_str()) && place.get("value").is_none(), "{name} sends {parameter}");
        }
        found.push((name, ours.value["operationId"].as_str().unwrap().to_owned()));
    }
    found.sort();
    assert_eq!(found, OFFERED.map(|(name, id)| (name.to_owned(), id.to_owned())));
}

#[test]
fn it_fills_in_a_credential_of_its_own_or_a_name_and_nothing_else() {
    let mut all = Vec::new();
    texts(&CAPABILITY, "", &mut all);
    let mut filled = 0;
    for (at, text) in all.iter().filter(|(_, text)| text.contains("{{") || text.contains("$env") || text.contains("$this")) {
        let is_right = match text.as_str() {
            "{{TIGHTLIP_API_KEY}}" => at == "/capability/consumes/0/authentication/token",
            "{{CAPABILITY_TOKEN}}" => at.starts_with("/capability/exposes/") && at.ends_with("/authentication/token"),
            _ => {
                let is_named = text.contains("{{name}}") || text.contains("/requests/{{id}}");
                at.ends_with("/path") && text.matches("{{").count() == 1 && is_named && !text.contains('$')
            }
        };
        assert!(is_right, "{text} at {at}");
        filled += 1;
    }
    assert!(filled >= 11, "{filled}");
    for binding in CAPABILITY["binds"].as_array().unwrap() {
        assert!(binding.get("location").is_none(), "the runtime's environment alone gives credentials");
        assert_eq!(entries(&binding["keys"]).map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["CAPABILITY_TOKEN", "TIGHTLIP_API_KEY"]);
    }
}

#[test]
fn no_operation_takes_or_shows_more_than_the_document_does() {
    let flows = &CAPABILITY["capability"]["aggregates"][0]["flows"];
    assert_eq!(entries(flows).map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), OFFERED.map(|(name, _)| name).into());
    for (name, flow) in entries(flows) {
        let (_, id) = OFFERED.iter().find(|(offered, _)| offered == name).unwrap();
        assert_eq!(flow["call"], format!("tightlip.{name}"));
        let ours = operations().into_iter().find(|ours| ours.value["operationId"] == *id).unwrap();
        let (mut told, mut may) = (BTreeSet::new(), BTreeSet::new());
        shown(&flow["outputParameters"], &mut told);
        shown(&ours.value["responses"]["200"]["content"]["application/json"]["schema"], &mut may);
        assert!(!told.is_empty() && told.is_subset(&may), "{name} shows {told:?} of {may:?}");
        for (parameter, _) in entries(&flow["inputParameters"]) {
            assert!(PARAMETERS.contains(&parameter.as_str()), "{name} takes {parameter}");
        }
    }
    assert!(!DOCUMENT["components"]["schemas"]["SecretView"]["properties"].as_object().unwrap().contains_key("value"));
}

#[test]
fn it_is_exposed_as_rest_tools_and_skill_alike_to_callers_with_a_token() {
    let offered: BTreeSet<String> = OFFERED.map(|(name, _)| name.to_owned()).into();
    let exposes = CAPABILITY["capability"]["exposes"].as_array().unwrap();
    assert_eq!(exposes.iter().map(|one| one["type"].as_str().unwrap()).collect::<Vec<_>>(), ["rest", "mcp", "skill"]);
    for one in exposes {
        assert_eq!((&one["address"], &one["authentication"]["type"]), (&"127.0.0.1".into(), &"bearer".into()), "{}", one["namespace"]);
        let mut names = BTreeSet::new();
        for (_, resource) in entries(&one["resources"]) {
            names.extend(entries(&resource["operations"]).map(|(name, _)| name.clone()));
        }
        names.extend(entries(&one["tools"]).map(|(name, _)| name.clone()));
        for (_, skill) in entries(&one["skills"]) {
            names.extend(entries(&skill["tools"]).map(|(name, _)| name.clone()));
        }
        assert_eq!(names, offered, "{}", one["namespace"]);
    }
}
