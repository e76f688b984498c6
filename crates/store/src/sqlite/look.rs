//! Looking through a database that is held still: every row, also one that makes no sense, page by page, so that memory does not grow with the database.

use std::borrow::Cow;

use model::{Event, Writer};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, ToSql};

use crate::error::{Result, StoreError};
use crate::rows::Head;
use crate::sqlite::migrations::{LEDGER, STORE};
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::{events, shape};

/// A database as it is at one moment, and its chain of events.
pub struct Held {
    snapshot: Snapshot,
    writer: Writer,
    deployment: String,
}

/// A row as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked<T> {
    /// The text by which the row is found, whatever it says.
    pub key: String,
    /// The row; none where it cannot be understood.
    pub row: Option<T>,
}

impl Held {
    pub(crate) const fn new(snapshot: Snapshot, writer: Writer, deployment: String) -> Self {
        Self { snapshot, writer, deployment }
    }

    pub(crate) const fn conn(&self) -> &Connection {
        self.snapshot.connection()
    }

    /// Whose chain it is.
    #[must_use]
    pub const fn writer(&self) -> Writer {
        self.writer
    }

    /// The deployment that the database says it was made for.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Whether the schema is what the migrations make. To be asked before anything else: what is read through another schema may not end, and says nothing.
    ///
    /// # Errors
    /// `Schema`, or where it cannot be read.
    pub fn check_schema(&self) -> Result<()> {
        let schema = match self.writer {
            Writer::Api => &STORE,
            Writer::Gateway => &LEDGER,
        };
        shape::check(self.conn(), schema, schema.version())
    }

    /// Looks at every page and index of the file. To be asked before any row is read or counted: pages that lead in a circle have no end.
    ///
    /// # Errors
    /// `Damaged`, or where it cannot be read.
    pub fn inspect_pages(&self) -> Result<()> {
        inspect_pages(self.conn())
    }

    /// Looks at every reference. To be asked of good pages only.
    ///
    /// # Errors
    /// `Damaged`, or where they cannot be read.
    pub fn inspect_references(&self) -> Result<()> {
        inspect_references(self.conn())
    }

    /// What the chain begins with.
    #[must_use]
    pub fn beginning(&self) -> Head {
        events::beginning(self.writer, &self.deployment)
    }

    /// The chain's end, as its last row says.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn head(&self) -> Result<Head> {
        events::head(self.conn(), self.writer, &self.deployment)
    }

    /// The events after this head, at most so many, and the head after the last of them; no event after the chain's end.
    ///
    /// # Errors
    /// `ChainBroken` at the first that does not follow; `Damaged`.
    pub fn links(&self, after: &Head, limit: usize) -> Result<(Vec<(u64, Event)>, Head)> {
        events::links(self.conn(), self.writer, after, limit)
    }

    /// The chain's hash at this number; none where it is not that long.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>> {
        events::hash_at(self.conn(), self.writer, &self.deployment, seq)
    }

    /// A page of a table. `sql` gives the key in its first column, for keys `> ?1` in order, at most `?2`, and not many more bytes than [`PAGE_BYTES_MAX`]. The
    /// first page has no lower bound: a key may be the empty text, which is not greater than any.
    pub(crate) fn page<T>(
        &self,
        sql: &str,
        after: Option<&str>,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<Looked<T>>> {
        let limit = i64::try_from(limit).map_err(StoreError::damaged)?;
        let sql = if after.is_some() { Cow::Borrowed(sql) } else { Cow::Owned(sql.replacen("> ?1", ">= ?1", 1)) };
        let mut statement = self.conn().prepare_cached(&sql)?;
        let mut rows = statement.query((after.unwrap_or_default(), limit))?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE_BYTES_MAX
            && let Some(row) = rows.next()?
        {
            bytes += bytes_of(row)?;
            found.push(Looked { key: row.get(0)?, row: read(row).ok() });
        }
        Ok(found)
    }

    /// A number that one statement counts.
    pub(crate) fn count(&self, sql: &str, of: &[&dyn ToSql]) -> Result<u64> {
        let count: i64 = self.conn().prepare_cached(sql)?.query_row(of, |row| row.get(0))?;
        u64::try_from(count).map_err(StoreError::damaged)
    }

    /// Whether a statement gives a row.
    pub(crate) fn exists(&self, sql: &str, of: &[&dyn ToSql]) -> Result<bool> {
        Ok(self.conn().prepare_cached(sql)?.exists(of)?)
    }
}

/// Looks at every page and index.
pub(crate) fn inspect_pages(conn: &Connection) -> Result<()> {
    // Stops at the first fault; what SQLite says of it could quote a row.
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Damaged(None)) }
}

/// Looks at every reference; walks the tables, so their pages must be good.
pub(crate) fn inspect_references(conn: &Connection) -> Result<()> {
    let strays = conn.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if strays { Err(StoreError::Damaged(None)) } else { Ok(()) }
}

/// How many bytes the texts and blobs of a row have.
pub(crate) fn bytes_of(row: &Row<'_>) -> Result<usize> {
    let mut bytes = 0;
    for column in 0..row.as_ref().column_count() {
        bytes += match row.get_ref(column)? {
            ValueRef::Text(held) | ValueRef::Blob(held) => held.len(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        };
    }
    Ok(bytes)
}

/// After so many bytes a page takes no further row, since rows can be planted that are larger than ours.
pub(crate) const PAGE_BYTES_MAX: usize = 1024 * 1024;
