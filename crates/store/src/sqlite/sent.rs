//! Which secrets' values went to which hosts, read out of the events of first uses.

use model::{AccountId, Host, SecretId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::sqlite::columns::parsed;

/// The secrets of an account whose values any of its devboxes ever sent to a host: those made last, newest first, as many as `limit`.
///
/// It goes from one secret to the next in the index, so that a secret of a thousand devboxes takes no longer than one of a single one.
pub(crate) fn to_host(conn: &Connection, account: &AccountId, host: &Host, limit: usize) -> Result<Vec<SecretId>> {
    let mut next = conn.prepare_cached(NEXT)?;
    let mut secrets: Vec<SecretId> = Vec::new();
    while secrets.len() < limit {
        let before = secrets.last().map_or(BEYOND_ALL, SecretId::as_str);
        let found = next.query_row(params![account.as_str(), host.as_str(), before], |row| parsed(row, 0)).optional()?;
        match found {
            Some(secret) => secrets.push(secret),
            None => break,
        }
    }
    Ok(secrets)
}

/// Whether any devbox of the account ever sent this secret's value to a host.
pub(crate) fn was_sent(conn: &Connection, account: &AccountId, host: &Host, secret: &SecretId) -> Result<bool> {
    Ok(conn.prepare_cached(ANY)?.exists(params![account.as_str(), host.as_str(), secret.as_str()])?)
}

/// What `schema/ledger_4.sql` has an index for, word by word.
macro_rules! of_first_uses {
    ($rest:literal) => {
        concat!(
            "SELECT CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END FROM events
             WHERE account = ?1 AND seq > 0 AND instr(body, '\"kind\":\"secret_first_used\"')
             AND CASE WHEN json_valid(body) THEN json_extract(body, '$.host') END = ?2
             AND CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END ",
            $rest
        )
    };
}

const NEXT: &str = of_first_uses!("< ?3 ORDER BY CASE WHEN json_valid(body) THEN json_extract(body, '$.secret') END DESC LIMIT 1");
const ANY: &str = of_first_uses!("= ?3 LIMIT 1");
/// Greater than every id, all of whose characters are letters, digits and underscores.
const BEYOND_ALL: &str = "~";

#[cfg(test)]
mod tests {
    use model::{Event, EventKind, Timestamp, Writer};

    use crate::sqlite::events;
    use crate::sqlite::migrations::LEDGER;

    use super::*;

    const AT: Timestamp = Timestamp::from_unix_ms(5);

    fn used(kind: EventKind, account: u128, secret: u128, host: &str) -> Event {
        let bare = Event::bare(kind, AT, AccountId::from_parts(AT, account));
        Event { secret: Some(SecretId::from_parts(AT, secret)), host: Some(host.parse().expect("a host")), ..bare }
    }

    #[test]
    fn first_uses_are_found_by_host_and_by_an_index_alone() {
        let mut conn = Connection::open_in_memory().expect("a connection");
        LEDGER.migrate(&mut conn).expect("a schema");
        let first = EventKind::SecretFirstUsed;
        let all = [
            used(first, 1, 1, "a.example.com"),
            used(first, 1, 1, "a.example.com"),
            used(first, 1, 3, "a.example.com"),
            used(first, 1, 2, "a.example.com"),
            used(first, 1, 4, "b.example.com"),
            used(first, 2, 5, "a.example.com"),
            used(EventKind::SecretUsed, 1, 6, "a.example.com"),
        ];
        all.iter().try_for_each(|event| events::append(&conn, Writer::Gateway, "here", event)).expect("events");
        let [account, host] = [AccountId::from_parts(AT, 1), AccountId::from_parts(AT, 9)];
        let at = "a.example.com".parse().expect("a host");
        let secret = |number| SecretId::from_parts(AT, number);
        assert_eq!(to_host(&conn, &account, &at, 9).expect("read"), [secret(3), secret(2), secret(1)]);
        assert_eq!(to_host(&conn, &account, &at, 2).expect("read"), [secret(3), secret(2)]);
        assert!(to_host(&conn, &host, &at, 9).expect("read").is_empty());
        let was = |number| was_sent(&conn, &account, &at, &secret(number)).expect("read");
        assert_eq!([was(1), was(4), was(5), was(6)], [true, false, false, false]);
        for statement in [NEXT, ANY] {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("a plan");
            let steps = plan.query_map(["a", "b", "c"], |row| row.get::<_, String>(3)).expect("steps");
            let steps = steps.collect::<rusqlite::Result<Vec<_>>>().expect("steps").join("; ");
            assert!(
                steps.contains("USING INDEX events_sent (account=? AND <expr>=? AND <expr>") && !steps.contains("TEMP B-TREE"),
                "{steps}"
            );
        }
    }
}
