//! The table of hosts that a devbox may reach since a person let it, in the ledger.

use model::{DevboxId, HostPattern, Timestamp};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::sqlite::columns::parsed;

/// Adds one; one that is there stays.
pub(crate) fn insert(conn: &Connection, devbox: &DevboxId, host: &HostPattern, at: Timestamp) -> Result<()> {
    let mut statement = conn.prepare_cached("INSERT OR IGNORE INTO allowed (devbox, host, created) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![devbox.as_str(), host.to_string(), at.unix_ms()])?;
    Ok(())
}

/// Those of a devbox.
pub(crate) fn of_devbox(conn: &Connection, devbox: &DevboxId) -> Result<Vec<HostPattern>> {
    let mut statement = conn.prepare_cached("SELECT host FROM allowed WHERE devbox = ?1 ORDER BY host")?;
    let found = statement.query_map([devbox.as_str()], |row| parsed(row, 0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
