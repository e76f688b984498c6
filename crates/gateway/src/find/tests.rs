//! Tests of where tokens are looked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use base64::engine::general_purpose::STANDARD;

use http::HeaderValue;
use model::Token;

use super::*;

const OURS: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";
const SECOND: &str = "sk-ant-0123456789abcdefABCDEF0123456789";
const FOREIGN: &str = "ghp_foreignforeignforeignforeignforeign1";

fn lookup(candidate: &str) -> Result<Candidate, Refusal> {
    match candidate {
        OURS | SECOND => Ok(Candidate::Ours(candidate.parse().unwrap())),
        FOREIGN => Err(Refusal::TokenForeign),
        _ => Ok(Candidate::NotOurs),
    }
}

fn search(lines: &[(&str, &str)], extra: &[&str]) -> Result<Vec<(String, String)>, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let extra: Vec<String> = extra.iter().map(|&name| name.to_owned()).collect();
    let found = find(&headers, &extra, lookup)?;
    Ok(found.into_iter().map(|found| (found.header.to_string(), Token::as_str(&found.token).to_owned())).collect())
}

#[test]
fn a_token_of_another_devbox_refuses_the_request() {
    assert_eq!(search(&[("authorization", &format!("Bearer {FOREIGN}"))], &[]), Err(Refusal::TokenForeign));
    let basic = format!("Basic {}", STANDARD.encode(format!("x:{FOREIGN}")));
    assert_eq!(search(&[("authorization", &basic)], &[]), Err(Refusal::TokenForeign));
}

#[test]
fn a_token_anywhere_but_in_a_credential_header_is_inert() {
    for name in ["cookie", "x-amz-meta-token", "user-agent", "referer", "x-custom"] {
        assert_eq!(search(&[(name, OURS)], &[]), Ok(Vec::new()), "{name}");
    }
}

#[test]
fn a_token_is_found_however_clients_write_it() {
    let user = format!("Basic {}", STANDARD.encode(format!("{OURS}:")));
    let password = format!("basic {}", STANDARD.encode(format!("x-access-token:{OURS}")));
    let unpadded = password.trim_end_matches('=').to_owned();
    for value in [
        format!("Bearer {OURS}"),
        format!("bearer  {OURS}"),
        format!("token {OURS}"),
        OURS.to_owned(),
        format!("GoogleLogin auth={OURS}"),
        format!("Digest token=\"{OURS}\", x=y"),
        format!("Token token={OURS};v=1"),
        user,
        password,
        unpadded,
    ] {
        assert_eq!(search(&[("authorization", &value)], &[]), Ok(vec![("authorization".to_owned(), OURS.to_owned())]), "{value}");
    }
}

#[test]
fn headers_that_bindings_name_are_looked_into_as_well() {
    assert_eq!(search(&[("x-custom", OURS)], &["x-custom"]), Ok(vec![("x-custom".to_owned(), OURS.to_owned())]));
}

#[test]
fn each_token_is_found_once_in_each_header() {
    let both = format!("Basic {}", STANDARD.encode(format!("{OURS}:{SECOND}")));
    let found = search(&[("authorization", &both), ("x-api-key", OURS), ("x-api-key", OURS)], &[]).unwrap();
    assert_eq!(found.len(), 3);
}

#[test]
fn a_part_of_a_token_and_what_is_not_base64_are_nothing() {
    for value in [format!("Bearer {}", &OURS[..39]), format!("Bearer {OURS}x"), "Basic !!!!".to_owned(), "Basic".to_owned()] {
        assert_eq!(search(&[("authorization", &value)], &[]), Ok(Vec::new()), "{value}");
    }
}

/// The vault takes blanks and tabs for separators, and a scheme at the line's beginning: what it could not write is not found either.
#[test]
fn a_token_beside_another_blank_or_behind_a_scheme_elsewhere_is_inert() {
    for blank in ["\u{2028}", "\u{a0}", "\u{3000}", "\u{85}"] {
        for token in [OURS, FOREIGN] {
            for line in [format!("{blank}{token}"), format!("{token}{blank}"), format!("Bearer {blank}{token}")] {
                assert_eq!(search(&[("authorization", &line)], &[]), Ok(Vec::new()), "{line:?}");
            }
        }
    }
    for before in [" ", "\u{a0}"] {
        let line = format!("{before}Basic {}", STANDARD.encode(format!("x:{FOREIGN}")));
        assert_eq!(search(&[("authorization", &line)], &[]), Ok(Vec::new()), "{line:?}");
    }
}

#[test]
fn a_header_made_of_thousands_of_candidates_is_refused() {
    let many: Vec<String> = (0..CANDIDATES_MAX + 1).map(|number| format!("{number:0>20}")).collect();
    assert_eq!(search(&[("authorization", &many.join(" "))], &[]), Err(Refusal::LimitReached));
}
