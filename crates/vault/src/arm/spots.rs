//! Queries and bodies: what is not a token's place stays as it is, and no value breaks out of its own.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::body::{Media, arm_body, tokens_in};
use super::query::{FoundInQuery, arm_query, parameters};
use super::*;

const TOKEN: &str = "sk-ant-0123456789.abcdef_ABCDEF~0123456789";
const OTHER: &str = "ghp_0123456789abcdefghijABCDEFGHIJklmnop";
const HOSTILE: &str = "a\"b\\c&d=e+f%41 g\r\nh\0i#j?é€\u{2028}'<";

fn value(text: &str) -> SecretValue {
    SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
}

fn token(text: &str) -> Token {
    text.parse().unwrap()
}

fn in_query(query: &str, name: &str, text: &str) -> Result<String, ArmError> {
    let armed = arm_query(query, &[(FoundInQuery { name: name.to_owned(), token: token(TOKEN) }, value(text))])?;
    Ok(String::from_utf8(armed.as_ref().to_vec()).unwrap())
}

fn in_body(media: Media, body: &str, text: &str) -> Result<String, ArmError> {
    let armed = arm_body(media, body.as_bytes(), &[(token(TOKEN), value(text))])?;
    Ok(String::from_utf8(armed.as_ref().to_vec()).unwrap())
}

/// Every character percent-encoded.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn beside_what_a_host_could_join_with_the_value_a_token_is_inert() {
    let inert = [
        r"\u004",
        r"\u00",
        r"\u",
        r"\",
        r"\\",
        r"\\u004",
        r"\u0025",
        r"\u005c",
        r"\u0034",
        "%4",
        "%",
        "4",
        "x",
        "#",
        "\\n4",
        "&",
        "+",
        "<",
        "{{",
        "-",
        "_",
        "é",
        "中",
        r"\u2028",
        r"\u00e9",
        r"\ud800",
        r"\ud83d\ude00",
        r"\u0301",
    ];
    let counts = ["", " ", ":", r"\n", r"\u0020", r"\/", "=", "Bearer ", "postgres://user:", r#"a=\""#];
    for (beside, stands) in inert.map(|beside| (beside, false)).into_iter().chain(counts.map(|beside| (beside, true))) {
        for (before, after) in [(beside, ""), (" ", beside), (beside, " ")] {
            // Behind a token, what separates comes first.
            let after = if (stands && beside.len() > 2 || beside == r"\n4") && !after.is_empty() { " " } else { after };
            let stands = stands || (beside == r"\n4" && before != beside);
            let body = format!(r#"{{"a":"{before}{TOKEN}{after}"}}"#);
            assert_eq!(!tokens_in(Media::Json, body.as_bytes(), &[token(TOKEN)]).is_empty(), stands, "{body}");
            let armed = in_body(Media::Json, &body, "c0ffee00c0ffee00");
            let wanted = format!(r#"{{"a":"{before}c0ffee00c0ffee00{after}"}}"#);
            assert_eq!(armed, if stands { Ok(wanted) } else { Err(ArmError::TokenAbsent) }, "{body}");
        }
    }
    let inert = ["%4", "%", "a", "%25", "%2541", "%5c", "%5cu004", "%23", "%41", "%81", "%c3%a9", "é", "%2b", "%26"];
    let counts = ["", "+", "%20", "%22", "Bearer+", "%3d"];
    for (beside, stands) in inert.map(|beside| (beside, false)).into_iter().chain(counts.map(|beside| (beside, true))) {
        let body = format!("a={beside}{TOKEN}");
        assert_eq!(!tokens_in(Media::Form, body.as_bytes(), &[token(TOKEN)]).is_empty(), stands, "{body}");
        let armed = in_body(Media::Form, &body, "c0ffee00c0ffee00");
        assert_eq!(armed, if stands { Ok(format!("a={beside}c0ffee00c0ffee00")) } else { Err(ArmError::TokenAbsent) }, "{body}");
    }
}

#[test]
fn a_token_counts_in_values_of_a_body_that_reads_whole_and_nowhere_else() {
    for (media, body) in [
        (Media::Json, format!("{{\"a\": {TOKEN}}}")),
        (Media::Json, format!("{{\"a\":\"{TOKEN}\"")),
        (Media::Json, format!("{{\"a\":\"{TOKEN}\"}} x")),
        (Media::Json, format!("{{\"{TOKEN}\":1}}")),
        (Media::Json, format!("[\"{TOKEN}\",\"\\ud800\"]")),
        (Media::Json, format!("// \n[\"{TOKEN}\"]")),
        (Media::Json, TOKEN.to_owned()),
        (Media::Form, format!("{TOKEN}=1")),
        (Media::Form, TOKEN.to_owned()),
        (Media::Form, format!("a=中+{TOKEN}")),
        (Media::Form, format!("a={TOKEN}+%CC%81")),
        (Media::Form, format!("a={TOKEN}+%zz")),
    ] {
        assert_eq!(in_body(media, &body, "c0ffee00c0ffee00"), Err(ArmError::TokenAbsent), "{body}");
    }
    assert_eq!(
        in_body(Media::Json, &format!("[\"中\",\"{TOKEN}\"]"), "c0ffee00"),
        Ok("[\"中\",\"c0ffee00\"]".to_owned()),
        "beside other text"
    );
    assert_eq!(
        in_body(Media::Form, &format!("a=%zz%81&b={TOKEN}"), "c0ffee00"),
        Ok("a=%zz%81&b=c0ffee00".to_owned()),
        "beside other fields"
    );
}

#[test]
fn in_a_query_nothing_but_the_whole_value_of_the_named_parameter_is_a_tokens_place() {
    for query in [
        String::new(),
        format!("other={TOKEN}"),
        format!("KEY={TOKEN}"),
        format!("keys={TOKEN}"),
        format!("key={TOKEN}x"),
        format!("key=Bearer {TOKEN}"),
        format!("key=x;key={TOKEN}"),
        format!("key={}", &TOKEN[1..]),
        format!("key=={TOKEN}"),
        format!("{TOKEN}=key"),
        TOKEN.to_owned(),
        format!("a[key]={TOKEN}"),
        format!("key%00={TOKEN}"),
        format!("key=%ff{TOKEN}"),
        format!("key={}", percent(&percent(TOKEN))),
    ] {
        assert_eq!(in_query(&query, "key", "a-value-of-some-length"), Err(ArmError::TokenAbsent), "{query}");
    }
}

#[test]
fn in_a_query_the_token_is_found_however_clients_write_it() {
    for (query, wanted) in [
        (format!("key={TOKEN}"), "key=VALUE"),
        (format!("a=%2e+&key={TOKEN}&b"), "a=%2e+&key=VALUE&b"),
        (format!("key={}", percent(TOKEN)), "key=VALUE"),
        (format!("key={}", TOKEN.replace('_', "%5F").replace('~', "%7e")), "key=VALUE"),
        (format!("%6Bey={TOKEN}"), "%6Bey=VALUE"),
        (format!("key={TOKEN}&key=mine&key={TOKEN}"), "key=VALUE&key=mine&key=VALUE"),
        (format!("&&key={TOKEN}&other={TOKEN}&%&%zz"), "&&key=VALUE&other=TOKEN&%&%zz"),
    ] {
        assert_eq!(
            in_query(&query, "key", "VALUE-of-some-length"),
            Ok(wanted.replace("VALUE", "VALUE-of-some-length").replace("TOKEN", TOKEN))
        );
    }
}

#[test]
fn a_value_that_holds_tokens_is_written_once() {
    let tricky = format!("key={TOKEN}&{OTHER}");
    let both = [(token(TOKEN), value(&tricky)), (token(OTHER), value("the-other-value"))];
    let armed = arm_body(Media::Json, format!("[\"{TOKEN}\",\"{OTHER}\"]").as_bytes(), &both).unwrap();
    assert_eq!(armed.as_ref(), format!("[\"{tricky}\",\"the-other-value\"]").as_bytes());
    let found = |name: &str, token_text: &str| FoundInQuery { name: name.to_owned(), token: token(token_text) };
    let both = [(found("key", TOKEN), value(&format!("{OTHER}{TOKEN}"))), (found("o", OTHER), value("the-other-value"))];
    let armed = arm_query(&format!("key={TOKEN}&o={OTHER}&key={OTHER}"), &both).unwrap();
    assert_eq!(armed.as_ref(), format!("key={OTHER}{TOKEN}&o=the-other-value&key={OTHER}").as_bytes());
}

#[test]
fn a_body_without_the_token_is_refused_and_one_that_would_grow_without_end_too() {
    for body in [String::new(), TOKEN[1..].to_owned(), TOKEN[..41].to_owned(), percent(&percent(TOKEN)), TOKEN.to_uppercase()] {
        for media in [Media::Json, Media::Form] {
            assert_eq!(in_body(media, &body, "a-value-of-some-length"), Err(ArmError::TokenAbsent), "{body}");
        }
    }
    let field = format!("a={TOKEN}&");
    assert_eq!(in_body(Media::Form, &field.repeat(1000), &"%".repeat(60_000)), Err(ArmError::TooLarge));
    assert!(in_body(Media::Form, &field.repeat(10), &"%".repeat(60_000)).is_ok());
}

#[test]
fn in_a_body_the_token_is_found_however_clients_write_it() {
    let coded: String = TOKEN.bytes().map(|byte| format!("\\u00{byte:02X}")).collect();
    for (media, text) in [
        (Media::Json, TOKEN.to_owned()),
        (Media::Json, coded),
        (Media::Json, TOKEN.replace('_', "\\u005f")),
        (Media::Form, TOKEN.to_owned()),
        (Media::Form, percent(TOKEN)),
        (Media::Form, TOKEN.replace('_', "%5F")),
    ] {
        let around = |text: &str| match media {
            Media::Json => format!("[\"x:{text} {text}=y\"]"),
            Media::Form => format!("k=x:{text}+{text}=y"),
        };
        assert_eq!(in_body(media, &around(&text), "the-value"), Ok(around("the-value")), "{text}");
        assert_eq!(tokens_in(media, around(&text).as_bytes(), &[token(OTHER), token(TOKEN)]), [token(TOKEN)]);
    }
    assert_eq!(in_body(Media::Json, &format!("[\"{}\"]", percent(TOKEN)), "the-value"), Err(ArmError::TokenAbsent));
}

#[test]
fn forms_of_queries_and_bodies_write_no_header() {
    for form in ["query:key", "body"] {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap());
        let (before, form) = (headers.clone(), form.parse().unwrap());
        let found = Found { header: AUTHORIZATION, token: token(TOKEN) };
        assert_eq!(arm(value("a-value-of-some-length"), &form, &found, &mut headers), Err(ArmError::Unfit));
        assert_eq!(write(value("a-value-of-some-length"), &form, &mut headers), Err(ArmError::Unfit));
        assert_eq!(headers, before);
    }
}

#[test]
fn a_hostile_value_reads_back_as_itself() {
    let query = in_query(&format!("a=1&key={TOKEN}&b=2"), "key", HOSTILE).unwrap();
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic()) && query.matches('&').count() == 2, "{query}");
    let json = in_body(Media::Json, &format!("{{\"a\":\"({TOKEN})\"}}"), HOSTILE).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), serde_json::json!({ "a": format!("({HOSTILE})") }));
}

proptest! {
    #[test]
    fn what_a_server_reads_in_a_query_is_the_value_and_all_else_is_as_it_was(
        text in "\\PC{1,40}|[\\x01-\\x7f]{1,40}", others in proptest::collection::vec("[a-z%=+;.0-9]{0,12}", 0..4), at in 0usize..5,
    ) {
        let mut pieces: Vec<String> = others;
        let at = at.min(pieces.len());
        pieces.insert(at, format!("the-key={TOKEN}"));
        let armed = in_query(&pieces.join("&"), "the-key", &text).unwrap();
        let written: Vec<&str> = armed.split('&').collect();
        prop_assert_eq!(written.len(), pieces.len());
        for (number, piece) in pieces.iter().enumerate().filter(|(number, _)| *number != at) {
            prop_assert_eq!(written[number], piece);
        }
        let read: Vec<_> = parameters(&armed).filter(|parameter| parameter.name == "the-key").map(|parameter| parameter.value).collect();
        prop_assert_eq!(read, vec![text]);
    }

    #[test]
    fn what_a_server_reads_in_a_body_is_the_value(text in "\\PC{1,40}|[\\x01-\\x7f]{1,40}", before in "([a-z0-9 ]{0,12} )?", after in "( [a-z0-9 ]{0,12})?") {
        let json = in_body(Media::Json, &serde_json::json!({ "k": format!("{before}{TOKEN}{after}"), "z": TOKEN }).to_string(), &text).unwrap();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read, serde_json::json!({ "k": format!("{before}{text}{after}"), "z": text.clone() }));
        let form = in_body(Media::Form, &format!("a={}&k={TOKEN}&z=1", before.replace(' ', "+")), &text).unwrap();
        let read: Vec<_> = parameters(&form).map(|parameter| (parameter.name, parameter.value)).collect();
        let pair = |name: &str, value: String| (name.to_owned(), value);
        prop_assert_eq!(read, vec![pair("a", before), pair("k", text), pair("z", "1".to_owned())]);
    }
}
