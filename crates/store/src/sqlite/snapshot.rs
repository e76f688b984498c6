//! A database held still at one moment, and copies of it. Others go on writing meanwhile.
//!
//! What it costs them: while a snapshot is held, the write-ahead log grows instead of being folded back, and erased content stays in it until then.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::{Result, StoreError};
use crate::sqlite::connection;

/// A database as it was at one moment.
pub struct Snapshot {
    conn: Connection,
}

impl Snapshot {
    /// A connection that holds nothing yet.
    pub(crate) fn prepare(path: &Path) -> Result<Self> {
        Ok(Self { conn: connection::open_reader(path)? })
    }

    /// Holds the present moment; an earlier one is let go.
    pub(crate) fn begin(&self) -> Result<()> {
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.conn.execute_batch("BEGIN")?;
        // A transaction that only reads begins with its first read.
        connection::identity(&self.conn).map(drop)
    }

    /// The connection, which reads as of the moment that is held.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Copies the database to `path` (file mode 0600), which must not exist. The copy is not synced to disk; where this fails, what is there is of no use.
    ///
    /// # Errors
    /// `Exists`, `Missing` where the folder is not there, `Full`, `Damaged`, `Failed`.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?);
        let mut copy = Connection::open(std::path::absolute(path)?)?;
        // Whoever wants the copy after a crash makes another one.
        copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2048;")?;
        let backup = Backup::new(&self.conn, &mut copy)?;
        loop {
            #[expect(clippy::wildcard_enum_match_arm, reason = "rusqlite's enum may grow; what is not named is a failure")]
            match backup.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::More => {}
                // Never so: nobody else knows the copy, and a reader of the write-ahead log is not locked out.
                _ => return Err(StoreError::Busy),
            }
        }
        drop(backup);
        copy.close().map_err(|(_, error)| error.into())
    }
}

/// Pages of one step (4 KiB each): bounds the memory that a step takes.
const STEP_PAGES: i32 = 256;
