//! What each tool takes and gives, as JSON Schema (2020-12). No property of any of them is a value.

use link::agents::RequestStatus;
use model::binding::ASKED_FORM_BYTES_MAX;
use model::limits::NAME_BYTES_MAX;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::limits::{HOSTS_MAX, REASON_CHARS_MAX, REFUSALS_DEFAULT, REFUSALS_MAX};
use crate::tool::Tool;
use crate::views::status_word;

/// What a tool takes.
pub(crate) fn input(tool: Tool) -> JsonObject {
    let (properties, required): (Value, &[&str]) = match tool {
        Tool::ListSecrets => (json!({}), &[]),
        Tool::HowToUse => (json!({ "name": name("The secret's name.") }), &["name"]),
        Tool::TestSecret => (
            json!({
                "name": name("The secret's name."),
                "host": host("Towards this host; left out: every place where the secret is bound.", false),
                "method": { "type": "string", "description": "With this method; GET where it is left out.", "pattern": METHOD, "maxLength": 20 },
                "path": { "type": "string", "description": "For this path, without a query; / where it is left out.", "pattern": "^/", "maxLength": PATH_CHARS_MAX },
            }),
            &["name"],
        ),
        Tool::MyRefusals => (
            json!({
                "limit": { "type": "integer", "minimum": 1, "maximum": REFUSALS_MAX, "default": REFUSALS_DEFAULT, "description": "At most so many." },
            }),
            &[],
        ),
        Tool::RequestSecret => (
            json!({
                "name": name("The name under which the secret will be kept, as in a variable: GITHUB_TOKEN."),
                "hosts": {
                    "type": "array", "minItems": 1, "maxItems": HOSTS_MAX, "items": host("A host name, or *.example.com for one label.", true),
                    "description": "The hosts that it is needed for, and no others.",
                },
                "form": form("How it is written into requests there; auto where it is left out: in place of its placeholder in whichever credential header that stands."),
                "reason": reason(),
            }),
            &["name", "hosts", "reason"],
        ),
        Tool::RequestAccess => (
            json!({
                "name": name("The secret that shall be sent there; left out: this devbox shall reach the host without a secret."),
                "host": host("The host name, or *.example.com for one label.", true),
                "methods": {
                    "type": "array", "maxItems": METHODS_MAX, "items": { "type": "string", "pattern": METHOD, "maxLength": 20 },
                    "description": "The methods that are needed; all where it is left out.",
                },
                "reason": reason(),
            }),
            &["host", "reason"],
        ),
        Tool::RequestStatus => (json!({ "id": request_id() }), &["id"]),
    };
    object(json!({
        "$schema": DIALECT,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

/// What a tool gives: its own object, or, with `isError`, a code and what mends it.
pub(crate) fn output(tool: Tool) -> JsonObject {
    let (key, what) = match tool {
        Tool::ListSecrets => ("secrets", json!({ "type": "array", "items": usable() })),
        Tool::HowToUse => ("secret", usable()),
        Tool::TestSecret => ("results", json!({ "type": "array", "items": tested() })),
        Tool::MyRefusals => ("refusals", json!({ "type": "array", "items": seen() })),
        Tool::RequestSecret | Tool::RequestAccess | Tool::RequestStatus => ("request", request()),
    };
    let mut properties = json!({
        "code": { "type": "string", "description": "With isError: the reason's stable code." },
        "message": { "type": "string", "description": "With isError: what happened and what mends it." },
    });
    properties[key] = what;
    if tool == Tool::HowToUse {
        properties["advice"] =
            json!({ "type": "array", "items": { "type": "string" }, "description": "One line for each place where it works." });
    }
    object(json!({
        "$schema": DIALECT,
        "type": "object",
        "properties": properties,
        "anyOf": [{ "required": [key] }, { "required": ["code", "message"] }],
        "additionalProperties": false,
    }))
}

fn usable() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "kind": { "type": "string", "description": "What its value looks like." },
            "env": { "type": "string", "description": "The variable of this devbox that holds its placeholder." },
            "bindings": { "type": "array", "items": {
                "type": "object",
                "properties": {
                    "host": { "type": "string" },
                    "port": { "type": "integer" },
                    "methods": { "type": "array", "items": { "type": "string" }, "description": "Empty: all." },
                    "path": { "type": "string", "description": "What the path begins with." },
                    "form": { "type": "string" },
                },
                "required": ["host", "port", "methods", "path", "form"],
                "additionalProperties": false,
            } },
        },
        "required": ["name", "bindings"],
        "additionalProperties": false,
    })
}

fn tested() -> Value {
    json!({
        "type": "object",
        "properties": {
            "host": { "type": "string" },
            "passes": { "type": "boolean" },
            "form": { "type": "string", "description": "How the value would be written, where it passes." },
            "refusal": { "type": "string", "description": "The refusal's code, where it does not." },
            "mend": { "type": "string", "description": "What happened and what mends it." },
        },
        "required": ["host", "passes"],
        "additionalProperties": false,
    })
}

fn seen() -> Value {
    json!({
        "type": "object",
        "properties": {
            "time_ms": { "type": "integer", "description": "When, last. Unix milliseconds." },
            "refusal": { "type": "string", "description": "The refusal's code." },
            "mend": { "type": "string", "description": "What happened and what mends it." },
            "host": { "type": "string" },
            "name": { "type": "string", "description": "The secret's name." },
            "count": { "type": "integer", "description": "How often." },
        },
        "required": ["time_ms", "refusal", "mend", "count"],
        "additionalProperties": false,
    })
}

fn request() -> Value {
    let statuses =
        [RequestStatus::Waiting, RequestStatus::Entered, RequestStatus::Approved, RequestStatus::Refused, RequestStatus::Expired];
    json!({
        "type": "object",
        "properties": {
            "id": request_id(),
            "wants": { "enum": ["secret", "access"] },
            "name": { "type": "string", "description": "The secret's name." },
            "hosts": { "type": "array", "items": { "type": "string" } },
            "form": { "type": "string" },
            "methods": { "type": "array", "items": { "type": "string" }, "description": "Empty: all." },
            "status": { "enum": statuses.map(status_word) },
            "created_ms": { "type": "integer", "description": "Unix milliseconds." },
            "expires_ms": { "type": "integer", "description": "When it lapses where nobody decides. Unix milliseconds." },
            "entry_url": { "type": "string", "description": "The page where a person types the value. It works once, for a quarter of an hour, and needs the person's own key or code." },
            "command": { "type": "string", "description": "What a person runs instead, where the server runs." },
            "env": { "type": "string", "description": "The variable to put the placeholder in." },
            "placeholder": { "type": "string", "description": "What stands for the value in this devbox. It is right as it is." },
        },
        "required": ["id", "wants", "hosts", "status", "created_ms", "expires_ms", "command"],
        "additionalProperties": false,
    })
}

fn name(description: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": "^[A-Za-z0-9_.-]+$", "minLength": 1, "maxLength": NAME_BYTES_MAX })
}

fn host(description: &str, is_pattern: bool) -> Value {
    let pattern = if is_pattern { r"^(\*\.)?[^\s/:@*]+$" } else { r"^[^\s/:@*]+$" };
    json!({ "type": "string", "description": description, "pattern": pattern, "minLength": 1, "maxLength": NAME_BYTES_MAX })
}

fn form(description: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": r"^(auto|bearer|basic|basic:\S*|header:\S+)$", "maxLength": ASKED_FORM_BYTES_MAX })
}

fn reason() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX,
        "description": "What it is needed for, in a sentence. A person reads it before they decide.",
    })
}

fn request_id() -> Value {
    json!({ "type": "string", "description": "A request's id, as request_secret and request_access give it.", "pattern": "^req_[A-Za-z0-9]+$", "maxLength": 40 })
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => JsonObject::new(),
    }
}

/// JSON Schema's own name for the dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// As bindings take them.
const METHOD: &str = "^[A-Za-z-]+$";
/// A binding's methods: there are nine in RFC 9110, and few in use beside them.
pub(crate) const METHODS_MAX: usize = 20;
/// A path to test: what bindings' prefixes are compared with.
pub(crate) const PATH_CHARS_MAX: usize = 2000;
