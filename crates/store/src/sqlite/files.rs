//! Whether a database's files are still those that were opened. SQLite keeps its descriptors, and would go on writing to files that nobody finds any more.
//!
//! Only metadata is looked at: to open one of the files by other means would drop SQLite's locks.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Result, StoreError};

/// The files of an open database.
pub(crate) struct Files {
    file: (PathBuf, Identity),
    /// The write-ahead log, from when it was first there: it stays for as long as anybody has the database open.
    log: (PathBuf, OnceLock<Identity>),
}

/// Device and inode.
type Identity = (u64, u64);

impl Files {
    /// The files at `path`, which were just opened.
    pub fn of(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)?;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        let identity = identity(&path)?.ok_or(StoreError::Missing)?;
        Ok(Self { file: (path, identity), log: (log.into(), OnceLock::new()) })
    }

    /// Refuses files that are others, or gone.
    pub fn stand(&self) -> Result<()> {
        let (path, opened) = &self.file;
        if identity(path)? != Some(*opened) {
            return Err(StoreError::Replaced);
        }
        let (path, first) = &self.log;
        match (identity(path)?, first.get()) {
            (Some(found), _) if found == *first.get_or_init(|| found) => Ok(()),
            (None, None) => Ok(()),
            (Some(_), _) | (None, Some(_)) => Err(StoreError::Replaced),
        }
    }
}

fn identity(path: &Path) -> Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(about) => Ok(Some((about.dev(), about.ino()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
