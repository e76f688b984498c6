//! The document's examples: every body has one, each fits its schema, and none shows what looks like a credential.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/document.rs"]
mod document;

use document::{DOCUMENT, holds, operations, resolve};
use serde_json::Value;

/// A body that the document tells of.
struct Body {
    /// Where it is told of.
    at: String,
    media: Value,
}

/// The bodies of every request and answer.
fn bodies() -> Vec<Body> {
    let mut all = Vec::new();
    for operation in operations() {
        let at = format!("{} {}", operation.method, operation.path);
        let answers = operation.value["responses"].as_object().unwrap().iter();
        let asked = [(String::from("body"), operation.value["requestBody"].clone())].into_iter().filter(|(_, body)| body.is_object());
        for (what, holder) in asked.chain(answers.map(|(status, answer)| (status.clone(), resolve(answer)))) {
            // An answer may have no body at all.
            for (kind, media) in holder["content"].as_object().into_iter().flatten() {
                all.push(Body { at: format!("{at} {what} {kind}"), media: media.clone() });
            }
        }
    }
    all
}

#[test]
fn every_body_has_an_example_that_fits_its_schema() {
    let bodies = bodies();
    assert!(bodies.len() > 200, "{} bodies", bodies.len());
    for Body { at, media } in bodies {
        let one = media.get("example").map(|value| ("example", value.clone()));
        let named =
            media["examples"].as_object().into_iter().flatten().map(|(name, example)| (name.as_str(), resolve(example)["value"].clone()));
        let examples: Vec<(&str, Value)> = one.into_iter().chain(named).collect();
        assert!(!examples.is_empty(), "{at}: no example");
        for (name, value) in examples {
            holds(&media["schema"], &value.to_string(), &format!("{at}, example {name}"));
        }
    }
}

#[test]
fn every_example_is_used() {
    let text = DOCUMENT["paths"].to_string() + &DOCUMENT["components"]["responses"].to_string();
    for name in DOCUMENT["components"]["examples"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/examples/{name}\"")), "{name} is nowhere");
    }
}

#[test]
fn no_example_shows_what_looks_like_a_credential() {
    let text = DOCUMENT["components"]["examples"].to_string();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.…".contains(c))) {
        for beginning in ["tlk_", "tla_", "tlp_", "gws_", "ghp_", "sk-"] {
            assert!(!word.starts_with(beginning) || word.len() < beginning.len() + 5, "{word}");
        }
    }
}
