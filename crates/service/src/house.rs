//! What the api process holds of the house: the store to write, public keys to seal with, and no way to open anything.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::{AccountId, ApiKeyId, Clock, Timestamp};
use store::{Mode, Store, StoreError};
use vault::Sealer;

use crate::authenticate::{self, AuthError, Caller};
use crate::gateways::Gateways;
use crate::ids::Ids;
use crate::secrets::Secrets;
use crate::uses::Uses;

/// The api's side of the house.
pub struct House {
    pub(crate) store: Arc<Store>,
    sealer: Arc<Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
    secrets: Secrets,
    gateways: Gateways,
    folder: PathBuf,
    pub(crate) ids: Ids,
    pub(crate) uses: Uses,
    /// Keys and accounts are made and revoked one after the other, so that what was looked at before a change still holds when it is made.
    pub(crate) turn: Mutex<()>,
}

/// Why the house cannot be opened, or cannot do its work now.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// The store does not open or does not answer.
    #[error("failed to use the store")]
    Store(#[from] StoreError),
    /// The store is another installation's.
    #[error("the store belongs to another installation than the gateway's manifest: restore both from one backup")]
    Deployment,
}

impl House {
    /// Opens the store at `path` for writing.
    ///
    /// # Errors
    /// When the store does not open, or is not of the sealer's installation.
    pub fn open(path: &Path, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Result<Self, HouseError> {
        let store = Arc::new(Store::open(path, Mode::Writer)?);
        if store.deployment()? != sealer.deployment() {
            return Err(HouseError::Deployment);
        }
        let secrets = Secrets::new(Arc::clone(&store), Arc::clone(&sealer), Arc::clone(&clock));
        let gateways = Gateways::new(Arc::clone(&store), Arc::clone(&clock));
        let folder = path.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
        let (ids, uses, turn) = (Ids::default(), Uses::default(), Mutex::default());
        Ok(Self { store, sealer, clock, secrets, gateways, folder, ids, uses, turn })
    }

    /// Finds the caller of a credential.
    ///
    /// # Errors
    /// As [`authenticate::authenticate`].
    pub fn authenticate(&self, credential: Option<&str>) -> Result<Caller, AuthError> {
        let now = self.clock.now();
        let caller = authenticate::authenticate(&self.store, credential, now)?;
        self.uses.note(&caller.key.id, now);
        Ok(caller)
    }

    /// The caller whom the gateway allowed to store a value that an agent asked for: an account and one of its keys, as they are now.
    ///
    /// # Errors
    /// [`AuthError::Unknown`], [`AuthError::Revoked`] and [`AuthError::Expired`] as for a key that is shown; [`AuthError::Unavailable`].
    pub fn caller_of(&self, account: &AccountId, key: &ApiKeyId) -> Result<Caller, AuthError> {
        let now = self.clock.now();
        let caller = authenticate::caller_of(&self.store, account, key, now)?;
        self.uses.note(&caller.key.id, now);
        Ok(caller)
    }

    /// The present time, by the house's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does `work`, which only reads, on one moment of the store.
    ///
    /// # Errors
    /// When the store cannot be read; `work` was not begun then.
    pub fn at_once<T>(&self, work: impl FnOnce() -> T) -> Result<T, HouseError> {
        Ok(self.store.at_once(work)?)
    }

    /// Secrets and their verbs.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Gateway configs and their verbs.
    #[must_use]
    pub const fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// The folder on whose disk the store grows.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was committed since the house was opened.
    #[must_use]
    pub fn commits(&self) -> store::Commits {
        self.store.commits()
    }

    /// Checks that the caller is the machine's owner: what concerns all accounts is shown to nobody else.
    ///
    /// # Errors
    /// [`AuthError::NotOwner`], [`AuthError::Unavailable`].
    pub fn require_owner(&self, caller: &Caller) -> Result<(), AuthError> {
        match self.store.owner().map_err(AuthError::Unavailable)? {
            Some(owner) if owner.id == caller.account.id => Ok(()),
            Some(_) | None => Err(AuthError::NotOwner),
        }
    }

    /// Whether rows and events can be read and written.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), HouseError> {
        Ok(self.store.check()?)
    }

    /// Wipes a data key that is past its life. Called every few milliseconds.
    pub fn wipe_old_keys(&self) {
        self.sealer.forget_old(self.clock.now());
    }
}
