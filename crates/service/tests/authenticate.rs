//! Who is let in, and as what.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_account, add_key};
use model::{Account, Scope, Scopes};
use service::AuthError;

#[test]
fn no_key_a_wrong_key_and_the_admin_key_are_told_apart() {
    let house = Installation::make();
    assert!(matches!(house.house.authenticate(None), Err(AuthError::Missing)));
    assert!(matches!(house.house.authenticate(Some("")), Err(AuthError::Missing)));
    assert!(matches!(house.house.authenticate(Some("tlk_0")), Err(AuthError::Unknown)));
    assert!(matches!(house.house.authenticate(Some(&house.owner_key[..46])), Err(AuthError::Unknown)));
    assert!(matches!(house.house.authenticate(Some(&house.admin_key)), Err(AuthError::AdminKey)));
}

#[test]
fn an_admin_key_that_was_planted_as_an_api_key_is_none() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 9, "tla_planted", Scopes::all()));
    assert!(matches!(house.house.authenticate(Some("tla_planted")), Err(AuthError::AdminKey)));
}

#[test]
fn scopes_and_the_capability_are_required() {
    let poor = Account { devbox_capability: false, ..account(2) };
    let house = Installation::with_keys(|store| {
        add_key(store, &account(1), 2, "tlk_reader", "read".parse().unwrap());
        add_account(store, &poor);
        add_key(store, &poor, 3, "tlk_poor", Scopes::all());
    });
    let reader = house.house.authenticate(Some("tlk_reader")).unwrap();
    assert!(matches!(reader.require(Scope::Secrets), Err(AuthError::Forbidden { scope: Scope::Secrets })));
    assert!(reader.require(Scope::Read).is_ok());
    let poor = house.house.authenticate(Some("tlk_poor")).unwrap();
    assert!(matches!(poor.require(Scope::Read), Err(AuthError::NoCapability)));
}

#[test]
fn the_owner_is_known_on_both_sides() {
    let house = Installation::make();
    assert_eq!(house.caller().account, house.owner);
    assert_eq!(house.gate.authenticate(Some(&house.owner_key)).unwrap().account, house.owner);
}
