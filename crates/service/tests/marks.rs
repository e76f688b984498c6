//! The gateway's mark on API keys: what the api writes into its own table makes nobody at the gateway.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::time::Duration;

use installation::{Installation, account};
use link::front::NewKey;
use model::{ApiKeyId, Scope, Timestamp};
use rusqlite::Connection;
use service::{AuthError, KeyPlan, KeysError};

fn plan(scopes: &str) -> KeyPlan {
    KeyPlan { name: "CI".parse().unwrap(), scopes: scopes.parse().unwrap(), life: None }
}

/// Changes the store behind everybody's back, as an api that was taken over can.
fn tamper(house: &Installation, sql: &str) {
    Connection::open(house.folder.path().join("tightlip.db")).unwrap().execute_batch(sql).unwrap();
}

fn known_at_the_gateway(house: &Installation, key: &str) -> Result<(), AuthError> {
    house.gate.authenticate(Some(key)).map(drop)
}

#[test]
fn keys_that_were_made_as_keys_are_made_are_taken() {
    let house = Installation::make();
    let made = house.make_key(&house.owner_key, plan("read,keys")).unwrap();
    let child = house.make_key(&made.credential, plan("read")).unwrap();
    let (team, first) = house.make_account("team", true).unwrap();
    let of_team = house.make_key(&first, KeyPlan { life: Some(Duration::from_secs(60)), ..plan("devbox") }).unwrap();
    for key in [&house.owner_key, &*made.credential, &*child.credential, &first, &*of_team.credential] {
        known_at_the_gateway(&house, key).unwrap();
    }
    assert_eq!(house.gate.authenticate(Some(&first)).unwrap().account, team);
}

#[test]
fn a_key_that_was_written_into_the_store_is_taken_by_nobody_at_the_gateway() {
    let house = Installation::make();
    let planted = format!("tlk_{}", "m".repeat(43));
    let hash: String = vault::hash_token(&planted).0.iter().map(|byte| format!("{byte:02x}")).collect();
    let owner = &house.owner.id;
    for (number, mac) in ["NULL", "X''", "randomblob(32)", "(SELECT mac FROM api_keys LIMIT 1)"].into_iter().enumerate() {
        tamper(
            &house,
            &format!(
                "DELETE FROM api_keys WHERE hash = X'{hash}'; INSERT INTO api_keys (id, account, hash, scopes, created, mac) VALUES ('key_00000000000000000000{number}', '{owner}', X'{hash}', 'read,secrets,devbox,keys', 1, {mac})"
            ),
        );
        house.house.authenticate(Some(&planted)).unwrap();
        assert!(matches!(known_at_the_gateway(&house, &planted), Err(AuthError::Unmarked)), "{mac}");
        let new = NewKey {
            id: ApiKeyId::from_parts(installation::START, 99),
            hash: vault::hash_token("x"),
            scopes: vec![Scope::Read],
            expires: None,
        };
        assert!(matches!(house.gate.mark_key(&planted, new), Err(KeysError::Auth(AuthError::Unmarked))), "{mac}");
    }
}

#[test]
fn a_key_whose_row_was_changed_is_taken_no_more() {
    let house = Installation::with_keys(|store| installation::add_account(store, &account(2)));
    let (read, short) = ("tlk of read", "tlk with an end");
    let made = house.make_key(&house.owner_key, plan("read")).unwrap();
    let ends = house.make_key(&house.owner_key, KeyPlan { life: Some(Duration::from_secs(60)), ..plan("read") }).unwrap();
    let (made_id, ends_id, other) = (&made.key.id, &ends.key.id, account(2).id);
    let changes = [
        (
            read,
            &made,
            format!("UPDATE api_keys SET scopes = 'read,secrets,devbox,keys' WHERE id = '{made_id}'"),
            format!("UPDATE api_keys SET scopes = 'read' WHERE id = '{made_id}'"),
        ),
        (
            read,
            &made,
            format!("UPDATE api_keys SET account = '{other}' WHERE id = '{made_id}'"),
            format!("UPDATE api_keys SET account = '{}' WHERE id = '{made_id}'", house.owner.id),
        ),
        (
            short,
            &ends,
            format!("UPDATE api_keys SET expires = NULL WHERE id = '{ends_id}'"),
            format!("UPDATE api_keys SET expires = {} WHERE id = '{ends_id}'", ends.key.expires.map_or(0, Timestamp::unix_ms)),
        ),
    ];
    for (what, key, change, back) in changes {
        known_at_the_gateway(&house, &key.credential).unwrap();
        tamper(&house, &change);
        assert!(matches!(known_at_the_gateway(&house, &key.credential), Err(AuthError::Unmarked)), "{what}: {change}");
        tamper(&house, &back);
    }
}

#[test]
fn the_gateway_marks_no_key_that_may_do_more_than_the_one_that_makes_it() {
    let house = Installation::make();
    let lesser = house.make_key(&house.owner_key, KeyPlan { life: Some(Duration::from_secs(60)), ..plan("read,keys") }).unwrap();
    let reader = house.make_key(&house.owner_key, plan("read")).unwrap();
    let new = |scopes: &[Scope], expires| NewKey {
        id: ApiKeyId::from_parts(installation::START, 99),
        hash: vault::hash_token("tlk_child"),
        scopes: scopes.to_vec(),
        expires,
    };
    let soon = lesser.key.expires;
    let mark = |key: &str, new| house.gate.mark_key(key, new);
    assert!(matches!(mark(&lesser.credential, new(&[Scope::Devbox], soon)), Err(KeysError::ScopesExceed)));
    assert!(matches!(mark(&lesser.credential, new(&[], soon)), Err(KeysError::NoScopes)));
    assert!(matches!(mark(&lesser.credential, new(&[Scope::Read], None)), Err(KeysError::LifeExceeds)));
    assert!(matches!(
        mark(&reader.credential, new(&[Scope::Read], None)),
        Err(KeysError::Auth(AuthError::Forbidden { scope: Scope::Keys }))
    ));
    assert!(matches!(mark("tlk_nobody", new(&[Scope::Read], None)), Err(KeysError::Auth(AuthError::Unknown))));
    assert_eq!(mark(&lesser.credential, new(&[Scope::Read], soon)).unwrap().len(), 32);
}

#[test]
fn a_key_without_a_mark_is_never_marked_afterwards() {
    let house = Installation::make();
    tamper(&house, "UPDATE api_keys SET mac = NULL");
    // Whatever the ledger says, or says no more.
    Connection::open(house.folder.path().join("gateway.db")).unwrap().execute("DELETE FROM meta WHERE key <> 'deployment'", []).unwrap();
    for _ in 0..2 {
        assert!(matches!(known_at_the_gateway(&house, &house.owner_key), Err(AuthError::Unmarked)));
        house.gate.flush().unwrap();
    }
}

#[test]
fn each_mark_is_an_event_of_the_gateways_own() {
    let house = Installation::make();
    let made = house.make_key(&house.owner_key, plan("read")).unwrap();
    let events = house.gate.events(&house.owner.id, None, 0, 10).unwrap();
    let [marked] = <[_; 1]>::try_from(events).unwrap();
    assert_eq!((marked.event.kind, marked.event.about_key), (model::EventKind::KeyMarked, Some(made.key.id)));
    assert_eq!(marked.event.key, Some(house.caller().key.id));
}

#[test]
fn a_devbox_ends_with_its_key_whatever_was_written_into_the_keys_row() {
    let house = Installation::make();
    house.store("TOKEN", "ghp_0123456789abcdefghijklmnopqrstuvwxyz");
    let made = house.make_key(&house.owner_key, KeyPlan { life: Some(Duration::from_secs(60)), ..plan("devbox") }).unwrap();
    let by = house.gate.authenticate(Some(&made.credential)).unwrap();
    let card = house.gate.open(&by, None, vec![], house.new_ca()).unwrap().card;
    let host: model::Host = "api.github.com".parse().unwrap();
    let asked = model::Asked { devbox: &card.devbox, host: &host, port: 443, method: "GET", path: "/user" };
    house.gate.resolve(&card, &card.grants[0].token, asked, model::Spot::Header).unwrap();
    tamper(&house, &format!("UPDATE api_keys SET expires = NULL WHERE id = '{}'", made.key.id));
    house.clock.advance(60_000);
    assert_eq!(house.gate.resolve(&card, &card.grants[0].token, asked, model::Spot::Header).err(), Some(model::Refusal::TokenEnded));
}
