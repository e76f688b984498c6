//! Where tokens stand in a request's headers, and what is written there. The finder is held to a slow one of its own words, and what it finds can be armed.
//!
//! The input is a head, a line each; the bytes 1 to 4 stand for two tokens of the devbox, one of another's, and the first one's Basic credentials.
#![no_main]

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use gateway::fuzzing;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use model::kind::CREDENTIAL_HEADERS;
use model::{Form, Refusal};
use service::Candidate;
use vault::{ArmError, Found, SecretValue, arm};

const OURS: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";
const SECOND: &str = "sk-ant-0123456789abcdefABCDEF0123456789";
const FOREIGN: &str = "ghp_foreignforeignforeignforeignforeign1";
const VALUE: &str = "REAL+value/of=some:length";
const SEPARATORS: &[u8] = b" \t,;=\"'";
/// As clients may write it: whatever its padding and last bits.
const LENIENCE: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENCE);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENCE);

fuzz_target!(|data: &[u8]| {
    let headers = head(data);
    let extra = ["x-custom".to_owned()];
    let found = fuzzing::find(&headers, &extra, |text| match text {
        OURS | SECOND => Ok(Candidate::Ours(text.parse().expect("a token"))),
        FOREIGN => Err(Refusal::TokenForeign),
        _ => Ok(Candidate::NotOurs),
    });
    let is_place = |name: &HeaderName| CREDENTIAL_HEADERS.contains(&name.as_str()) || name.as_str() == "x-custom";
    let stands = |token: &str| headers.iter().any(|(name, line)| is_place(name) && stands(line.as_bytes(), token.as_bytes(), &STANDARD));
    let may_stand = |token: &str| {
        let in_line = |line: &[u8]| [LENIENT, LENIENT_URL].iter().any(|engine| self::stands(line, token.as_bytes(), engine));
        headers.iter().any(|(name, line)| is_place(name) && in_line(line.as_bytes()))
    };
    match found {
        Err(Refusal::TokenForeign) => assert!(may_stand(FOREIGN), "refused for a token that does not stand there"),
        Err(refusal) => assert_eq!(refusal, Refusal::LimitReached),
        Ok(found) => {
            assert!(!stands(FOREIGN), "another devbox's token passed");
            for (name, line) in headers.iter().filter(|(name, _)| is_place(name)) {
                for token in [OURS, SECOND].into_iter().filter(|token| self::stands(line.as_bytes(), token.as_bytes(), &STANDARD)) {
                    assert!(found.iter().any(|found| found.header == *name && found.token.as_str() == token), "{token} was overlooked");
                }
            }
            found.iter().for_each(|found| armed(&headers, found));
        }
    }
    query(data);
});

/// As few as there are: the names that are looked into, and one that is not.
fn head(data: &[u8]) -> HeaderMap {
    let basic = format!("Basic {}", STANDARD.encode(format!("x-access-token:{OURS}")));
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(40) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let Ok(name) = HeaderName::from_bytes(&line[..colon]) else { continue };
        let mut text = Vec::new();
        for byte in &line[colon + 1..] {
            match byte {
                1 => text.extend_from_slice(OURS.as_bytes()),
                2 => text.extend_from_slice(SECOND.as_bytes()),
                3 => text.extend_from_slice(FOREIGN.as_bytes()),
                4 => text.extend_from_slice(basic.as_bytes()),
                other => text.push(*other),
            }
        }
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            headers.append(name, value);
        }
    }
    headers
}

/// Whether a token stands in a line as a part of its own, or in what Basic hides.
fn stands(line: &[u8], token: &[u8], engine: &GeneralPurpose) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let alone = |text: &[u8]| {
        (0..text.len()).any(|at| {
            let edge = |byte: Option<&u8>| byte.is_none_or(|byte| SEPARATORS.contains(byte));
            text[at..].starts_with(token) && edge(text[..at].last()) && edge(text.get(at + token.len()))
        })
    };
    let hidden = text.split_once([' ', '\t']).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let hidden = hidden
        .and_then(|(_, credentials)| engine.decode(credentials.trim_matches([' ', '\t'])).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let hidden = hidden.is_some_and(|pair| {
        let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
        alone(user.as_bytes()) || alone(password.as_bytes())
    });
    alone(text.as_bytes()) || hidden
}

/// What was found can be written, and nothing else changes; what is refused changes nothing.
fn armed(before: &HeaderMap, found: &Found) {
    for form in ["auto", "bearer", "basic:user", "header:x-custom"] {
        let form: Form = form.parse().expect("a form");
        let value = SecretValue::from_input(VALUE.as_bytes().to_vec()).expect("a value");
        let mut after = before.clone();
        match arm(value, &form, found, &mut after) {
            Err(ArmError::TokenAbsent) => panic!("what was found does not stand there"),
            Err(_) => assert_eq!(&after, before, "a refusal changed something"),
            Ok(()) => {
                let written = match form {
                    Form::Auto => found.header.as_str(),
                    Form::Bearer | Form::Basic { .. } => "authorization",
                    Form::Header { .. } => "x-custom",
                    Form::UserPass | Form::Query { .. } | Form::Body => unreachable!("not among them"),
                };
                for name in before.keys().chain(after.keys()).filter(|name| name.as_str() != written && **name != found.header) {
                    assert!(before.get_all(name).iter().eq(after.get_all(name)), "another header changed");
                }
                assert!(after.get_all(written).iter().count() > 0 && after.get_all(written).iter().all(HeaderValue::is_sensitive));
                for line in after.get_all(written) {
                    let decoded = line
                        .to_str()
                        .ok()
                        .and_then(|line| line.split_once([' ', '\t']))
                        .and_then(|(_, rest)| STANDARD.decode(rest.trim()).ok());
                    let holds = |text: &[u8]| text.windows(VALUE.len()).any(|window| window == VALUE.as_bytes());
                    assert!(holds(line.as_bytes()) || decoded.is_some_and(|decoded| holds(&decoded)), "a line without the value stayed");
                }
            }
        }
    }
}

/// The same for queries: only a parameter's whole value is a place.
fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.replace('\u{1}', OURS).replace('\u{3}', FOREIGN);
    let found = fuzzing::find_in(&text, |text| match text {
        OURS => Ok(Candidate::Ours(text.parse().expect("a token"))),
        FOREIGN => Err(Refusal::TokenForeign),
        _ => Ok(Candidate::NotOurs),
    });
    let raw = |token: &str| text.split('&').any(|piece| piece.strip_prefix("key=") == Some(token));
    match found {
        Err(refusal) => assert!(refusal == Refusal::LimitReached || text.contains('%') || text.contains(FOREIGN)),
        Ok(found) => assert!(!raw(FOREIGN) && found.len() <= 1 && (found.len() == 1 || !raw(OURS))),
    }
}
