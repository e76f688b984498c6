//! The anchor of a gateway that runs: it is put back where it is gone, with an event, and never over a ledger that lacks what it told of.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use installation::{DEPLOYMENT, Installation, secret_name};
use model::EventKind;
use rusqlite::Connection;
use service::Gate;
use service::anchor::{AnchorError, AnchorPlaces};
use store::{Mode, Store};

/// A gateway that keeps its anchors in these folders, and the files.
fn keeping(house: &Installation, folders: &[PathBuf]) -> (Gate, Vec<PathBuf>) {
    let places = AnchorPlaces::new(folders, house.folder.path(), DEPLOYMENT);
    let files = places.paths();
    let store = Arc::new(Store::open(&house.folder.path().join("tightlip.db"), Mode::Reader).unwrap());
    let admin = vault::hash_token(&house.admin_key);
    let gate = Gate::new(store, Arc::clone(&house.ledger), Arc::clone(&house.keys), admin, house.clock.clone());
    (gate.with_anchors(places).unwrap(), files)
}

/// Which file it is: each that is written is another one.
fn number(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn times_missing(house: &Installation) -> usize {
    house.kinds().into_iter().filter(|kind| *kind == EventKind::AnchorMissing).count()
}

/// Makes another event.
fn change(house: &Installation) {
    house.gate.expose(&house.admin_key, &house.caller(), &secret_name("TOKEN"), link::cli::Exposure::Brokered).unwrap();
}

#[test]
fn an_anchor_that_is_gone_is_put_back_with_one_event() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    let folder = house.folder.path().join("state");
    {
        let (gate, files) = keeping(&house, std::slice::from_ref(&folder));
        gate.keep_anchor().unwrap();
        assert!(files[0].is_file());
    }
    let before = times_missing(&house);
    let (gate, files) = keeping(&house, std::slice::from_ref(&folder));
    gate.keep_anchor().unwrap();
    let kept = number(&files[0]);
    gate.keep_anchor().unwrap();
    assert_eq!((number(&files[0]), times_missing(&house)), (kept, before), "nothing changed, and nothing is written");
    for round in 1..=3 {
        match round {
            1 => fs::remove_file(&files[0]).unwrap(),
            2 => fs::remove_dir_all(&folder).unwrap(),
            _ => {
                fs::remove_file(&files[0]).unwrap();
                change(&house);
            }
        }
        gate.keep_anchor().unwrap();
        assert!(files[0].is_file(), "round {round}");
        assert_eq!(times_missing(&house), before + round);
        gate.keep_anchor().unwrap();
        gate.keep_anchor().unwrap();
        assert_eq!(times_missing(&house), before + round);
        let places = AnchorPlaces::new(std::slice::from_ref(&folder), house.folder.path(), DEPLOYMENT);
        let present = places.read(&house.keys).unwrap();
        assert_eq!(present[0].1.gateway.seq, house.ledger.head().unwrap().seq, "the event is under it");
    }
}

#[test]
fn an_anchor_that_is_gone_is_not_put_back_over_an_older_ledger() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    let (gate, files) = keeping(&house, &[house.folder.path().join("state")]);
    change(&house);
    gate.keep_anchor().unwrap();
    gate.keep_anchor().unwrap();
    fs::remove_file(&files[0]).unwrap();
    let ledger = Connection::open(house.folder.path().join("gateway.db")).unwrap();
    ledger.execute_batch("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)").unwrap();
    for _ in 0..2 {
        assert!(matches!(gate.keep_anchor(), Err(AnchorError::RolledBack { .. })));
        assert!(!files[0].exists() && gate.check().is_err());
    }
}

#[test]
fn a_second_place_that_takes_no_anchor_has_the_first_written_no_oftener() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    let (settings, environment) = (house.folder.path().join("named"), house.folder.path().join("file/state"));
    fs::write(house.folder.path().join("file"), "").unwrap();
    let (gate, files) = keeping(&house, &[settings, environment.clone()]);
    gate.keep_anchor().unwrap();
    gate.keep_anchor().unwrap();
    let (kept, told) = (number(&files[0]), times_missing(&house));
    gate.keep_anchor().unwrap();
    assert_eq!((number(&files[0]), times_missing(&house)), (kept, told));
    // One that takes it has it back, whichever it is.
    fs::remove_file(house.folder.path().join("file")).unwrap();
    gate.keep_anchor().unwrap();
    assert!(files[1].is_file() && files[1].starts_with(&environment));
    assert_eq!(times_missing(&house), told + 1);
}

#[test]
fn a_place_that_takes_no_anchor_fails_each_time_and_tells_of_none() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    fs::write(house.folder.path().join("file"), "").unwrap();
    let (gate, _) = keeping(&house, &[house.folder.path().join("file/state")]);
    for _ in 0..3 {
        assert!(matches!(gate.keep_anchor(), Err(AnchorError::Io { .. })));
    }
    assert_eq!(times_missing(&house), 0);
}
