//! How a connection is opened, and what is set on each before anything else is asked of it.
//!
//! Nothing here, or anywhere else in a process that has the database open, opens the database's files by other means than SQLite: POSIX record locks belong
//! to the process, and closing any other descriptor of the same file would silently drop SQLite's. Looking at metadata is harmless.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::error::{FileFault, Result, StoreError};

/// Opens the one connection that writes. The file must exist.
pub(crate) fn open_writer(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_PRAGMAS)
}

/// Opens a connection that reads, beside a writer in this or another process, or where the last writer was killed.
///
/// The database file is opened read-only, so that the system itself keeps a reader from changing it or from checkpointing. SQLite still opens `-wal` and
/// `-shm` for writing, and must: in the shared `-shm` a reader marks what it still reads, and rebuilds the WAL's index where a writer was killed half-way,
/// which a read-only `-shm` would not allow. So the reader's user needs write permission to the folder and to those two files, and nothing beyond. The
/// alternative, a read-write file with `query_only`, would promise less: that pragma does not stop a checkpoint, and the last close makes one.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_PRAGMAS)
}

/// A connection to the database file itself, for a look that takes no lock, makes no `-wal` or `-shm`, and reads none; `None` where that is not to be had.
pub(crate) fn peek(path: &Path) -> Option<Connection> {
    require_regular(path).ok()?;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(PathBuf::from(uri), flags).ok()?;
    bound(&mut conn).ok()?;
    Some(conn)
}

/// Which application the database says it belongs to, and its schema version.
pub(crate) fn identity(conn: &Connection) -> Result<(i32, i64)> {
    let application = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((application, version))
}

fn open(path: &Path, flags: OpenFlags, pragmas: &str) -> Result<Connection> {
    // Without the threads' mutex: each connection is used by one thread at a time. Absolute, so that no path is taken for a URI.
    let path = std::path::absolute(path)?;
    require_regular(&path)?;
    let mut conn = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    bound(&mut conn)?;
    // No schema of ours has triggers or views; somebody else's would write and answer in the name of our tables.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.execute_batch(pragmas)?;
    // Has SQLite read the schema, which is where a circle of pages would keep it.
    drop(conn.prepare("SELECT 1 FROM sqlite_schema")?);
    conn.progress_handler(0, None::<fn() -> bool>)?;
    Ok(conn)
}

/// Refuses what is no regular file in the place of the database or of a file beside it that SQLite opens: a pipe that nobody writes to would hold it up for ever.
/// Only metadata is looked at.
fn require_regular(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::symlink_metadata(&beside) {
            Ok(about) if about.is_file() => {}
            Ok(_) => return Err(StoreError::damaged(FileFault::NotRegular(beside.into()))),
            Err(error) if error.kind() == ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Bounds what a connection takes into memory at once, and how long it may do what comes next.
fn bound(conn: &mut Connection) -> Result<()> {
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)?;
    let mut left = OPENING_TURNS;
    let is_over = move || {
        left = left.saturating_sub(1_u32);
        left == 0
    };
    Ok(conn.progress_handler(TURN_STEPS, Some(is_over))?)
}

/// A text, a blob or a row. The largest of ours is what the API shows of a devbox, or a sealed value: under 160 KiB, which is a message's bound between the processes.
const ROW_BYTES_MAX: i32 = 1024 * 1024;
/// How many of SQLite's steps are counted as one turn.
const TURN_STEPS: i32 = 1000;
/// Turns until a connection must be open: some hundred times what our schemas take.
const OPENING_TURNS: u32 = 1000;

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
