//! The table of data-key records: each serves the secrets that were sealed while it lived, and goes with the last of them.

use model::{DataKeyId, DataKeyRecord, Suite};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::sqlite::columns::{mistaken, parsed, time};

/// Adds a record, unless it is there already.
pub(crate) fn insert(conn: &Connection, record: &DataKeyRecord) -> Result<()> {
    let mut known = conn.prepare_cached("SELECT signature FROM data_keys WHERE id = ?1")?;
    let known: Option<Vec<u8>> = known.query_row([record.id.as_str()], |row| row.get(0)).optional()?;
    match known {
        Some(signature) if signature == record.signature => return Ok(()),
        Some(_) => return Err(StoreError::Conflict),
        None => {}
    }
    let mut statement = conn.prepare_cached(
        "INSERT INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        record.id.as_str(),
        u16::from(record.suite),
        record.recipient,
        record.encapsulated,
        record.ciphertext,
        record.created.unix_ms(),
        record.signer,
        record.signature,
    ])?;
    Ok(())
}

/// Erases the record where no secret needs it any more.
pub(crate) fn erase_unused(conn: &Connection, id: &DataKeyId) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "UPDATE data_keys SET id = NULL, suite = NULL, recipient = NULL, encapsulated = NULL, ciphertext = NULL, created = NULL, signer = NULL,
                signature = NULL
         WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM secrets WHERE data_key = ?1)",
    )?;
    statement.execute([id.as_str()])?;
    Ok(())
}

/// A record from eight columns, the first of which is `start`, in the table's order.
pub(crate) fn from_row(row: &Row<'_>, start: usize) -> rusqlite::Result<DataKeyRecord> {
    let suite = Suite::try_from(row.get::<_, u16>(start + 1)?).map_err(|error| mistaken(start + 1, error))?;
    Ok(DataKeyRecord {
        id: parsed(row, start)?,
        suite,
        recipient: row.get(start + 2)?,
        encapsulated: row.get(start + 3)?,
        ciphertext: row.get(start + 4)?,
        created: time(row, start + 5)?,
        signer: row.get(start + 6)?,
        signature: row.get(start + 7)?,
    })
}
