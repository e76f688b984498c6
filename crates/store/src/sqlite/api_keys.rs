//! The table of API keys. The credential itself is nowhere: only its hash.

use model::limits::PAGE_ITEMS_MAX;
use model::{Account, AccountId, ApiKey, ApiKeyId, Scopes, Timestamp, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::KeyPage;
use crate::sqlite::accounts;
use crate::sqlite::columns::{hash, mistaken, parsed, time, time_if_any};

/// Adds an API key.
pub(crate) fn insert(conn: &Connection, key: &ApiKey) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO api_keys (id, account, hash, scopes, created, name, expires, revoked, last_used, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
        Some(&key.mac).filter(|mac| !mac.is_empty()),
    ])?;
    Ok(())
}

/// The API key of this hash, with its account. Where there is no such key, an account is looked for all the same: nobody costs what somebody costs.
pub(crate) fn find(conn: &Connection, hash: &TokenHash) -> Result<Option<(ApiKey, Account)>> {
    let key = conn.prepare_cached(BY_HASH)?.query_row([hash.0], from_row).optional()?;
    let account = accounts::find_text(conn, key.as_ref().map_or(NOBODY, |key| key.account.as_str()))?;
    Ok(key.zip(account))
}

/// The account's API key of this id.
pub(crate) fn of_id(conn: &Connection, account: &AccountId, id: &ApiKeyId) -> Result<Option<ApiKey>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, hash, scopes, created, name, expires, revoked, last_used, mac FROM api_keys WHERE id = ?1 AND account = ?2",
    )?;
    Ok(statement.query_row([id.as_str(), account.as_str()], from_row).optional()?)
}

/// A page of the account's API keys, newest first. The connection must be in a transaction, so that page and total are of one state.
pub(crate) fn page(conn: &Connection, account: &AccountId, after: Option<&ApiKeyId>, limit: usize) -> Result<KeyPage> {
    let limit = limit.min(PAGE_ITEMS_MAX);
    let below = after.map_or(ABOVE_ALL_IDS, ApiKeyId::as_str);
    // One more than asked for shows whether there are more; clamped, so it fits.
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT id, account, hash, scopes, created, name, expires, revoked, last_used, mac FROM api_keys
         WHERE account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let found = statement.query_map(params![account.as_str(), below, rows], from_row)?;
    let mut keys = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let mut count = conn.prepare_cached("SELECT count(*) FROM api_keys WHERE account = ?1")?;
    let total: i64 = count.query_row([account.as_str()], |row| row.get(0))?;
    Ok(KeyPage { keys, has_more, total: u64::try_from(total).map_err(StoreError::damaged)? })
}

/// The account's API keys that are good at this time, newest first.
pub(crate) fn good(conn: &Connection, account: &AccountId, now: Timestamp) -> Result<Vec<ApiKey>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, hash, scopes, created, name, expires, revoked, last_used, mac FROM api_keys
         WHERE account = ?1 AND revoked IS NULL AND (expires IS NULL OR expires > ?2) ORDER BY id DESC",
    )?;
    let found = statement.query_map(params![account.as_str(), now.unix_ms()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Revokes the account's API key of this id; a conflict where there is none, or it was revoked before.
pub(crate) fn revoke(conn: &Connection, account: &AccountId, id: &ApiKeyId, at: Timestamp) -> Result<()> {
    let mut statement = conn.prepare_cached("UPDATE api_keys SET revoked = ?3 WHERE id = ?1 AND account = ?2 AND revoked IS NULL")?;
    let changed = statement.execute(params![id.as_str(), account.as_str(), at.unix_ms()])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Notes when a key was used; an earlier time than the one noted changes nothing.
pub(crate) fn note_use(conn: &Connection, id: &ApiKeyId, at: Timestamp) -> Result<()> {
    let mut statement =
        conn.prepare_cached("UPDATE api_keys SET last_used = ?2 WHERE id = ?1 AND (last_used IS NULL OR last_used < ?2)")?;
    statement.execute(params![id.as_str(), at.unix_ms()])?;
    Ok(())
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
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
        mac: row.get::<_, Option<Vec<u8>>>(9)?.unwrap_or_default(),
    })
}

fn scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Scopes> {
    let words: String = row.get(column)?;
    if words.is_empty() { Ok(Scopes::default()) } else { words.parse().map_err(|error| mistaken(column, error)) }
}

/// The lookup of every request.
pub(crate) const BY_HASH: &str =
    "SELECT id, account, hash, scopes, created, name, expires, revoked, last_used, mac FROM api_keys WHERE hash = ?1";
/// An account's id that none has: ids are longer.
const NOBODY: &str = "acc_";
/// Greater than every key's id: '~' comes after all letters and digits.
const ABOVE_ALL_IDS: &str = "key_~";

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::sqlite::migrations::STORE;

    /// How often each lookup of a request has run on this connection.
    fn lookups(conn: &Connection) -> [i32; 2] {
        [BY_HASH, accounts::BY_ID].map(|sql| conn.prepare_cached(sql).expect("prepared").get_status(StatementStatus::Run))
    }

    #[test]
    fn known_unknown_ended_and_revoked_keys_cost_the_same_lookups() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        STORE.migrate(&mut conn).expect("a schema");
        let at = Timestamp::from_unix_ms;
        let id = AccountId::from_parts(at(5), 1);
        let account = Account { id: id.clone(), name: "owner".to_owned(), devbox_capability: true, created: at(5) };
        accounts::insert(&conn, &account).expect("an account");
        let key = |number: u8| {
            let id = ApiKeyId::from_parts(at(5), u128::from(number));
            ApiKey::new(id, account.id.clone(), TokenHash([number; 32]), Scopes::all(), at(5))
        };
        insert(&conn, &key(1)).expect("a good key");
        insert(&conn, &ApiKey { expires: Some(at(6)), ..key(2) }).expect("a key that ends");
        insert(&conn, &ApiKey { revoked: Some(at(6)), ..key(3) }).expect("a revoked key");
        for (number, known) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
            let before = lookups(&conn);
            assert_eq!(find(&conn, &TokenHash([number; 32])).expect("read").is_some(), known);
            let after = lookups(&conn);
            assert_eq!([after[0] - before[0], after[1] - before[1]], [1, 1], "key {number}");
        }
    }
}
