//! The store on SQLite: one file, one writing thread with group commit, a few reading connections, one connection that watches for commits.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use model::{
    Account, AccountId, ApiKey, ApiKeyId, ChainedEvent, Event, GatewayConfig, GatewayConfigId, Label, Secret, SecretId, SecretName,
    Timestamp, TokenHash, Writer,
};
use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::rows::{
    AccountPage, Commits, EventQuery, GatewayConfigPage, Head, KeyPage, KeyRequest, Recorded, RequestedKey, SealedSecret, SecretPage, Shown,
};
use crate::store::Mode;

mod accounts;
pub(crate) mod allowed;
mod answers;
mod api_keys;
pub(crate) mod bindings;
mod columns;
mod connection;
pub(crate) mod create;
mod data_keys;
pub(crate) mod database;
pub(crate) mod devboxes;
pub(crate) mod events;
pub(crate) mod exposures;
mod files;
mod gateway_configs;
pub(crate) mod grants;
pub(crate) mod hosted;
mod key_requests;
mod log;
pub mod look;
pub mod look_ledger;
pub mod look_store;
pub mod marks;
pub(crate) mod migrations;
pub(crate) mod pairings;
pub(crate) mod readers;
pub(crate) mod requests;
mod secrets;
pub(crate) mod sent;
pub mod shape;
pub mod snapshot;
mod writer;

#[cfg(test)]
mod tests;

use database::{Database, Work};
use migrations::STORE;
use snapshot::Snapshot;

/// The store in a file of SQLite. What each verb promises stands at [`crate::Store`].
pub struct SqliteStore {
    // First, so that the writer's connection is the last to close and folds the WAL back into the file.
    watch: Mutex<Connection>,
    database: Database,
}

impl SqliteStore {
    pub(crate) fn create(path: &Path, deployment: &str) -> Result<()> {
        create::create(path, &STORE, deployment)
    }

    pub(crate) fn open(path: &Path, mode: Mode) -> Result<Self> {
        let database = Database::open(path, &STORE, mode)?;
        let watch = Mutex::new(connection::open_reader(path)?);
        Ok(Self { watch, database })
    }

    pub(crate) fn deployment(&self) -> &str {
        self.database.deployment()
    }

    pub(crate) fn account(&self, id: &AccountId) -> Result<Option<Account>> {
        self.database.read(|conn| accounts::find(conn, id))
    }

    pub(crate) fn owner(&self) -> Result<Option<Account>> {
        self.database.read(accounts::first)
    }

    pub(crate) fn api_key(&self, hash: &TokenHash) -> Result<Option<(ApiKey, Account)>> {
        self.database.read(|conn| api_keys::find(conn, hash))
    }

    pub(crate) fn account_named(&self, name: &str) -> Result<Option<Account>> {
        self.database.read(|conn| accounts::named(conn, name))
    }

    pub(crate) fn accounts(&self, after: Option<&AccountId>, limit: usize) -> Result<AccountPage> {
        self.database.read_snapshot(|conn| accounts::page(conn, after, limit))
    }

    pub(crate) fn api_key_of(&self, account: &AccountId, id: &ApiKeyId) -> Result<Option<ApiKey>> {
        self.database.read(|conn| api_keys::of_id(conn, account, id))
    }

    pub(crate) fn api_keys(&self, account: &AccountId, after: Option<&ApiKeyId>, limit: usize) -> Result<KeyPage> {
        self.database.read_snapshot(|conn| api_keys::page(conn, account, after, limit))
    }

    pub(crate) fn good_api_keys(&self, account: &AccountId, now: Timestamp) -> Result<Vec<ApiKey>> {
        self.database.read(|conn| api_keys::good(conn, account, now))
    }

    pub(crate) fn requested_api_key(&self, request: &KeyRequest, now: Timestamp) -> Result<Option<ApiKeyId>> {
        self.database.read(|conn| key_requests::find(conn, request, now))
    }

    pub(crate) fn secret(&self, account: &AccountId, name: &SecretName) -> Result<Option<Secret>> {
        self.database.read(|conn| secrets::find(conn, account, name))
    }

    pub(crate) fn secret_by_id(&self, account: &AccountId, id: &SecretId) -> Result<Option<Secret>> {
        self.database.read(|conn| secrets::find_by_id(conn, account, id))
    }

    pub(crate) fn answer(&self, key: &ApiKeyId, request: &[u8; 32], now: Timestamp) -> Result<Option<Shown>> {
        self.database.read(|conn| answers::find(conn, key, request, now))
    }

    pub(crate) fn secrets(&self, account: &AccountId, after: Option<&SecretId>, limit: usize) -> Result<SecretPage> {
        self.database.read_snapshot(|conn| secrets::page(conn, account, after, limit))
    }

    pub(crate) fn gateway_config(&self, account: &AccountId, id: &GatewayConfigId) -> Result<Option<GatewayConfig>> {
        self.database.read(|conn| gateway_configs::find(conn, account, id))
    }

    pub(crate) fn gateway_config_named(&self, account: &AccountId, name: &Label) -> Result<Option<GatewayConfig>> {
        self.database.read(|conn| gateway_configs::find_named(conn, account, name))
    }

    pub(crate) fn gateway_configs(
        &self,
        account: &AccountId,
        name: Option<&str>,
        after: Option<&GatewayConfigId>,
        limit: usize,
    ) -> Result<GatewayConfigPage> {
        self.database.read_snapshot(|conn| gateway_configs::page(conn, account, name, after, limit))
    }

    pub(crate) fn at_once<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        self.database.at_once(work)
    }

    pub(crate) fn sealed(&self, id: &SecretId) -> Result<Option<SealedSecret>> {
        self.database.read(|conn| secrets::sealed(conn, id))
    }

    pub(crate) fn events(&self, query: &EventQuery) -> Result<Vec<ChainedEvent>> {
        self.database.read(|conn| events::list(conn, Writer::Api, query))
    }

    pub(crate) fn data_version(&self) -> Result<u64> {
        if readers::may_wait().is_ok() {
            return version_of(&self.watch.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let watch = self.watch_now()?;
        watch.busy_timeout(Duration::ZERO)?;
        let version = version_of(&watch);
        watch.busy_timeout(connection::BUSY_WAIT)?;
        match version {
            Err(StoreError::Busy) => Err(StoreError::WouldWait),
            other => other,
        }
    }

    /// The connection that watches, where nobody waits with it: others who do not wait have it for a few microseconds.
    fn watch_now(&self) -> Result<MutexGuard<'_, Connection>> {
        for _ in 0..SPINS_MAX {
            match self.watch.try_lock() {
                Ok(watch) => return Ok(watch),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        Err(StoreError::WouldWait)
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.database.check()
    }

    pub(crate) fn commits(&self) -> Commits {
        self.database.commits()
    }

    pub(crate) fn verify_chain(&self) -> Result<Head> {
        self.database.read_snapshot(|conn| events::verify(conn, Writer::Api, self.deployment()))
    }

    pub(crate) fn head(&self) -> Result<Head> {
        self.database.head(Writer::Api)
    }

    pub(crate) fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>> {
        self.database.hash_at(Writer::Api, seq)
    }

    pub(crate) fn standing(&self, id: &SecretId, after: u64) -> Result<Option<look_store::Standing>> {
        let deployment = self.database.deployment();
        self.database.read_snapshot(|conn| look_store::standing(conn, deployment, id, after))
    }

    pub(crate) fn stands(&self) -> Result<()> {
        self.database.stands()
    }

    pub(crate) fn inspect(&self) -> Result<Head> {
        self.database.inspect(Writer::Api)
    }

    pub(crate) fn count_secrets(&self) -> Result<u64> {
        self.database.read(secrets::count)
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.database.snapshot()
    }

    pub(crate) fn insert_account(&self, account: &Account, event: &Event) -> Result<()> {
        let account = account.clone();
        self.database.write(with_event(event, move |conn| accounts::insert(conn, &account)))
    }

    pub(crate) fn insert_api_key(&self, key: &ApiKey, event: &Event) -> Result<()> {
        let key = key.clone();
        self.database.write(with_event(event, move |conn| api_keys::insert(conn, &key)))
    }

    pub(crate) fn insert_account_with_key(&self, account: &Account, key: &ApiKey, events: [&Event; 2]) -> Result<()> {
        let (account, key, events) = (account.clone(), key.clone(), events.map(Event::clone));
        self.database.write(with_events(events.to_vec(), move |conn| {
            accounts::insert(conn, &account)?;
            api_keys::insert(conn, &key)
        }))
    }

    pub(crate) fn insert_requested_api_key(&self, made: &RequestedKey, events: &[Event]) -> Result<()> {
        let made = made.clone();
        self.database.write(with_events(events.to_vec(), move |conn| {
            let RequestedKey { key, request, replaced } = &made;
            if let Some(replaced) = replaced {
                api_keys::revoke(conn, &key.account, replaced, key.created)?;
            }
            api_keys::insert(conn, key)?;
            key_requests::put(conn, request, &key.id, key.created)
        }))
    }

    pub(crate) fn revoke_api_key(&self, account: &AccountId, id: &ApiKeyId, at: Timestamp, event: &Event) -> Result<()> {
        let (account, id) = (account.clone(), id.clone());
        self.database.write(with_event(event, move |conn| api_keys::revoke(conn, &account, &id, at)))
    }

    pub(crate) fn note_key_uses(&self, uses: &[(ApiKeyId, Timestamp)]) -> Result<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = uses.to_vec();
        self.database.write(Box::new(move |conn, _| uses.iter().try_for_each(|(id, at)| api_keys::note_use(conn, id, *at))))
    }

    pub(crate) fn insert_secret(&self, row: &SealedSecret, recorded: Recorded<'_>) -> Result<()> {
        let row = row.clone();
        self.database.write(with_record(recorded, move |conn| secrets::insert(conn, &row)))
    }

    pub(crate) fn update_secret(&self, row: &SealedSecret, recorded: Recorded<'_>) -> Result<()> {
        let row = row.clone();
        self.database.erase(with_record(recorded, move |conn| secrets::update(conn, &row)))
    }

    pub(crate) fn delete_secret(&self, id: &SecretId, version: u32, recorded: Recorded<'_>) -> Result<()> {
        let id = id.clone();
        self.database.erase(with_record(recorded, move |conn| secrets::delete(conn, &id, version)))
    }

    pub(crate) fn insert_gateway_config(&self, config: &GatewayConfig, recorded: Recorded<'_>) -> Result<()> {
        let config = config.clone();
        self.database.write(with_record(recorded, move |conn| gateway_configs::insert(conn, &config)))
    }

    pub(crate) fn update_gateway_config(&self, config: &GatewayConfig, recorded: Recorded<'_>) -> Result<()> {
        let config = config.clone();
        self.database.write(with_record(recorded, move |conn| gateway_configs::update(conn, &config)))
    }

    pub(crate) fn delete_gateway_config(&self, account: &AccountId, id: &GatewayConfigId, recorded: Recorded<'_>) -> Result<()> {
        let (account, id) = (account.clone(), id.clone());
        self.database.write(with_record(recorded, move |conn| gateway_configs::delete(conn, &account, &id)))
    }
}

fn version_of(watch: &Connection) -> Result<u64> {
    let version: i64 = watch.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    u64::try_from(version).map_err(StoreError::damaged)
}

/// Looks for the watching connection before somebody is taken to wait with it: a look at the version takes as long as some hundred of them.
const SPINS_MAX: usize = 1000;

/// A change, its event, and the answer to the request that asked for it.
fn with_record(recorded: Recorded<'_>, change: impl Fn(&Connection) -> Result<()> + Send + 'static) -> Work {
    let Some(answer) = recorded.answer.cloned() else { return with_event(recorded.event, change) };
    let now = recorded.event.time;
    with_event(recorded.event, move |conn| {
        answers::refuse_known(conn, &answer, now)?;
        change(conn)?;
        answers::insert(conn, &answer, now)
    })
}

fn with_event(event: &Event, change: impl Fn(&Connection) -> Result<()> + Send + 'static) -> Work {
    with_events(vec![event.clone()], change)
}

fn with_events(events: Vec<Event>, change: impl Fn(&Connection) -> Result<()> + Send + 'static) -> Work {
    Box::new(move |conn, deployment| {
        change(conn)?;
        events.iter().try_for_each(|event| events::append(conn, Writer::Api, deployment, event))
    })
}
