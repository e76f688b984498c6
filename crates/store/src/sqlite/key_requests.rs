//! Which API key a numbered request made, in the table of answers: a credential is never stored, so a request that comes again makes another one in its place.

use model::limits::ANSWER_LIFE_MS;
use model::{ApiKeyId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::rows::KeyRequest;
use crate::sqlite::columns::parsed;

/// The key that this request made last, where that is not too long ago.
pub(crate) fn find(conn: &Connection, request: &KeyRequest, now: Timestamp) -> Result<Option<ApiKeyId>> {
    let mut statement = conn.prepare_cached("SELECT shown FROM answers WHERE key = ?1 AND request = ?2 AND created > ?3")?;
    let since = now.unix_ms() - ANSWER_LIFE_MS;
    Ok(statement.query_row(params![request.caller.as_str(), request.hash, since], |row| parsed(row, 0)).optional()?)
}

/// Remembers the key that this request made now, in place of an earlier one. A few answers that are too old go, so that the table does not grow without end.
pub(crate) fn put(conn: &Connection, request: &KeyRequest, made: &ApiKeyId, now: Timestamp) -> Result<()> {
    let mut old = conn.prepare_cached(
        "DELETE FROM answers WHERE (key = ?1 AND request = ?2)
            OR number IN (SELECT number FROM answers WHERE created <= ?3 ORDER BY created LIMIT ?4)",
    )?;
    old.execute(params![request.caller.as_str(), request.hash, now.unix_ms() - ANSWER_LIFE_MS, OLD_AT_ONCE])?;
    let mut statement =
        conn.prepare_cached("INSERT INTO answers (key, request, noun, shown, created) VALUES (?1, ?2, 'api_key', ?3, ?4)")?;
    statement.execute(params![request.caller.as_str(), request.hash, made.as_str(), now.unix_ms()])?;
    Ok(())
}

/// More than one, so that what is too old goes faster than new ones come.
const OLD_AT_ONCE: i64 = 8;
