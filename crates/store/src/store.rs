//! The store: accounts, API keys, sealed secrets and the api's events. One enum over its backends, one line each.

use std::path::Path;

use model::{
    Account, AccountId, ApiKey, ApiKeyId, ChainedEvent, Event, GatewayConfig, GatewayConfigId, Label, Secret, SecretId, SecretName,
    Timestamp, TokenHash,
};

use crate::error::Result;
use crate::rows::{
    AccountPage, Commits, EventQuery, GatewayConfigPage, Head, KeyPage, KeyRequest, Recorded, RequestedKey, SealedSecret, SecretPage, Shown,
};
use crate::sqlite::SqliteStore;
use crate::sqlite::snapshot::Snapshot;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To write and read: the api. One process at a time.
    Writer,
    /// To read only: the gateway, beside a writer in another process, or alone.
    Reader,
}

/// The store. Verbs block; writes return when they are durable, each with its event in one transaction.
pub enum Store {
    /// One file of SQLite.
    Sqlite(SqliteStore),
}

impl Store {
    /// Makes an empty store at `path` (file mode 0600) for a deployment. Nothing is left behind where it fails.
    ///
    /// # Errors
    /// `Exists` where there is a file already, `Full`, `Missing` where the folder is not there, `Failed`.
    pub fn create(path: &Path, deployment: &str) -> Result<()> {
        SqliteStore::create(path, deployment)
    }

    /// Opens the store at `path`; a writer brings an older schema up to date first.
    ///
    /// # Errors
    /// `Missing`, `NotADatabase`, `Newer` (nothing is changed), `Outdated` (a reader only), `Damaged`, `Full`, `Busy`.
    pub fn open(path: &Path, mode: Mode) -> Result<Self> {
        SqliteStore::open(path, mode).map(Self::Sqlite)
    }

    /// Does `work`, in which everything that this thread reads of the store is of one moment, and cheaper to read. For work that reads only: what it wrote it
    /// would not see.
    ///
    /// # Errors
    /// Where the store cannot be read; `work` was not begun then.
    pub fn at_once<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        match self {
            Self::Sqlite(store) => store.at_once(work),
        }
    }

    /// The deployment that the store was made for.
    ///
    /// # Errors
    /// Where the backend cannot be read.
    pub fn deployment(&self) -> Result<String> {
        match self {
            Self::Sqlite(store) => Ok(store.deployment().to_owned()),
        }
    }

    /// The account of this id.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>> {
        match self {
            Self::Sqlite(store) => store.account(id),
        }
    }

    /// The first account: the owner's.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn owner(&self) -> Result<Option<Account>> {
        match self {
            Self::Sqlite(store) => store.owner(),
        }
    }

    /// The account of this name; the first where several have it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn account_named(&self, name: &str) -> Result<Option<Account>> {
        match self {
            Self::Sqlite(store) => store.account_named(name),
        }
    }

    /// Accounts in the order of their making, at most `limit` (clamped to [`model::limits::PAGE_ITEMS_MAX`]), from the one after `after` on.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn accounts(&self, after: Option<&AccountId>, limit: usize) -> Result<AccountPage> {
        match self {
            Self::Sqlite(store) => store.accounts(after, limit),
        }
    }

    /// The API key of this hash, with its account, good or not. Known or unknown, the same lookups are made.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn api_key(&self, hash: &TokenHash) -> Result<Option<(ApiKey, Account)>> {
        match self {
            Self::Sqlite(store) => store.api_key(hash),
        }
    }

    /// The account's API key of this id, good or not.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn api_key_of(&self, account: &AccountId, id: &ApiKeyId) -> Result<Option<ApiKey>> {
        match self {
            Self::Sqlite(store) => store.api_key_of(account, id),
        }
    }

    /// The account's API keys, newest first, revoked ones too; limit and `after` as with [`Store::secrets`].
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn api_keys(&self, account: &AccountId, after: Option<&ApiKeyId>, limit: usize) -> Result<KeyPage> {
        match self {
            Self::Sqlite(store) => store.api_keys(account, after, limit),
        }
    }

    /// The account's API keys that are good at `now`, newest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn good_api_keys(&self, account: &AccountId, now: Timestamp) -> Result<Vec<ApiKey>> {
        match self {
            Self::Sqlite(store) => store.good_api_keys(account, now),
        }
    }

    /// The API key that this request made last, where that is not too long ago ([`model::limits::ANSWER_LIFE_MS`]).
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn requested_api_key(&self, request: &KeyRequest, now: Timestamp) -> Result<Option<ApiKeyId>> {
        match self {
            Self::Sqlite(store) => store.requested_api_key(request, now),
        }
    }

    /// The account's secret of this name.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn secret(&self, account: &AccountId, name: &SecretName) -> Result<Option<Secret>> {
        match self {
            Self::Sqlite(store) => store.secret(account, name),
        }
    }

    /// The account's secret of this id.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn secret_by_id(&self, account: &AccountId, id: &SecretId) -> Result<Option<Secret>> {
        match self {
            Self::Sqlite(store) => store.secret_by_id(account, id),
        }
    }

    /// What was shown to this key's request, where that was less than [`model::limits::ANSWER_LIFE_MS`] before `now`.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn answer(&self, key: &ApiKeyId, request: &[u8; 32], now: Timestamp) -> Result<Option<Shown>> {
        match self {
            Self::Sqlite(store) => store.answer(key, request, now),
        }
    }

    /// The account's secrets, newest first, at most `limit` (clamped to [`model::limits::PAGE_ITEMS_MAX`]). `after` continues below that id, also when the
    /// secret of that id no longer exists.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn secrets(&self, account: &AccountId, after: Option<&SecretId>, limit: usize) -> Result<SecretPage> {
        match self {
            Self::Sqlite(store) => store.secrets(account, after, limit),
        }
    }

    /// The account's gateway config of this id; those that every account has are among them.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn gateway_config(&self, account: &AccountId, id: &GatewayConfigId) -> Result<Option<GatewayConfig>> {
        match self {
            Self::Sqlite(store) => store.gateway_config(account, id),
        }
    }

    /// The newest of the account's gateway configs that have this name. One of the account's own is newer than one that every account has.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn gateway_config_named(&self, account: &AccountId, name: &Label) -> Result<Option<GatewayConfig>> {
        match self {
            Self::Sqlite(store) => store.gateway_config_named(account, name),
        }
    }

    /// The account's gateway configs whose names contain `name`, capital letters or not; limit and `after` as with [`Store::secrets`]. Those that every account
    /// has are the last.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn gateway_configs(
        &self,
        account: &AccountId,
        name: Option<&str>,
        after: Option<&GatewayConfigId>,
        limit: usize,
    ) -> Result<GatewayConfigPage> {
        match self {
            Self::Sqlite(store) => store.gateway_configs(account, name, after, limit),
        }
    }

    /// The secret of this id with its sealed value.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn sealed(&self, id: &SecretId) -> Result<Option<SealedSecret>> {
        match self {
            Self::Sqlite(store) => store.sealed(id),
        }
    }

    /// The api's events that the query asks for, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<ChainedEvent>> {
        match self {
            Self::Sqlite(store) => store.events(query),
        }
    }

    /// A number that is another one after any commit by this or another process; comparable with earlier answers of the same open store only. Microseconds.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn data_version(&self) -> Result<u64> {
        match self {
            Self::Sqlite(store) => store.data_version(),
        }
    }

    /// Whether a read works and, for a writer, whether writes do: after one that failed, a small one is tried.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.check(),
        }
    }

    /// What was committed since the store was opened.
    #[must_use]
    pub fn commits(&self) -> Commits {
        match self {
            Self::Sqlite(store) => store.commits(),
        }
    }

    /// Walks the whole chain of events and answers its head. That the end was cut off shows only against a head kept elsewhere.
    ///
    /// # Errors
    /// `ChainBroken` at the first event that was edited, removed, moved or planted.
    pub fn verify_chain(&self) -> Result<Head> {
        match self {
            Self::Sqlite(store) => store.verify_chain(),
        }
    }

    /// Looks at every page, every reference and every event, and answers the chain's head.
    ///
    /// # Errors
    /// `Damaged`, or as [`Store::verify_chain`].
    pub fn inspect(&self) -> Result<Head> {
        match self {
            Self::Sqlite(store) => store.inspect(),
        }
    }

    /// How many secrets there are, of all accounts.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn count_secrets(&self) -> Result<u64> {
        match self {
            Self::Sqlite(store) => store.count_secrets(),
        }
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        match self {
            Self::Sqlite(store) => store.snapshot(),
        }
    }

    /// Adds an account.
    ///
    /// # Errors
    /// `Conflict` where the id exists; `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_account(&self, account: &Account, event: &Event) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_account(account, event),
        }
    }

    /// Adds an API key.
    ///
    /// # Errors
    /// `Conflict` where the id or hash exists, or the account does not; `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_api_key(&self, key: &ApiKey, event: &Event) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_api_key(key, event),
        }
    }

    /// Adds an account and its first API key, each with its event, in one transaction.
    ///
    /// # Errors
    /// `Conflict` where an id or the hash exists; `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_account_with_key(&self, account: &Account, key: &ApiKey, events: [&Event; 2]) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_account_with_key(account, key, events),
        }
    }

    /// Adds an API key that a numbered request made, and revokes the one that the same request made before.
    ///
    /// # Errors
    /// `Conflict` where the id or hash exists, or the key to be replaced is not there or was revoked meanwhile; `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_requested_api_key(&self, made: &RequestedKey, events: &[Event]) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_requested_api_key(made, events),
        }
    }

    /// Revokes the account's API key of this id, for good.
    ///
    /// # Errors
    /// `Conflict` where there is none or it was revoked before; `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn revoke_api_key(&self, account: &AccountId, id: &ApiKeyId, at: Timestamp, event: &Event) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.revoke_api_key(account, id, at, event),
        }
    }

    /// Notes when keys were used last, all or none. Without an event: it tells no change. Ids that are not there are passed over.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn note_key_uses(&self, uses: &[(ApiKeyId, Timestamp)]) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.note_key_uses(uses),
        }
    }

    /// Adds a secret, and its data key where no other row brought it.
    ///
    /// # Errors
    /// `DuplicateName`; `Conflict` where the id exists, the account does not, or another data key has this id;
    /// `Answered`, `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_secret<'a>(&self, row: &SealedSecret, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_secret(row, recorded.into()),
        }
    }

    /// Replaces a secret's value: `row.secret.version` is the stored one plus 1. The old ciphertext is erased, and its data key where no row needs it.
    ///
    /// # Errors
    /// `Conflict` where the stored version is another one, or the secret is gone or has another name or account;
    /// `Answered`, `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn update_secret<'a>(&self, row: &SealedSecret, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.update_secret(row, recorded.into()),
        }
    }

    /// Deletes a secret at this version; erased as by an update.
    ///
    /// # Errors
    /// `Conflict` where the stored version is another one or the secret is gone; `Answered`, `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn delete_secret<'a>(&self, id: &SecretId, version: u32, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.delete_secret(id, version, recorded.into()),
        }
    }

    /// Adds a gateway config of an account.
    ///
    /// # Errors
    /// `Conflict` where the id exists, or the account does not or is not named; `Answered`, `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn insert_gateway_config<'a>(&self, config: &GatewayConfig, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.insert_gateway_config(config, recorded.into()),
        }
    }

    /// Changes an account's gateway config, but for its id, account and time.
    ///
    /// # Errors
    /// `Conflict` where the account has none of this id, or every account has it; `Answered`, `Full`, `Busy`, `Unavailable`, `ReadOnly`.
    pub fn update_gateway_config<'a>(&self, config: &GatewayConfig, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.update_gateway_config(config, recorded.into()),
        }
    }

    /// Removes an account's gateway config.
    ///
    /// # Errors
    /// As [`Store::update_gateway_config`].
    pub fn delete_gateway_config<'a>(&self, account: &AccountId, id: &GatewayConfigId, recorded: impl Into<Recorded<'a>>) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.delete_gateway_config(account, id, recorded.into()),
        }
    }
}
