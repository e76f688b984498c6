//! How a connection is opened, and what is set on each before anything else is asked of it.
//!
//! Nothing here, or anywhere else in a process that has the database open, opens the database's files by other means than SQLite: POSIX record locks belong
//! to the process, and closing any other descriptor of the same file would silently drop SQLite's. Looking at metadata is harmless.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, StoreError};

/// Opens the one connection that writes. The file must exist.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch(WRITER_PRAGMAS)?;
    Ok(conn)
}

/// Opens a connection that reads, beside a writer in this or another process, or where the last writer was killed.
///
/// The database file is opened read-only, so that the system itself keeps a reader from changing it or from checkpointing. SQLite still opens `-wal` and
/// `-shm` for writing, and must: in the shared `-shm` a reader marks what it still reads, and rebuilds the WAL's index where a writer was killed half-way,
/// which a read-only `-shm` would not allow. So the reader's user needs write permission to the folder and to those two files, and nothing beyond. The
/// alternative, a read-write file with `query_only`, would promise less: that pragma does not stop a checkpoint, and the last close makes one.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.execute_batch(READER_PRAGMAS)?;
    Ok(conn)
}

/// The schema version in the database file itself, by a look that takes no lock, makes no `-wal` or `-shm`, and reads none; `None` where that is not to be had.
pub(crate) fn peek(path: &Path) -> Option<(i32, i64)> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    identity(&Connection::open_with_flags(PathBuf::from(uri), flags).ok()?).ok()
}

/// Which application the database says it belongs to, and its schema version.
pub(crate) fn identity(conn: &Connection) -> Result<(i32, i64)> {
    let application = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((application, version))
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    // Without the threads' mutex: each connection is used by one thread at a time. Absolute, so that no path is taken for a URI.
    let path = std::path::absolute(path)?;
    if !path.try_exists()? {
        return Err(StoreError::Missing);
    }
    let conn = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // No schema of ours has triggers or views; somebody else's would write and answer in the name of our tables.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(conn)
}

/// How long another process's lock is waited for: longer than any checkpoint on a slow disk, shorter than a caller's patience.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long emptying the WAL waits for readers; writes wait meanwhile.
pub(crate) const ERASE_WAIT: Duration = Duration::from_millis(20);
/// Prepared statements kept by each connection: all there are.
const STATEMENTS_MAX: usize = 64;
/// Temporary tables and statement journals stay in memory, so that no row is ever in another file. Checkpoints are made by `log`, which must know how they end.
const WRITER_PRAGMAS: &str = "
    PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
    PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";
const READER_PRAGMAS: &str = "
    PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;
    PRAGMA query_only = ON;";
