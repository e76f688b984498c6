//! Requests with a number: done once, answered again.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::collections::HashSet;
use std::sync::{Barrier, Mutex};

use installation::{Installation, account, add_key, secret_name, value};
use model::limits::ANSWER_LIFE_MS;
use model::{Scope, Scopes, Secret};
use service::{Caller, Request, SecretsError};

fn numbered(house: &Installation, route: &str, number: &str) -> Caller {
    Caller { request: Some(Request::new(route, number)), ..house.caller() }
}

fn create(house: &Installation, caller: &Caller, name: &str) -> Result<Secret, SecretsError> {
    house.house.secrets().create(caller, secret_name(name), value("some value"))
}

fn events(house: &Installation) -> usize {
    house.house.events(&house.caller(), None, 0, 5000).unwrap().len()
}

#[test]
fn a_refusal_is_decided_afresh() {
    let house = Installation::make();
    let first = house.store("A", "some value");
    let again = numbered(&house, "POST /v1/secrets", "1");
    assert!(matches!(create(&house, &again, "A"), Err(SecretsError::Duplicate)));
    house.house.secrets().delete(&house.caller(), &first.name).unwrap();
    assert_ne!(create(&house, &again, "A").unwrap().id, first.id);
    let update = numbered(&house, "POST /v1/secrets/B", "2");
    assert!(matches!(house.house.secrets().update(&update, &secret_name("B"), value("a value")), Err(SecretsError::NotFound)));
    house.store("B", "some value");
    assert_eq!(house.house.secrets().update(&update, &secret_name("B"), value("a value")).unwrap().version, 2);
}

#[test]
fn a_key_that_may_not_write_gets_no_answer_again() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 9, "tlk_reader", [Scope::Read].into_iter().collect()));
    let caller = Caller { request: Some(Request::new("POST /v1/secrets", "1")), ..house.house.authenticate(Some("tlk_reader")).unwrap() };
    create(&house, &numbered(&house, "POST /v1/secrets", "1"), "A").unwrap();
    assert!(matches!(create(&house, &caller, "A"), Err(SecretsError::Auth(_))));
}

#[test]
fn another_number_route_or_key_is_another_request() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 9, "tlk_other", Scopes::all()));
    create(&house, &numbered(&house, "POST /v1/secrets", "1"), "A").unwrap();
    assert!(matches!(create(&house, &numbered(&house, "POST /v1/secrets", "2"), "A"), Err(SecretsError::Duplicate)));
    assert!(matches!(create(&house, &numbered(&house, "POST /v1/secrets/A", "1"), "A"), Err(SecretsError::Duplicate)));
    let other = house.house.authenticate(Some("tlk_other")).unwrap();
    let other = Caller { request: Some(Request::new("POST /v1/secrets", "1")), ..other };
    assert!(matches!(create(&house, &other, "A"), Err(SecretsError::Duplicate)));
}

#[test]
fn the_same_number_for_another_name_is_another_request() {
    let house = Installation::make();
    let caller = numbered(&house, "POST /v1/secrets", "1");
    let first = create(&house, &caller, "A").unwrap();
    let second = create(&house, &caller, "B").unwrap();
    assert_eq!((first.name.as_str(), second.name.as_str()), ("A", "B"));
    assert_eq!(create(&house, &caller, "A").unwrap(), first);
}

#[test]
fn an_answer_from_a_clock_that_ran_ahead_is_none() {
    let house = Installation::make();
    let caller = numbered(&house, "POST /v1/secrets", "1");
    house.clock.advance(7 * ANSWER_LIFE_MS);
    let first = create(&house, &caller, "A").unwrap();
    house.clock.advance(-60_000);
    assert_eq!(create(&house, &caller, "A").unwrap(), first, "a little is forgiven");
    house.clock.advance(-7 * ANSWER_LIFE_MS);
    // Ids never go back with the clock, so the change itself still meets the answer that the look does not take.
    assert!(matches!(create(&house, &caller, "A"), Err(SecretsError::Duplicate | SecretsError::Conflict)));
}

#[test]
fn each_change_that_was_done_is_answered_again() {
    let house = Installation::make();
    let (secrets, name) = (house.house.secrets(), secret_name("A"));
    let [first, second, third] =
        [("POST /v1/secrets", "1"), ("POST /v1/secrets/A", "2"), ("POST /v1/secrets/A/delete", "3")].map(|(r, n)| numbered(&house, r, n));
    let created = create(&house, &first, "A").unwrap();
    let updated = secrets.update(&second, &name, value("another value")).unwrap();
    let before = events(&house);
    assert_eq!(create(&house, &first, "A").unwrap(), created);
    assert_eq!(secrets.update(&second, &name, value("another value")).unwrap(), updated);
    assert_eq!(events(&house), before);
    let deleted = secrets.delete(&third, &name).unwrap();
    assert_eq!(secrets.delete(&third, &name).unwrap(), deleted);
    assert_eq!(create(&house, &first, "A").unwrap(), created);
    assert_eq!(events(&house), before + 1);
}

#[test]
fn after_a_day_it_is_another_request() {
    let house = Installation::make();
    let caller = numbered(&house, "POST /v1/secrets", "1");
    let first = create(&house, &caller, "A").unwrap();
    house.clock.advance(ANSWER_LIFE_MS - 1);
    assert_eq!(create(&house, &caller, "A").unwrap(), first);
    house.clock.advance(1);
    assert!(matches!(create(&house, &caller, "A"), Err(SecretsError::Duplicate)));
}

#[test]
fn two_hundred_at_once_make_one_secret() {
    const CALLERS: usize = 200;
    let house = Installation::make();
    let caller = numbered(&house, "POST /v1/secrets", "1");
    let (start, ids) = (Barrier::new(CALLERS), Mutex::new(HashSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                start.wait();
                let secret = create(&house, &caller, "A").unwrap();
                ids.lock().unwrap().insert(secret.id);
            });
        }
    });
    assert_eq!(ids.lock().unwrap().len(), 1);
}
