//! Who makes and revokes which API keys, and what a key that has ended can still do: nothing, on either side.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::time::Duration;

use installation::{Installation, START, account, add_account, add_key};
use model::limits::{ANSWER_LIFE_MS, KEYS_PER_ACCOUNT_MAX};
use model::{ApiKey, Asked, EventKind, Refusal, Scope, Scopes};
use service::{AccountsError, AuthError, Caller, KeyPlan, KeysError, MadeKey, Operator, Request};

fn plan(scopes: &str) -> KeyPlan {
    KeyPlan { name: "CI".parse().unwrap(), scopes: scopes.parse().unwrap(), life: None }
}

fn lasting(scopes: &str, seconds: u64) -> KeyPlan {
    KeyPlan { life: Some(Duration::from_secs(seconds)), ..plan(scopes) }
}

/// Drawn up and kept: what the gateway says to it is no matter of these tests.
fn create(house: &Installation, by: &Caller, plan: KeyPlan) -> Result<MadeKey, KeysError> {
    let draft = house.house.draft_key(by, plan)?;
    house.house.keep_key(by, draft, b"a mark".to_vec())
}

fn make(house: &Installation, by: &Caller, plan: KeyPlan) -> MadeKey {
    create(house, by, plan).unwrap()
}

fn caller(house: &Installation, made: &MadeKey) -> Caller {
    house.house.authenticate(Some(&made.credential)).unwrap()
}

fn good(house: &Installation) -> Vec<ApiKey> {
    let keys = house.house.keys(&house.caller(), None, 5000).unwrap().keys;
    keys.into_iter().filter(|key| key.is_good(model::Clock::now(house.clock.as_ref()))).collect()
}

#[test]
fn without_the_scope_keys_nothing_is_made_listed_or_revoked() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 2, "tlk_writer", "read,secrets,devbox".parse().unwrap()));
    let writer = house.house.authenticate(Some("tlk_writer")).unwrap();
    let forbidden = |error: KeysError| matches!(error, KeysError::Auth(AuthError::Forbidden { scope: Scope::Keys }));
    assert!(forbidden(create(&house, &writer, plan("read")).err().unwrap()));
    assert!(forbidden(house.house.keys(&writer, None, 10).unwrap_err()));
    assert!(forbidden(house.house.revoke_key(&writer, &writer.key.id).unwrap_err()));
    assert_eq!(good(&house).len(), 2);
}

#[test]
fn no_key_makes_or_revokes_one_that_may_do_more() {
    let house = Installation::make();
    let lesser = make(&house, &house.caller(), plan("read,keys"));
    let by = caller(&house, &lesser);
    for scopes in ["secrets", "read,devbox", "read,secrets,devbox,keys"] {
        assert!(matches!(create(&house, &by, plan(scopes)), Err(KeysError::ScopesExceed)), "{scopes}");
    }
    let none = KeyPlan { scopes: Scopes::default(), ..plan("read") };
    assert!(matches!(create(&house, &by, none), Err(KeysError::NoScopes)));
    assert!(matches!(house.house.revoke_key(&by, &house.caller().key.id), Err(KeysError::ScopesExceed)));
    let equal = make(&house, &by, plan("read,keys"));
    assert!(house.house.revoke_key(&by, &equal.key.id).unwrap().revoked.is_some());
}

#[test]
fn no_key_makes_one_that_lasts_longer() {
    let house = Installation::make();
    let short = make(&house, &house.caller(), lasting("read,keys", 60));
    let by = caller(&house, &short);
    assert!(matches!(create(&house, &by, lasting("read", 61)), Err(KeysError::LifeExceeds)));
    for seconds in [0, u64::MAX, 11 * 365 * 24 * 3600] {
        assert!(matches!(create(&house, &house.caller(), lasting("read", seconds)), Err(KeysError::Life)), "{seconds}");
    }
    assert_eq!(make(&house, &by, lasting("read", 60)).key.expires, short.key.expires);
    assert_eq!(make(&house, &by, plan("read")).key.expires, short.key.expires, "without a wish it ends with its maker");
    assert_eq!(make(&house, &house.caller(), plan("read")).key.expires, None);
}

#[test]
fn an_account_has_only_so_many_good_keys_and_a_revoked_one_makes_room() {
    let house = Installation::make();
    let mut last = None;
    for _ in 1..KEYS_PER_ACCOUNT_MAX {
        last = Some(make(&house, &house.caller(), plan("read")));
    }
    assert!(matches!(create(&house, &house.caller(), plan("read")), Err(KeysError::TooMany)));
    house.house.revoke_key(&house.caller(), &last.unwrap().key.id).unwrap();
    make(&house, &house.caller(), plan("read"));
}

#[test]
fn another_accounts_key_is_unknown() {
    let house = Installation::with_keys(|store| {
        add_account(store, &account(2));
        add_key(store, &account(2), 9, "tlk_stranger", Scopes::all());
    });
    let stranger = house.house.authenticate(Some("tlk_stranger")).unwrap();
    assert!(matches!(house.house.revoke_key(&stranger, &house.caller().key.id), Err(KeysError::NotFound)));
    let listed = house.house.keys(&stranger, None, 10).unwrap();
    assert_eq!((listed.keys.len(), listed.total), (1, 1));
}

#[test]
fn no_key_revokes_one_that_lasts_longer() {
    let house = Installation::make();
    let [short, long] = [60, 120].map(|seconds| make(&house, &house.caller(), lasting("read,keys", seconds)));
    let by = caller(&house, &short);
    assert!(matches!(house.house.revoke_key(&by, &long.key.id), Err(KeysError::LifeExceeds)));
    assert!(matches!(house.house.revoke_key(&by, &make(&house, &house.caller(), plan("read")).key.id), Err(KeysError::LifeExceeds)));
    assert!(house.house.revoke_key(&caller(&house, &long), &short.key.id).unwrap().revoked.is_some());
}

#[test]
fn another_plan_under_the_same_number_replaces_no_key() {
    let house = Installation::make();
    let by = Caller { request: Some(Request::new("POST /v1/api-keys", "1")), ..house.caller() };
    let plans = [plan("read"), plan("secrets"), lasting("read", 60), KeyPlan { name: "other".parse().unwrap(), ..plan("read") }];
    let made = plans.map(|plan| make(&house, &by, plan));
    assert!(made.iter().all(|made| house.house.authenticate(Some(&made.credential)).is_ok()));
}

#[test]
fn a_revoked_key_is_refused_on_both_sides_at_once_and_only_its_holder_is_told() {
    let house = Installation::make();
    let made = make(&house, &house.caller(), plan("read,devbox"));
    let id = house.house.revoke_key(&house.caller(), &made.key.id).unwrap().id;
    for refused in [house.house.authenticate(Some(&made.credential)), house.gate.authenticate(Some(&made.credential))] {
        assert!(matches!(refused, Err(AuthError::Revoked)));
    }
    assert!(matches!(house.house.authenticate(Some(&format!("{}x", *made.credential))), Err(AuthError::Unknown)));
    assert!(matches!(house.house.authenticate(Some(id.as_str())), Err(AuthError::Unknown)));
}

#[test]
fn an_expired_key_is_refused_on_both_sides() {
    let house = Installation::make();
    let made = house.make_key(&house.owner_key, lasting("read", 60)).unwrap();
    house.clock.advance(59_999);
    assert!(house.gate.authenticate(Some(&made.credential)).is_ok());
    house.clock.advance(1);
    for refused in [house.house.authenticate(Some(&made.credential)), house.gate.authenticate(Some(&made.credential))] {
        assert!(matches!(refused, Err(AuthError::Expired)));
    }
}

#[test]
fn revoking_again_changes_nothing_and_tells_the_first_time() {
    let house = Installation::make();
    let made = make(&house, &house.caller(), plan("read"));
    let first = house.house.revoke_key(&house.caller(), &made.key.id).unwrap();
    house.clock.advance(5_000);
    assert_eq!(house.house.revoke_key(&house.caller(), &made.key.id).unwrap(), first);
    let kinds: Vec<_> = house.house.events(&house.caller(), None, 0, 100).unwrap().into_iter().map(|event| event.event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::KeyRevoked).count(), 1);
}

#[test]
fn the_last_key_that_could_make_its_like_stays() {
    let house = Installation::make();
    let own = house.caller().key.id;
    let is_last = |house: &Installation| matches!(house.house.revoke_key(&house.caller(), &own), Err(KeysError::LastKey));
    assert!(is_last(&house));
    make(&house, &house.caller(), plan("keys"));
    make(&house, &house.caller(), plan("read,secrets,devbox"));
    assert!(is_last(&house), "keys that may do less do not stand in for it");
    make(&house, &house.caller(), lasting("read,secrets,devbox,keys", 3600));
    assert!(is_last(&house), "nor does one that ends sooner");
    let next = make(&house, &house.caller(), KeyPlan { scopes: Scopes::all(), ..plan("keys") });
    assert!(house.house.revoke_key(&house.caller(), &own).unwrap().revoked.is_some());
    assert!(matches!(house.house.revoke_key(&caller(&house, &next), &next.key.id), Err(KeysError::LastKey)));
}

#[test]
fn a_caller_who_was_revoked_meanwhile_makes_nothing() {
    let house = Installation::make();
    let made = make(&house, &house.caller(), plan("read,keys"));
    let late = caller(&house, &made);
    house.house.revoke_key(&house.caller(), &made.key.id).unwrap();
    assert!(matches!(create(&house, &late, plan("read")), Err(KeysError::Auth(AuthError::Revoked))));
    assert!(matches!(house.house.revoke_key(&late, &made.key.id), Err(KeysError::Auth(AuthError::Revoked))));
}

#[test]
fn a_request_that_comes_again_leaves_one_good_key() {
    let house = Installation::make();
    let again = |by: Caller, number: &str| {
        let by = Caller { request: Some(Request::new("POST /v1/api-keys", number)), ..by };
        create(&house, &by, plan("read")).unwrap()
    };
    let first = again(house.caller(), "9f0a-1");
    let second = again(house.caller(), "9f0a-1");
    assert!(matches!(house.house.authenticate(Some(&first.credential)), Err(AuthError::Revoked)));
    assert!(house.house.authenticate(Some(&second.credential)).is_ok());
    // Another request, or another caller's, is another one; and after a day nobody tries again.
    again(house.caller(), "9f0a-2");
    let other = make(&house, &house.caller(), plan("read,keys"));
    again(caller(&house, &other), "9f0a-1");
    house.clock.advance(ANSWER_LIFE_MS);
    again(house.caller(), "9f0a-1");
    assert!(house.house.authenticate(Some(&second.credential)).is_ok());
    assert_eq!(good(&house).len(), 6);
}

#[test]
fn an_event_tells_which_key_acted_and_which_it_is_about() {
    let house = Installation::make();
    let own = house.caller().key.id;
    let made = make(&house, &house.caller(), plan("read"));
    house.house.revoke_key(&house.caller(), &made.key.id).unwrap();
    let events = house.house.events(&house.caller(), None, 0, 100).unwrap();
    let of = |kind| events.iter().rev().find(|event| event.event.kind == kind).map(|event| &event.event).unwrap();
    for kind in [EventKind::KeyCreated, EventKind::KeyRevoked] {
        assert_eq!((of(kind).key.as_ref(), of(kind).about_key.as_ref()), (Some(&own), Some(&made.key.id)));
    }
    assert!(!format!("{events:?}").contains("tlk_"));
}

#[test]
fn uses_are_noted_to_the_minute_on_both_sides() {
    let house = Installation::make();
    let made = house.make_key(&house.owner_key, plan("read,devbox")).unwrap();
    assert_eq!(house.gate.take_uses(10).len(), 1, "the key that made it was shown to the gateway");
    let noted = || house.house.keys(&house.caller(), None, 1).unwrap().keys[0].last_used.map(model::Timestamp::unix_ms);
    house.house.write_uses(&[]).unwrap();
    assert_eq!(noted(), None);
    let minute = |ms: i64| ms - ms % 60_000;
    house.house.authenticate(Some(&made.credential)).unwrap();
    house.house.write_uses(&[]).unwrap();
    assert_eq!(noted(), Some(minute(START.unix_ms())));
    house.clock.advance(180_000);
    house.gate.authenticate(Some(&made.credential)).unwrap();
    let of_gateway = house.gate.take_uses(10);
    assert_eq!(of_gateway.len(), 1);
    house.house.write_uses(&of_gateway).unwrap();
    assert_eq!(noted(), Some(minute(START.unix_ms() + 180_000)));
    // A key that is refused is not used.
    house.house.revoke_key(&house.caller(), &made.key.id).unwrap();
    house.clock.advance(180_000);
    assert!(house.gate.authenticate(Some(&made.credential)).is_err() && house.gate.take_uses(10).is_empty());
}

#[test]
fn a_devbox_ends_with_the_key_that_opened_it() {
    let house = Installation::make();
    house.store("TOKEN", "ghp_0123456789abcdefghijklmnopqrstuvwxyz");
    let host: model::Host = "api.github.com".parse().unwrap();
    for end in [true, false] {
        let made = house.make_key(&house.owner_key, lasting("devbox", 3600)).unwrap();
        let ca = house.new_ca();
        let by = house.gate.authenticate(Some(&made.credential)).unwrap();
        let card = house.gate.open(&by, None, vec![], ca).unwrap().card;
        let asked = Asked { devbox: &card.devbox, host: &host, port: 443, method: "GET", path: "/user" };
        let token = &card.grants[0].token;
        let secret = &card.grants[0].grant.secret;
        house.gate.resolve(&card, token, asked, model::Spot::Header).unwrap();
        assert!(house.gate.is_bound(&card, secret, &host, 443));
        if end {
            house.house.revoke_key(&house.caller(), &made.key.id).unwrap();
        } else {
            house.clock.advance(3_600_000);
        }
        assert_eq!(house.gate.resolve(&card, token, asked, model::Spot::Header).err(), Some(Refusal::TokenEnded));
        assert!(!house.gate.is_bound(&card, secret, &host, 443), "an exchange under way stands no longer");
    }
}

#[test]
fn another_user_makes_no_account() {
    assert!(matches!(Operator::check(1000, 0), Err(AccountsError::OtherUser)));
    assert!(matches!(Operator::check(0, 1000), Err(AccountsError::OtherUser)), "not even root, when the server is not root's");
}

#[test]
fn a_new_account_sees_nothing_of_others_and_its_key_may_do_everything_in_it() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    let operator = Operator::check(7, 7).unwrap();
    assert!(matches!(house.make_account("", true), Err(AccountsError::NameEmpty)));
    assert!(matches!(house.make_account("owner", true), Err(AccountsError::NameTaken)));
    let (team, key) = house.make_account("team", true).unwrap();
    let by = house.house.authenticate(Some(&key)).unwrap();
    assert_eq!((&by.account, by.key.scopes), (&team, Scopes::all()));
    assert_eq!(house.house.secrets().list(&by, &service::Page::new(0, None)).unwrap().total, 0);
    let kinds: Vec<_> = house.house.events(&by, None, 0, 10).unwrap().into_iter().map(|event| event.event.kind).collect();
    assert_eq!(kinds, [EventKind::AccountCreated, EventKind::KeyCreated]);
    let page = house.house.accounts(&operator, None).unwrap();
    assert_eq!(page.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["owner", "team"]);
}

#[test]
fn an_account_without_the_capability_has_a_key_that_may_nothing() {
    let house = Installation::make();
    let (_, key) = house.make_account("guest", false).unwrap();
    let by = house.house.authenticate(Some(&key)).unwrap();
    for scope in Scope::ALL {
        assert!(matches!(by.require(scope), Err(AuthError::NoCapability)));
    }
}
