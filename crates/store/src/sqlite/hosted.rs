//! The table of what the API's devboxes are and how they fare, in the ledger.

use model::{AccountId, ApiKeyId, DevboxId, DevboxStatus, Hosted, ShutdownReason, Timestamp, Transition};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::hosted::{HostedPage, HostedRow};
use crate::sqlite::columns::{json, parsed};

/// Adds one.
pub(crate) fn insert(conn: &Connection, row: &HostedRow) -> Result<()> {
    let hosted = &row.hosted;
    let mut statement = conn.prepare_cached(
        "INSERT INTO hosted (devbox, account, key, request, about, states, status, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        hosted.id.as_str(),
        hosted.account.as_str(),
        row.key.as_str(),
        row.request,
        to_json(&hosted.about)?,
        to_json(&hosted.transitions)?,
        hosted.status().as_str(),
        reason_text(hosted.reason)?,
    ])?;
    Ok(())
}

/// Writes how one fares, where it has not come to a final state before. The request of somebody else's sandbox that has ended makes another: what it was told
/// is kept nowhere.
pub(crate) fn update(conn: &Connection, id: &DevboxId, transitions: &[Transition], reason: Option<ShutdownReason>) -> Result<()> {
    let status = transitions.last().map(|last| last.status.as_str()).ok_or(StoreError::Conflict)?;
    let mut statement = conn.prepare_cached(
        "UPDATE hosted SET states = ?2, status = ?3, reason = ?4,
            request = iif(?3 IN ('failure', 'shutdown') AND json_extract(about, '$.remote') IS NOT NULL, NULL, request)
         WHERE devbox = ?1 AND status NOT IN ('failure', 'shutdown')",
    )?;
    let changed = statement.execute(params![id.as_str(), to_json(&transitions)?, status, reason_text(reason)?])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// What is forgotten of an account's ended ones: all but the newest `kept` and those that ended at or after `since`.
pub(crate) fn old_ended(conn: &Connection, account: &AccountId, since: Timestamp, kept: usize) -> Result<Vec<DevboxId>> {
    let mut statement = conn.prepare_cached(
        "SELECT devbox FROM hosted WHERE account = ?1 AND status IN ('failure', 'shutdown')
            AND EXISTS (SELECT 1 FROM devboxes WHERE id = hosted.devbox AND closed < ?2) AND devbox <=
            (SELECT devbox FROM hosted WHERE account = ?1 AND status IN ('failure', 'shutdown') ORDER BY devbox DESC LIMIT 1 OFFSET ?3)",
    )?;
    let kept = i64::try_from(kept).map_err(StoreError::damaged)?;
    let found = statement.query_map(params![account.as_str(), since.unix_ms(), kept], |row| parsed(row, 0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Forgets what one was.
pub(crate) fn forget(conn: &Connection, id: &DevboxId) -> Result<()> {
    conn.prepare_cached("DELETE FROM hosted WHERE devbox = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// The one of this id.
pub(crate) fn find(conn: &Connection, id: &DevboxId) -> Result<Option<Hosted>> {
    let mut statement = conn.prepare_cached("SELECT devbox, account, about, states, reason FROM hosted WHERE devbox = ?1")?;
    Ok(statement.query_row([id.as_str()], from_row).optional()?)
}

/// The one that this request of a key made.
pub(crate) fn requested(conn: &Connection, key: &ApiKeyId, request: &[u8; 32]) -> Result<Option<Hosted>> {
    let mut statement = conn.prepare_cached(
        "SELECT devbox, account, about, states, reason FROM hosted
         WHERE key = ?1 AND request = ?2 AND account = (SELECT account FROM devboxes WHERE id = hosted.devbox)",
    )?;
    Ok(statement.query_row(params![key.as_str(), request], from_row).optional()?)
}

/// A page of an account's, newest first, below `after`.
pub(crate) fn page(
    conn: &Connection,
    account: &AccountId,
    after: Option<&DevboxId>,
    limit: usize,
    status: Option<DevboxStatus>,
) -> Result<HostedPage> {
    let status = status.map(DevboxStatus::as_str);
    // The account stands in both rows: one that was moved to another account is shown to neither.
    let mut statement = conn.prepare_cached(
        "SELECT devbox, account, about, states, reason FROM hosted
         WHERE account = ?1 AND account = (SELECT account FROM devboxes WHERE id = hosted.devbox) AND (?2 IS NULL OR devbox < ?2) AND (?3 IS NULL OR status = ?3) ORDER BY devbox DESC LIMIT ?4",
    )?;
    let one_more = i64::try_from(limit.saturating_add(1)).map_err(StoreError::damaged)?;
    let found = statement.query_map(params![account.as_str(), after.map(DevboxId::as_str), status, one_more], from_row)?;
    let mut devboxes: Vec<Hosted> = found.collect::<rusqlite::Result<_>>()?;
    let has_more = devboxes.len() > limit;
    devboxes.truncate(limit);
    let mut count = conn.prepare_cached("SELECT count(*) FROM hosted WHERE account = ?1 AND (?2 IS NULL OR status = ?2)")?;
    let total: i64 = count.query_row(params![account.as_str(), status], |row| row.get(0))?;
    Ok(HostedPage { devboxes, has_more, total: u64::try_from(total).map_err(StoreError::damaged)? })
}

fn to_json(part: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(part).map_err(StoreError::damaged)
}

fn reason_text(reason: Option<ShutdownReason>) -> Result<Option<String>> {
    reason.map(|reason| to_json(&reason)).transpose()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Hosted> {
    let reason = row.get::<_, Option<String>>(4)?.map(|_| json(row, 4)).transpose()?;
    Ok(Hosted { id: parsed(row, 0)?, account: parsed(row, 1)?, about: json(row, 2)?, transitions: json(row, 3)?, reason })
}

#[cfg(test)]
mod tests {
    use model::devbox::About;

    use super::*;
    use crate::sqlite::migrations::LEDGER;

    #[test]
    fn an_accounts_old_ended_ones_are_forgotten_but_for_the_newest() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        LEDGER.migrate(&mut conn).expect("a schema");
        let at = Timestamp::from_unix_ms;
        let account = |number| AccountId::from_parts(at(1), number);
        let add = |number: i64, whose: u128, status| {
            let id = DevboxId::from_parts(at(number), 0);
            let row = "INSERT INTO devboxes (id, account, key, allow, resume, ca_pem, opened, closed) VALUES (?1, ?3, 'k', '[]', x'00', '', 1, ?2)";
            let closed = Some(number).filter(|_| status != DevboxStatus::Running);
            conn.execute(row, params![id.as_str(), closed, account(whose).as_str()]).expect("a devbox");
            let transitions = vec![Transition { status, at: at(number), failure: None }];
            let hosted = Hosted { id, account: account(whose), about: About::default(), transitions, reason: None };
            insert(&conn, &HostedRow { hosted, key: ApiKeyId::from_parts(at(1), 1), request: None }).expect("a row");
        };
        for number in 10..20 {
            add(number, 1, if number == 10 { DevboxStatus::Running } else { DevboxStatus::Shutdown });
        }
        add(9, 2, DevboxStatus::Failure);
        let left = |whose| -> Vec<DevboxId> {
            let page = page(&conn, &account(whose), None, 100, None).expect("a page");
            page.devboxes.into_iter().rev().map(|hosted| hosted.id).collect()
        };
        let ids = |numbers: &[i64]| -> Vec<DevboxId> { numbers.iter().map(|number| DevboxId::from_parts(at(*number), 0)).collect() };
        let forget_ended = |since, kept| {
            let old = old_ended(&conn, &account(1), at(since), kept).expect("read");
            old.iter().for_each(|id| forget(&conn, id).expect("forgotten"));
        };
        forget_ended(13, 2);
        assert_eq!(left(1), ids(&[10, 13, 14, 15, 16, 17, 18, 19]), "what runs, and what is of the last day");
        forget_ended(100, 2);
        assert_eq!(left(1), ids(&[10, 18, 19]));
        forget_ended(100, 2);
        assert_eq!((left(1).len(), left(2)), (3, ids(&[9])));
    }
}
