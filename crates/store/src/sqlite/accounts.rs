//! The table of accounts.

use model::limits::PAGE_ITEMS_MAX;
use model::{Account, AccountId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::AccountPage;
use crate::sqlite::columns::{parsed, time};

/// Adds an account.
pub(crate) fn insert(conn: &Connection, account: &Account) -> Result<()> {
    let mut statement = conn.prepare_cached("INSERT INTO accounts (id, name, devbox_capability, created) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![account.id.as_str(), account.name, account.devbox_capability, account.created.unix_ms()])?;
    Ok(())
}

/// The account of this id.
pub(crate) fn find(conn: &Connection, id: &AccountId) -> Result<Option<Account>> {
    find_text(conn, id.as_str())
}

/// The account whose id this text is, if any's is.
pub(crate) fn find_text(conn: &Connection, id: &str) -> Result<Option<Account>> {
    Ok(conn.prepare_cached(BY_ID)?.query_row([id], from_row).optional()?)
}

/// The account of this name, the first where several have it.
pub(crate) fn named(conn: &Connection, name: &str) -> Result<Option<Account>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, devbox_capability, created FROM accounts WHERE name = ?1 AND number > 0 ORDER BY number LIMIT 1",
    )?;
    Ok(statement.query_row([name], from_row).optional()?)
}

/// A page of accounts in the order of their making. The connection must be in a transaction, so that page and total are of one state.
pub(crate) fn page(conn: &Connection, after: Option<&AccountId>, limit: usize) -> Result<AccountPage> {
    let limit = limit.min(PAGE_ITEMS_MAX);
    // One more than asked for shows whether there are more; clamped, so it fits.
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT id, name, devbox_capability, created FROM accounts
         WHERE number > coalesce((SELECT number FROM accounts WHERE id = ?1), 0) ORDER BY number LIMIT ?2",
    )?;
    let found = statement.query_map(params![after.map(AccountId::as_str), rows], from_row)?;
    let mut accounts = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = accounts.len() > limit;
    accounts.truncate(limit);
    let total: i64 = conn.prepare_cached("SELECT count(*) FROM accounts")?.query_row([], |row| row.get(0))?;
    Ok(AccountPage { accounts, has_more, total: u64::try_from(total).map_err(StoreError::damaged)? })
}

/// The account that was made first. Numbers begin with 1: what stands below was put there by somebody else.
pub(crate) fn first(conn: &Connection) -> Result<Option<Account>> {
    let mut statement =
        conn.prepare_cached("SELECT id, name, devbox_capability, created FROM accounts WHERE number > 0 ORDER BY number LIMIT 1")?;
    Ok(statement.query_row([], from_row).optional()?)
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

/// An account from four columns: id, name, devbox_capability, created.
pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: parsed(row, 0)?, name: row.get(1)?, devbox_capability: row.get(2)?, created: time(row, 3)? })
}

/// The lookup of every request.
pub(crate) const BY_ID: &str = "SELECT id, name, devbox_capability, created FROM accounts WHERE id = ?1";
