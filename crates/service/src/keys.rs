//! API keys: made, listed and revoked by whoever holds one with the scope `keys`. No key makes, or revokes, one that may do more or lasts longer than
//! itself.

use std::time::Duration;

use link::front::NewKey;
use model::limits::{KEY_LIFE_SECONDS_MAX, KEYS_PER_ACCOUNT_MAX};
use model::{AccountId, ApiKey, ApiKeyId, Event, EventKind, Label, Scope, Scopes, Timestamp};
use store::{KeyPage, KeyRequest, RequestedKey, StoreError};
use zeroize::Zeroizing;

use crate::authenticate::{AuthError, Caller};
use crate::gate::lock;
use crate::house::House;
use crate::ids::IdsError;

/// A key that is wanted.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// What people call it; may be empty.
    pub name: Label,
    /// What it may do.
    pub scopes: Scopes,
    /// For how long; none: as long as the caller's own key.
    pub life: Option<Duration>,
}

/// A key that is drawn up and not stored.
pub struct KeyDraft {
    key: ApiKey,
    credential: Zeroizing<String>,
    request: Option<KeyRequest>,
}

/// A key that was made. The credential is shown once and stored nowhere.
pub struct MadeKey {
    /// Its record.
    pub key: ApiKey,
    /// The credential.
    pub credential: Zeroizing<String>,
}

/// Why a verb on keys failed. Never contains what the caller sent.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A key that may do nothing.
    #[error("a key needs at least one scope: read, secrets, devbox or keys")]
    NoScopes,
    /// More than the caller's own key may do.
    #[error("a key makes and revokes only keys whose scopes it has itself: use a key with more scopes")]
    ScopesExceed,
    /// No such length of life.
    #[error("a key may be good for 1 to {KEY_LIFE_SECONDS_MAX} seconds; leave that out for one without an end of its own")]
    Life,
    /// Longer than the caller's own key.
    #[error("a key makes and revokes only keys that end no later than itself: ask for a shorter life, or use a key that lasts longer")]
    LifeExceeds,
    /// As many as there may be.
    #[error("an account has at most {KEYS_PER_ACCOUNT_MAX} keys that are good at a time: revoke one with `tightlip key revoke ID`")]
    TooMany,
    /// No such key.
    #[error("no API key of this account has this id: see `tightlip key list`")]
    NotFound,
    /// Without it nobody could make such keys any more.
    #[error(
        "this key is the last that could make keys with its scopes, so without it nobody could make one again: make another one first, with the same \
         scopes and no earlier end (`tightlip key create --scope ...`), then revoke this one"
    )]
    LastKey,
    /// The disk is full.
    #[error("failed to store the key: the disk is full, and nothing was changed; make room and try again")]
    Full,
    /// The store or its events cannot be written or read.
    #[error("failed to use the store, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// No id could be made.
    #[error(transparent)]
    Id(#[from] IdsError),
}

impl KeyDraft {
    /// What the gateway is asked to mark.
    #[must_use]
    pub fn to_mark(&self) -> NewKey {
        let ApiKey { id, hash, scopes, expires, .. } = &self.key;
        NewKey { id: id.clone(), hash: *hash, scopes: scopes.iter().collect(), expires: *expires }
    }
}

impl House {
    /// Draws up an API key of the caller's account: nothing is stored, and the gateway has yet to mark it.
    ///
    /// # Errors
    /// When the caller may not, or the plan exceeds the caller's own key.
    pub fn draft_key(&self, caller: &Caller, plan: KeyPlan) -> Result<KeyDraft, KeysError> {
        caller.require(Scope::Keys)?;
        if plan.scopes.is_empty() {
            return Err(KeysError::NoScopes);
        }
        if !caller.key.scopes.cover(plan.scopes) {
            return Err(KeysError::ScopesExceed);
        }
        // Another plan under the same number is another request, and replaces nothing.
        let planned = format!("{:?}\n{}\n{:?}", plan.name, plan.scopes, plan.life);
        let request = caller.request.as_ref().map(|request| KeyRequest { caller: caller.key.id.clone(), hash: request.about(&planned).0 });
        let (now, random) = self.ids.next(self.clock.now())?;
        let credential = vault::make_key(API_KEY_PREFIX);
        let id = ApiKeyId::from_parts(now, random);
        let key = ApiKey {
            name: plan.name.into(),
            expires: end_of(&caller.key, plan.life, now)?,
            ..ApiKey::new(id, caller.account.id.clone(), vault::hash_token(&credential), plan.scopes, now)
        };
        Ok(KeyDraft { key, credential, request })
    }

    /// Stores a key that was drawn up for this caller, with the gateway's mark. Where the same request made one before, that one is revoked: its answer may have
    /// been lost, and a credential is not stored to be given again.
    ///
    /// # Errors
    /// When the caller may not any more, or the account has as many keys as it may.
    pub fn keep_key(&self, caller: &Caller, draft: KeyDraft, mac: Vec<u8>) -> Result<MadeKey, KeysError> {
        caller.require(Scope::Keys)?;
        let _turn = lock(&self.turn);
        let now = self.clock.now();
        let good = self.good_keys_of(caller)?;
        let KeyDraft { key, credential, request } = draft;
        let key = ApiKey { mac, ..key };
        let replaced = match &request {
            Some(request) => self.store.requested_api_key(request, now)?.filter(|id| good.iter().any(|key| key.id == *id)),
            None => None,
        };
        if good.len() - usize::from(replaced.is_some()) >= KEYS_PER_ACCOUNT_MAX {
            return Err(KeysError::TooMany);
        }
        let mut events: Vec<Event> = replaced.iter().map(|old| event(EventKind::KeyRevoked, caller, old, now)).collect();
        events.push(event(EventKind::KeyCreated, caller, &key.id, now));
        match (request, events.as_slice()) {
            (Some(request), events) => {
                let made = RequestedKey { key: key.clone(), request, replaced };
                self.store.insert_requested_api_key(&made, events)?;
            }
            (None, [created, ..]) => self.store.insert_api_key(&key, created)?,
            (None, []) => unreachable!("an event tells of the key"),
        }
        Ok(MadeKey { key, credential })
    }

    /// A page of the account's keys, newest first, revoked and expired ones too.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub fn keys(&self, caller: &Caller, after: Option<&ApiKeyId>, limit: usize) -> Result<KeyPage, KeysError> {
        caller.require(Scope::Keys)?;
        Ok(self.store.api_keys(&caller.account.id, after, limit)?)
    }

    /// Revokes a key of the caller's account, for good, and gives it as it is then. In force when this returns, at the gateway too. One that was revoked
    /// before stays as it was.
    ///
    /// The last key that could make keys with its scopes is not revoked: the account would be locked out, and only by its own key can anybody tell who it is.
    ///
    /// # Errors
    /// [`KeysError::NotFound`], [`KeysError::ScopesExceed`], [`KeysError::LifeExceeds`], [`KeysError::LastKey`].
    pub fn revoke_key(&self, caller: &Caller, id: &ApiKeyId) -> Result<ApiKey, KeysError> {
        caller.require(Scope::Keys)?;
        let _turn = lock(&self.turn);
        let good = self.good_keys_of(caller)?;
        let key = self.store.api_key_of(&caller.account.id, id)?.ok_or(KeysError::NotFound)?;
        if !caller.key.scopes.cover(key.scopes) {
            return Err(KeysError::ScopesExceed);
        }
        if !caller.key.outlasts(&key) {
            return Err(KeysError::LifeExceeds);
        }
        if key.revoked.is_some() {
            return Ok(key);
        }
        let replaces = |other: &ApiKey| other.id != key.id && other.scopes.cover(key.scopes) && other.outlasts(&key);
        let is_good = good.iter().any(|other| other.id == key.id);
        if is_good && key.scopes.contains(Scope::Keys) && !good.iter().any(replaces) {
            return Err(KeysError::LastKey);
        }
        let now = self.clock.now();
        self.store.revoke_api_key(&caller.account.id, id, now, &event(EventKind::KeyRevoked, caller, id, now))?;
        Ok(ApiKey { revoked: Some(now), ..key })
    }

    /// The account's good keys, of which the caller's must still be one: it may have been revoked while the caller waited for a turn.
    fn good_keys_of(&self, caller: &Caller) -> Result<Vec<ApiKey>, KeysError> {
        let good = self.store.good_api_keys(&caller.account.id, self.clock.now())?;
        if good.iter().any(|key| key.id == caller.key.id) { Ok(good) } else { Err(AuthError::Revoked.into()) }
    }
}

impl KeysError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth(error) => error.code(),
            Self::NoScopes => "scopes_empty",
            Self::ScopesExceed => "scopes_exceed_key",
            Self::Life => "expiry_invalid",
            Self::LifeExceeds => "expiry_exceeds_key",
            Self::TooMany => "keys_too_many",
            Self::NotFound => "api_key_unknown",
            Self::LastKey => "last_key",
            Self::Full => "disk_full",
            Self::Unavailable(_) => "store_unavailable",
            Self::Id(_) => "internal",
        }
    }
}

impl From<StoreError> for KeysError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Full) { Self::Full } else { Self::Unavailable(error) }
    }
}

/// When a new key ends: when it asks for, at most when the key that makes it does.
fn end_of(maker: &ApiKey, life: Option<Duration>, now: Timestamp) -> Result<Option<Timestamp>, KeysError> {
    let Some(life) = life else { return Ok(maker.expires) };
    let seconds = life.as_secs();
    let ms = i64::try_from(life.as_millis()).map_err(|_| KeysError::Life)?;
    if !(1..=KEY_LIFE_SECONDS_MAX).contains(&seconds) {
        return Err(KeysError::Life);
    }
    let end = Timestamp::from_unix_ms(now.unix_ms().saturating_add(ms));
    if maker.expires.is_some_and(|makers| end > makers) { Err(KeysError::LifeExceeds) } else { Ok(Some(end)) }
}

fn event(kind: EventKind, caller: &Caller, about: &ApiKeyId, now: Timestamp) -> Event {
    let account: AccountId = caller.account.id.clone();
    Event { key: Some(caller.key.id.clone()), about_key: Some(about.clone()), ..Event::bare(kind, now, account) }
}

/// What an API key begins with.
pub const API_KEY_PREFIX: &str = "tlk_";
