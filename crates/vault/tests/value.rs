//! How a value gets in: what is refused, and that no refusal repeats it.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::limits::VALUE_BYTES_MAX;
use vault::{SecretValue, ValueError};

#[test]
fn what_cannot_be_stored_is_told_apart() {
    assert_eq!(SecretValue::from_input(Vec::new()).err(), Some(ValueError::Empty));
    assert_eq!(SecretValue::from_input(vec![b'x'; VALUE_BYTES_MAX + 1]).err(), Some(ValueError::TooLarge));
    assert_eq!(SecretValue::from_input(b"canary\xff".to_vec()).err(), Some(ValueError::NotText));
    assert!(SecretValue::from_input(vec![b'x'; VALUE_BYTES_MAX]).is_ok());
    assert!(SecretValue::from_input(b"line\nbreaks\0and NUL are text".to_vec()).is_ok());
}

#[test]
fn any_string_is_parsed_and_checked_after() {
    let parsed = |json: &str| serde_json::from_str::<SecretValue>(json).unwrap().check().err();
    assert_eq!(parsed(r#""""#), Some(ValueError::Empty));
    assert_eq!(parsed(&format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX + 1))), Some(ValueError::TooLarge));
    assert_eq!(parsed(r#""with \"escapes\" and \u00e4""#), None);
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let sent = ["4242424242", "-4242424242", "4242.4242", "true", "null", r#"["4242"]"#, r#"{"4242":"4242"}"#, "424242424242424242424242"];
    for json in sent {
        let error = serde_json::from_str::<SecretValue>(json).err().unwrap().to_string();
        assert!(error.starts_with("a value is a string") && !error.contains("4242") && !error.contains("true"), "{error}");
    }
}
