//! The table of devboxes, in the ledger.

use model::{AccountId, DevboxId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::DevboxRow;
use crate::sqlite::columns::{hash, json, parsed, time, time_if_any};

/// Adds a devbox.
pub(crate) fn insert(conn: &Connection, devbox: &DevboxRow) -> Result<()> {
    let allow = serde_json::to_string(&devbox.allow).map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO devboxes (id, account, key, allow, resume, ca_pem, ca_key, opened, closed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        devbox.id.as_str(),
        devbox.account.as_str(),
        devbox.key.as_str(),
        allow,
        devbox.resume.0,
        devbox.ca_pem,
        devbox.ca_key,
        devbox.opened.unix_ms(),
        devbox.closed.map(Timestamp::unix_ms),
    ])?;
    Ok(())
}

/// Closes a devbox that is open and erases its CA's key.
pub(crate) fn close(conn: &Connection, id: &DevboxId, at: Timestamp) -> Result<()> {
    let mut statement = conn.prepare_cached("UPDATE devboxes SET closed = ?2, ca_key = NULL WHERE id = ?1 AND closed IS NULL")?;
    if statement.execute(params![id.as_str(), at.unix_ms()])? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// The devbox of this id.
pub(crate) fn find(conn: &Connection, id: &DevboxId) -> Result<Option<DevboxRow>> {
    let mut statement =
        conn.prepare_cached("SELECT id, account, key, allow, resume, ca_pem, ca_key, opened, closed FROM devboxes WHERE id = ?1")?;
    Ok(statement.query_row([id.as_str()], from_row).optional()?)
}

/// The devboxes that are open and not the API's, oldest first.
pub(crate) fn open(conn: &Connection) -> Result<Vec<DevboxRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, key, allow, resume, ca_pem, ca_key, opened, closed FROM devboxes
         WHERE closed IS NULL AND id NOT IN (SELECT devbox FROM hosted) ORDER BY number",
    )?;
    let found = statement.query_map([], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The API's devboxes that are open, oldest first.
pub(crate) fn open_hosted(conn: &Connection) -> Result<Vec<DevboxId>> {
    let mut statement =
        conn.prepare_cached("SELECT id FROM devboxes WHERE closed IS NULL AND id IN (SELECT devbox FROM hosted) ORDER BY number")?;
    let found = statement.query_map([], |row| parsed(row, 0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// How many of the API's devboxes of one account are open.
pub(crate) fn count_open_hosted_of(conn: &Connection, account: &AccountId) -> Result<u64> {
    let mut statement = conn.prepare_cached(
        "SELECT count(*) FROM devboxes WHERE closed IS NULL AND account = ?1 AND id IN (SELECT devbox FROM hosted WHERE account = ?1)",
    )?;
    let count: i64 = statement.query_row([account.as_str()], |row| row.get(0))?;
    u64::try_from(count).map_err(StoreError::damaged)
}

/// How many devboxes are open, of either sort.
pub(crate) fn count_open(conn: &Connection) -> Result<u64> {
    let mut statement = conn.prepare_cached("SELECT count(*) FROM devboxes WHERE closed IS NULL")?;
    let count: i64 = statement.query_row([], |row| row.get(0))?;
    u64::try_from(count).map_err(StoreError::damaged)
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<DevboxRow> {
    Ok(DevboxRow {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        key: parsed(row, 2)?,
        allow: json(row, 3)?,
        resume: hash(row, 4)?,
        ca_pem: row.get(5)?,
        ca_key: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
        opened: time(row, 7)?,
        closed: time_if_any(row, 8)?,
    })
}
