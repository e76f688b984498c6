//! The table of API keys. The credential itself is nowhere: only its hash.

use model::{Account, ApiKey, Scopes, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Result;
use crate::sqlite::accounts;
use crate::sqlite::columns::{hash, mistaken, parsed, time};

/// Adds an API key.
pub(crate) fn insert(conn: &Connection, key: &ApiKey) -> Result<()> {
    let mut statement = conn.prepare_cached("INSERT INTO api_keys (id, account, hash, scopes, created) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let scopes = key.scopes.to_string();
    statement.execute(params![key.id.as_str(), key.account.as_str(), key.hash.0, scopes, key.created.unix_ms()])?;
    Ok(())
}

/// The API key of this hash, with its account.
pub(crate) fn find(conn: &Connection, hash: &TokenHash) -> Result<Option<(ApiKey, Account)>> {
    let mut statement = conn.prepare_cached(
        "SELECT k.id, k.account, k.hash, k.scopes, k.created, a.id, a.name, a.devbox_capability, a.created
         FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.hash = ?1",
    )?;
    Ok(statement.query_row([hash.0], |row| Ok((from_row(row)?, accounts::from_row(row, 5)?))).optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey { id: parsed(row, 0)?, account: parsed(row, 1)?, hash: hash(row, 2)?, scopes: scopes(row, 3)?, created: time(row, 4)? })
}

fn scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Scopes> {
    let words: String = row.get(column)?;
    if words.is_empty() { Ok(Scopes::default()) } else { words.parse().map_err(|error| mistaken(column, error)) }
}
