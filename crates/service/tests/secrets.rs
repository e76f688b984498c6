//! What becomes of a stored value's metadata.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::sync::Barrier;

use installation::{Installation, secret_name, value};
use service::{Page, SecretsError};

#[test]
fn a_taken_name_is_refused() {
    let house = Installation::make();
    house.store("A", "first value");
    let again = house.house.secrets().create(&house.caller(), secret_name("A"), value("second value"));
    assert!(matches!(again, Err(SecretsError::Duplicate)));
}

#[test]
fn what_does_not_exist_is_not_found() {
    let house = Installation::make();
    let (secrets, caller, name) = (house.house.secrets(), house.caller(), secret_name("A"));
    assert!(matches!(secrets.get(&caller, &name), Err(SecretsError::NotFound)));
    assert!(matches!(secrets.update(&caller, &name, value("a value")), Err(SecretsError::NotFound)));
    assert!(matches!(secrets.delete(&caller, &name), Err(SecretsError::NotFound)));
}

#[test]
fn the_newest_comes_first_also_within_one_millisecond() {
    let house = Installation::make();
    for number in 0..30 {
        house.store(&format!("S{number}"), "some value");
    }
    let first = house.house.secrets().list(&house.caller(), &Page::new(0, None)).unwrap();
    assert_eq!((first.secrets.len(), first.has_more, first.total), (20, true, 30));
    assert_eq!(first.secrets[0].name, secret_name("S29"));
    let last = first.secrets.last().unwrap();
    house.house.secrets().delete(&house.caller(), &last.name).unwrap();
    let rest = house.house.secrets().list(&house.caller(), &Page::new(0, Some(last.id.clone()))).unwrap();
    assert_eq!((rest.secrets[0].name.as_str(), rest.secrets.len(), rest.has_more), ("S9", 10, false));
}

#[test]
fn a_deleted_name_can_be_used_again_with_a_new_id() {
    let house = Installation::make();
    let first = house.store("A", "some value");
    house.house.secrets().delete(&house.caller(), &first.name).unwrap();
    let second = house.store("A", "some value");
    assert!(second.id > first.id);
}

#[test]
fn updates_of_one_secret_all_happen_one_after_the_other() {
    const WRITERS: usize = 8;
    let house = Installation::make();
    house.store("A", "some value");
    let start = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                start.wait();
                house.house.secrets().update(&house.caller(), &secret_name("A"), value("another value")).unwrap();
            });
        }
    });
    let secret = house.house.secrets().get(&house.caller(), &secret_name("A")).unwrap();
    assert_eq!(secret.version as usize, 1 + WRITERS);
}

#[test]
fn each_change_has_its_event_and_no_event_has_the_value() {
    let house = Installation::make();
    house.store("A", "canary-one-0123456789");
    house.house.secrets().update(&house.caller(), &secret_name("A"), value("canary-two-0123456789")).unwrap();
    house.house.secrets().delete(&house.caller(), &secret_name("A")).unwrap();
    let events = house.house.events(&house.caller(), Some(secret_name("A")), 0, 10).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event.kind).collect();
    use model::EventKind::{SecretCreated, SecretDeleted, SecretUpdated};
    assert_eq!(kinds, [SecretCreated, SecretUpdated, SecretDeleted]);
    assert!(!format!("{events:?}").contains("canary-"));
}
