//! The store, looked through: its rows, and what its events say of them.

use model::{
    Account, AccountId, ApiKey, ApiKeyId, DataKeyId, GatewayConfig, GatewayConfigId, Sealed, SecretId, SecretName, Timestamp, Writer,
};
use rusqlite::{Connection, Row, params};

use crate::error::{Result, StoreError};
use crate::rows::{Head, SealedSecret};
use crate::sqlite::columns::{parsed, time};
use crate::sqlite::look::{Held, Looked};
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::{accounts, api_keys, data_keys, events, gateway_configs, secrets};
use crate::store::Store;

/// The store, held still.
pub struct StoreLook(Held);

/// What the api's events say of a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretTold {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The greatest version.
    pub version: Option<u32>,
    /// When that was written.
    pub updated: Option<Timestamp>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A secret as it stands, and what the api's events say of it since some number; all of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its row.
    pub row: SealedSecret,
    /// What the events say.
    pub told: SecretTold,
    /// The number of the chain's last event.
    pub events: u64,
}

/// What stands in the tables of ciphertext and belongs to no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownerless {
    /// A data key, if there is one.
    pub data_key: Option<DataKeyId>,
    /// How many ciphertexts there are more than secrets; negative where there are fewer.
    pub ciphertexts: i64,
}

impl StoreLook {
    /// The store as `snapshot` holds it.
    #[must_use]
    pub fn of(snapshot: Snapshot, deployment: String) -> Self {
        Self(Held::new(snapshot, Writer::Api, deployment))
    }

    /// The database and its chain.
    #[must_use]
    pub const fn held(&self) -> &Held {
        &self.0
    }

    /// How many rows there are to look at.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn rows(&self) -> Result<u64> {
        self.0.count(
            "SELECT (SELECT count(*) FROM secrets) + (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM accounts)
                  + (SELECT count(*) FROM gateway_configs)",
            &[],
        )
    }

    /// Secrets with their sealed values, in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn secrets(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<SealedSecret>>> {
        // Outer joins: a row whose ciphertext or data key is gone is seen, and makes no sense.
        let sql = "SELECT s.id, s.account, s.name, s.version, s.kind, s.created, s.updated, c.salt, c.ciphertext,
                k.id, k.suite, k.recipient, k.encapsulated, k.ciphertext, k.created, k.signer, k.signature
            FROM secrets s LEFT JOIN ciphertexts c ON c.number = s.ciphertext LEFT JOIN data_keys k ON k.id = s.data_key
            WHERE s.id > ?1 ORDER BY s.id LIMIT ?2";
        self.0.page(sql, after, limit, |row| {
            let data_key = data_keys::from_row(row, 9)?;
            let sealed = Sealed { data_key: data_key.id.clone(), salt: row.get(7)?, ciphertext: row.get(8)? };
            Ok(SealedSecret { secret: secrets::from_row(row)?, sealed, data_key })
        })
    }

    /// The name in the row of this secret, where it is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn name_of(&self, id: &str) -> Result<Option<SecretName>> {
        let mut statement = self.0.conn().prepare_cached("SELECT name FROM secrets WHERE id = ?1")?;
        let mut found = statement.query_map([id], |row| Ok(parsed(row, 0).ok()))?;
        Ok(found.next().transpose()?.flatten())
    }

    /// Whether there is a row of this secret.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn has_secret(&self, id: &SecretId) -> Result<bool> {
        self.0.exists("SELECT 1 FROM secrets WHERE id = ?1", &[&id.as_str()])
    }

    /// What the events say of a secret.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn told_of(&self, account: &AccountId, name: &SecretName, id: &SecretId) -> Result<SecretTold> {
        told_of(self.0.conn(), account, name, id, 0)
    }

    /// Whether an event after number `after` says that the secret was deleted.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn deleted_after(&self, after: u64, account: &AccountId, name: &SecretName, id: &SecretId) -> Result<bool> {
        let after = i64::try_from(after).map_err(StoreError::damaged)?;
        let sql = "SELECT 1 FROM events WHERE account = ?1 AND name = ?2 AND seq > ?3 AND json_extract(body, '$.secret') = ?4
            AND json_extract(body, '$.kind') = 'secret_deleted' ORDER BY seq LIMIT 1";
        self.0.exists(sql, &[&account.as_str(), &name.as_str(), &after, &id.as_str()])
    }

    /// What no secret owns.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn ownerless(&self) -> Result<Ownerless> {
        let mut statement = self.0.conn().prepare_cached(
            "SELECT id FROM data_keys WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM secrets WHERE data_key = data_keys.id) LIMIT 1",
        )?;
        let data_key = statement.query_map([], |row| parsed(row, 0))?.next().transpose()?;
        let ciphertexts = self.0.conn().query_row(
            "SELECT (SELECT count(*) FROM ciphertexts WHERE ciphertext IS NOT NULL) - (SELECT count(*) FROM secrets)",
            [],
            |row| row.get(0),
        )?;
        Ok(Ownerless { data_key, ciphertexts })
    }

    /// Accounts in the order of their ids, each with how many secrets its row says that it has, and how many it has.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn accounts(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<(Account, i64, i64)>>> {
        let sql = "SELECT id, name, devbox_capability, created, secrets, (SELECT count(*) FROM secrets WHERE account = accounts.id)
            FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.0.page(sql, after, limit, |row| Ok((accounts::from_row(row)?, row.get(4)?, row.get(5)?)))
    }

    /// Whether the first event of this account tells that it was made.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn tells_of_account(&self, id: &AccountId) -> Result<bool> {
        let sql = "SELECT 1 FROM (SELECT body FROM events WHERE account = ?1 AND seq > 0 ORDER BY seq LIMIT 1)
            WHERE json_extract(body, '$.kind') = 'account_created'";
        self.0.exists(sql, &[&id.as_str()])
    }

    /// API keys in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn api_keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<ApiKey>>> {
        let sql = "SELECT id, account, hash, scopes, created, name, expires, revoked, last_used, mac FROM api_keys
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.0.page(sql, after, limit, api_keys::from_row)
    }

    /// The place of this account among all; none where it has no row.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn account_number(&self, id: &AccountId) -> Result<Option<i64>> {
        let mut statement = self.0.conn().prepare_cached("SELECT number FROM accounts WHERE id = ?1")?;
        Ok(statement.query_map([id.as_str()], |row| row.get(0))?.next().transpose()?)
    }

    /// Whether there is a row of this key, and, if so, since when it is revoked.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn revoked(&self, id: &ApiKeyId) -> Result<Option<Option<Timestamp>>> {
        let mut statement = self.0.conn().prepare_cached("SELECT revoked FROM api_keys WHERE id = ?1")?;
        let read = |row: &Row<'_>| crate::sqlite::columns::time_if_any(row, 0);
        Ok(statement.query_map([id.as_str()], read)?.next().transpose()?)
    }

    /// Gateway configs in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn gateway_configs(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<GatewayConfig>>> {
        self.0.page(gateway_configs::PAGE_OF_ALL, after, limit, gateway_configs::from_row)
    }

    /// Whose this gateway config is and when it was made, as its row says; none where it has no row.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn gateway_config(&self, id: &GatewayConfigId) -> Result<Option<(String, Timestamp)>> {
        let mut statement = self.0.conn().prepare_cached("SELECT account, created FROM gateway_configs WHERE id = ?1")?;
        Ok(statement.query_map([id.as_str()], |row| Ok((row.get(0)?, time(row, 1)?)))?.next().transpose()?)
    }
}

impl Store {
    /// The store as it is now, held still for as long as what this gives lives.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn look(&self) -> Result<StoreLook> {
        let snapshot = self.snapshot()?;
        snapshot.begin()?;
        Ok(StoreLook::of(snapshot, self.deployment()?))
    }

    /// The chain's end, as its last row says.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn head(&self) -> Result<Head> {
        match self {
            Self::Sqlite(store) => store.head(),
        }
    }

    /// The chain's hash at this number; none where it is not that long.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>> {
        match self {
            Self::Sqlite(store) => store.hash_at(seq),
        }
    }

    /// A secret's row and what the events after number `after` say of it, of one moment; none where it has no row.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn standing(&self, id: &SecretId, after: u64) -> Result<Option<Standing>> {
        match self {
            Self::Sqlite(store) => store.standing(id, after),
        }
    }

    /// Whether the files are still those that were opened. Microseconds.
    ///
    /// # Errors
    /// `Replaced`.
    pub fn stands(&self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.stands(),
        }
    }
}

/// A secret's row and what the events after number `after` say of it. The connection must be in a transaction.
pub(crate) fn standing(conn: &Connection, deployment: &str, id: &SecretId, after: u64) -> Result<Option<Standing>> {
    let Some(row) = secrets::sealed(conn, id)? else { return Ok(None) };
    let told = told_of(conn, &row.secret.account, &row.secret.name, id, after)?;
    let events = events::head(conn, Writer::Api, deployment)?.seq;
    Ok(Some(Standing { row, told, events }))
}

/// What the events after number `after` say of a secret.
fn told_of(conn: &Connection, account: &AccountId, name: &SecretName, id: &SecretId, after: u64) -> Result<SecretTold> {
    let after = i64::try_from(after).map_err(StoreError::damaged)?;
    let mut statement = conn.prepare_cached(
        "SELECT json_extract(body, '$.kind') = 'secret_deleted', json_extract(body, '$.version'), json_extract(body, '$.time'),
                json_extract(body, '$.kind') = 'secret_created' FROM events
         WHERE account = ?1 AND name = ?2 AND seq > ?4 AND json_extract(body, '$.secret') = ?3
            AND json_extract(body, '$.kind') IN ('secret_created', 'secret_updated', 'secret_deleted')",
    )?;
    let read = |row: &Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, u32>(1)?, time(row, 2)?, row.get::<_, bool>(3)?));
    let mut told = SecretTold::default();
    for event in statement.query_map(params![account.as_str(), name.as_str(), id.as_str(), after], read)? {
        let (deleted, version, at, created) = event?;
        told.deleted |= deleted;
        told.created = told.created.or(created.then_some(at));
        if !deleted && told.version.is_none_or(|known| known < version) {
            (told.version, told.updated) = (Some(version), Some(at));
        }
    }
    Ok(told)
}
