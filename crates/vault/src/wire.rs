//! What the client sends: the only bytes outside the vault that hold a value, wiped when dropped.

use model::SecretName;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::value::SecretValue;

/// The JSON body that creates a secret: `{"name":..,"value":..}`.
#[must_use]
pub fn create_body(name: &SecretName, value: SecretValue) -> Zeroizing<Vec<u8>> {
    body(Some(name), &value)
}

/// The JSON body that updates a secret: `{"value":..}`.
#[must_use]
pub fn update_body(value: SecretValue) -> Zeroizing<Vec<u8>> {
    body(None, &value)
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a SecretName>,
    value: &'a str,
}

fn body(name: Option<&SecretName>, value: &SecretValue) -> Zeroizing<Vec<u8>> {
    let value = std::str::from_utf8(value.bytes()).expect("a value is text from its making on");
    // Room for the worst case from the start: a buffer that grows leaves copies behind.
    let room = FRAME_BYTES + name.map_or(0, |name| name.as_str().len()) + value.len() * ESCAPED_BYTES_MAX;
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *out, &Body { name, value }).expect("text is always JSON");
    debug_assert!(out.len() <= room);
    out
}

/// `{"name":"","value":""}`, with room.
const FRAME_BYTES: usize = 32;
/// One byte as JSON writes it at most: `\u0000` (RFC 8259, section 7).
const ESCAPED_BYTES_MAX: usize = 6;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn bodies_are_what_the_document_says() {
        let name = "GITHUB_TOKEN".parse().unwrap();
        let value = || SecretValue::from_input(b"a\"b\\c\n\0\xc3\xa4".to_vec()).unwrap();
        assert_eq!(create_body(&name, value()).as_slice(), r#"{"name":"GITHUB_TOKEN","value":"a\"b\\c\n\u0000ä"}"#.as_bytes());
        assert_eq!(update_body(value()).as_slice(), r#"{"value":"a\"b\\c\n\u0000ä"}"#.as_bytes());
    }

    #[test]
    fn the_longest_body_never_outgrows_its_buffer() {
        let value = SecretValue::from_input(vec![1; model::limits::VALUE_BYTES_MAX]).unwrap();
        let body = update_body(value);
        assert_eq!(body.len(), 12 + model::limits::VALUE_BYTES_MAX * ESCAPED_BYTES_MAX);
    }
}
