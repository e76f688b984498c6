//! The write-ahead log (WAL) from the writer's side: kept short, emptied of what was erased, and built upon only where the disk is known to hold it.
//!
//! After a sync that failed, the system may have dropped what it had not written, and a later sync says nothing of it. Within one process that does no harm:
//! SQLite takes the log for no longer than before, and writes the next frames over those that failed. But a log that an earlier process left may end in
//! frames that are read from memory and stand on no disk, and what is appended to it would be lost with them. So at its opening it is first copied into the
//! file, synced there and cut to nothing. Only then is anything acknowledged. The reasons in full: `docs/decisions/0015-nothing-is-built-upon-a-failed-sync.md`.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Result, StoreError};
use crate::sqlite::connection::{BUSY_WAIT, ERASE_WAIT};

/// What the writer knows of its log.
pub(crate) struct Log {
    trust: Trust,
    /// Whether a part of the log was copied into the file without a sync of the file, as SQLite does where a reader still needs the rest.
    half_copied: bool,
    /// Whether the log holds content that was erased, and since when.
    erasing: Option<Instant>,
}

/// How far what is read of the database is known to be on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// All of it.
    Sound,
    /// Perhaps not the log's end.
    EndDoubtful,
    /// Perhaps not what SQLite takes for copied into the file. All of it is in the log still, from which only a first opening copies it again.
    FileDoubtful,
}

/// What a checkpoint left.
struct Copied {
    frames: i64,
    of_them: i64,
    blocked: bool,
}

impl Log {
    /// Of a database that was just opened: who wrote its log, and with what luck, is not known.
    pub const fn new() -> Self {
        Self { trust: Trust::EndDoubtful, half_copied: false, erasing: None }
    }

    /// Makes sure that what stands is on the disk, where that is not known. To be called before anything is committed.
    pub fn settle(&mut self, conn: &Connection) -> Result<()> {
        match self.trust {
            Trust::Sound => return Ok(()),
            Trust::EndDoubtful => {}
            Trust::FileDoubtful => return Err(StoreError::Unavailable),
        }
        self.half_copied |= run(conn, LOOK)?.in_part();
        if self.checkpoint(conn, TRUNCATE)?.blocked {
            return Err(StoreError::Busy);
        }
        self.trust = Trust::Sound;
        self.erasing = None;
        Ok(())
    }

    /// Takes note of a group that was done, and whether it erased.
    pub fn grew(&mut self, erased: bool) {
        self.erasing = self.erasing.or_else(|| erased.then(Instant::now));
    }

    /// Whether something waits to be done to the log as soon as there is a pause.
    pub const fn is_waiting(&self) -> bool {
        self.erasing.is_some() || self.half_copied
    }

    /// Keeps the log short, and what was erased not long in it. To be called after a group, when nobody waits for an answer.
    pub fn tend(&mut self, conn: &Connection) -> Result<()> {
        if self.erasing.is_some_and(|since| since.elapsed() >= ERASE_AFTER) {
            return self.fold(conn);
        }
        let Copied { frames, of_them, .. } = run(conn, LOOK)?;
        if self.trust != Trust::Sound || (frames - of_them < FRAMES_MAX && !self.half_copied) {
            return Ok(());
        }
        self.checkpoint(conn, PASSIVE).map(drop)
    }

    /// Does what waits; tried again later where a reader stands in the way.
    pub fn fold(&mut self, conn: &Connection) -> Result<()> {
        self.erasing = self.erasing.map(|_| Instant::now());
        // Neither can fail: each only sets a number in the connection.
        drop(conn.busy_timeout(ERASE_WAIT));
        let folded = match self.trust {
            Trust::Sound => self.checkpoint(conn, TRUNCATE).map(|copied| copied.blocked),
            Trust::EndDoubtful => self.settle(conn).map(|()| false),
            // The log is the only place that is known to have everything.
            Trust::FileDoubtful => Ok(true),
        };
        drop(conn.busy_timeout(BUSY_WAIT));
        if !folded? {
            self.erasing = None;
        }
        Ok(())
    }

    fn checkpoint(&mut self, conn: &Connection, sql: &'static str) -> Result<Copied> {
        let copied = run(conn, sql).inspect_err(|error| {
            // SQLite copies again what this checkpoint was to copy, but not what an earlier one did whose sync this one's would have been.
            if error.is_of_the_disk() && self.half_copied {
                self.trust = Trust::FileDoubtful;
                // The last close would copy the rest and remove the log. Cannot fail: it only sets a flag in the connection.
                drop(conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
            }
        })?;
        self.half_copied = copied.in_part();
        Ok(copied)
    }
}

impl Copied {
    const fn in_part(&self) -> bool {
        0 < self.of_them && self.of_them < self.frames
    }
}

fn run(conn: &Connection, sql: &'static str) -> Result<Copied> {
    let read = |row: &rusqlite::Row<'_>| Ok(Copied { blocked: row.get::<_, i64>(0)? != 0, frames: row.get(1)?, of_them: row.get(2)? });
    Ok(conn.prepare_cached(sql)?.query_row([], read)?)
}

const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// Frames that are not in the file yet: 4 MiB, as SQLite itself would have it.
const FRAMES_MAX: i64 = 1000;
/// Where changes leave no pause, after how long the log is folded that holds what was erased.
const ERASE_AFTER: Duration = Duration::from_secs(1);
