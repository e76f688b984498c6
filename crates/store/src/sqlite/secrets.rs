//! The tables of secrets and of their ciphertexts.

use model::limits::PAGE_ITEMS_MAX;
use model::{AccountId, DataKeyId, KindId, Sealed, Secret, SecretId, SecretName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::{SealedSecret, SecretPage};
use crate::sqlite::columns::{parsed, time};
use crate::sqlite::{accounts, data_keys};

/// The account's secret of this name.
pub(crate) fn find(conn: &Connection, account: &AccountId, name: &SecretName) -> Result<Option<Secret>> {
    let mut statement =
        conn.prepare_cached("SELECT id, account, name, version, kind, created, updated FROM secrets WHERE account = ?1 AND name = ?2")?;
    Ok(statement.query_row([account.as_str(), name.as_str()], from_row).optional()?)
}

/// The account's secret of this id.
pub(crate) fn find_by_id(conn: &Connection, account: &AccountId, id: &SecretId) -> Result<Option<Secret>> {
    let mut statement =
        conn.prepare_cached("SELECT id, account, name, version, kind, created, updated FROM secrets WHERE id = ?2 AND account = ?1")?;
    Ok(statement.query_row([account.as_str(), id.as_str()], from_row).optional()?)
}

/// A page of the account's secrets, newest first. The connection must be in a transaction, so that page and total are of one state.
pub(crate) fn page(conn: &Connection, account: &AccountId, after: Option<&SecretId>, limit: usize) -> Result<SecretPage> {
    let limit = limit.min(PAGE_ITEMS_MAX);
    let below = after.map_or(ABOVE_ALL_IDS, SecretId::as_str);
    // One more than asked for shows whether there are more; clamped, so it fits.
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT id, account, name, version, kind, created, updated FROM secrets WHERE account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let found = statement.query_map(params![account.as_str(), below, rows], from_row)?;
    let mut secrets = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = secrets.len() > limit;
    secrets.truncate(limit);
    Ok(SecretPage { secrets, has_more, total: accounts::secrets_of(conn, account)? })
}

/// How many secrets there are, of all accounts.
pub(crate) fn count(conn: &Connection) -> Result<u64> {
    let count: i64 = conn.prepare_cached("SELECT count(*) FROM secrets")?.query_row([], |row| row.get(0))?;
    u64::try_from(count).map_err(StoreError::damaged)
}

/// The secret of this id with its sealed value and data key.
pub(crate) fn sealed(conn: &Connection, id: &SecretId) -> Result<Option<SealedSecret>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.id, s.account, s.name, s.version, s.kind, s.created, s.updated, c.salt, c.ciphertext,
                k.id, k.suite, k.recipient, k.encapsulated, k.ciphertext, k.created, k.signer, k.signature
         FROM secrets s JOIN ciphertexts c ON c.number = s.ciphertext JOIN data_keys k ON k.id = s.data_key WHERE s.id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        let data_key = data_keys::from_row(row, 9)?;
        let sealed = Sealed { data_key: data_key.id.clone(), salt: row.get(7)?, ciphertext: row.get(8)? };
        Ok(SealedSecret { secret: from_row(row)?, sealed, data_key })
    };
    Ok(statement.query_row([id.as_str()], read).optional()?)
}

/// Adds a secret with its data key and ciphertext.
pub(crate) fn insert(conn: &Connection, row: &SealedSecret) -> Result<()> {
    let secret = &row.secret;
    // Asked first, although the table's UNIQUE would refuse it too: what changed nothing costs no wait for the disk.
    if find(conn, &secret.account, &secret.name)?.is_some() {
        return Err(StoreError::DuplicateName);
    }
    accounts::count_secrets(conn, &secret.account, 1)?;
    let ciphertext = insert_ciphertext(conn, row)?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO secrets (id, account, name, version, kind, created, updated, data_key, ciphertext)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        secret.id.as_str(),
        secret.account.as_str(),
        secret.name.as_str(),
        secret.version,
        secret.kind.map(KindId::as_str),
        secret.created.unix_ms(),
        secret.updated.unix_ms(),
        row.data_key.id.as_str(),
        ciphertext,
    ])?;
    Ok(())
}

/// Replaces the value of a secret that stands at the version before.
pub(crate) fn update(conn: &Connection, row: &SealedSecret) -> Result<()> {
    let secret = &row.secret;
    let before = secret.version.checked_sub(1).ok_or(StoreError::Conflict)?;
    let old = Stored::at(conn, &secret.id, before)?;
    if (&old.account, &old.name) != (&secret.account, &secret.name) {
        return Err(StoreError::Conflict);
    }
    let ciphertext = insert_ciphertext(conn, row)?;
    let mut statement =
        conn.prepare_cached("UPDATE secrets SET version = ?2, kind = ?3, updated = ?4, data_key = ?5, ciphertext = ?6 WHERE id = ?1")?;
    statement.execute(params![
        secret.id.as_str(),
        secret.version,
        secret.kind.map(KindId::as_str),
        secret.updated.unix_ms(),
        row.data_key.id.as_str(),
        ciphertext,
    ])?;
    old.erase(conn)
}

/// Deletes a secret that stands at this version.
pub(crate) fn delete(conn: &Connection, id: &SecretId, version: u32) -> Result<()> {
    let old = Stored::at(conn, id, version)?;
    conn.prepare_cached("DELETE FROM secrets WHERE id = ?1")?.execute([id.as_str()])?;
    accounts::count_secrets(conn, &old.account, -1)?;
    old.erase(conn)
}

/// What a change must know of the row that it replaces or removes.
struct Stored {
    account: AccountId,
    name: SecretName,
    data_key: DataKeyId,
    ciphertext: i64,
}

impl Stored {
    fn at(conn: &Connection, id: &SecretId, version: u32) -> Result<Self> {
        let mut statement =
            conn.prepare_cached("SELECT account, name, data_key, ciphertext FROM secrets WHERE id = ?1 AND version = ?2")?;
        let read = |row: &Row<'_>| {
            Ok(Self { account: parsed(row, 0)?, name: parsed(row, 1)?, data_key: parsed(row, 2)?, ciphertext: row.get(3)? })
        };
        statement.query_row(params![id.as_str(), version], read).optional()?.ok_or(StoreError::Conflict)
    }

    /// Wipes the ciphertext, and the data key where this was its last; `secure_delete` overwrites the bytes.
    fn erase(self, conn: &Connection) -> Result<()> {
        let mut statement = conn.prepare_cached("UPDATE ciphertexts SET salt = NULL, ciphertext = NULL WHERE number = ?1")?;
        statement.execute([self.ciphertext])?;
        data_keys::erase_unused(conn, &self.data_key)
    }
}

fn insert_ciphertext(conn: &Connection, row: &SealedSecret) -> Result<i64> {
    if row.sealed.data_key != row.data_key.id {
        return Err(StoreError::Conflict);
    }
    data_keys::insert(conn, &row.data_key)?;
    conn.prepare_cached("INSERT INTO ciphertexts (salt, ciphertext) VALUES (?1, ?2)")?
        .execute(params![row.sealed.salt, row.sealed.ciphertext])?;
    Ok(conn.last_insert_rowid())
}

/// A secret from seven columns, in the table's order. A kind that this build does not know is none: it is a hint for people only.
pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Secret> {
    Ok(Secret {
        id: parsed(row, 0)?,
        account: parsed(row, 1)?,
        name: parsed(row, 2)?,
        version: row.get(3)?,
        kind: row.get::<_, Option<String>>(4)?.and_then(|text| KindId::find(&text)),
        created: time(row, 5)?,
        updated: time(row, 6)?,
    })
}

/// Greater than every secret's id: '~' comes after all letters and digits.
const ABOVE_ALL_IDS: &str = "sec_~";
