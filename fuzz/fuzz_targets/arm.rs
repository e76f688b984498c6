//! Values in bodies and queries: what a host reads is what stood there, with the value in the token's place; no value breaks out, and none is cut into.
//!
//! Input: a byte of flags, a byte that says how long the value is, the value, the text. In the text the bytes 1 to 4 stand for two tokens, and the first one in
//! the two escapes.
#![no_main]

use gateway::fuzzing;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use libfuzzer_sys::fuzz_target;
use model::Token;
use service::Candidate;
use vault::arm::body::{Media, arm_body, tokens_in};
use vault::arm::query::arm_query;
use vault::{ArmError, SecretValue};

const TOKEN: &str = "sk-ant-0123456789.abcdef_ABCDEF~0123456789";
const OTHER: &str = "ghp_0123456789abcdefghijABCDEFGHIJklmnop";
/// No text holds them but the value, so that it is known again.
const OPEN: char = '\u{1f511}';
const CLOSE: char = '\u{1f512}';
/// The second token's value.
const SECOND: &str = "\u{1f513}other";

fuzz_target!(|data: &[u8]| {
    let [flags, length, rest @ ..] = data else { return };
    let (value, text) = rest.split_at(rest.len().min(usize::from(*length) % 40));
    let value = String::from_utf8_lossy(value).replace([OPEN, CLOSE, '\u{1f513}'], "");
    // A value that begins as an escape's end would.
    let value = format!("{}{OPEN}{value}{CLOSE}", if flags & 1 == 0 { "" } else { "c0ffee00" });
    let text = expanded(text);
    if text.contains([OPEN, CLOSE, '\u{1f513}']) {
        return;
    }
    body(Media::Json, &text, &value);
    body(Media::Form, &text, &value);
    query(&text, &value);
    media(&text);
});

fn expanded(text: &[u8]) -> String {
    let mut out = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '\u{1}' => out.push_str(TOKEN),
            '\u{2}' => out.push_str(OTHER),
            '\u{3}' => TOKEN.bytes().for_each(|byte| out.push_str(&format!("%{byte:02x}"))),
            '\u{4}' => TOKEN.bytes().for_each(|byte| out.push_str(&format!("\\u00{byte:02X}"))),
            other => out.push(other),
        }
    }
    out
}

fn secret(text: &str) -> SecretValue {
    SecretValue::from_input(text.as_bytes().to_vec()).expect("a value")
}

fn token(text: &str) -> Token {
    text.parse().expect("a token")
}

fn body(media: Media, text: &str, value: &str) {
    let tokens = [token(TOKEN), token(OTHER)];
    let standing = tokens_in(media, text.as_bytes(), &tokens);
    for absent in tokens.iter().filter(|token| !standing.contains(token)) {
        assert_eq!(arm_body(media, text.as_bytes(), &[(absent.clone(), secret(value))]).err(), Some(ArmError::TokenAbsent));
    }
    let values = standing.iter().map(|token| (token.clone(), secret(&of(token.as_str(), value)))).collect::<Vec<_>>();
    if values.is_empty() {
        return;
    }
    let armed = match arm_body(media, text.as_bytes(), &values) {
        Ok(armed) => String::from_utf8(armed.as_ref().to_vec()).expect("text stays text"),
        Err(error) => return assert_eq!(error, ArmError::TooLarge),
    };
    assert!(tokens_in(media, text.as_bytes(), &tokens) == standing && !armed.is_empty());
    match media {
        Media::Json => {
            let Ok(after) = serde_json::from_str::<serde_json::Value>(&armed) else {
                return assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "JSON was broken");
            };
            strings(&after, &mut |text| whole(text, value));
            // JSON that was none before: a host that reads it all the same reads whole values.
            let Ok(before) = serde_json::from_str::<serde_json::Value>(text) else { return };
            assert_eq!(undone_json(after, value), before, "something else changed");
        }
        Media::Form => {
            let (before, after) = (pieces(text), pieces(&armed));
            assert_eq!(before.len(), after.len(), "the value made or took a field");
            for (before, after) in before.iter().zip(&after) {
                let (name, text) = (String::from_utf8_lossy(&after.0), String::from_utf8_lossy(&after.1));
                whole(&name, value);
                whole(&text, value);
                let is_same = |before: &[u8], after: &str| undone(after, value) == String::from_utf8_lossy(before);
                assert!(is_same(&before.0, &name) && is_same(&before.1, &text), "something else changed");
            }
        }
    }
}

/// The value of a token.
fn of(token: &str, value: &str) -> String {
    if token == TOKEN { value.to_owned() } else { SECOND.to_owned() }
}

/// The tokens in their values' places again, in a decoded text.
fn undone(text: &str, value: &str) -> String {
    text.replace(value, TOKEN).replace(SECOND, OTHER)
}

fn undone_json(json: serde_json::Value, value: &str) -> serde_json::Value {
    match json {
        serde_json::Value::String(text) => serde_json::Value::String(undone(&text, value)),
        serde_json::Value::Array(items) => items.into_iter().map(|item| undone_json(item, value)).collect(),
        serde_json::Value::Object(fields) => {
            serde_json::Value::Object(fields.into_iter().map(|(name, item)| (undone(&name, value), undone_json(item, value))).collect())
        }
        other @ (serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => other,
    }
}

/// No part of a value stands without the rest of it.
fn whole(text: &str, value: &str) {
    assert_eq!(text.matches(OPEN).count(), text.matches(value).count(), "a value was cut into: {text:?}");
    assert_eq!(text.matches('\u{1f513}').count(), text.matches(SECOND).count(), "a value was cut into: {text:?}");
}

fn strings(json: &serde_json::Value, look: &mut impl FnMut(&str)) {
    match json {
        serde_json::Value::String(text) => look(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, look)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, item)| {
            look(name);
            strings(item, look);
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// A form's or query's pieces, decoded by the URL standard's words (section 5.1).
fn pieces(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let [first, after @ ..] = rest {
            let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
            let pair = digit(0).zip(digit(1)).filter(|_| *first == b'%').and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            out.push(pair.unwrap_or(if *first == b'+' { b' ' } else { *first }));
            rest = if pair.is_some() { &after[2..] } else { after };
        }
        out
    };
    text.split('&').map(|piece| piece.split_once('=').unwrap_or((piece, ""))).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn query(text: &str, value: &str) {
    let lookup = |text: &str| Ok(if text == TOKEN { Candidate::Ours(token(text)) } else { Candidate::NotOurs });
    let Ok(found) = fuzzing::find_in(text, lookup) else { return };
    if found.is_empty() {
        return;
    }
    let values: Vec<_> = found.into_iter().map(|found| (found, secret(value))).collect();
    let armed = arm_query(text, &values).expect("what was found stands there");
    let armed = String::from_utf8(armed.as_ref().to_vec()).expect("text stays text");
    let (before, after) = (pieces(text), pieces(&armed));
    assert_eq!(before.len(), after.len(), "the value made or took a parameter");
    for (before, after) in before.iter().zip(&after) {
        let is_place = before.0 == b"key" && before.1 == TOKEN.as_bytes();
        assert_eq!(before.0, after.0);
        assert_eq!(after.1, if is_place { value.as_bytes() } else { &before.1 }, "another parameter, or another text, changed");
    }
}

/// What is not said to be UTF-8 is not written into.
fn media(text: &str) {
    let Ok(line) = HeaderValue::from_str(text.lines().next().unwrap_or_default()) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, line.clone());
    if fuzzing::media(&headers).is_some() {
        let said = line.to_str().expect("text").to_ascii_lowercase();
        let parameters = said.split_once(';').map_or("", |(_, parameters)| parameters);
        let is_utf8 = ["utf-8", "utf8", "us-ascii", "\"utf-8\""].iter().any(|name| said.contains(name));
        assert!(parameters.matches("charset").count() <= usize::from(is_utf8), "{said} is written into");
        assert!(said.starts_with("application/"), "{said} is written into");
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(fuzzing::media(&headers).is_none(), "two types are none");
    }
}
