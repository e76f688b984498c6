//! Why the store could not do what it was asked. No error holds anything that a row or a caller said.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use model::Writer;
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::sqlite::shape::SchemaFaults;

/// What every verb of this crate answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer build wrote this database. Nothing in it was changed.
    #[error("the database has schema {found} and this build knows {known}: use the newer tightlip that wrote it")]
    Newer {
        /// The database's schema.
        found: u32,
        /// The newest schema of this build.
        known: u32,
    },
    /// An older build wrote this database, and only a writer brings it up to date.
    #[error("the database has schema {found} and this build reads {known}: start the server, which brings it up to date")]
    Outdated {
        /// The database's schema.
        found: u32,
        /// The schema that is needed.
        known: u32,
    },
    /// There is no such file.
    #[error("there is no database at this place")]
    Missing,
    /// There is a file already.
    #[error("there is a database at this place already")]
    Exists,
    /// The file is something else: not SQLite's, or not this database of ours.
    #[error("the file is not a tightlip database of this kind")]
    NotADatabase,
    /// The file or a row of it cannot be understood.
    #[error("the database is damaged: restore it from a backup")]
    Damaged(#[source] Option<Cause>),
    /// The chain of events does not hold.
    #[error("the {writer} events were tampered with at number {seq}: {fault}", writer = writer_word(*.writer))]
    ChainBroken {
        /// Whose chain.
        writer: Writer,
        /// Where.
        seq: u64,
        /// How.
        fault: ChainFault,
    },
    /// What the rows say is not what was written: nothing is built upon it.
    #[error("rows that this would change were changed outside tightlip: look with `tightlip verify`")]
    Unmarked,
    /// The database's file, or its log, is not the one that was opened.
    #[error("the database's files were removed or replaced while they were in use: stop the server, then look with `tightlip verify`")]
    Replaced,
    /// The database's schema is not what its migrations make: somebody put triggers, views or other tables into it, or took some out.
    #[error("the database's schema was changed outside tightlip: {0}; restore it from a backup")]
    Schema(SchemaFaults),
    /// No room on the disk.
    #[error("the disk is full: make room, then try again")]
    Full,
    /// Another process held the database for too long.
    #[error("the database is busy: try again")]
    Busy,
    /// The account has a secret of this name.
    #[error("the account has a secret of this name already")]
    DuplicateName,
    /// The row is not as the caller thought: another version, gone, or there already.
    #[error("the row was changed or removed meanwhile, or exists already")]
    Conflict,
    /// The request was answered before.
    #[error("the request was answered before")]
    Answered,
    /// Opened for reading.
    #[error("the database was opened for reading only")]
    ReadOnly,
    /// The thread that writes is gone.
    #[error("the database's writer has stopped: restart the server")]
    Unavailable,
    /// The thread may not wait now, and this would take reading or writing.
    #[error("the database was not asked: this thread may not wait for it")]
    WouldWait,
    /// Anything else that SQLite or the system said.
    #[error("the database could not be used")]
    Failed(#[source] Cause),
}

/// What lay below an error.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// What is wrong with a database's files, where that is known; the cause of a [`StoreError::Damaged`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// Something else stands in the place of a file. To open it could wait for ever.
    #[error("{} is a pipe, a link, a folder or a device, and no regular file, so it was not opened: move it aside, then look with `tightlip verify`", .0.display())]
    NotRegular(PathBuf),
    /// The schema is this build's, and the number in the header is another version's.
    #[error(
        "its schema is that of version {known}, and its header says {found}: {}the header was changed outside tightlip",
        if *found > i64::from(*known) { "a newer tightlip wrote it, or " } else { "" }
    )]
    Misnumbered {
        /// What the header says.
        found: i64,
        /// What the schema is.
        known: u32,
    },
    /// A text or blob is larger than any of ours.
    #[error("it holds a row that is larger than any of tightlip's")]
    TooLarge,
}

/// How a chain of events is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// There is an event before the first.
    #[error("an event was planted before the first")]
    Before,
    /// A number is missing: an event was removed.
    #[error("an event was removed")]
    Gap,
    /// The hash does not follow from the event and the one before: edited, reordered or planted.
    #[error("an event was edited, moved or planted")]
    Hash,
    /// The columns by which events are found do not say what the event says.
    #[error("an event was hidden or shown in the wrong place")]
    Columns,
}

impl StoreError {
    /// The error's stable name, for answers and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "store_newer",
            Self::Outdated { .. } => "store_outdated",
            Self::Missing => "store_missing",
            Self::Exists => "store_exists",
            Self::NotADatabase => "store_not_a_database",
            Self::Damaged(_) => "store_damaged",
            Self::ChainBroken { .. } => "store_chain_broken",
            Self::Unmarked => "store_unmarked",
            Self::Replaced => "store_replaced",
            Self::Schema(_) => "store_schema",
            Self::Full => "store_full",
            Self::Busy => "store_busy",
            Self::DuplicateName => "store_duplicate_name",
            Self::Conflict => "store_conflict",
            Self::Answered => "store_answered",
            Self::ReadOnly => "store_read_only",
            Self::Unavailable => "store_unavailable",
            Self::WouldWait => "store_would_wait",
            Self::Failed(_) => "store_failed",
        }
    }

    /// What is wrong with a database's files, where that is known.
    #[must_use]
    pub fn file_fault(&self) -> Option<&FileFault> {
        let Self::Damaged(Some(cause)) = self else { return None };
        cause.downcast_ref()
    }

    /// A row that cannot be understood.
    pub(crate) fn damaged(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Damaged(Some(Arc::new(cause)))
    }

    /// Whether something below SQLite failed (a write, a sync), so that it is not known what is on the disk.
    pub(crate) const fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::Replaced
            | Self::Schema(_)
            | Self::Full
            | Self::Damaged(_)
            | Self::NotADatabase
            | Self::Unavailable
            | Self::WouldWait
            | Self::Newer { .. }
            | Self::Outdated { .. }
            | Self::Missing
            | Self::Exists
            | Self::ChainBroken { .. }
            | Self::Unmarked
            | Self::Busy
            | Self::DuplicateName
            | Self::Conflict
            | Self::Answered
            | Self::ReadOnly => false,
        }
    }

    /// Whether a later write may go wrong for the same reason, so that readiness must look again.
    pub(crate) const fn lasts(&self) -> bool {
        match self {
            Self::Replaced | Self::Schema(_) | Self::Full | Self::Damaged(_) | Self::NotADatabase | Self::Failed(_) | Self::Unavailable => {
                true
            }
            Self::Newer { .. }
            | Self::Outdated { .. }
            | Self::Missing
            | Self::Exists
            | Self::ChainBroken { .. }
            | Self::Unmarked
            | Self::Busy
            | Self::DuplicateName
            | Self::Conflict
            | Self::Answered
            | Self::WouldWait
            | Self::ReadOnly => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(sqlite) = error.sqlite_error() else {
            return from_reading(error);
        };
        // SQLite extends the -shm file only to hold the WAL's index, so this I/O error, too, means that there is no room.
        if sqlite.extended_code == ffi::SQLITE_IOERR_SHMSIZE {
            return Self::Full;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "SQLite's codes are not ours; what is not named is a failure")]
        match sqlite.code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            // Only the handler of `connection` interrupts, where a schema has no end.
            ErrorCode::DatabaseCorrupt | ErrorCode::OperationInterrupted => Self::damaged(error),
            ErrorCode::TooBig => Self::damaged(FileFault::TooLarge),
            ErrorCode::NotADatabase => Self::NotADatabase,
            ErrorCode::ConstraintViolation => Self::Conflict,
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the system's codes are not ours; what is not named is a failure")]
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::AlreadyExists => Self::Exists,
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

/// Errors that rusqlite itself makes: a column that is not what it must be is damage.
fn from_reading(error: rusqlite::Error) -> StoreError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "rusqlite's errors are not ours; what is not named is a failure")]
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => StoreError::damaged(error),
        _ => StoreError::Failed(Arc::new(error)),
    }
}

const fn writer_word(writer: Writer) -> &'static str {
    match writer {
        Writer::Api => "api's",
        Writer::Gateway => "gateway's",
    }
}
