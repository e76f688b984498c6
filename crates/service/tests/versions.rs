//! Rows that an api which was taken over puts back: to an older version, from the dead, and while they are looked at.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use installation::{Installation, secret_name, value};
use model::{Asked, Refusal, Spot};
use rusqlite::Connection;
use service::{DevboxCard, DevboxDenial, Gate};

fn store(house: &Installation) -> Connection {
    let conn = Connection::open(house.folder.path().join("tightlip.db")).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF").unwrap();
    conn
}

/// The store as it is now, to take rows from later.
fn kept(house: &Installation) -> PathBuf {
    let path = house.folder.path().join("kept.db");
    store(house).execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    path
}

/// Puts the row of TOKEN back as it was then. The events are left as they are.
fn put_back(house: &Installation, kept: &std::path::Path) {
    let conn = store(house);
    conn.execute("ATTACH ?1 AS kept", [kept.to_str().unwrap()]).unwrap();
    conn.execute_batch(
        "DELETE FROM secrets WHERE name = 'TOKEN';
         INSERT OR REPLACE INTO ciphertexts SELECT number + 1000, salt, ciphertext FROM kept.ciphertexts
            WHERE number = (SELECT ciphertext FROM kept.secrets WHERE name = 'TOKEN');
         INSERT OR REPLACE INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature)
            SELECT id, suite, recipient, encapsulated, ciphertext, created, signer, signature FROM kept.data_keys
            WHERE id = (SELECT data_key FROM kept.secrets WHERE name = 'TOKEN');
         INSERT INTO secrets SELECT id, account, name, version, kind, created, updated, data_key, ciphertext + 1000 FROM kept.secrets WHERE name = 'TOKEN';",
    )
    .unwrap();
}

fn resolve(gate: &Gate, card: &DevboxCard) -> Result<u32, Refusal> {
    let host = "a.example.com".parse().unwrap();
    let asked = Asked { devbox: &card.devbox, host: &host, port: 443, method: "GET", path: "/" };
    gate.resolve(card, &card.grants[0].token, asked, Spot::Header).map(|armed| armed.version)
}

/// A secret that is bound.
fn make() -> Installation {
    let house = Installation::make();
    house.store("TOKEN", "the first value of it");
    house.bind("TOKEN", "a.example.com", "bearer");
    house
}

fn rotate(house: &Installation) {
    house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value("the second value of it")).unwrap();
}

fn delete(house: &Installation) {
    house.house.secrets().delete(&house.caller(), &secret_name("TOKEN")).unwrap();
}

#[test]
fn a_row_that_is_put_back_does_not_open_though_its_version_was_seen_before_and_the_newer_one_never() {
    for change in [rotate, delete] {
        let house = make();
        let card = house.card(&["TOKEN"]);
        assert_eq!(resolve(&house.gate, &card), Ok(1));
        let kept = kept(&house);
        change(&house);
        put_back(&house, &kept);
        assert_eq!(resolve(&house.gate, &card), Err(Refusal::SecretTampered));
        assert!(!house.gate.stands(&card.grants[0].grant.secret, 1), "an exchange goes on with it");
    }
}

#[test]
fn a_row_that_is_put_back_and_changed_without_pause_never_opens() {
    for change in [rotate, delete] {
        let house = make();
        let kept = kept(&house);
        change(&house);
        put_back(&house, &kept);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let conn = store(&house);
                conn.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
                while !is_over.load(Ordering::SeqCst) {
                    conn.execute_batch(
                        "UPDATE secrets SET version = 7 WHERE name = 'TOKEN'; UPDATE secrets SET version = 1 WHERE name = 'TOKEN'",
                    )
                    .unwrap();
                }
            });
            for look in 0..400 {
                let opened = house.open(Some(&["TOKEN"]), &[]).map(drop);
                is_over.store(opened.is_ok() || look == 399, Ordering::SeqCst);
                assert!(matches!(opened, Err(DevboxDenial::Unusable { .. } | DevboxDenial::Internal)), "look {look}: {opened:?}");
            }
        });
        assert!(house.open(Some(&["TOKEN"]), &[]).is_err());
    }
}

#[test]
fn a_row_of_which_no_event_tells_does_not_open() {
    let house = Installation::make();
    house.store("TOKEN", "the first value of it");
    store(&house).execute_batch("UPDATE events SET name = 'ELSE' WHERE name = 'TOKEN'").unwrap();
    let denied = house.open(Some(&["TOKEN"]), &[]).map(drop);
    assert!(matches!(denied, Err(DevboxDenial::Unusable { .. })), "{denied:?}");
}

#[test]
fn a_chain_that_became_shorter_opens_nothing() {
    let house = make();
    let card = house.card(&["TOKEN"]);
    let kept = kept(&house);
    rotate(&house);
    assert_eq!(resolve(&house.gate, &card), Ok(2));
    put_back(&house, &kept);
    store(&house).execute_batch("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)").unwrap();
    assert_eq!(resolve(&house.gate, &card), Err(Refusal::SecretTampered));
}

#[test]
fn rotations_while_it_is_used_are_no_tampering() {
    let house = make();
    let card = house.card(&["TOKEN"]);
    thread::scope(|scope| {
        let using = || {
            scope.spawn(|| {
                let mut last = 0;
                while last < 40 {
                    match resolve(&house.gate, &card) {
                        Ok(version) => {
                            assert!(version >= last);
                            last = version;
                        }
                        Err(refusal) => assert_eq!(refusal, Refusal::Undecided),
                    }
                }
            })
        };
        let users = [using(), using()];
        for _ in 1..40 {
            rotate(&house);
        }
        for user in users {
            user.join().unwrap();
        }
    });
}
