//! The table of answers: what was shown to requests that their callers numbered, for as long as a caller may ask again.

use model::limits::ANSWER_LIFE_MS;
use model::{ApiKeyId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::{AnswerRow, Shown};
use crate::sqlite::columns::{json, mistaken};

/// Refuses a request that was answered already.
///
/// To be called before the request's own change: a retry would often fail there for another reason, such as a name that is taken by the first try.
pub(crate) fn refuse_known(conn: &Connection, answer: &AnswerRow, now: Timestamp) -> Result<()> {
    if find(conn, &answer.key, &answer.request, now)?.is_some() { Err(StoreError::Answered) } else { Ok(()) }
}

/// Keeps an answer, in place of one that is too old. A few others that are too old go with it, so that the table does not grow without end.
pub(crate) fn insert(conn: &Connection, answer: &AnswerRow, now: Timestamp) -> Result<()> {
    let mut old = conn.prepare_cached(
        "DELETE FROM answers WHERE (key = ?1 AND request = ?2)
            OR number IN (SELECT number FROM answers WHERE created <= ?3 ORDER BY created LIMIT ?4)",
    )?;
    old.execute(params![answer.key.as_str(), answer.request, now.unix_ms() - ANSWER_LIFE_MS, OLD_AT_ONCE])?;
    let (noun, shown) = match &answer.shown {
        Shown::Secret(secret) => (SECRET, serde_json::to_string(secret)),
        Shown::GatewayConfig(config) => (GATEWAY_CONFIG, serde_json::to_string(config)),
    };
    let shown = shown.map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached("INSERT INTO answers (key, request, noun, shown, created) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![answer.key.as_str(), answer.request, noun, shown, now.unix_ms()])?;
    Ok(())
}

/// What was shown to this key's request, where that is not too long ago.
pub(crate) fn find(conn: &Connection, key: &ApiKeyId, request: &[u8; 32], now: Timestamp) -> Result<Option<Shown>> {
    let mut statement =
        conn.prepare_cached("SELECT noun, shown FROM answers WHERE key = ?1 AND request = ?2 AND created > ?3 AND created <= ?4")?;
    // One from the future was given by a clock that has been set back since: it would live too long.
    let (oldest, newest) = (now.unix_ms() - ANSWER_LIFE_MS, now.unix_ms() + CLOCK_SLACK_MS);
    let found = statement.query_row(params![key.as_str(), request, oldest, newest], from_row);
    Ok(found.optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Shown> {
    match row.get::<_, String>(0)?.as_str() {
        SECRET => json(row, 1).map(Shown::Secret),
        GATEWAY_CONFIG => json(row, 1).map(Shown::GatewayConfig),
        _ => Err(mistaken(0, UnknownNoun)),
    }
}

/// An answer that shows something that this build does not know.
#[derive(Debug, thiserror::Error)]
#[error("not a noun that answers show")]
struct UnknownNoun;

/// The words by which nouns are told apart.
const SECRET: &str = "secret";
const GATEWAY_CONFIG: &str = "gateway_config";
/// How far a clock may be set back without a retry being taken for another request.
const CLOCK_SLACK_MS: i64 = 5 * 60 * 1000;
/// More than one, so that what is too old goes faster than new ones come.
const OLD_AT_ONCE: i64 = 8;
