//! The form's parser: what browsers write comes through as it was typed, everything else is refused.

use proptest::prelude::*;
use vault::wire::update_body;

use super::*;

/// As browsers write a field (WHATWG URL, application/x-www-form-urlencoded serializing), line ends included.
fn encoded(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn form(value: &str) -> String {
    format!("digest=d&value={}&proof=c", encoded(value))
}

/// The value of a form, by the only door through which one is seen: the body that a client sends.
fn value_of(form: &str) -> Result<String, FormError> {
    let form = parse(form.as_bytes())?;
    let body: serde_json::Value = serde_json::from_slice(&update_body(form.value)).expect("JSON");
    Ok(body["value"].as_str().expect("a text").to_owned())
}

fn refused(form: &str) -> FormError {
    parse(form.as_bytes()).err().expect("refused")
}

#[test]
fn a_field_that_is_missing_twice_there_or_unknown_is_refused() {
    for form in [
        "",
        "&",
        "value=a",
        "value=a&proof=b",
        "digest=d&value=a",
        "digest=d&proof=b",
        "digest=d&value=a&proof=b&proof=b",
        "digest=d&value=a&value=a&proof=b",
        "digest=d&digest=d&value=a&proof=b",
        "digest=d&value=a&proof=b&",
        "&digest=d&value=a&proof=b",
        "digest=d&value=a&proof=b&more=1",
        "digest=d&Value=a&proof=b",
        "digest=d&value&proof=b",
        "digest=d&%76alue=a&proof=b",
        "digest=d;value=a;proof=b",
    ] {
        assert_eq!(refused(form), FormError::Shape, "{form}");
    }
}

#[test]
fn what_no_browser_writes_is_refused() {
    for value in ["%", "%4", "%zz", "%+1", "%4g", "a%", "a b", "a\"", "ä", "a\n", "a=b", "a~"] {
        assert_eq!(refused(&format!("digest=d&value={value}&proof=c")), FormError::Shape, "{value}");
    }
    // A carriage return alone, which browsers send as the end of a line.
    for value in ["%0D", "a%0d", "%0Da", "a%0Db%0D%0A", "a%0D%0D%0A", "%0A%0D", "%0D%0A%0D"] {
        assert_eq!(refused(&format!("digest=d&value={value}&proof=c")), FormError::Shape, "{value}");
    }
    assert_eq!(refused("digest=d&value=a&proof=%FF"), FormError::Shape);
    assert_eq!(refused("digest=%FF&value=a&proof=c"), FormError::Shape);
    assert_eq!(refused(&format!("digest=d&value=a&proof={}", "c".repeat(PROOF_BYTES_MAX + 1))), FormError::Shape);
}

#[test]
fn a_value_that_cannot_be_stored_is_told_apart() {
    for value in ["", "%0A", "%0D%0A"] {
        assert_eq!(refused(&format!("digest=d&value={value}&proof=c")), FormError::ValueMissing);
    }
    assert_eq!(refused("digest=d&value=%FF&proof=c"), FormError::NotText);
    assert_eq!(refused("digest=d&value=%ED%A0%80&proof=c"), FormError::NotText);
    assert_eq!(refused(&form(&"a".repeat(65537))), FormError::TooLarge);
    assert_eq!(value_of(&form(&"a".repeat(65536))).map(|value| value.len()), Ok(65536));
}

#[test]
fn the_longest_forms_are_within_the_limit() {
    for longest in [form(&format!("{}a", "\n".repeat(65535))), form(&"ä".repeat(32768))] {
        assert!(longest.len() <= FORM_BYTES_MAX, "{}", longest.len());
        assert_eq!(value_of(&longest).map(|value| value.len()), Ok(65536));
    }
}

#[test]
fn lines_come_as_they_were_typed_and_one_end_is_dropped() {
    let key = "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----";
    assert_eq!(value_of(&form(key)).as_deref(), Ok(key));
    assert_eq!(value_of(&form(&format!("{key}\n"))).as_deref(), Ok(key));
    assert_eq!(value_of(&form(&format!("{key}\n\n"))), Ok(format!("{key}\n")));
    assert_eq!(value_of("digest=d&value=a%0D%0A%0D%0Ab%0Ac%00&proof=c").as_deref(), Ok("a\n\nb\nc\0"));
    assert_eq!(value_of("digest=d&value=+a%2Bb%20c+%c3%A4&proof=c").as_deref(), Ok(" a+b c ä"));
}

#[test]
fn a_proof_is_what_it_reads_like() {
    let proof = |written: &str| {
        parse(format!("digest=d&value=a&proof={written}").as_bytes()).map(|form| match form.proof {
            EntryProof::Key(key) => format!("key {key}"),
            EntryProof::Code(code) => format!("code {code}"),
        })
    };
    assert_eq!(proof("+tlk_abc%0D%0A").as_deref(), Ok("key tlk_abc"));
    assert_eq!(proof("+ABCD-EFGH+").as_deref(), Ok("code ABCD-EFGH"));
    assert_eq!(proof("tla_abc").err(), Some(FormError::AdminKey));
    for none in ["", "+", "%0D%0A"] {
        assert_eq!(proof(none).err(), Some(FormError::ProofMissing));
    }
}

proptest! {
    #[test]
    fn every_text_comes_through_as_a_browser_sends_it(text in "[^\r]{0,200}") {
        let kept = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        let expected = if kept.is_empty() { Err(FormError::ValueMissing) } else { Ok(kept) };
        prop_assert_eq!(value_of(&form(&text)), expected);
    }

    #[test]
    fn no_bytes_make_it_panic_and_no_error_repeats_them(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for form in [bytes.clone(), [b"digest=d&proof=c&value=".as_slice(), &bytes].concat()] {
            if let Err(error) = parse(&form) {
                let _: String = error.to_string();
            }
        }
    }

    #[test]
    fn what_is_read_is_written_in_one_way(raw in "[a-zA-Z0-9%+&=.]{0,40}") {
        if let Ok(value) = value_of(&format!("digest=d&value={raw}&proof=c")) {
            // Decoding and encoding again is decoding: nothing is read in two ways.
            prop_assert_eq!(value_of(&form(&format!("{value}\n"))), Ok(value));
        }
    }
}
