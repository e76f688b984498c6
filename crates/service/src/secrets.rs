//! Secrets: create, get, list, update, delete. Values come in, are sealed, and are never seen again on this side.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use model::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use model::{Clock, Event, EventKind, Place, Scope, Secret, SecretId, SecretName, Timestamp};
use store::{Recorded, SealedSecret, SecretPage, Store, StoreError};
use vault::{SealError, Sealer, SecretValue, ValueError};

use crate::answers::{Doing, Unchanged};
use crate::authenticate::{AuthError, Caller};
use crate::ids::{Ids, IdsError};

/// The verbs on secrets.
pub struct Secrets {
    store: Arc<Store>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    /// A value can be sealed for one version only, so two updates of one secret take turns. A secret's turn is found by its id's hash.
    turns: Vec<Mutex<()>>,
    turn_of: RandomState,
    doing: Doing,
}

/// A secret of the caller's account, by what it is called.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// By its name.
    Name(&'a SecretName),
    /// By its id.
    Id(&'a SecretId),
}

/// Which part of the list is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many, 1 to 5000.
    pub limit: usize,
    /// Continue below this secret, whether or not it still exists.
    pub after: Option<SecretId>,
}

/// Why a verb on secrets failed. Never contains what the caller sent.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The name is taken.
    #[error("a secret of this name exists: update it with POST /v1/secrets/NAME or `tightlip secret set NAME`, or choose another name")]
    Duplicate,
    /// No such secret.
    #[error("there is no such secret: see `tightlip secret list`, or create it with `tightlip secret set NAME`")]
    NotFound,
    /// The value cannot be stored.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Somebody else wrote the secret at the same time.
    #[error("the secret was changed by somebody else at the same moment, and nothing was done: try again")]
    Conflict,
    /// The same request was answered already, by another process.
    #[error("the request was done before")]
    Answered,
    /// The disk is full.
    #[error("failed to store the secret: the disk is full, and nothing was changed; make room and try again")]
    Full,
    /// The store or its events cannot be written or read.
    #[error("failed to use the store, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// Sealing failed.
    #[error("failed to seal the value, and nothing was stored: look at the output of `tightlip up`")]
    Seal(#[from] SealError),
    /// No id could be made.
    #[error("failed to make an id, and nothing was stored: look at the output of `tightlip up`")]
    Id(#[from] IdsError),
}

impl Secrets {
    /// The verbs over a store, a sealer and a clock.
    #[must_use]
    pub fn new(store: Arc<Store>, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Self {
        let turns = (0..TURNS).map(|_| Mutex::new(())).collect();
        Self { store, sealer, clock, ids: Ids::default(), turns, turn_of: RandomState::new(), doing: Doing::default() }
    }

    /// Stores a value under a new name. Durable, with its event, when it returns.
    ///
    /// # Errors
    /// [`SecretsError::Duplicate`] where the name is taken; nothing is changed on any error.
    pub fn create(&self, caller: &Caller, name: SecretName, value: SecretValue) -> Result<Secret, SecretsError> {
        caller.require(Scope::Secrets)?;
        let value = value.check()?;
        // The route does not say the name: the same number for another name is another request.
        let request = caller.request.as_ref().map(|request| request.about(name.as_str()));
        let caller = &Caller { request, ..caller.clone() };
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            let (now, number) = self.ids.next(self.clock.now())?;
            let secret = Secret {
                id: SecretId::from_parts(now, number),
                account: caller.account.id.clone(),
                kind: vault::recognise(&name, &value).map(model::Kind::id),
                name,
                version: 1,
                created: now,
                updated: now,
            };
            let row = self.seal(secret, value, now)?;
            let event = event(EventKind::SecretCreated, caller, &row.secret, now);
            self.store.insert_secret(&row, Recorded { event: &event, answer: answer(&row.secret).as_ref() })?;
            Ok(row.secret)
        })
    }

    /// The metadata of a secret.
    ///
    /// # Errors
    /// [`SecretsError::NotFound`] where the account has no such secret.
    pub fn get<'a>(&self, caller: &Caller, which: impl Into<Which<'a>>) -> Result<Secret, SecretsError> {
        caller.require(Scope::Read)?;
        self.find(caller, which.into())
    }

    /// A page of the account's secrets, newest first.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub fn list(&self, caller: &Caller, page: &Page) -> Result<SecretPage, SecretsError> {
        caller.require(Scope::Read)?;
        Ok(self.store.secrets(&caller.account.id, page.after.as_ref(), page.limit)?)
    }

    /// Replaces a secret's value; the old one is erased. In force at the gateway within a second of the answer.
    ///
    /// # Errors
    /// [`SecretsError::NotFound`]; [`SecretsError::Conflict`] where another writer of the same store came first.
    pub fn update<'a>(&self, caller: &Caller, which: impl Into<Which<'a>>, value: SecretValue) -> Result<Secret, SecretsError> {
        caller.require(Scope::Secrets)?;
        let (which, value) = (which.into(), value.check()?);
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            let turn = self.turn_of.hash_one(self.find(caller, which)?.id) as usize % TURNS;
            let _turn = self.turns[turn].lock().unwrap_or_else(PoisonError::into_inner);
            // As it is now that nobody else changes it. A name that was given to another secret meanwhile is caught by the version.
            let old = self.find(caller, which)?;
            let now = self.clock.now().max(old.updated);
            let kind = vault::recognise(&old.name, &value).map(model::Kind::id);
            let row = self.seal(Secret { version: old.version + 1, kind, updated: now, ..old }, value, now)?;
            let event = event(EventKind::SecretUpdated, caller, &row.secret, now);
            match self.store.update_secret(&row, Recorded { event: &event, answer: answer(&row.secret).as_ref() }) {
                Err(StoreError::Conflict) => match self.find(caller, which) {
                    Ok(current) if current.id == row.secret.id => Err(SecretsError::Conflict),
                    Ok(_) => Err(SecretsError::NotFound),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error.into()),
                Ok(()) => Ok(row.secret),
            }
        })
    }

    /// Erases a secret, every version. Irreversible; in force at the gateway within a second of the answer.
    ///
    /// # Errors
    /// [`SecretsError::NotFound`] where the account has no such secret.
    pub fn delete<'a>(&self, caller: &Caller, which: impl Into<Which<'a>>) -> Result<Secret, SecretsError> {
        caller.require(Scope::Secrets)?;
        let which = which.into();
        self.doing.once(&self.store, caller, self.clock.now(), |answer| {
            for _ in 0..DELETE_TRIES {
                let secret = self.find(caller, which)?;
                let gone = event(EventKind::SecretDeleted, caller, &secret, self.clock.now().max(secret.updated));
                let answer = answer(&secret);
                match self.store.delete_secret(&secret.id, secret.version, Recorded { event: &gone, answer: answer.as_ref() }) {
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error.into()),
                    Ok(()) => return Ok(secret),
                }
            }
            Err(SecretsError::Conflict)
        })
    }

    fn find(&self, caller: &Caller, which: Which<'_>) -> Result<Secret, SecretsError> {
        let found = match which {
            Which::Name(name) => self.store.secret(&caller.account.id, name)?,
            Which::Id(id) => self.store.secret_by_id(&caller.account.id, id)?,
        };
        found.ok_or(SecretsError::NotFound)
    }

    fn seal(&self, secret: Secret, value: SecretValue, now: Timestamp) -> Result<SealedSecret, SecretsError> {
        let place = Place {
            deployment: self.sealer.deployment().to_owned(),
            account: secret.account.clone(),
            secret: secret.id.clone(),
            name: secret.name.clone(),
            version: secret.version,
        };
        let (sealed, data_key) = self.sealer.seal(value, &place, now)?;
        Ok(SealedSecret { secret, sealed, data_key: data_key.as_ref().clone() })
    }
}

impl Page {
    /// A page by the contract's rule: 0 means the default, more than the maximum is clamped.
    #[must_use]
    pub fn new(limit: usize, after: Option<SecretId>) -> Self {
        Self { limit: if limit == 0 { PAGE_ITEMS_DEFAULT } else { limit.min(PAGE_ITEMS_MAX) }, after }
    }
}

impl<'a> From<&'a SecretName> for Which<'a> {
    fn from(name: &'a SecretName) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a SecretId> for Which<'a> {
    fn from(id: &'a SecretId) -> Self {
        Self::Id(id)
    }
}

impl SecretsError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::Duplicate => "duplicate",
            Self::NotFound => "secret_unknown",
            Self::Value(ValueError::Empty) => "value_empty",
            Self::Value(ValueError::TooLarge) => "value_too_large",
            Self::Value(ValueError::NotText) => "value_not_text",
            Self::Conflict | Self::Answered => "conflict",
            Self::Full => "disk_full",
            Self::Unavailable(_) => "store_unavailable",
            Self::Seal(_) | Self::Id(_) => "internal",
        }
    }
}

impl Unchanged for SecretsError {
    fn is_answered(&self) -> bool {
        matches!(self, Self::Answered)
    }
}

impl From<StoreError> for SecretsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DuplicateName => Self::Duplicate,
            StoreError::Conflict => Self::Conflict,
            StoreError::Answered => Self::Answered,
            StoreError::Full => Self::Full,
            StoreError::Newer { .. }
            | StoreError::Outdated { .. }
            | StoreError::Missing
            | StoreError::Exists
            | StoreError::NotADatabase
            | StoreError::Damaged(_)
            | StoreError::ChainBroken { .. }
            | StoreError::Unmarked
            | StoreError::Replaced
            | StoreError::Schema(_)
            | StoreError::Busy
            | StoreError::ReadOnly
            | StoreError::Unavailable
            | StoreError::WouldWait
            | StoreError::Failed(_) => Self::Unavailable(error),
        }
    }
}

fn event(kind: EventKind, caller: &Caller, secret: &Secret, now: Timestamp) -> Event {
    Event { key: Some(caller.key.id.clone()), ..Event::bare(kind, now, caller.account.id.clone()).about(secret) }
}

/// How many updates of different secrets may run side by side.
const TURNS: usize = 256;
/// A delete that meets so many updates in a row gives up.
const DELETE_TRIES: usize = 8;
