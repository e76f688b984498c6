//! The table of accounts.

use model::{Account, AccountId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::sqlite::columns::{parsed, time};

/// Adds an account.
pub(crate) fn insert(conn: &Connection, account: &Account) -> Result<()> {
    let mut statement = conn.prepare_cached("INSERT INTO accounts (id, name, devbox_capability, created) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![account.id.as_str(), account.name, account.devbox_capability, account.created.unix_ms()])?;
    Ok(())
}

/// The account of this id.
pub(crate) fn find(conn: &Connection, id: &AccountId) -> Result<Option<Account>> {
    let mut statement = conn.prepare_cached("SELECT id, name, devbox_capability, created FROM accounts WHERE id = ?1")?;
    Ok(statement.query_row([id.as_str()], |row| from_row(row, 0)).optional()?)
}

/// The account that was made first.
pub(crate) fn first(conn: &Connection) -> Result<Option<Account>> {
    let mut statement = conn.prepare_cached("SELECT id, name, devbox_capability, created FROM accounts ORDER BY number LIMIT 1")?;
    Ok(statement.query_row([], |row| from_row(row, 0)).optional()?)
}

/// How many secrets the account has; 0 where there is no such account.
pub(crate) fn secrets_of(conn: &Connection, id: &AccountId) -> Result<u64> {
    let mut statement = conn.prepare_cached("SELECT secrets FROM accounts WHERE id = ?1")?;
    let total: Option<i64> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    u64::try_from(total.unwrap_or(0)).map_err(StoreError::damaged)
}

/// Counts one secret more or less.
pub(crate) fn count_secrets(conn: &Connection, id: &AccountId, change: i64) -> Result<()> {
    let mut statement = conn.prepare_cached("UPDATE accounts SET secrets = secrets + ?2 WHERE id = ?1")?;
    if statement.execute(params![id.as_str(), change])? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// An account from four columns, the first of which is `start`: id, name, devbox_capability, created.
pub(crate) fn from_row(row: &Row<'_>, start: usize) -> rusqlite::Result<Account> {
    Ok(Account {
        id: parsed(row, start)?,
        name: row.get(start + 1)?,
        devbox_capability: row.get(start + 2)?,
        created: time(row, start + 3)?,
    })
}
