//! The whole table of forms and places, refusals first.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJklmnop";
const VALUE: &str = "ghp_REALREALREALREALREALREALREALREALREAL";

fn value(text: &str) -> SecretValue {
    SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
}

fn b64(text: &str) -> String {
    STANDARD.encode(text)
}

fn head(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, line) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

fn found(header: &str) -> Found {
    Found { header: HeaderName::from_bytes(header.as_bytes()).unwrap(), token: TOKEN.parse().unwrap() }
}

fn lines(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|line| String::from_utf8(line.as_bytes().to_vec()).unwrap()).collect()
}

/// Arms one line with `form` and gives what stands in `out_name` afterwards.
fn armed(form: &Form, name: &str, line: &str, value_text: &str, out_name: &str) -> Result<Vec<String>, ArmError> {
    let mut headers = head(&[(name, line), ("accept", "*/*")]);
    let before = headers.clone();
    let outcome = arm(value(value_text), form, &found(name), &mut headers);
    assert_eq!(lines(&headers, "accept"), ["*/*"]);
    match outcome {
        Err(error) => {
            assert_eq!(headers, before, "a refusal left the headers changed");
            Err(error)
        }
        Ok(()) => {
            assert!(headers.get_all(out_name).iter().all(HeaderValue::is_sensitive));
            assert_eq!(headers.len(), 1 + headers.get_all(out_name).iter().count());
            Ok(lines(&headers, out_name))
        }
    }
}

fn forms() -> [Form; 4] {
    ["auto", "bearer", "basic:user", "header:x-custom"].map(|form| form.parse().unwrap())
}

#[test]
fn values_with_control_characters_are_unfit_in_every_form_and_place() {
    for control in ["\r\n", "\n", "\r", "\0", "\t", "\x7f", "\x1b"] {
        let bad = format!("abcdefgh{control}ijkl");
        for form in forms() {
            for line in [format!("Bearer {TOKEN}"), format!("Basic {}", b64(&format!("user:{TOKEN}")))] {
                assert_eq!(armed(&form, "authorization", &line, &bad, "authorization"), Err(ArmError::Unfit), "{form} {control:?}");
            }
        }
    }
}

#[test]
fn a_token_that_is_glued_to_something_stays_beside_one_that_counts() {
    for before in ["%4", "%", "4", "\\u004", "x", "#"] {
        let line = format!("Basic {}", b64(&format!("{before}{TOKEN}:{TOKEN}")));
        let written = armed(&Form::Auto, "authorization", &line, VALUE, "authorization");
        assert_eq!(written, Ok(vec![format!("Basic {}", b64(&format!("{before}{TOKEN}:{VALUE}")))]));
        let line = format!("OAuth x=\"{before}{TOKEN}\", oauth_token=\"{TOKEN}\"");
        let written = armed(&Form::Auto, "authorization", &line, VALUE, "authorization");
        assert_eq!(written, Ok(vec![format!("OAuth x=\"{before}{TOKEN}\", oauth_token=\"{VALUE}\"")]));
        let line = format!("Bearer {before}{TOKEN}");
        assert_eq!(armed(&Form::Auto, "authorization", &line, VALUE, "authorization"), Err(ArmError::TokenAbsent));
    }
}

#[test]
fn text_beyond_ascii_is_unfit_but_inside_basic() {
    let value = "pässwörd-long";
    for form in ["auto", "bearer", "header:x-custom"] {
        let line = format!("Bearer {TOKEN}");
        assert_eq!(armed(&form.parse().unwrap(), "authorization", &line, value, "authorization"), Err(ArmError::Unfit));
    }
    let inside = armed(&Form::Auto, "authorization", &format!("Basic {}", b64(&format!("u:{TOKEN}"))), value, "authorization");
    assert_eq!(inside, Ok(vec![format!("Basic {}", b64(&format!("u:{value}")))]));
    let whole = armed(&"basic:u".parse().unwrap(), "authorization", &format!("Bearer {TOKEN}"), value, "authorization");
    assert_eq!(whole, Ok(vec![format!("Basic {}", b64(&format!("u:{value}")))]));
}

#[test]
fn spaces_at_an_edge_are_unfit() {
    for value in [" abcdefgh", "abcdefgh "] {
        assert_eq!(armed(&Form::Bearer, "authorization", &format!("Bearer {TOKEN}"), value, "authorization"), Err(ArmError::Unfit));
    }
    let inside = armed(&Form::Bearer, "authorization", &format!("Bearer {TOKEN}"), "abcd efgh", "authorization");
    assert_eq!(inside, Ok(vec!["Bearer abcd efgh".to_owned()]));
}

#[test]
fn a_colon_is_unfit_as_the_user_of_basic_and_fits_as_password_or_whole() {
    let pair = "account:password";
    let auto = |credentials: String| armed(&Form::Auto, "authorization", &format!("Basic {}", b64(&credentials)), pair, "authorization");
    assert_eq!(auto(format!("{TOKEN}:")), Err(ArmError::Unfit));
    assert_eq!(auto(format!("{TOKEN}:x-oauth-basic")), Err(ArmError::Unfit));
    assert_eq!(auto(TOKEN.to_owned()), Ok(vec![format!("Basic {}", b64(pair))]));
    assert_eq!(auto(format!("u:{TOKEN}")), Ok(vec![format!("Basic {}", b64("u:account:password"))]));
}

#[test]
fn a_token_that_does_not_stand_there_changes_nothing() {
    let other = TOKEN.replace('p', "q");
    let lines = ["Bearer".to_owned(), format!("Bearer {other}"), format!("Basic {}", b64(&format!("u:{other}"))), "Basic !!!".to_owned()];
    for line in lines {
        for form in forms() {
            assert_eq!(armed(&form, "authorization", &line, VALUE, "authorization"), Err(ArmError::TokenAbsent), "{line}");
        }
    }
    let mut headers = head(&[("x-other", TOKEN)]);
    assert_eq!(arm(value(VALUE), &Form::Auto, &found("authorization"), &mut headers), Err(ArmError::TokenAbsent));
    assert_eq!(lines_of_other(&headers), [TOKEN]);
}

fn lines_of_other(headers: &HeaderMap) -> Vec<String> {
    lines(headers, "x-other")
}

#[test]
fn auto_replaces_the_token_where_it_stands() {
    let cases = [
        ("authorization", "Bearer T"),
        ("Authorization", "bearer T"),
        ("AUTHORIZATION", "token T"),
        ("authorization", "token token=\"T\""),
        ("authorization", "T"),
        ("authorization", "GoogleLogin auth=T"),
        ("authorization", "Basic T"),
        ("x-api-key", "T"),
        ("X-Api-Key", "T"),
        ("private-token", "T"),
        ("authorization", "Digest T, T"),
    ];
    for (name, model) in cases {
        let outcome = armed(&Form::Auto, name, &model.replace('T', TOKEN), VALUE, name);
        assert_eq!(outcome, Ok(vec![model.replace('T', VALUE)]), "{name}: {model}");
    }
}

#[test]
fn auto_looks_inside_basic_whatever_its_case_and_padding() {
    for (model, scheme) in [("x-access-token:T", "Basic"), ("T:", "basic"), ("T:x-oauth-basic", "BASIC"), (":T", "Basic"), ("T", "Basic")] {
        let line = format!("{scheme} {}", b64(&model.replace('T', TOKEN)));
        for line in [line.clone(), line.trim_end_matches('=').to_owned(), line.replacen(' ', "  ", 1), line.replacen(' ', "\t", 1)] {
            let outcome = armed(&Form::Auto, "authorization", &line, VALUE, "authorization");
            assert_eq!(outcome, Ok(vec![format!("{scheme} {}", b64(&model.replace('T', VALUE)))]), "{line}");
        }
    }
}

#[test]
fn basic_in_the_url_alphabet_is_read_and_written_in_the_standard_one() {
    let line = b64(&format!("ÿÿ>:{TOKEN}")).replace('+', "-").replace('/', "_");
    assert!(line.contains(['-', '_']));
    let outcome = armed(&Form::Auto, "authorization", &format!("Basic {line}"), VALUE, "authorization");
    assert_eq!(outcome, Ok(vec![format!("Basic {}", b64(&format!("ÿÿ>:{VALUE}")))]));
}

#[test]
fn a_value_is_never_expanded_twice() {
    let tricky = format!("abcdefgh{TOKEN}");
    let outcome = armed(&Form::Auto, "x-api-key", TOKEN, &tricky, "x-api-key");
    assert_eq!(outcome, Ok(vec![tricky]));
}

#[test]
fn the_other_forms_strip_the_tokens_header_and_set_their_own() {
    let places = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("authorization", format!("Basic {}", b64(&format!("u:{TOKEN}")))),
        ("x-api-key", TOKEN.to_owned()),
        ("x-custom", TOKEN.to_owned()),
    ];
    for (name, line) in places {
        let bearer = armed(&Form::Bearer, name, &line, VALUE, "authorization");
        assert_eq!(bearer, Ok(vec![format!("Bearer {VALUE}")]));
        let basic = armed(&"basic:x-access-token".parse().unwrap(), name, &line, VALUE, "authorization");
        assert_eq!(basic, Ok(vec![format!("Basic {}", b64(&format!("x-access-token:{VALUE}")))]));
        let empty_user = armed(&"basic:".parse().unwrap(), name, &line, VALUE, "authorization");
        assert_eq!(empty_user, Ok(vec![format!("Basic {}", b64(&format!(":{VALUE}")))]));
        let header = armed(&"header:X-Custom".parse().unwrap(), name, &line, VALUE, "x-custom");
        assert_eq!(header, Ok(vec![VALUE.to_owned()]));
    }
}

#[test]
fn the_devboxs_own_lines_of_the_same_header_do_not_survive() {
    let own = "Bearer the-agents-own-credential";
    let ours = format!("Bearer {TOKEN}");
    for order in [[own, ours.as_str()], [ours.as_str(), own]] {
        for form in ["auto", "bearer"] {
            let mut headers = head(&[("authorization", order[0]), ("authorization", order[1])]);
            arm(value(VALUE), &form.parse().unwrap(), &found("authorization"), &mut headers).unwrap();
            assert_eq!(lines(&headers, "authorization"), [format!("Bearer {VALUE}")]);
        }
    }
    let mut headers = head(&[("x-api-key", TOKEN), ("authorization", own)]);
    arm(value(VALUE), &Form::Bearer, &found("x-api-key"), &mut headers).unwrap();
    assert_eq!(lines(&headers, "authorization"), [format!("Bearer {VALUE}")]);
    assert!(!headers.contains_key("x-api-key"));
}

#[test]
fn headers_that_do_not_carry_the_token_are_not_touched() {
    let mut headers = head(&[("x-api-key", TOKEN), ("authorization", "Bearer mine"), ("x-quote", TOKEN)]);
    arm(value(VALUE), &Form::Auto, &found("x-api-key"), &mut headers).unwrap();
    assert_eq!(lines(&headers, "x-api-key"), [VALUE]);
    assert_eq!(lines(&headers, "authorization"), ["Bearer mine"]);
    assert_eq!(lines(&headers, "x-quote"), [TOKEN]);
}

#[test]
fn every_line_that_carries_the_token_is_armed() {
    let mut headers = head(&[("x-api-key", TOKEN), ("x-api-key", "mine"), ("x-api-key", TOKEN)]);
    arm(value(VALUE), &Form::Auto, &found("x-api-key"), &mut headers).unwrap();
    assert_eq!(lines(&headers, "x-api-key"), [VALUE, VALUE]);
    assert!(headers.get_all("x-api-key").iter().all(HeaderValue::is_sensitive));
}

#[test]
fn only_what_is_said_to_be_basic_is_decoded() {
    let credentials = b64(&format!("user:{TOKEN}"));
    for line in [format!("Bearer {credentials}"), format!("Basic{credentials}"), format!("Basic-{credentials}"), credentials.clone()] {
        assert_eq!(armed(&Form::Auto, "authorization", &line, VALUE, "authorization"), Err(ArmError::TokenAbsent), "{line}");
    }
}

#[test]
fn what_is_written_never_moves_so_that_no_copy_is_left_behind() {
    let (token, value) = (TOKEN.as_bytes(), [b'v'; 200]);
    for text in [TOKEN.to_owned(), [TOKEN; 7].join(","), format!("a {TOKEN}")] {
        let out = replaced(text.as_bytes(), token, &value, Edges::Plain);
        assert_eq!(out.capacity(), text.len() + text.len() / token.len() * value.len(), "{text}");
    }
}

#[test]
fn a_sensitive_line_does_not_print() {
    let mut headers = head(&[("x-api-key", TOKEN)]);
    arm(value(VALUE), &Form::Auto, &found("x-api-key"), &mut headers).unwrap();
    assert!(!format!("{headers:?}").contains("REAL"));
}

#[test]
fn what_no_destination_names_or_cannot_be_scrubbed_is_not_written() {
    let mut headers = head(&[("x-api-key", "mine")]);
    let unfit = |text: &str, form: &str, headers: &mut HeaderMap| write(value(text), &form.parse().unwrap(), headers);
    assert_eq!(unfit(VALUE, "auto", &mut headers), Err(ArmError::Unfit));
    assert_eq!(unfit("two\r\nlines", "bearer", &mut headers), Err(ArmError::Unfit));
    for text in ["no colon at all", "user:short", "user:1234567", "user:with\0zero byte"] {
        assert_eq!(unfit(text, "basic", &mut headers), Err(ArmError::Unfit), "{text:?}");
    }
    assert_eq!((headers.len(), lines(&headers, "x-api-key")), (1, vec!["mine".to_owned()]));
}

#[test]
fn a_destinations_form_is_written_in_place_of_what_stood_there() {
    let mut headers = head(&[("authorization", "Bearer mine"), ("authorization", "other"), ("x-other", "kept")]);
    write(value(VALUE), &Form::Bearer, &mut headers).unwrap();
    assert_eq!(lines(&headers, "authorization"), [format!("Bearer {VALUE}")]);
    write(value("user:pass:word1"), &Form::UserPass, &mut headers).unwrap();
    assert_eq!(lines(&headers, "authorization"), ["Basic dXNlcjpwYXNzOndvcmQx"]);
    write(value("user:12345678"), &Form::UserPass, &mut headers).unwrap();
    assert_eq!(lines(&headers, "authorization"), [format!("Basic {}", b64("user:12345678"))]);
    write(value(VALUE), &"header:x-api-key".parse().unwrap(), &mut headers).unwrap();
    assert_eq!((lines(&headers, "x-api-key"), lines(&headers, "x-other")), (vec![VALUE.to_owned()], vec!["kept".to_owned()]));
    assert!(headers["x-api-key"].is_sensitive());
}
