//! A writer that is killed, and readers in another process: beside it while it writes, after it is gone, and before the next one comes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command};

use model::{AccountId, SecretId};
use store::Mode;

use crate::backend::{Backend, Sqlite};
use crate::{child, sample};

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    let backend = Sqlite::make();
    let account = sample::stored_account(&backend.open(Mode::Writer)).id;
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let (mut child, lines) = writer(&backend.path(), &account);
        let mut lines = lines.lines().map_while(Result::ok).filter_map(|line| line.parse::<SecretId>().ok());
        acknowledged.extend(lines.by_ref().take(100 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines);
        // In turn: a reader comes first, which must build the WAL's index anew, or a writer does.
        let store = backend.open(if round % 2 == 0 { Mode::Reader } else { Mode::Writer });
        for id in &acknowledged {
            assert!(store.sealed(id).unwrap().is_some(), "an acknowledged secret is gone");
        }
        let page = store.secrets(&account, None, 5000).unwrap();
        assert_eq!(store.verify_chain().unwrap().seq, 1 + page.total, "a change without its event, or the other way round");
    }
}

#[test]
fn a_reader_lives_through_its_writers() {
    let backend = Sqlite::make();
    let account = sample::stored_account(&backend.open(Mode::Writer)).id;
    let reader = backend.open(Mode::Reader);
    let mut seen = 0;
    for _ in 0..4 {
        let (mut child, lines) = writer(&backend.path(), &account);
        let mut lines = lines.lines().map_while(Result::ok).filter_map(|line| line.parse::<SecretId>().ok());
        for id in lines.by_ref().take(50) {
            let version = reader.data_version().unwrap();
            assert!(version > seen, "a commit of another process was not noticed");
            assert!(reader.sealed(&id).unwrap().is_some(), "an acknowledged secret is not to be read");
            seen = version - 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for id in lines {
            assert!(reader.sealed(&id).unwrap().is_some(), "an acknowledged secret is not to be read");
        }
        reader.check().unwrap();
        reader.verify_chain().unwrap();
    }
    // The next writer, in this process, is seen as well.
    let before = reader.data_version().unwrap();
    let row = sample::stored_secret(&backend.open(Mode::Writer), &account);
    assert_ne!(reader.data_version().unwrap(), before);
    assert_eq!(reader.sealed(&row.secret.id).unwrap(), Some(row));
}

fn writer(path: &Path, account: &AccountId) -> (Child, BufReader<ChildStdout>) {
    let mut child = child::start(Command::new(child::exe()), path, account, 8);
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}
