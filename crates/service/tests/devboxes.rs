//! Devboxes: what they are given, and what is left of them when they end.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_key, secret_name};
use link::cli::{Denial, Wanted};
use model::Refusal;
use service::{Candidate, DevboxDenial};

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

#[test]
fn what_was_asked_for_by_name_must_exist_and_be_usable() {
    let house = Installation::make();
    house.store("GOOD", GITHUB);
    house.store("SHORT", "1234567");
    house.store("AWS", "AKIA0123456789ABCDEF");
    let denial = |names: &[&str]| house.open(Some(names), &[]).err().unwrap();
    assert!(matches!(denial(&["GOOD", "NONE"]), DevboxDenial::SecretUnknown(2)));
    assert!(matches!(denial(&["SHORT"]), DevboxDenial::Unusable { which: 1, .. }));
    assert!(matches!(denial(&["GOOD", "AWS"]), DevboxDenial::Unusable { which: 2, .. }));
    assert!(matches!(denial(&["GOOD", "GOOD"]), DevboxDenial::EnvTwice(2)));
    assert_eq!(denial(&["NONE"]).denial(), Denial::NotFound);
    assert!(house.ledger.open_devboxes().unwrap().is_empty());
}

#[test]
fn a_key_without_the_scope_opens_nothing() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 2, "tlk_reader", "read,secrets".parse().unwrap()));
    let caller = house.gate.authenticate(Some("tlk_reader")).unwrap();
    let denial = house.gate.open(&caller, None, vec![], house.new_ca()).err().unwrap();
    assert_eq!(denial.denial(), Denial::Forbidden);
}

#[test]
fn all_usable_secrets_are_given_and_the_others_are_left_out_with_the_reason() {
    let house = Installation::make();
    house.store("GITHUB_TOKEN", GITHUB);
    house.store("UNBOUND", "a plain value");
    house.store("not-a-variable", "a plain value");
    house.store("SHORT", "1234567");
    house.store("LINES", "a value\nof two lines");
    house.store("AWS", "AKIA0123456789ABCDEF");
    house.store("HTTPS_PROXY", "http://me:password@proxy.example.com");
    let opened = house.open(None, &[]).unwrap().opened;
    let given: Vec<_> = opened.env.iter().map(|given| (given.env.as_str(), given.unbound)).collect();
    assert_eq!(given, [("UNBOUND", true), ("GITHUB_TOKEN", false)]);
    assert!(opened.env[1].token.as_str().starts_with("ghp_"));
    let left_out: Vec<_> = opened.left_out.iter().map(|left| left.name.as_str()).collect();
    assert_eq!(left_out, ["HTTPS_PROXY", "AWS", "LINES", "SHORT", "not-a-variable"]);
    assert!(opened.left_out.iter().all(|left| left.why.len() > 20));
    assert_eq!(opened.ports, [80, 443]);
}

#[test]
fn a_devbox_holds_a_hundred_tokens_and_no_more() {
    let house = Installation::make();
    for number in 0..103 {
        house.store(&format!("S{number}"), "a plain value");
    }
    let opened = house.open(None, &[]).unwrap().opened;
    assert_eq!((opened.env.len(), opened.left_out.len()), (100, 3));
    let wanted = |number| Wanted { env: format!("E{number}").parse().unwrap(), name: secret_name("S0") };
    let denial = house.gate.open(&house.caller(), Some((0..101).map(wanted).collect()), vec![], house.new_ca()).err().unwrap();
    assert!(matches!(denial, DevboxDenial::TooManySecrets));
}

#[test]
fn one_secret_in_two_variables_has_two_tokens() {
    let house = Installation::make();
    house.store("A", GITHUB);
    let wanted = |env: &str| Wanted { env: env.parse().unwrap(), name: secret_name("A") };
    let opened = house.gate.open(&house.caller(), Some(vec![wanted("X"), wanted("Y")]), vec![], house.new_ca()).unwrap().opened;
    assert_ne!(opened.env[0].token, opened.env[1].token);
}

#[test]
fn only_the_text_that_opening_gave_resumes() {
    let house = Installation::make();
    house.store("A", GITHUB);
    let first = house.open(Some(&["A"]), &["*.example.com"]).unwrap();
    assert!(matches!(house.gate.resume(&first.opened.devbox, "tlr_wrong"), Err(DevboxDenial::WrongResume)));
    let never = house.gate.make_devbox_id().unwrap();
    assert!(matches!(house.gate.resume(&never, &first.opened.resume), Err(DevboxDenial::NotFound)));
    let resumed = house.gate.resume(&first.opened.devbox, &first.opened.resume).unwrap();
    assert_eq!(resumed.card.grants[0].token, first.card.grants[0].token);
    assert_eq!((resumed.card.allow, resumed.ca_pem.as_str()), (first.card.allow, "a certificate"));
    assert_eq!(resumed.ca_key.as_slice(), b"a ca's private key");
}

#[test]
fn an_ended_devbox_is_not_resumed_and_its_tokens_are_dead_everywhere() {
    let house = Installation::make();
    house.store("A", GITHUB);
    let ended = house.open(Some(&["A"]), &[]).unwrap();
    let other = house.card(&["A"]);
    let token = ended.card.grants[0].token.as_str();
    assert_eq!(house.gate.lookup(&other, token), Err(Refusal::TokenForeign));
    house.gate.close(&ended.opened.devbox).unwrap();
    house.gate.close(&ended.opened.devbox).unwrap();
    assert!(matches!(house.gate.resume(&ended.opened.devbox, &ended.opened.resume), Err(DevboxDenial::NotFound)));
    assert_eq!(house.gate.lookup(&other, token), Err(Refusal::TokenEnded));
    assert_eq!(house.gate.lookup(&other, "ghp_0123456789012345678901234567890123456"), Ok(Candidate::NotOurs));
    assert_eq!(house.gate.open_devboxes().unwrap(), [other.devbox]);
}
