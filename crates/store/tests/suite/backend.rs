//! How a backend joins the suite: it makes an empty store, opens it, and tampers with its events behind its back.

use std::path::PathBuf;

use rusqlite::{Connection, params};
use store::{Mode, Store};
use tempfile::TempDir;

/// A store's backend, empty when made.
pub trait Backend {
    /// Makes an empty store for [`DEPLOYMENT`].
    fn make() -> Self;
    /// Opens it.
    fn open(&self, mode: Mode) -> Store;
    /// Changes its events as somebody with the database's password or file could.
    fn tamper(&self, tampering: Tampering);
}

/// What somebody may do to events.
pub enum Tampering {
    /// Changes a word in the event's body.
    Edit(u64),
    /// Removes the event.
    Remove(u64),
    /// Exchanges two events' bodies and hashes.
    Swap(u64, u64),
    /// Adds a copy of this event at the end.
    Plant(u64),
    /// Puts the event under another account, so that its own does not find it.
    Hide(u64),
    /// Says that the store belongs to another deployment.
    Rename,
}

/// SQLite in a folder of its own.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    /// The database's file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("tightlip.db")
    }
}

impl Backend for Sqlite {
    fn make() -> Self {
        let backend = Self { folder: tempfile::tempdir().unwrap() };
        Store::create(&backend.path(), DEPLOYMENT).unwrap();
        backend
    }

    fn open(&self, mode: Mode) -> Store {
        Store::open(&self.path(), mode).unwrap()
    }

    fn tamper(&self, tampering: Tampering) {
        let conn = Connection::open(self.path()).unwrap();
        let changed = match tampering {
            Tampering::Edit(seq) => conn.execute("UPDATE events SET body = replace(body, '_created', '_deleted') WHERE seq = ?1", [seq as i64]),
            Tampering::Remove(seq) => conn.execute("DELETE FROM events WHERE seq = ?1", [seq as i64]),
            Tampering::Swap(one, other) => conn.execute(
                "UPDATE events SET (account, name, body, hash) = (SELECT account, name, body, hash FROM events o WHERE o.seq = ?1 + ?2 - events.seq)
                 WHERE seq IN (?1, ?2)",
                params![one as i64, other as i64],
            ),
            Tampering::Plant(seq) => conn.execute(
                "INSERT INTO events SELECT (SELECT max(seq) FROM events) + 1, account, name, body, hash FROM events WHERE seq = ?1",
                [seq as i64],
            ),
            Tampering::Hide(seq) => conn.execute("UPDATE events SET account = 'acc_0' WHERE seq = ?1", [seq as i64]),
            Tampering::Rename => conn.execute("UPDATE meta SET value = 'another' WHERE key = 'deployment'", []),
        };
        assert!(changed.unwrap() > 0, "nothing was tampered with");
    }
}

/// What every store of the suite is made for.
pub const DEPLOYMENT: &str = "dep_suite";
