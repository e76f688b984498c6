//! The table of marks, in the ledger: a MAC over all that the rows say of one secret, or of one devbox. Written in the transaction of the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::framing::framed;
use model::{DevboxId, Event, EventKind, SecretId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};

/// Makes the gateway's MAC over bytes. The ledger has no key.
pub type Marker = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What the ledger's rows say of one noun together, and the mark on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedRows {
    /// The bytes that the mark must cover.
    pub input: Vec<u8>,
    /// The mark; none where there is none.
    pub mac: Option<Vec<u8>>,
    /// Whether there is any row.
    pub any: bool,
    /// How many changes the mark tells of.
    pub generation: u64,
    /// How many changes the events tell of; for a devbox, whether they tell that it ended.
    pub events: u64,
}

impl MarkedRows {
    /// Whether what the rows say of a secret together is what was decided: their mark holds, and tells of as many changes as the events do.
    #[must_use]
    pub fn are_decided(&self, holds: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        match &self.mac {
            Some(mac) => self.generation == self.events && holds(&self.input, mac),
            None => !self.any && self.events == 0,
        }
    }

    /// Whether what the rows say of an open devbox together is what was written when it was made, and no event tells of its end.
    #[must_use]
    pub fn are_of_an_open_devbox(&self, holds: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        self.events == 0 && self.are_marked(holds)
    }

    /// Whether there is a mark, and it holds.
    #[must_use]
    pub fn are_marked(&self, holds: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        self.mac.as_ref().is_some_and(|mac| holds(&self.input, mac))
    }
}

/// Refuses a change that these events tell of, where the rows that it will be marked with were changed outside. To be asked in the transaction of the change and
/// before it: whoever looked earlier looked at other rows.
pub(crate) fn require(conn: &Connection, events: &[Event], marker: Option<&Marker>) -> Result<()> {
    let Some(marker) = marker else { return Ok(()) };
    let holds = |input: &[u8], mac: &[u8]| is_same(&marker(input), mac);
    let secrets: BTreeSet<_> = events.iter().filter(|event| is_decision(event.kind)).filter_map(|event| event.secret.as_ref()).collect();
    for secret in secrets {
        if !of_secret(conn, secret.as_str())?.are_decided(holds) {
            return Err(StoreError::Unmarked);
        }
    }
    let given_more = |event: &&Event| matches!(event.kind, EventKind::GatewayTokenCreated | EventKind::DevboxGivenMore);
    for event in events.iter().filter(given_more) {
        let Some(devbox) = &event.devbox else { continue };
        if !of_devbox(conn, devbox)?.are_of_an_open_devbox(holds) {
            return Err(StoreError::Unmarked);
        }
    }
    Ok(())
}

/// Marks anew what these events changed.
pub(crate) fn follow(conn: &Connection, events: &[Event], marker: Option<&Marker>) -> Result<()> {
    let Some(marker) = marker else { return Ok(()) };
    let mut secrets: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| is_decision(event.kind)) {
        if let Some(secret) = &event.secret {
            *secrets.entry(secret.as_str()).or_default() += 1;
        }
    }
    for (id, count) in secrets {
        let generation = mark(conn, SECRET, id)?.map_or(0, |(generation, _)| generation) + count;
        let (input, _) = secret_input(conn, id, generation)?;
        put(conn, SECRET, id, generation, &marker(&input))?;
    }
    for event in events {
        let Some(devbox) = &event.devbox else { continue };
        match event.kind {
            EventKind::DevboxOpened | EventKind::GatewayTokenCreated | EventKind::DevboxGivenMore => {
                let (input, _) = devbox_input(conn, DEVBOX, devbox.as_str())?;
                put(conn, DEVBOX, devbox.as_str(), 0, &marker(&input))?;
            }
            EventKind::DevboxClosed => end(conn, devbox, marker)?,
            EventKind::AccountCreated
            | EventKind::KeyCreated
            | EventKind::KeyMarked
            | EventKind::KeyRevoked
            | EventKind::SecretCreated
            | EventKind::SecretUpdated
            | EventKind::SecretDeleted
            | EventKind::GatewayConfigCreated
            | EventKind::GatewayConfigUpdated
            | EventKind::GatewayConfigDeleted
            | EventKind::BindingCreated
            | EventKind::BindingDeleted
            | EventKind::SecretFirstUsed
            | EventKind::SecretUsed
            | EventKind::Refused
            | EventKind::PairingRequested
            | EventKind::PairingApproved
            | EventKind::PairingRefused
            | EventKind::SecretExposed
            | EventKind::SecretBrokered
            | EventKind::SecretGivenPlain
            | EventKind::PassedThrough
            | EventKind::BackedUp
            | EventKind::AnchorMissing
            | EventKind::RollbackAccepted
            | EventKind::RequestMade
            | EventKind::RequestOpened
            | EventKind::RequestEntered
            | EventKind::RequestApproved
            | EventKind::RequestRefused
            | EventKind::RequestProofWrong
            | EventKind::RequestLapsed => {}
        }
    }
    Ok(())
}

/// What the rows say of a secret. The connection must be in a transaction.
pub(crate) fn of_secret(conn: &Connection, secret: &str) -> Result<MarkedRows> {
    let (generation, mac) = mark(conn, SECRET, secret)?.map_or((0, None), |(generation, mac)| (generation, Some(mac)));
    let (input, any) = secret_input(conn, secret, generation)?;
    Ok(MarkedRows { input, mac, any, generation, events: decisions(conn, secret)? })
}

/// What the rows say of a devbox. The connection must be in a transaction.
pub(crate) fn of_devbox(conn: &Connection, devbox: &DevboxId) -> Result<MarkedRows> {
    of_noun(conn, DEVBOX, devbox)
}

/// What the rows say of a devbox that has ended. As above.
pub(crate) fn of_ended(conn: &Connection, devbox: &DevboxId) -> Result<MarkedRows> {
    of_noun(conn, ENDED, devbox)
}

/// Makes a change to the rows of a devbox that has ended, and marks it anew where its mark held.
pub(crate) fn keeping_ended(
    conn: &Connection,
    devbox: &DevboxId,
    marker: Option<&Marker>,
    change: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let Some(marker) = marker else { return change() };
    let held = of_ended(conn, devbox)?.are_marked(|input, mac| is_same(&marker(input), mac));
    change()?;
    if held { mark_ended(conn, devbox, marker) } else { Ok(()) }
}

/// Puts the mark of a devbox that has ended in the place of that of an open one, where that held: what was changed outside is not marked anew.
fn end(conn: &Connection, devbox: &DevboxId, marker: &Marker) -> Result<()> {
    let held = of_devbox(conn, devbox)?.are_marked(|input, mac| is_same(&marker(input), mac));
    conn.prepare_cached("DELETE FROM marks WHERE noun = ?1 AND id = ?2")?.execute([DEVBOX, devbox.as_str()])?;
    if held { mark_ended(conn, devbox, marker) } else { Ok(()) }
}

fn mark_ended(conn: &Connection, devbox: &DevboxId, marker: &Marker) -> Result<()> {
    let (input, _) = devbox_input(conn, ENDED, devbox.as_str())?;
    put(conn, ENDED, devbox.as_str(), 0, &marker(&input))
}

fn of_noun(conn: &Connection, noun: &'static str, devbox: &DevboxId) -> Result<MarkedRows> {
    let mac = mark(conn, noun, devbox.as_str())?.map(|(_, mac)| mac);
    let (input, any) = devbox_input(conn, noun, devbox.as_str())?;
    let mut ended = conn.prepare_cached(
        "SELECT count(*) FROM events
         WHERE json_extract(body, '$.kind') = 'devbox_closed' AND json_extract(body, '$.devbox') = ?1 AND seq > 0",
    )?;
    let events = number(ended.query_row([devbox.as_str()], |row| row.get(0))?)?;
    Ok(MarkedRows { input, mac, any, generation: 0, events })
}

/// Writes a mark, in place of an earlier one.
fn put(conn: &Connection, noun: &str, id: &str, generation: u64, mac: &[u8]) -> Result<()> {
    let generation = i64::try_from(generation).map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO marks (noun, id, generation, mac) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![noun, id, generation, mac])?;
    Ok(())
}

/// Whether there is a mark on this secret's rows.
pub(crate) fn has_secret(conn: &Connection, secret: &SecretId) -> Result<bool> {
    Ok(mark(conn, SECRET, secret.as_str())?.is_some())
}

fn mark(conn: &Connection, noun: &str, id: &str) -> Result<Option<(u64, Vec<u8>)>> {
    let mut statement = conn.prepare_cached("SELECT generation, mac FROM marks WHERE noun = ?1 AND id = ?2")?;
    let found: Option<(i64, Vec<u8>)> = statement.query_row([noun, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(generation, mac)| Ok((number(generation)?, mac))).transpose()
}

/// How many events tell of a decision about this secret.
fn decisions(conn: &Connection, secret: &str) -> Result<u64> {
    let mut statement = conn.prepare_cached(
        "SELECT count(*) FROM events WHERE json_extract(body, '$.kind') IN
            ('binding_created', 'binding_deleted', 'pairing_requested', 'pairing_approved', 'pairing_refused', 'secret_exposed', 'secret_brokered')
            AND json_extract(body, '$.secret') = ?1 AND seq > 0",
    )?;
    number(statement.query_row([secret], |row| row.get(0))?)
}

/// The bytes under a secret's mark, and whether there is any row. Each row's own MAC stands for the row.
fn secret_input(conn: &Connection, secret: &str, generation: u64) -> Result<(Vec<u8>, bool)> {
    let mut parts = vec![SECRET.to_owned(), secret.to_owned(), generation.to_string()];
    let before = parts.len();
    for sql in [
        "SELECT 'binding', id, hex(mac) FROM bindings WHERE secret = ?1 ORDER BY id",
        "SELECT 'exposure', secret, hex(mac) FROM exposures WHERE secret = ?1",
        "SELECT 'pairing', id, hex(mac) FROM pairings WHERE secret = ?1 ORDER BY id",
    ] {
        add(conn, sql, secret, &mut parts)?;
    }
    Ok((framed(parts.iter().map(String::as_str)), parts.len() > before))
}

/// The bytes under a devbox's mark, and whether there is any row: all that is written when it is made, and what it was given since.
fn devbox_input(conn: &Connection, noun: &str, devbox: &str) -> Result<(Vec<u8>, bool)> {
    let mut parts = vec![noun.to_owned()];
    for sql in [
        "SELECT id, account, key, allow, hex(resume), ca_pem, CAST(opened AS TEXT) FROM devboxes WHERE id = ?1",
        "SELECT 'hosted', account, key, about FROM hosted WHERE devbox = ?1",
        "SELECT 'grant', hex(hash), account, secret, CAST(created AS TEXT), env, name, coalesce(gateway, ''), coalesce(label, ''), coalesce(role, '')
            FROM grants WHERE devbox = ?1 ORDER BY number",
        "SELECT 'allowed', host, CAST(created AS TEXT) FROM allowed WHERE devbox = ?1 ORDER BY host",
    ] {
        add(conn, sql, devbox, &mut parts)?;
    }
    Ok((framed(parts.iter().map(String::as_str)), parts.len() > 1))
}

/// Adds every column of every row. Rows that are more than a noun ever has are damage: they are not taken into memory.
fn add(conn: &Connection, sql: &str, of: &str, parts: &mut Vec<String>) -> Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    let read = |row: &Row<'_>| (0..columns).map(|column| row.get::<_, String>(column)).collect::<rusqlite::Result<Vec<_>>>();
    let mut bytes: usize = parts.iter().map(String::len).sum();
    for row in statement.query_map([of], read)? {
        let row = row?;
        bytes += row.iter().map(String::len).sum::<usize>();
        if bytes > INPUT_BYTES_MAX {
            return Err(StoreError::Damaged(None));
        }
        parts.extend(row);
    }
    Ok(())
}

const fn is_decision(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::BindingCreated
            | EventKind::BindingDeleted
            | EventKind::PairingRequested
            | EventKind::PairingApproved
            | EventKind::PairingRefused
            | EventKind::SecretExposed
            | EventKind::SecretBrokered
    )
}

/// In a time that does not depend on where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn number(count: i64) -> Result<u64> {
    u64::try_from(count).map_err(StoreError::damaged)
}

/// What the rows of one noun say together: some ten thousand rows of a secret's, far more than a person decides, or of a devbox's.
pub(crate) const INPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What marks are on.
pub(crate) const SECRET: &str = "secret";
pub(crate) const DEVBOX: &str = "devbox";
/// A devbox that has ended: its mark cannot be taken for that of an open one.
pub(crate) const ENDED: &str = "ended";
