//! Making an empty database: under another name first, so that a crash or a full disk leaves nothing that could be taken for one.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::sqlite::connection;
use crate::sqlite::migrations::Schema;

/// Makes an empty database of this schema at `path`, for a deployment. SQLite gives `-wal` and `-shm` the file's own mode, 0600.
pub(crate) fn create(path: &Path, schema: &Schema, deployment: &str) -> Result<()> {
    let path = std::path::absolute(path)?;
    let folder = path.parent().ok_or(StoreError::Missing)?;
    if path.try_exists()? {
        return Err(StoreError::Exists);
    }
    let draft = beside(&path, ".new");
    clear(&draft)?;
    let made = build(&draft, schema, deployment).and_then(|()| Ok(fs::hard_link(&draft, &path)?));
    let cleared = clear(&draft);
    made.and(cleared)?;
    Ok(File::open(folder)?.sync_all()?)
}

fn build(draft: &Path, schema: &Schema, deployment: &str) -> Result<()> {
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?);
    let mut conn = connection::open_writer(draft)?;
    // Through a rollback journal, so that all of it is in the file itself when the file gets its name.
    schema.migrate(&mut conn)?;
    conn.execute("INSERT INTO meta (key, value) VALUES ('deployment', ?1)", [deployment])?;
    set_wal(&conn)?;
    conn.close().map_err(|(_, error)| error.into())
}

/// Puts the database into WAL mode, where it is not; the mode stays with the file.
pub(crate) fn set_wal(conn: &Connection) -> Result<()> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(StoreError::Failed(std::sync::Arc::new(NoWal))) }
}

/// A file system on which SQLite has no shared memory.
#[derive(Debug, thiserror::Error)]
#[error("this file system does not support SQLite's write-ahead log: use a local one")]
struct NoWal;

fn clear(draft: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(draft, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
