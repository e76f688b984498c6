//! The files: modes, foreign and damaged ones, newer schemas.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use model::EventKind;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use store::{FileFault, Ledger, Mode, Store, StoreError};

use crate::backend::{Backend, DEPLOYMENT, Sqlite};
use crate::sample;

fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn refusals(path: &Path) -> [Option<StoreError>; 2] {
    [Mode::Writer, Mode::Reader].map(|mode| Store::open(path, mode).err())
}

#[test]
fn a_newer_database_is_refused_and_untouched() {
    let backend = Sqlite::make();
    sample::stored_account(&backend.open(Mode::Writer));
    Connection::open(backend.path()).unwrap().execute_batch("PRAGMA user_version = 99; CREATE TABLE newer (x);").unwrap();
    let before = contents(&backend.path());
    for refusal in refusals(&backend.path()) {
        let refusal = refusal.unwrap();
        assert!(matches!(refusal, StoreError::Newer { found: 99, known: 4 }));
        assert_eq!(refusal.to_string(), "the database has schema 99 and this build knows 4: use the newer tightlip that wrote it");
    }
    assert!(contents(&backend.path()) == before, "something was changed");
}

#[test]
fn a_newer_schema_that_stands_in_the_wal_only_is_refused_and_untouched() {
    let backend = Sqlite::make();
    let conn = Connection::open(backend.path()).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    conn.execute_batch("PRAGMA user_version = 99; CREATE TABLE newer (x);").unwrap();
    drop(conn);
    let lasting = || {
        let mut files = contents(&backend.path());
        // Only an index of the WAL in shared memory, made anew by whoever comes first.
        files.remove("tightlip.db-shm");
        files
    };
    let before = lasting();
    assert!(before["tightlip.db-wal"].len() > 4096);
    for refusal in refusals(&backend.path()) {
        assert!(matches!(refusal, Some(StoreError::Newer { found: 99, known: 4 })));
    }
    assert!(lasting() == before, "something was changed");
}

#[test]
fn a_header_that_says_another_version_than_the_schema_is_damage() {
    for number in [0, 3, 5, 99, -1] {
        let backend = Sqlite::make();
        Connection::open(backend.path()).unwrap().execute_batch(&format!("PRAGMA user_version = {number}")).unwrap();
        for refusal in refusals(&backend.path()) {
            let refusal = refusal.unwrap();
            assert_eq!(refusal.file_fault(), Some(&FileFault::Misnumbered { found: number, known: 4 }), "{refusal:?}");
        }
    }
    let backend = Sqlite::make();
    Connection::open(backend.path()).unwrap().execute_batch("PRAGMA user_version = 3; DROP INDEX api_keys_by_account").unwrap();
    assert!(refusals(&backend.path()).iter().all(|refusal| matches!(refusal, Some(StoreError::Schema(_)))));
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let backend = Sqlite::make();
        let path = backend.path().with_file_name(format!("tightlip.db{suffix}"));
        let kept = backend.path().with_file_name("kept");
        if suffix.is_empty() {
            fs::rename(&path, &kept).unwrap();
        }
        let spoil: [&dyn Fn(); 3] = [
            &|| assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success()),
            &|| std::os::unix::fs::symlink(&kept, &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
        ];
        for spoil in spoil {
            spoil();
            for refusal in refusals(&backend.path()) {
                let refusal = refusal.unwrap();
                assert_eq!(refusal.file_fault(), Some(&FileFault::NotRegular(path.clone())), "{refusal:?}");
            }
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
        }
    }
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    for bytes in [&b""[..], b"a letter to my aunt", &[7; 8192]] {
        fs::write(&path, bytes).unwrap();
        for refusal in refusals(&path) {
            assert!(matches!(refusal, Some(StoreError::NotADatabase)), "{refusal:?}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::remove_file(&path).unwrap();
    Ledger::create(&path, DEPLOYMENT).unwrap();
    assert!(refusals(&path).iter().all(|refusal| matches!(refusal, Some(StoreError::NotADatabase))));
    assert!(matches!(Ledger::open(&Sqlite::make().path()), Err(StoreError::NotADatabase | StoreError::Missing)));
}

#[test]
fn a_schema_that_was_changed_is_refused_at_the_start_and_under_a_writer() {
    let backend = Sqlite::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let change = |sql: &str| Connection::open(backend.path()).unwrap().execute_batch(sql).unwrap();
    change("CREATE TRIGGER rename AFTER INSERT ON api_keys BEGIN UPDATE accounts SET name = 'theirs'; END");
    let add = || {
        let key = sample::api_key(&account.id);
        store.insert_api_key(&key, &sample::event(EventKind::KeyCreated, &account.id))
    };
    assert!(matches!(add(), Err(StoreError::Schema(_))) && matches!(store.stands(), Err(StoreError::Schema(_))));
    for refusal in refusals(&backend.path()) {
        assert!(
            matches!(&refusal, Some(StoreError::Schema(faults)) if faults.to_string() == "the trigger rename is none of tightlip's"),
            "{refusal:?}"
        );
    }
    assert_eq!(store.owner().unwrap().unwrap(), account);
    change("DROP TRIGGER rename");
    store.stands().unwrap();
    add().unwrap();
    assert_eq!(store.owner().unwrap().unwrap(), account);
    assert!(refusals(&backend.path()).iter().all(Option::is_none));
}

#[test]
fn a_damaged_database_is_told() {
    let backend = Sqlite::make();
    let account = sample::stored_account(&backend.open(Mode::Writer)).id;
    let mut bytes = fs::read(backend.path()).unwrap();
    bytes[4096..].fill(0xA5);
    fs::write(backend.path(), bytes).unwrap();
    let damaged = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Damaged(_)));
    assert!(damaged(Store::open(&backend.path(), Mode::Reader).and_then(|store| store.account(&account).map(|_| ()))));
    assert!(damaged(Store::open(&backend.path(), Mode::Writer).and_then(|store| store.check())));
}

#[test]
fn a_row_that_does_not_parse_is_damage() {
    let backend = Sqlite::make();
    let account = sample::stored_account(&backend.open(Mode::Writer)).id;
    Connection::open(backend.path())
        .unwrap()
        .execute_batch("UPDATE accounts SET created = 'x' || created WHERE 0; UPDATE accounts SET id = 'x'")
        .unwrap();
    let store = backend.open(Mode::Reader);
    assert!(matches!(store.owner(), Err(StoreError::Damaged(Some(_)))));
    assert_eq!(store.account(&account).unwrap(), None);
}

#[test]
fn nothing_is_made_by_opening_and_nothing_is_overwritten_by_making() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tightlip.db");
    assert!(refusals(&path).iter().all(|refusal| matches!(refusal, Some(StoreError::Missing))));
    assert_eq!(contents(&path), BTreeMap::new());
    assert!(matches!(Store::create(&folder.path().join("no/such/folder.db"), DEPLOYMENT), Err(StoreError::Missing)));
    Store::create(&path, DEPLOYMENT).unwrap();
    let made = contents(&path);
    assert_eq!(made.keys().collect::<Vec<_>>(), ["tightlip.db"]);
    assert!(matches!(Store::create(&path, "another"), Err(StoreError::Exists)));
    assert_eq!(contents(&path), made);
}

#[test]
fn what_a_crash_left_of_making_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tightlip.db");
    fs::write(folder.path().join("tightlip.db.new"), "half").unwrap();
    fs::write(folder.path().join("tightlip.db.new-journal"), "half").unwrap();
    Store::create(&path, DEPLOYMENT).unwrap();
    assert_eq!(contents(&path).keys().collect::<Vec<_>>(), ["tightlip.db"]);
}

#[test]
fn the_files_are_their_owners_alone() {
    let backend = Sqlite::make();
    let reader = backend.open(Mode::Reader);
    let writer = backend.open(Mode::Writer);
    sample::stored_account(&writer);
    reader.check().unwrap();
    let folder = fs::read_dir(backend.path().parent().unwrap()).unwrap();
    let modes: BTreeMap<_, _> = folder
        .map(Result::unwrap)
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o7777))
        .collect();
    let expected = ["tightlip.db", "tightlip.db-shm", "tightlip.db-wal"].map(|name| (name.to_owned(), 0o600));
    assert_eq!(modes, BTreeMap::from(expected));
}

#[test]
fn a_path_of_any_letters_works() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["file:x?mode=memory", "a b%20c#d", "zwölf.db"] {
        let path = folder.path().join(name);
        Store::create(&path, DEPLOYMENT).unwrap();
        sample::stored_account(&Store::open(&path, Mode::Writer).unwrap());
        assert!(Store::open(&path, Mode::Reader).unwrap().owner().unwrap().is_some());
        assert!(path.is_file());
    }
}

#[test]
fn every_error_has_a_code_of_its_own() {
    let errors = [
        StoreError::Newer { found: 2, known: 1 },
        StoreError::Outdated { found: 1, known: 2 },
        StoreError::Missing,
        StoreError::Exists,
        StoreError::NotADatabase,
        StoreError::Damaged(None),
        StoreError::ChainBroken { writer: model::Writer::Api, seq: 1, fault: store::ChainFault::Gap },
        StoreError::Full,
        StoreError::Busy,
        StoreError::DuplicateName,
        StoreError::Conflict,
        StoreError::ReadOnly,
        StoreError::Unavailable,
        StoreError::WouldWait,
        StoreError::Replaced,
        StoreError::Failed(std::sync::Arc::new(std::fmt::Error)),
    ];
    let codes: std::collections::BTreeSet<_> = errors.iter().map(StoreError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(codes.iter().all(|code| code.starts_with("store_")));
}
