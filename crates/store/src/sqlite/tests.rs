//! What only the inside can bring about: groups of a known make-up, a file that may not grow, a writer that dies.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::error::StoreError;
use crate::sqlite::create::create;
use crate::sqlite::database::{Database, Work};
use crate::sqlite::migrations::{STORE, Schema};
use crate::sqlite::readers;
use crate::store::Mode;

fn database() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    create(&path, &STORE, "dep").unwrap();
    let database = Database::open(&path, &STORE, Mode::Writer).unwrap();
    (folder, database)
}

fn put(key: &'static str, bytes: usize) -> Work {
    Box::new(move |conn, _| {
        conn.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", (key, "v".repeat(bytes)))?;
        Ok(())
    })
}

fn keys(database: &Database) -> String {
    let read =
        |conn: &Connection| Ok(conn.query_row("SELECT group_concat(key) FROM (SELECT key FROM meta ORDER BY key)", [], |row| row.get(0))?);
    database.read(read).unwrap()
}

/// Does these together, in one group: the writer is held up until all are queued. Answers what became of each.
fn together(database: &Database, works: Vec<Work>) -> Vec<Result<(), StoreError>> {
    let (release, held) = channel::<()>();
    let (begun, begins) = channel();
    let held = std::sync::Mutex::new(held);
    let hold: Work = Box::new(move |_, _| {
        begun.send(()).unwrap();
        // Ends when the sender is dropped.
        held.lock().unwrap().recv().unwrap_err();
        Ok(())
    });
    thread::scope(|scope| {
        let holding = scope.spawn(|| database.write(hold));
        begins.recv().unwrap();
        let waiting: Vec<_> = works.into_iter().map(|work| (scope.spawn(|| database.write(work)), thread::yield_now()).0).collect();
        drop(release);
        holding.join().unwrap().unwrap();
        waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn an_older_database_waits_for_a_writer() {
    static OLDER: Schema = Schema { application: STORE.application, steps: STORE.steps.split_at(3).0 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    create(&path, &OLDER, "dep").unwrap();
    assert!(matches!(Database::open(&path, &STORE, Mode::Reader), Err(StoreError::Outdated { found: 3, known: 4 })));
    drop(Database::open(&path, &STORE, Mode::Writer).unwrap());
    Database::open(&path, &STORE, Mode::Reader).unwrap();
}

#[test]
fn a_change_that_fails_harms_no_other_of_its_group() {
    let (_folder, database) = database();
    let half: Work = Box::new(|conn, deployment| {
        put("half", 1)(conn, deployment)?;
        Err(StoreError::Conflict)
    });
    let results = together(&database, vec![put("a", 1), put("deployment", 1), half, put("b", 1)]);
    assert!(matches!(results[..], [Ok(()), Err(StoreError::Conflict), Err(StoreError::Conflict), Ok(())]), "{results:?}");
    assert_eq!(keys(&database), "a,b,deployment");
}

#[test]
fn a_transaction_that_is_lost_is_tried_again_change_by_change() {
    let (_folder, database) = database();
    let lost: Work = Box::new(|conn, _| {
        conn.execute_batch("ROLLBACK")?;
        Err(StoreError::Full)
    });
    let results = together(&database, vec![put("a", 1), lost, put("b", 1)]);
    assert!(matches!(results[..], [Ok(()), Err(StoreError::Full), Ok(())]), "{results:?}");
    assert_eq!(keys(&database), "a,b,deployment");
}

#[test]
fn a_full_file_is_told_and_nothing_is_half_written() {
    let (_folder, database) = database();
    let limit = |pages: u32| {
        database.write(Box::new(move |conn, _| Ok(conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)))
    };
    limit(1).unwrap();
    let half: Work = Box::new(|conn, deployment| {
        put("small", 1)(conn, deployment)?;
        put("large", 1 << 19)(conn, deployment)
    });
    assert!(matches!(database.write(half), Err(StoreError::Full)));
    assert!(matches!(database.check(), Err(StoreError::Full)), "ready although nothing can be written");
    let results = together(&database, vec![put("a", 1), put("large", 1 << 19), put("b", 1)]);
    assert!(matches!(results[..], [Ok(()), Err(StoreError::Full), Ok(())]), "{results:?}");
    assert_eq!(keys(&database), "a,b,deployment");
    limit(1 << 20).unwrap();
    database.check().unwrap();
    database.write(put("large", 1 << 19)).unwrap();
    assert_eq!(keys(&database), "a,b,deployment,large");
}

#[test]
fn a_writer_that_died_is_told_and_undone() {
    let (_folder, database) = database();
    let die: Work = Box::new(|conn, deployment| {
        put("half", 1)(conn, deployment)?;
        panic!("as a defect would");
    });
    assert!(matches!(database.write(die), Err(StoreError::Unavailable)));
    assert!(matches!(database.write(put("a", 1)), Err(StoreError::Unavailable)));
    assert!(matches!(database.check(), Err(StoreError::Unavailable)));
    assert_eq!(keys(&database), "deployment");
}

#[test]
fn a_lock_held_elsewhere_is_busy() {
    let (folder, database) = database();
    // Sooner than it would otherwise.
    database.write(Box::new(|conn, _| Ok(conn.busy_timeout(Duration::from_millis(1))?))).unwrap();
    let other = Connection::open(folder.path().join("x.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(database.write(put("a", 1)), Err(StoreError::Busy)));
    other.execute_batch("ROLLBACK").unwrap();
    database.write(put("a", 1)).unwrap();
}

#[test]
fn more_readers_than_connections_take_turns() {
    let (_folder, database) = database();
    thread::scope(|scope| (0..32).for_each(|_| drop(scope.spawn(|| assert_eq!(keys(&database), "deployment")))));
}

#[test]
fn whoever_may_not_wait_does_not_wait_for_the_connection_that_watches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    super::SqliteStore::create(&path, "deployment").unwrap();
    let store = super::SqliteStore::open(&path, Mode::Reader).unwrap();
    let version = || readers::at_hand(|| store.data_version());
    let before = version().unwrap();
    let held = store.watch.lock().unwrap();
    thread::scope(|scope| assert!(matches!(scope.spawn(version).join().unwrap(), Err(StoreError::WouldWait))));
    let patience_ms: i64 = held.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
    assert_eq!(patience_ms, 5000, "others still wait for a lock of the file");
    drop(held);
    assert_eq!(version().unwrap(), before);
}
