//! The table of exposures, in the ledger.

use model::{AccountId, SecretId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Result;
use crate::hosted::ExposureRow;
use crate::sqlite::columns::{parsed, time};

/// Writes a secret's exposure, in place of an earlier one.
pub(crate) fn put(conn: &Connection, row: &ExposureRow) -> Result<()> {
    let mut statement =
        conn.prepare_cached("INSERT OR REPLACE INTO exposures (secret, account, plain, created, mac) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![row.secret.as_str(), row.account.as_str(), row.plain, row.created.unix_ms(), row.mac])?;
    Ok(())
}

/// The exposure of a secret.
pub(crate) fn find(conn: &Connection, secret: &SecretId) -> Result<Option<ExposureRow>> {
    let mut statement = conn.prepare_cached("SELECT secret, account, plain, created, mac FROM exposures WHERE secret = ?1")?;
    Ok(statement.query_row([secret.as_str()], from_row).optional()?)
}

/// The secrets of an account that are given as they are.
pub(crate) fn plain(conn: &Connection, account: &AccountId) -> Result<Vec<ExposureRow>> {
    let mut statement =
        conn.prepare_cached("SELECT secret, account, plain, created, mac FROM exposures WHERE account = ?1 AND plain ORDER BY secret")?;
    let found = statement.query_map([account.as_str()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<ExposureRow> {
    Ok(ExposureRow { secret: parsed(row, 0)?, account: parsed(row, 1)?, plain: row.get(2)?, created: time(row, 3)?, mac: row.get(4)? })
}
