//! Looking through rows that somebody planted: what a page, or all that is said of one secret, takes into memory.

use rusqlite::Connection;
use store::{FileFault, Ledger};

use crate::backend::DEPLOYMENT;

/// A ledger with ten bindings of one secret, whose ids have so many bytes each, and a mark that tells of them.
fn planted(id_bytes: u32) -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    Ledger::create(&path, DEPLOYMENT).unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO bindings SELECT printf('%0{id_bytes}d', i), 'a', 's', '{{}}', 5, zeroblob(32) FROM n;
         INSERT INTO marks VALUES ('secret', 's', 10, zeroblob(32));"
    ))
    .unwrap();
    conn.close().unwrap();
    let ledger = Ledger::open_to_read(&path).unwrap();
    (folder, ledger)
}

#[test]
fn a_page_is_bounded_by_its_bytes_and_pages_meet() {
    let (_folder, ledger) = planted(700_000);
    let look = ledger.look().unwrap();
    look.held().inspect_pages().unwrap();
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = look.bindings(after.as_deref(), 200).unwrap();
        assert!(page.len() <= 2, "{} rows of 700 KB", page.len());
        let Some(last) = page.last() else { break };
        seen += page.len();
        after = Some(last.key.clone());
    }
    assert_eq!(seen, 10);
    let decided = look.decided(None, 200).unwrap();
    assert!(decided.len() == 1 && decided[0].row.is_none(), "seven megabytes were said of one secret");
}

#[test]
fn a_row_larger_than_any_of_ours_is_damage_and_not_read() {
    let (_folder, ledger) = planted(1_100_000);
    let look = ledger.look().unwrap();
    for read in [look.held().inspect_pages(), look.bindings(None, 200).map(drop)] {
        assert_eq!(read.unwrap_err().file_fault(), Some(&FileFault::TooLarge));
    }
}
