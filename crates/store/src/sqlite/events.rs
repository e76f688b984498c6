//! The table of events: one chain of hashes per database. An event is added in the transaction of the change that it tells of.
//!
//! The first has number 1. A row with a number below that stands before the chain, where no hash leads: it breaks the chain, and whoever asks events passes it over.

use aws_lc_rs::digest::{Context, SHA256};
use model::limits::PAGE_ITEMS_MAX;
use model::{AccountId, ChainedEvent, DevboxId, Event, EventKind, SecretId, SecretName, Writer};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{ChainFault, Result, StoreError};
use crate::rows::{EventQuery, Head};
use crate::sqlite::columns::{json, mistaken};
use crate::sqlite::look::{PAGE_BYTES_MAX, bytes_of};

/// Adds an event to the end of the chain. The connection must be in a transaction that writes.
pub(crate) fn append(conn: &Connection, writer: Writer, deployment: &str, event: &Event) -> Result<()> {
    let head = head(conn, writer, deployment)?;
    let body = serde_json::to_string(event).map_err(StoreError::damaged)?;
    let hash = link(&head.hash, &body);
    let seq = i64::try_from(head.seq + 1).map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached("INSERT INTO events (seq, account, name, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![seq, event.account.as_str(), event.name.as_ref().map(SecretName::as_str), body, hash])?;
    Ok(())
}

/// The events that the query asks for, oldest first.
pub(crate) fn list(conn: &Connection, writer: Writer, query: &EventQuery) -> Result<Vec<ChainedEvent>> {
    let account = query.account.as_str();
    // A number beyond what a row can have is after every event.
    let after = i64::try_from(query.after).unwrap_or(i64::MAX);
    let limit = i64::try_from(query.limit.min(PAGE_ITEMS_MAX)).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| from_row(row, writer);
    let found = match &query.name {
        None => conn
            .prepare_cached("SELECT seq, hash, body FROM events WHERE account = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?
            .query_map(params![account, after, limit], read)?
            .collect::<rusqlite::Result<Vec<_>>>(),
        Some(name) => conn
            .prepare_cached("SELECT seq, hash, body FROM events WHERE account = ?1 AND name = ?4 AND seq > ?2 ORDER BY seq LIMIT ?3")?
            .query_map(params![account, after, limit, name.as_str()], read)?
            .collect(),
    };
    Ok(found?)
}

/// Whether the chain's end can be read, and an event could be put behind it.
pub(crate) fn look(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT seq, hash, body FROM events ORDER BY seq DESC LIMIT 1")?;
    let last = statement.query_row([], |row| from_row(row, Writer::Api)).optional()?;
    match last {
        Some(event) if event.seq == 0 => Err(StoreError::Damaged(None)),
        Some(_) | None => Ok(()),
    }
}

/// Walks the chain from its beginning.
pub(crate) fn verify(conn: &Connection, writer: Writer, deployment: &str) -> Result<Head> {
    let mut head = beginning(writer, deployment);
    let mut statement = conn.prepare("SELECT seq, hash, body, account, name FROM events ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        head = follow(row, writer, &head)?.0;
    }
    Ok(head)
}

/// The events after this head, at most so many and not many more bytes than a page has, and the head after the last of them.
pub(crate) fn links(conn: &Connection, writer: Writer, after: &Head, limit: usize) -> Result<(Vec<(u64, Event)>, Head)> {
    let mut statement = conn.prepare_cached("SELECT seq, hash, body, account, name FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let (from, limit) = (i64::try_from(after.seq).map_err(StoreError::damaged)?, i64::try_from(limit).map_err(StoreError::damaged)?);
    if from == 0 && conn.prepare_cached("SELECT 1 FROM events WHERE seq < 1")?.exists([])? {
        return Err(StoreError::ChainBroken { writer, seq: 0, fault: ChainFault::Before });
    }
    let mut rows = statement.query([from, limit])?;
    let (mut head, mut found, mut bytes) = (after.clone(), Vec::new(), 0);
    while bytes < PAGE_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let (next, event) = follow(row, writer, &head)?;
        bytes += bytes_of(row)?;
        found.push((next.seq, event));
        head = next;
    }
    Ok((found, head))
}

/// What a chain of this deployment begins with.
pub(crate) fn beginning(writer: Writer, deployment: &str) -> Head {
    Head { seq: 0, hash: genesis(writer, deployment) }
}

/// The chain's hash at this number, if it has got there.
pub(crate) fn hash_at(conn: &Connection, writer: Writer, deployment: &str, seq: u64) -> Result<Option<[u8; 32]>> {
    if seq == 0 {
        return Ok(Some(genesis(writer, deployment)));
    }
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    Ok(conn.prepare_cached("SELECT hash FROM events WHERE seq = ?1")?.query_row([seq], |row| row.get(0)).optional()?)
}

/// The head after this row, which must follow from the one before, and the row's event.
fn follow(row: &Row<'_>, writer: Writer, before: &Head) -> Result<(Head, Event)> {
    let broken = |seq, fault| StoreError::ChainBroken { writer, seq, fault };
    let seq = before.seq + 1;
    let found = row.get::<_, i64>(0)?;
    if found < 1 {
        return Err(broken(0, ChainFault::Before));
    }
    if u64::try_from(found).ok() != Some(seq) {
        return Err(broken(seq, ChainFault::Gap));
    }
    let body: String = row.get(2).map_err(|_| broken(seq, ChainFault::Hash))?;
    let hash = link(&before.hash, &body);
    if row.get::<_, [u8; 32]>(1).ok() != Some(hash) {
        return Err(broken(seq, ChainFault::Hash));
    }
    let event: Event = json(row, 2)?;
    let name: Option<String> = row.get(4)?;
    if row.get::<_, String>(3)? != event.account.as_str() || name.as_deref() != event.name.as_ref().map(SecretName::as_str) {
        return Err(broken(seq, ChainFault::Columns));
    }
    Ok((Head { seq, hash }, event))
}

/// The chain's end.
pub(crate) fn head(conn: &Connection, writer: Writer, deployment: &str) -> Result<Head> {
    let mut statement = conn.prepare_cached("SELECT seq, hash FROM events WHERE seq > 0 ORDER BY seq DESC LIMIT 1")?;
    let last: Option<(i64, [u8; 32])> = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match last {
        Some((seq, hash)) => Ok(Head { seq: u64::try_from(seq).map_err(StoreError::damaged)?, hash }),
        None => Ok(Head { seq: 0, hash: genesis(writer, deployment) }),
    }
}

/// The greatest version of which an event of the gateway's tells about this secret. That is not the newest event's: two devboxes may use a secret while it is
/// replaced, and who read the older row may be the later to write. Only the ledger has the index.
pub(crate) fn newest_version(conn: &Connection, secret: &SecretId) -> Result<Option<u32>> {
    let mut statement = conn.prepare_cached(NEWEST_VERSION)?;
    Ok(statement.query_row([secret.as_str()], |row| row.get(0)).optional()?)
}

/// The events of refusals of an account, newest first, of one devbox only where one is named: of the newest `looked`, at most `limit`. Only the ledger has the index.
pub(crate) fn refusals(
    conn: &Connection,
    account: &AccountId,
    devbox: Option<&DevboxId>,
    looked: usize,
    limit: usize,
) -> Result<Vec<Event>> {
    let mut statement = conn.prepare_cached(REFUSALS)?;
    let looked = i64::try_from(looked).map_err(StoreError::damaged)?;
    let mut found = Vec::new();
    let mut rows = statement.query(params![account.as_str(), looked])?;
    while let Some(row) = rows.next()? {
        // One that was damaged stands out in its chain.
        let Ok(event) = json::<Event>(row, 0) else { continue };
        let is_asked_for = event.kind == EventKind::Refused
            && event.account == *account
            && devbox.is_none_or(|devbox| event.devbox.as_ref() == Some(devbox));
        if is_asked_for {
            found.push(event);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// What stands before the first event.
fn genesis(writer: Writer, deployment: &str) -> [u8; 32] {
    let word = match writer {
        Writer::Api => "api",
        Writer::Gateway => "gateway",
    };
    sha256(&[deployment.as_bytes(), word.as_bytes()])
}

fn link(before: &[u8; 32], body: &str) -> [u8; 32] {
    sha256(&[before, &(body.len() as u64).to_be_bytes(), body.as_bytes()])
}

/// SHA-256 (FIPS 180-4) of the parts, one after the other.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn from_row(row: &Row<'_>, writer: Writer) -> rusqlite::Result<ChainedEvent> {
    let seq = u64::try_from(row.get::<_, i64>(0)?).map_err(|error| mistaken(0, error))?;
    let hash: [u8; 32] = row.get(1)?;
    Ok(ChainedEvent { writer, seq, hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(), event: json(row, 2)? })
}

/// What `schema/ledger_5.sql` has an index for, word by word.
const NEWEST_VERSION: &str = "SELECT CASE WHEN json_valid(body) THEN json_extract(body, '$.version') END FROM events
    WHERE instr(body, '\"version\":') AND CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END = ?1 AND seq > 0
    ORDER BY CASE WHEN json_valid(body) THEN json_extract(body, '$.version') END DESC LIMIT 1";

/// What `schema/ledger_6.sql` has an index for, word by word.
const REFUSALS: &str =
    "SELECT body FROM events WHERE account = ?1 AND seq > 0 AND instr(body, '\"kind\":\"refused\"') ORDER BY seq DESC LIMIT ?2";

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use crate::sqlite::migrations::LEDGER;

    use super::*;

    #[test]
    fn the_greatest_version_is_told_whoever_wrote_last_and_found_by_an_index_alone() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        LEDGER.migrate(&mut conn).expect("a schema");
        let at = Timestamp::from_unix_ms(5);
        let secret = |number| SecretId::from_parts(at, number);
        let used = |number, version| {
            let bare = Event::bare(EventKind::SecretUsed, at, model::AccountId::from_parts(at, 1));
            let event = Event { secret: Some(secret(number)), version: Some(version), ..bare };
            append(&conn, Writer::Gateway, "here", &event).expect("an event");
        };
        [(1, 1), (1, 10), (1, 9), (2, 30)].into_iter().for_each(|(number, version)| used(number, version));
        conn.execute("INSERT INTO events SELECT -seq, account, name, replace(body, '10', '99'), hash FROM events WHERE seq = 2", [])
            .expect("planted");
        let newest = |number| newest_version(&conn, &secret(number)).expect("read");
        assert_eq!([newest(1), newest(2), newest(3)], [Some(10), Some(30), None]);
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {NEWEST_VERSION}")).expect("a plan");
        let steps = plan.query_map(["a"], |row| row.get::<_, String>(3)).expect("steps");
        let steps = steps.collect::<rusqlite::Result<Vec<_>>>().expect("steps").join("; ");
        assert!(steps.contains("USING INDEX events_of_versions (<expr>=?") && !steps.contains("TEMP B-TREE"), "{steps}");
    }

    #[test]
    fn an_event_before_the_first_breaks_the_chain_and_ends_it_nowhere() {
        for seq in [0, -1, i64::MIN] {
            let mut conn = Connection::open_in_memory().expect("a connection");
            LEDGER.migrate(&mut conn).expect("a schema");
            conn.execute("INSERT INTO events VALUES (?1, 'a', NULL, '{}', zeroblob(32))", [seq]).expect("planted");
            let (beginning, is_before) = (beginning(Writer::Api, "here"), |error: &StoreError| {
                matches!(error, StoreError::ChainBroken { seq: 0, fault: ChainFault::Before, .. })
            });
            assert!(verify(&conn, Writer::Api, "here").is_err_and(|error| is_before(&error)), "{seq}");
            assert!(links(&conn, Writer::Api, &beginning, 10).is_err_and(|error| is_before(&error)), "{seq}");
            assert_eq!(head(&conn, Writer::Api, "here").expect("read"), beginning);
        }
    }
}
