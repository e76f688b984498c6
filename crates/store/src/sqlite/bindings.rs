//! The table of explicit bindings, in the ledger.

use model::{BindingId, HostPattern, SecretId, StoredBinding};
use rusqlite::{Connection, Row, params};

use crate::error::{Result, StoreError};
use crate::sqlite::columns::{json, parsed, time};

/// Adds a binding.
pub(crate) fn insert(conn: &Connection, binding: &StoredBinding) -> Result<()> {
    let body = serde_json::to_string(&binding.binding).map_err(StoreError::damaged)?;
    let mut statement =
        conn.prepare_cached("INSERT INTO bindings (id, account, secret, binding, created, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    statement.execute(params![
        binding.id.as_str(),
        binding.account.as_str(),
        binding.secret.as_str(),
        body,
        binding.created.unix_ms(),
        binding.mac
    ])?;
    Ok(())
}

/// Removes these bindings.
pub(crate) fn delete(conn: &Connection, ids: &[BindingId]) -> Result<()> {
    let mut statement = conn.prepare_cached("DELETE FROM bindings WHERE id = ?1")?;
    ids.iter().try_for_each(|id| if statement.execute([id.as_str()])? == 1 { Ok(()) } else { Err(StoreError::Conflict) })
}

/// The bindings of a secret, oldest first.
pub(crate) fn of_secret(conn: &Connection, secret: &SecretId) -> Result<Vec<StoredBinding>> {
    let mut statement =
        conn.prepare_cached("SELECT id, account, secret, binding, created, mac FROM bindings WHERE secret = ?1 ORDER BY id")?;
    let found = statement.query_map([secret.as_str()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Each secret with explicit bindings beside each host that they name.
pub(crate) fn hosts(conn: &Connection) -> Result<Vec<(SecretId, HostPattern)>> {
    let mut statement = conn.prepare_cached("SELECT DISTINCT secret, json_extract(binding, '$.host') FROM bindings")?;
    let found = statement.query_map([], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredBinding> {
    Ok(StoredBinding {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        secret: parsed(row, 2)?,
        binding: json(row, 3)?,
        created: time(row, 4)?,
        mac: row.get(5)?,
    })
}
