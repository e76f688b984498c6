//! The table of API keys. The credential itself is nowhere: only its hash.

use model::{Account, ApiKey, Scopes, Timestamp, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Result;
use crate::sqlite::accounts;
use crate::sqlite::columns::{hash, mistaken, parsed, time, time_if_any};

/// Adds an API key.
pub(crate) fn insert(conn: &Connection, key: &ApiKey) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO api_keys (id, account, hash, scopes, created, name, expires, revoked, last_used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        key.id.as_str(),
        key.account.as_str(),
        key.hash.0,
        key.scopes.to_string(),
        key.created.unix_ms(),
        key.name,
        key.expires.map(Timestamp::unix_ms),
        key.revoked.map(Timestamp::unix_ms),
        key.last_used.map(Timestamp::unix_ms),
    ])?;
    Ok(())
}

/// The API key of this hash, with its account.
pub(crate) fn find(conn: &Connection, hash: &TokenHash) -> Result<Option<(ApiKey, Account)>> {
    let mut statement = conn.prepare_cached(
        "SELECT k.id, k.account, k.hash, k.scopes, k.created, k.name, k.expires, k.revoked, k.last_used, a.id, a.name, a.devbox_capability,
                a.created
         FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.hash = ?1",
    )?;
    Ok(statement.query_row([hash.0], |row| Ok((from_row(row)?, accounts::from_row(row, 9)?))).optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        hash: hash(row, 2)?,
        scopes: scopes(row, 3)?,
        created: time(row, 4)?,
        name: row.get(5)?,
        expires: time_if_any(row, 6)?,
        revoked: time_if_any(row, 7)?,
        last_used: time_if_any(row, 8)?,
    })
}

fn scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Scopes> {
    let words: String = row.get(column)?;
    if words.is_empty() { Ok(Scopes::default()) } else { words.parse().map_err(|error| mistaken(column, error)) }
}
