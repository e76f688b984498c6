//! The table of grants, in the ledger. The token is there as its hash, to find by, and wrapped by the gateway, to scrub with after a restart.

use model::{DevboxId, Grant, Timestamp, TokenHash};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::hosted::{GatewayGrant, GatewayRole};
use crate::rows::GrantRow;
use crate::sqlite::columns::{hash, mistaken, parsed, time, time_if_any};

/// Adds a grant of this devbox.
pub(crate) fn insert(conn: &Connection, devbox: &DevboxId, row: &GrantRow) -> Result<()> {
    let grant = &row.grant;
    if grant.devbox != *devbox {
        return Err(StoreError::Conflict);
    }
    let mut statement = conn.prepare_cached(
        "INSERT INTO grants (hash, devbox, account, secret, created, ended, env, name, token, gateway, label, role)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let gateway = row.gateway.as_ref();
    statement.execute(params![
        grant.token.0,
        grant.devbox.as_str(),
        grant.account.as_str(),
        grant.secret.as_str(),
        grant.created.unix_ms(),
        grant.ended.map(Timestamp::unix_ms),
        row.env.as_str(),
        row.name.as_str(),
        row.token,
        gateway.map(|gateway| gateway.config.as_str()),
        gateway.map(|gateway| gateway.label.as_str()),
        gateway.map(|gateway| gateway.role.as_str()),
    ])?;
    Ok(())
}

/// Ends the grants of a devbox that have not ended, and erases its tokens.
pub(crate) fn end(conn: &Connection, devbox: &DevboxId, at: Timestamp) -> Result<()> {
    let mut statement = conn.prepare_cached("UPDATE grants SET ended = coalesce(ended, ?2), token = NULL WHERE devbox = ?1")?;
    statement.execute(params![devbox.as_str(), at.unix_ms()])?;
    Ok(())
}

/// The grant of this token.
pub(crate) fn find(conn: &Connection, token: &TokenHash) -> Result<Option<Grant>> {
    let mut statement = conn.prepare_cached("SELECT hash, devbox, account, secret, created, ended FROM grants WHERE hash = ?1")?;
    Ok(statement.query_row([token.0], from_row).optional()?)
}

/// The grants of a devbox, in the order in which they were added.
pub(crate) fn of_devbox(conn: &Connection, devbox: &DevboxId) -> Result<Vec<GrantRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT hash, devbox, account, secret, created, ended, env, name, token, gateway, label, role FROM grants
         WHERE devbox = ?1 ORDER BY number",
    )?;
    let read = |row: &Row<'_>| {
        let token = row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default();
        Ok(GrantRow { grant: from_row(row)?, env: parsed(row, 6)?, name: parsed(row, 7)?, token, gateway: gateway(row)? })
    };
    let found = statement.query_map([devbox.as_str()], read)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// For which gateway the grant is. Two of three columns are damage.
fn gateway(row: &Row<'_>) -> rusqlite::Result<Option<GatewayGrant>> {
    let parts: [Option<String>; 3] = [row.get(9)?, row.get(10)?, row.get(11)?];
    let [Some(_), Some(label), Some(role)] = parts else {
        return if parts == [None, None, None] { Ok(None) } else { Err(mistaken(9, GatewayTorn)) };
    };
    let role = GatewayRole::from_word(&role).ok_or_else(|| mistaken(11, GatewayTorn))?;
    Ok(Some(GatewayGrant { config: parsed(row, 9)?, label, role }))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        token: hash(row, 0)?,
        devbox: parsed(row, 1)?,
        account: parsed(row, 2)?,
        secret: parsed(row, 3)?,
        created: time(row, 4)?,
        ended: time_if_any(row, 5)?,
    })
}

/// A gateway of which a part is missing or unknown.
#[derive(Debug, thiserror::Error)]
#[error("not a gateway's config, label and role")]
struct GatewayTorn;
