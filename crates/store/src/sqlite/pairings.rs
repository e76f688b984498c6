//! The table of pairings, in the ledger.

use model::{AccountId, PairingId, SecretId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::hosted::{PairingRow, PairingStatus};
use crate::sqlite::columns::{json, mistaken, parsed, time, time_if_any};

/// Adds a pairing.
pub(crate) fn insert(conn: &Connection, row: &PairingRow) -> Result<()> {
    let binding = serde_json::to_string(&row.binding).map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO pairings (id, account, secret, binding, devbox, config, status, created, decided, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        row.id.as_str(),
        row.account.as_str(),
        row.secret.as_str(),
        binding,
        row.devbox.as_str(),
        row.config.as_str(),
        row.status.as_str(),
        row.created.unix_ms(),
        row.decided.map(Timestamp::unix_ms),
        row.mac,
    ])?;
    Ok(())
}

/// Writes what was decided of a pairing that waits.
pub(crate) fn decide(conn: &Connection, row: &PairingRow) -> Result<()> {
    let mut statement =
        conn.prepare_cached("UPDATE pairings SET status = ?2, decided = ?3, mac = ?4 WHERE id = ?1 AND status = 'waiting'")?;
    let changed = statement.execute(params![row.id.as_str(), row.status.as_str(), row.decided.map(Timestamp::unix_ms), row.mac])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// The pairing of this id.
pub(crate) fn find(conn: &Connection, id: &PairingId) -> Result<Option<PairingRow>> {
    let mut statement = conn
        .prepare_cached("SELECT id, account, secret, binding, devbox, config, status, created, decided, mac FROM pairings WHERE id = ?1")?;
    Ok(statement.query_row([id.as_str()], from_row).optional()?)
}

/// The pairings of a secret, oldest first.
pub(crate) fn of_secret(conn: &Connection, secret: &SecretId) -> Result<Vec<PairingRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, secret, binding, devbox, config, status, created, decided, mac FROM pairings WHERE secret = ?1 ORDER BY id",
    )?;
    let found = statement.query_map([secret.as_str()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The pairings of an account that wait, oldest first.
pub(crate) fn waiting(conn: &Connection, account: &AccountId) -> Result<Vec<PairingRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, secret, binding, devbox, config, status, created, decided, mac FROM pairings
         WHERE account = ?1 AND status = 'waiting' ORDER BY id",
    )?;
    let found = statement.query_map([account.as_str()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<PairingRow> {
    let status = PairingStatus::from_word(&row.get::<_, String>(6)?).ok_or_else(|| mistaken(6, StatusUnknown))?;
    Ok(PairingRow {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        secret: parsed(row, 2)?,
        binding: json(row, 3)?,
        devbox: parsed(row, 4)?,
        config: parsed(row, 5)?,
        status,
        created: time(row, 7)?,
        decided: time_if_any(row, 8)?,
        mac: row.get(9)?,
    })
}

/// A status that no pairing has.
#[derive(Debug, thiserror::Error)]
#[error("not a pairing's status")]
struct StatusUnknown;
