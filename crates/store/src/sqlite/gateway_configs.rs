//! The table of gateway configs, and those that every account has, which stand in no row.

use model::limits::PAGE_ITEMS_MAX;
use model::{AccountId, GatewayConfig, GatewayConfigId, Label, gateway};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::GatewayConfigPage;
use crate::sqlite::columns::{json, mistaken, parsed, time};

/// The account's gateway config of this id.
pub(crate) fn find(conn: &Connection, account: &AccountId, id: &GatewayConfigId) -> Result<Option<GatewayConfig>> {
    if let Some(config) = gateway::builtin().into_iter().find(|config| config.id == *id) {
        return Ok(Some(config));
    }
    let mut statement = conn.prepare_cached(
        "SELECT id, account, name, endpoint, mechanism, headers, description, created FROM gateway_configs WHERE id = ?2 AND account = ?1",
    )?;
    Ok(statement.query_row([account.as_str(), id.as_str()], from_row).optional()?)
}

/// The newest of the account's gateway configs that have this name.
pub(crate) fn find_named(conn: &Connection, account: &AccountId, name: &Label) -> Result<Option<GatewayConfig>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account, name, endpoint, mechanism, headers, description, created FROM gateway_configs
         WHERE account = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let found = statement.query_row([account.as_str(), name.as_str()], from_row).optional()?;
    Ok(found.or_else(|| gateway::builtin().into_iter().find(|config| config.name == *name)))
}

/// A page of the account's gateway configs whose names contain `name`, newest first. The connection must be in a transaction, so that page and total are of one
/// state.
pub(crate) fn page(
    conn: &Connection,
    account: &AccountId,
    name: Option<&str>,
    after: Option<&GatewayConfigId>,
    limit: usize,
) -> Result<GatewayConfigPage> {
    let limit = limit.min(PAGE_ITEMS_MAX);
    let below = after.map_or(ABOVE_ALL_IDS, GatewayConfigId::as_str);
    // SQLite's lower() and instr() know ASCII's letters only, as this does.
    let part = name.unwrap_or_default().to_ascii_lowercase();
    let builtin: Vec<_> =
        gateway::builtin().into_iter().filter(|config| config.name.as_str().to_ascii_lowercase().contains(&part)).collect();
    // One more than asked for shows whether there are more; clamped, so it fits.
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT id, account, name, endpoint, mechanism, headers, description, created FROM gateway_configs
         WHERE account = ?1 AND id < ?2 AND instr(lower(name), ?3) > 0 ORDER BY id DESC LIMIT ?4",
    )?;
    let found = statement.query_map(params![account.as_str(), below, part, rows], from_row)?;
    let mut configs = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut count = conn.prepare_cached("SELECT count(*) FROM gateway_configs WHERE account = ?1 AND instr(lower(name), ?2) > 0")?;
    let rows: i64 = count.query_row([account.as_str(), &part], |row| row.get(0))?;
    let total = u64::try_from(rows).map_err(StoreError::damaged)? + builtin.len() as u64;
    configs.extend(builtin.into_iter().filter(|config| config.id.as_str() < below));
    let has_more = configs.len() > limit;
    configs.truncate(limit);
    Ok(GatewayConfigPage { configs, has_more, total })
}

/// Adds a gateway config.
pub(crate) fn insert(conn: &Connection, config: &GatewayConfig) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO gateway_configs (name, endpoint, mechanism, headers, description, id, account, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let account = config.account.as_ref().ok_or(StoreError::Conflict)?;
    let (mechanism, headers) = written(config)?;
    statement.execute(params![
        config.name.as_str(),
        config.endpoint.to_string(),
        mechanism,
        headers,
        config.description.as_ref().map(gateway::Description::as_str),
        config.id.as_str(),
        account.as_str(),
        config.created.unix_ms(),
    ])?;
    Ok(())
}

/// Changes the account's gateway config of this id.
pub(crate) fn update(conn: &Connection, config: &GatewayConfig) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "UPDATE gateway_configs SET name = ?1, endpoint = ?2, mechanism = ?3, headers = ?4, description = ?5 WHERE id = ?6 AND account = ?7",
    )?;
    let account = config.account.as_ref().ok_or(StoreError::Conflict)?;
    let (mechanism, headers) = written(config)?;
    let changed = statement.execute(params![
        config.name.as_str(),
        config.endpoint.to_string(),
        mechanism,
        headers,
        config.description.as_ref().map(gateway::Description::as_str),
        config.id.as_str(),
        account.as_str(),
    ])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Removes the account's gateway config of this id.
pub(crate) fn delete(conn: &Connection, account: &AccountId, id: &GatewayConfigId) -> Result<()> {
    let mut statement = conn.prepare_cached("DELETE FROM gateway_configs WHERE id = ?1 AND account = ?2")?;
    if statement.execute([id.as_str(), account.as_str()])? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Mechanism and headers as they stand in their columns.
fn written(config: &GatewayConfig) -> Result<(String, String)> {
    let json = |written: serde_json::Result<String>| written.map_err(StoreError::damaged);
    Ok((json(serde_json::to_string(&config.mechanism))?, json(serde_json::to_string(&config.headers))?))
}

/// A gateway config from eight columns, in the table's order.
pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<GatewayConfig> {
    let description = row.get::<_, Option<String>>(6)?.map(|text| text.parse());
    Ok(GatewayConfig {
        id: parsed(row, 0)?,
        account: Some(parsed(row, 1)?),
        name: parsed(row, 2)?,
        endpoint: parsed(row, 3)?,
        mechanism: json(row, 4)?,
        headers: json(row, 5)?,
        description: description.transpose().map_err(|error| mistaken(6, error))?,
        created: time(row, 7)?,
    })
}

/// A page of all accounts', in the order of their ids.
pub(crate) const PAGE_OF_ALL: &str = "SELECT id, account, name, endpoint, mechanism, headers, description, created FROM gateway_configs
    WHERE id > ?1 ORDER BY id LIMIT ?2";
/// Greater than every gateway config's id: '~' comes after all letters and digits.
const ABOVE_ALL_IDS: &str = "gwc_~";
