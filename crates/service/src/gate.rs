//! The gateway's side of the house: the only holder of keys that open values. Here is its state; its verbs stand in the files of their nouns.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use link::cli::TrustedSetting;
use model::{
    AccountId, ApiKey, ApiKeyId, Clock, DevboxId, Event, EventKind, GatewayConfig, GatewayConfigId, Grant, HostPattern, Refusal, RequestId,
    SecretId, TokenHash,
};
use store::{Ledger, Store, StoreError};
use vault::OpenKeys;

use crate::anchor::{AnchorError, AnchorPlaces, Anchored, Kept, Wanted};
use crate::authenticate::{self, AuthError, Caller};
use crate::events::Tally;
use crate::ids::{Ids, IdsError};
use crate::memo::Memo;
use crate::more::Given;
use crate::onlookers::Onlookers;
use crate::plans::{Plans, Sends};
use crate::rows::{KeptRow, Known, Stamp};
use crate::uses::Uses;
use crate::versions::Versions;

/// The gateway's service.
pub struct Gate {
    pub(crate) store: Arc<Store>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) keys: Arc<OpenKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    admin: TokenHash,
    /// What this process knows of each secret's versions: an older row is a rolled-back one.
    pub(crate) seen: Mutex<HashMap<SecretId, Versions>>,
    /// The mark of each row of agents' requests that this process wrote, with the oldest forgotten first: another one is an older row.
    pub(crate) requests: Mutex<BTreeMap<RequestId, Vec<u8>>>,
    /// What was derived from opened rows: kinds and bindings, never values.
    pub(crate) known: Mutex<HashMap<SecretId, Known>>,
    pub(crate) plans: Mutex<Plans>,
    /// Rows of secrets, sealed as they are.
    pub(crate) rows: Memo<SecretId, Arc<KeptRow>>,
    /// Grants as they stand in the ledger.
    pub(crate) grants: Memo<TokenHash, Grant>,
    /// API keys that carry the gateway's mark; none where there is no such key, or without it.
    pub(crate) marked_keys: Memo<(AccountId, ApiKeyId), Option<ApiKey>>,
    /// Gateway configs as they stand in the store.
    pub(crate) configs: Memo<(AccountId, GatewayConfigId), Option<GatewayConfig>>,
    pub(crate) tally: Tally,
    pub(crate) uses: Uses,
    /// Counted up whenever an explicit binding changes, a devbox gets a secret more, or a grant ends.
    pub(crate) changes: AtomicU64,
    pub(crate) sends: Sends,
    pub(crate) onlookers: Onlookers,
    pub(crate) given: Given,
    pub(crate) policy: Policy,
    /// Hosts of pinned clients, whose connections pass unseen.
    pub(crate) pass_through: Vec<HostPattern>,
    /// Where the heads of both chains are kept, if anywhere, and what was written there last.
    pub(crate) anchors: AnchorPlaces,
    anchored: Mutex<Kept>,
    /// The settings that send values elsewhere.
    pub(crate) trusted: Vec<TrustedSetting>,
    /// Why the databases did not answer last.
    trouble: Mutex<Option<StoreError>>,
    /// Devboxes of the API's, bindings and exposures are made and changed one after the other, so that what was looked at before a change still holds when it is
    /// made.
    pub(crate) turn: Mutex<()>,
}

/// What the operator lets the gateway do without asking a person. Nothing, unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Give devboxes of the API the values of secrets that are bound nowhere, as they are.
    pub plain_env_for_unbound: bool,
    /// Bind a secret that is bound nowhere to the endpoint of the gateway config that it is asked for with.
    pub accept_pairings: bool,
}

/// Why the gateway cannot do its work now.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The store or the ledger does not answer.
    #[error("failed to use the gateway's databases")]
    Store(#[from] StoreError),
    /// Events of use could not be written; nothing passes until they can.
    #[error("failed to write events: nothing passes the gateway until they can be written")]
    EventsFailing,
    /// No id could be made.
    #[error(transparent)]
    Id(#[from] IdsError),
}

impl Gate {
    /// The service over the store (to read), the gateway's own ledger, its keys and the admin key's hash.
    #[must_use]
    pub fn new(store: Arc<Store>, ledger: Arc<Ledger>, keys: Arc<OpenKeys>, admin_hash: TokenHash, clock: Arc<dyn Clock>) -> Self {
        ledger.mark_with(crate::marks::marker(&keys));
        Self {
            store,
            ledger,
            keys,
            clock,
            ids: Ids::default(),
            admin: admin_hash,
            seen: Mutex::default(),
            requests: Mutex::default(),
            known: Mutex::default(),
            plans: Mutex::default(),
            rows: Memo::default(),
            grants: Memo::default(),
            marked_keys: Memo::default(),
            configs: Memo::default(),
            tally: Tally::default(),
            uses: Uses::default(),
            changes: AtomicU64::new(0),
            sends: Sends::default(),
            onlookers: Onlookers::default(),
            given: Given::default(),
            policy: Policy::default(),
            pass_through: Vec::new(),
            anchors: AnchorPlaces::default(),
            trusted: Vec::new(),
            anchored: Mutex::default(),
            trouble: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// The same service under what the operator lets it do without asking.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same service, passing connections to these hosts unseen for devboxes that have nothing bound there.
    #[must_use]
    pub fn with_pass_through(self, pass_through: Vec<HostPattern>) -> Self {
        Self { pass_through, ..self }
    }

    /// The same service, which tells of these settings where it is asked to verify: they send values elsewhere, and nothing holds them.
    #[must_use]
    pub fn with_trusted(self, trusted: Vec<TrustedSetting>) -> Self {
        Self { trusted, ..self }
    }

    /// The same service, with the heads of both chains kept at these places. What is kept there already must be in the chains.
    ///
    /// # Errors
    /// [`AnchorError`], where it is not.
    pub fn with_anchors(self, anchors: AnchorPlaces) -> Result<Self, AnchorError> {
        let last = anchors.check(&self.keys, &self.store, &self.ledger)?;
        Ok(Self { anchors, anchored: Mutex::new(Kept { last, untold: false }), ..self })
    }

    /// Writes the heads of both chains to their place, where they changed since the last time, or the file is gone: it is put back then, and an event tells of
    /// it. Called every second, and when the gateway ends.
    ///
    /// # Errors
    /// [`AnchorError::RolledBack`] where what was kept is not in the chains any more, and then nothing is written and no value leaves from here on; or when it
    /// cannot be written.
    pub fn keep_anchor(&self) -> Result<(), AnchorError> {
        if self.anchors.is_empty() {
            return Ok(());
        }
        let mut kept = lock(&self.anchored);
        let present = Anchored::of(&self.store, &self.ledger, self.clock.now())?;
        let is_same = kept.last.as_ref().is_some_and(|last| last.is_same(&present));
        if is_same && !kept.untold && self.anchors.are_there() {
            return Ok(());
        }
        if let Some(last) = &kept.last {
            let holds = self.anchors.check_last(last, &self.store, &self.ledger);
            self.tally.note_rollback(matches!(holds, Err(AnchorError::RolledBack { .. })));
            holds?;
        }
        let (is_back, written) = self.anchors.put(&self.keys, &present, if is_same { Wanted::Gone } else { Wanted::All });
        kept.untold |= is_back;
        written?;
        kept.last = Some(present);
        if kept.untold {
            // The next time writes an anchor that knows this event.
            let owner = self.store.owner()?;
            let events: Vec<Event> =
                owner.map(|owner| Event::bare(EventKind::AnchorMissing, self.clock.now(), owner.id)).into_iter().collect();
            self.ledger.record(&events)?;
            kept.untold = false;
        }
        Ok(())
    }

    /// Finds the caller of an API key, as the api does, and takes none but those that it saw made.
    ///
    /// # Errors
    /// As [`authenticate::authenticate`], and [`AuthError::Unmarked`].
    pub fn authenticate(&self, credential: Option<&str>) -> Result<Caller, AuthError> {
        let now = self.clock.now();
        let caller = authenticate::authenticate(&self.store, credential, now)?;
        self.require_mark(&caller.key)?;
        self.uses.note(&caller.key.id, now);
        Ok(caller)
    }

    /// Whether the gateway can decide and record.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), GateError> {
        self.store.check()?;
        self.ledger.check()?;
        if self.tally.is_failing() { Err(GateError::EventsFailing) } else { Ok(()) }
    }

    /// A number that changes whenever the api has committed something.
    ///
    /// # Errors
    /// [`Refusal::Undecided`] when the store does not answer.
    pub fn data_version(&self) -> Result<u64, Refusal> {
        self.store.data_version().map_err(|error| self.undecided(error))
    }

    /// Numbers of which one changes whenever the api has committed something, or what the gateway itself decides by, or scrubs replies of, has changed.
    ///
    /// # Errors
    /// [`Refusal::Undecided`] when the store does not answer.
    pub fn state(&self) -> Result<(u64, u64), Refusal> {
        let Stamp { store, changes } = self.stamp()?;
        // Neither ever goes back, so their sum changes with each.
        Ok((store, changes + self.sends.all()))
    }

    /// An id for a devbox that is about to be opened.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make_devbox_id(&self) -> Result<DevboxId, GateError> {
        let (time, number) = self.ids.next(self.clock.now())?;
        Ok(DevboxId::from_parts(time, number))
    }

    /// A store that does not answer is a decision that cannot be made. Why not is kept, for whoever tells it.
    pub(crate) fn undecided(&self, error: StoreError) -> Refusal {
        // Not a failure: it is decided again where it may wait.
        if !matches!(error, StoreError::WouldWait) {
            *lock(&self.trouble) = Some(error);
        }
        Refusal::Undecided
    }

    /// Why the databases did not answer last, where that was not told yet.
    #[must_use]
    pub fn take_trouble(&self) -> Option<GateError> {
        lock(&self.trouble).take().map(GateError::Store)
    }

    /// Whether this is the admin key; in constant time.
    pub(crate) fn is_admin(&self, shown: &str) -> bool {
        vault::same(&vault::hash_token(shown).0, &self.admin.0)
    }
}

/// The lock's content also after a panic elsewhere: every change under these locks is a single insert or remove.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
