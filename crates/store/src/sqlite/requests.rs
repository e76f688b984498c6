//! The table of agents' requests, in the ledger.

use model::limits::REQUEST_LIFE_MS;
use model::{AccountId, ApiKeyId, DevboxId, RequestId, SecretId, Timestamp, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::requests::{AllowedRow, Lapsed, LinkRow, Proof, RequestRow, RequestState};
use crate::sqlite::columns::{hash, json, mistaken, parsed, time, time_if_any};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, devbox, key, wish, reason, link, link_number, link_expires, opened, session, session_expires, shown_to, tries,
                allowed, allowed_by, proof, secret, token, status, created, expires, decided, mac FROM requests ",
            $rest
        )
    };
}
pub(crate) use select;

/// Adds a request.
pub(crate) fn insert(conn: &Connection, row: &RequestRow) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO requests (id, account, devbox, key, wish, reason, link, link_number, link_expires, opened, session, session_expires,
            shown_to, tries, allowed, allowed_by, proof, secret, token, status, created, expires, decided, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
    )?;
    write(row, |params| Ok(statement.execute(params)?)).map(drop)
}

/// Writes a request in place of the row with this MAC.
pub(crate) fn update(conn: &Connection, row: &RequestRow, was: &[u8]) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "UPDATE requests SET account = ?2, devbox = ?3, key = ?4, wish = ?5, reason = ?6, link = ?7, link_number = ?8, link_expires = ?9,
            opened = ?10, session = ?11, session_expires = ?12, shown_to = ?13, tries = ?14, allowed = ?15, allowed_by = ?16, proof = ?17,
            secret = ?18, token = ?19, status = ?20, created = ?21, expires = ?22, decided = ?23, mac = ?24 WHERE id = ?1 AND mac = ?25",
    )?;
    let changed = write(row, |values| {
        let mut all: Vec<&dyn rusqlite::ToSql> = values.to_vec();
        all.push(&was);
        Ok(statement.execute(all.as_slice())?)
    })?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// The request of this id.
pub(crate) fn find(conn: &Connection, id: &RequestId) -> Result<Option<RequestRow>> {
    let mut statement = conn.prepare_cached(select!("WHERE id = ?1"))?;
    Ok(statement.query_row([id.as_str()], from_row).optional()?)
}

/// The one whose link has this hash.
pub(crate) fn by_link(conn: &Connection, link: &TokenHash) -> Result<Option<RequestRow>> {
    let mut statement = conn.prepare_cached(select!("WHERE link = ?1"))?;
    Ok(statement.query_row([link.0], from_row).optional()?)
}

/// The one whose session has this hash.
pub(crate) fn by_session(conn: &Connection, session: &TokenHash) -> Result<Option<RequestRow>> {
    let mut statement = conn.prepare_cached(select!("WHERE session = ?1"))?;
    Ok(statement.query_row([session.0], from_row).optional()?)
}

/// Those of an account that are not decided to the end and not over, oldest first. An id begins with its time, so that of the many that lapsed in other days none is read.
pub(crate) fn open(conn: &Connection, account: &AccountId, now: Timestamp) -> Result<Vec<RequestRow>> {
    let mut statement = conn.prepare_cached(OPEN)?;
    let found = statement.query_map(params![account.as_str(), now.unix_ms(), first_of_a_day(now).as_str()], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// How many of them died within their time: of an account, with a key, and of a devbox; those of devboxes that have ended are left out.
pub(crate) fn lapsed(conn: &Connection, account: &AccountId, key: &ApiKeyId, devbox: Option<&DevboxId>, now: Timestamp) -> Result<Lapsed> {
    let mut statement = conn.prepare_cached(LAPSED)?;
    let first = first_of_a_day(now);
    let values = params![account.as_str(), now.unix_ms(), first.as_str(), key.as_str(), devbox.map(DevboxId::as_str)];
    let count = |row: &Row<'_>, column: usize| Ok::<_, rusqlite::Error>(usize::try_from(row.get::<_, i64>(column)?).unwrap_or(usize::MAX));
    Ok(statement.query_row(values, |row| Ok(Lapsed { account: count(row, 0)?, key: count(row, 1)?, devbox: count(row, 2)? }))?)
}

/// The least id that a request of the last day can have.
fn first_of_a_day(now: Timestamp) -> RequestId {
    RequestId::from_parts(Timestamp::from_unix_ms(now.unix_ms().saturating_sub(REQUEST_LIFE_MS).max(0)), 0)
}

/// Those of an account, of one devbox only where one is named, in any state, newest first: at most `limit` of those made before `before`.
pub(crate) fn page(
    conn: &Connection,
    account: &AccountId,
    devbox: Option<&DevboxId>,
    before: Option<&RequestId>,
    limit: usize,
) -> Result<Vec<RequestRow>> {
    let mut statement = conn.prepare_cached(select!(
        "WHERE account = ?1 AND (?2 IS NULL OR devbox = ?2) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found =
        statement.query_map(params![account.as_str(), devbox.map(DevboxId::as_str), before.map(RequestId::as_str), limit], from_row)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Hands every column's content on, in their order.
fn write<T>(row: &RequestRow, with: impl FnOnce(&[&dyn rusqlite::ToSql]) -> Result<T>) -> Result<T> {
    let wish = serde_json::to_string(&row.wish).map_err(StoreError::damaged)?;
    let (link, session, allowed) = (row.link.as_ref(), row.session, row.allowed.as_ref());
    with(params![
        row.id.as_str(),
        row.account.as_str(),
        row.devbox.as_ref().map(DevboxId::as_str),
        row.key.as_str(),
        wish,
        row.reason,
        link.map(|link| link.hash.0),
        link.map_or(0, |link| link.number),
        link.map_or(0, |link| link.expires.unix_ms()),
        link.is_some_and(|link| link.opened),
        session.map(|(hash, _)| hash.0),
        session.map_or(0, |(_, expires)| expires.unix_ms()),
        row.shown_to.as_ref().map(model::ApiKeyId::as_str),
        row.tries,
        allowed.map(|allowed| allowed.at.unix_ms()),
        allowed.map(|allowed| allowed.key.as_str()),
        allowed.map(|allowed| allowed.proof.as_str()),
        row.secret.as_ref().map(SecretId::as_str),
        row.token.map(|token| token.0),
        row.status.as_str(),
        row.created.unix_ms(),
        row.expires.unix_ms(),
        row.decided.map(Timestamp::unix_ms),
        row.mac,
    ])
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    let has = |column: usize| Ok::<_, rusqlite::Error>(!matches!(row.get_ref(column)?, rusqlite::types::ValueRef::Null));
    let link = match has(6)? {
        true => Some(LinkRow { hash: hash(row, 6)?, number: row.get(7)?, expires: time(row, 8)?, opened: row.get(9)? }),
        false => None,
    };
    let status = RequestState::from_word(&row.get::<_, String>(19)?).ok_or_else(|| mistaken(19, WordUnknown))?;
    Ok(RequestRow {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        devbox: if has(2)? { Some(parsed(row, 2)?) } else { None },
        key: parsed(row, 3)?,
        wish: json(row, 4)?,
        reason: row.get(5)?,
        link,
        session: if has(10)? { Some((hash(row, 10)?, time(row, 11)?)) } else { None },
        shown_to: if has(12)? { Some(parsed(row, 12)?) } else { None },
        tries: row.get(13)?,
        allowed: allowed(row)?,
        secret: if has(17)? { Some(parsed(row, 17)?) } else { None },
        token: if has(18)? { Some(hash(row, 18)?) } else { None },
        status,
        created: time(row, 20)?,
        expires: time(row, 21)?,
        decided: time_if_any(row, 22)?,
        mac: row.get(23)?,
    })
}

/// That a value may be stored. A part without the others is damage.
fn allowed(row: &Row<'_>) -> rusqlite::Result<Option<AllowedRow>> {
    let Some(at) = time_if_any(row, 14)? else { return Ok(None) };
    let proof = Proof::from_word(&row.get::<_, String>(16)?).ok_or_else(|| mistaken(16, WordUnknown))?;
    Ok(Some(AllowedRow { at, key: parsed(row, 15)?, proof }))
}

/// The index is for three states.
const OPEN: &str = select!(
    "WHERE account = ?1 AND id >= ?3 AND status IN ('waiting', 'entered', 'lapsed') AND status <> 'lapsed' AND expires > ?2 ORDER BY id"
);
const LAPSED: &str = "SELECT count(*), coalesce(sum(requests.key = ?4), 0), coalesce(sum(requests.devbox = ?5), 0)
    FROM requests LEFT JOIN devboxes ON devboxes.id = requests.devbox
    WHERE requests.account = ?1 AND requests.id >= ?3 AND requests.status IN ('waiting', 'entered', 'lapsed') AND requests.status = 'lapsed'
        AND requests.expires > ?2 AND (requests.devbox IS NULL OR (devboxes.id IS NOT NULL AND devboxes.closed IS NULL))";

/// A word that says nothing.
#[derive(Debug, thiserror::Error)]
#[error("not a request's status or proof")]
struct WordUnknown;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::migrations::LEDGER;

    #[test]
    fn of_all_requests_ever_made_those_of_a_day_are_read() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        LEDGER.migrate(&mut conn).expect("migrated");
        let steps = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a plan");
            let rows = plan.query_map(values, |row| row.get::<_, String>(3)).expect("steps");
            rows.collect::<rusqlite::Result<Vec<_>>>().expect("steps").join("; ")
        };
        for steps in [steps(OPEN, params!["", 0, ""]), steps(LAPSED, params!["", 0, "", "", ""])] {
            assert!(steps.contains("(account=? AND id>?)") && !steps.contains("TEMP B-TREE") && !steps.contains("SCAN"), "{steps}");
        }
    }
}
