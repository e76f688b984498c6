//! Events: reading both chains, and counting what happens too often to be written one by one.
//!
//! A first use is written before the value leaves. Later uses and refusals are counted here and written at every flush; while they cannot be written, no
//! value leaves.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use link::cli::RefusedHere;
use link::front::Figures;
use model::limits::{LINK_MESSAGE_BYTES_MAX, LINK_PAGE_ITEMS_MAX, PAGE_ITEMS_MAX};
use model::{AccountId, ChainedEvent, DevboxId, Event, EventKind, Host, Refusal, Scope, Secret, SecretId, SecretName, Timestamp};
use store::{EventQuery, StoreError};

use crate::authenticate::{AuthError, Caller};
use crate::gate::{Gate, GateError, lock};
use crate::house::House;

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The database does not answer.
    #[error("failed to read events: try again, and look at the output of `tightlip up`")]
    Unavailable(#[from] StoreError),
}

/// What is counted between two flushes.
#[derive(Default)]
pub(crate) struct Tally {
    uses: Mutex<HashMap<UseKey, Use>>,
    /// Hosts that a devbox has reached unseen, as far as is remembered.
    passed: Mutex<HashSet<(DevboxId, Host)>>,
    refusals: Mutex<HashMap<RefusalKey, u64>>,
    /// What was refused to each open devbox, to be told to whoever started it.
    told: Mutex<HashMap<DevboxId, Vec<RefusedHere>>>,
    /// First uses are written one after the other, so that each is written once.
    first: Mutex<()>,
    failing: AtomicBool,
    /// What the anchor told of is not in the chains any more.
    rolled_back: AtomicBool,
    /// Since the start, for the figures.
    uses_in_all: AtomicU64,
    refusals_in_all: Mutex<HashMap<Refusal, u64>>,
    /// When everything that was counted had been written. Unix milliseconds; 0 before the first flush.
    flushed_ms: AtomicI64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct UseKey {
    devbox: DevboxId,
    secret: SecretId,
    host: Host,
}

struct Use {
    account: AccountId,
    name: SecretName,
    version: u32,
    /// Not yet written.
    count: u64,
    /// When all onlookers were told last.
    told: Option<Told>,
}

/// What plans depend on, as far as it is about one secret: its version, and how often bindings and devboxes have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    version: u32,
    changes: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct RefusalKey {
    account: AccountId,
    devbox: Option<DevboxId>,
    refusal: Refusal,
    host: Option<Host>,
}

impl House {
    /// The api's events of the caller's account, oldest first, after number `after`; at most 5000.
    ///
    /// # Errors
    /// When the caller may not, or the store does not answer.
    pub fn events(&self, caller: &Caller, name: Option<SecretName>, after: u64, limit: usize) -> Result<Vec<ChainedEvent>, EventsError> {
        caller.require(Scope::Read)?;
        let query = EventQuery { account: caller.account.id.clone(), name, after, limit: limit.min(PAGE_ITEMS_MAX) };
        Ok(self.store.events(&query)?)
    }
}

impl Gate {
    /// The gateway's events of an account, oldest first, after number `after`: so many as fit into one message of the link, and none only where there is none.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn events(
        &self,
        account: &AccountId,
        name: Option<SecretName>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<ChainedEvent>, EventsError> {
        let query = EventQuery { account: account.clone(), name, after, limit: limit.min(LINK_PAGE_ITEMS_MAX) };
        let mut events = self.ledger.events(&query)?;
        let mut bytes = 0;
        let fits = |event: &ChainedEvent| {
            bytes += serde_json::to_vec(event).map_or(usize::MAX / 2, |json| json.len() + 1);
            bytes <= EVENTS_JSON_BYTES_MAX
        };
        let count = events.iter().map(fits).take_while(|fit| *fit).count();
        events.truncate(count.max(1));
        Ok(events)
    }

    /// Records that a request of a devbox was refused: counted, written at the next flush. Never blocks or fails.
    pub fn refused(&self, card: &crate::DevboxCard, refusal: Refusal, host: Option<&Host>) {
        self.tally.count_refusal(card.account.clone(), Some(card.devbox.clone()), refusal, host);
        let mut told = lock(&self.tally.told);
        if told.len() >= DEVBOXES_TOLD_MAX && !told.contains_key(&card.devbox) {
            return;
        }
        let list = told.entry(card.devbox.clone()).or_default();
        match list.iter().position(|known| known.refusal == refusal && known.host.as_ref() == host) {
            Some(index) => list[index].count += 1,
            None if list.len() < REFUSALS_TOLD_MAX => list.push(RefusedHere { refusal, host: host.cloned(), count: 1 }),
            None => {}
        }
    }

    /// Counts a refusal to somebody who is no devbox: it is nobody's event, and shows in the figures.
    pub fn refused_stranger(&self, refusal: Refusal) {
        *lock(&self.tally.refusals_in_all).entry(refusal).or_default() += 1;
    }

    /// What was refused to a devbox since it was opened or since this was asked last; the first of each, and no more than a person reads.
    #[must_use]
    pub fn take_refused(&self, devbox: &DevboxId) -> Vec<RefusedHere> {
        lock(&self.tally.told).remove(devbox).unwrap_or_default()
    }

    /// Writes what was counted since the last flush. Called every 100 ms.
    ///
    /// # Errors
    /// When the ledger cannot be written: the counts are kept, and no value leaves until a flush succeeds.
    pub fn flush(&self) -> Result<(), GateError> {
        let uses = self.tally.take_uses();
        let refusals = std::mem::take(&mut *lock(&self.tally.refusals));
        let now = self.clock.now();
        let events: Vec<Event> = uses
            .iter()
            .map(|(key, count, name, account, version)| use_event(EventKind::SecretUsed, key, name, account, *version, Some(*count), now))
            .chain(refusals.iter().map(|(key, count)| refusal_event(key, *count, now)))
            .collect();
        let stand = self.store.stands().and_then(|()| self.ledger.stands());
        let written = if let Err(error) = stand {
            Err(error)
        } else if events.is_empty() && self.tally.is_failing() {
            self.ledger.check()
        } else {
            self.ledger.record(&events)
        };
        self.tally.failing.store(written.is_err(), Ordering::SeqCst);
        if written.is_err() {
            self.tally.put_back(uses, refusals);
        } else {
            self.tally.flushed_ms.store(now.unix_ms(), Ordering::SeqCst);
        }
        Ok(written?)
    }

    /// What was done and refused since the start.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn figures(&self) -> Result<Figures, GateError> {
        let mut refusals: Vec<(Refusal, u64)> =
            lock(&self.tally.refusals_in_all).iter().map(|(refusal, count)| (*refusal, *count)).collect();
        refusals.sort_by_key(|(refusal, _)| refusal.code());
        let pending = self.tally.pending();
        let flushed = Timestamp::from_unix_ms(self.tally.flushed_ms.load(Ordering::SeqCst));
        Ok(Figures {
            uses: self.tally.uses_in_all.load(Ordering::Relaxed),
            refusals,
            devboxes: self.ledger.count_open_devboxes()?,
            pending,
            lag_ms: if pending == 0 || flushed.unix_ms() == 0 { 0 } else { self.clock.now().ms_since(flushed) },
        })
    }

    /// Records a use before the value leaves: the first one durably, later ones by count. Where hosts could not have said this value until now, every reply to the
    /// account's devboxes is scrubbed of it first.
    pub(crate) fn record_use(&self, devbox: &DevboxId, secret: &Secret, host: &Host) -> Result<(), Refusal> {
        if self.tally.is_failing() {
            return Err(Refusal::Undecided);
        }
        let key = UseKey { devbox: devbox.clone(), secret: secret.id.clone(), host: host.clone() };
        let told = Told { version: secret.version, changes: self.changes.load(Ordering::SeqCst) };
        if self.tally.count_use(&key, told) {
            return Ok(());
        }
        // Whoever tells others, or holds the lock of first uses, waits for the disk.
        store::may_wait().map_err(|error| self.undecided(error))?;
        let is_first = self.record_first(&key, secret)?;
        self.tell(&secret.account)?;
        self.tally.note_told(&key, told, u64::from(!is_first));
        Ok(())
    }

    /// Writes a use down where it is the first one; whether it was.
    fn record_first(&self, key: &UseKey, secret: &Secret) -> Result<bool, Refusal> {
        let _first = lock(&self.tally.first);
        if self.tally.knows(key) {
            return Ok(false);
        }
        let is_new_there = !self.ledger.was_sent(&secret.account, &key.host, &secret.id).map_err(|error| self.undecided(error))?;
        let event = use_event(EventKind::SecretFirstUsed, key, &secret.name, &secret.account, secret.version, None, self.clock.now());
        self.ledger.record(&[event]).map_err(|_| Refusal::Undecided)?;
        if is_new_there {
            // What that host says to other devboxes is scrubbed of it from now on.
            self.sends.count(&secret.account, &key.host);
        }
        let (account, name, version) = (secret.account.clone(), secret.name.clone(), secret.version);
        self.tally.remember_use(key.clone(), Use { account, name, version, count: 0, told: None });
        Ok(true)
    }

    /// Records, before anything passes, that a devbox reaches a host unseen: the first time durably, later times not at all.
    pub(crate) fn record_pass(&self, card: &crate::DevboxCard, host: &Host) -> Result<(), Refusal> {
        if self.tally.is_failing() {
            return Err(Refusal::Undecided);
        }
        let key = (card.devbox.clone(), host.clone());
        let _first = lock(&self.tally.first);
        if lock(&self.tally.passed).contains(&key) {
            return Ok(());
        }
        let bare = Event::bare(EventKind::PassedThrough, self.clock.now(), card.account.clone());
        let event = Event { devbox: Some(card.devbox.clone()), host: Some(host.clone()), ..bare };
        self.ledger.record(&[event]).map_err(|_| Refusal::Undecided)?;
        let mut passed = lock(&self.tally.passed);
        if passed.len() >= USES_MAX {
            passed.clear();
        }
        passed.insert(key);
        Ok(())
    }

    /// Whether a devbox has sent a secret's value to a host, as far as is remembered.
    pub(crate) fn was_used(&self, devbox: &DevboxId, secret: &SecretId, host: &Host) -> bool {
        let key = UseKey { devbox: devbox.clone(), secret: secret.clone(), host: host.clone() };
        lock(&self.tally.uses).contains_key(&key)
    }

    /// Forgets which uses of a devbox were its first: it has ended. What is still to be counted stays until the next flush.
    pub(crate) fn forget_uses(&self, devbox: &DevboxId) {
        lock(&self.tally.uses).retain(|key, seen| key.devbox != *devbox || seen.count > 0);
        lock(&self.tally.passed).retain(|(owner, _)| owner != devbox);
    }
}

type CountedUse = (UseKey, u64, SecretName, AccountId, u32);

impl Tally {
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::SeqCst) || self.rolled_back.load(Ordering::SeqCst)
    }

    /// Whether the chains lost what they had; there is no way back from that but a new start.
    pub(crate) fn note_rollback(&self, rolled_back: bool) {
        self.rolled_back.fetch_or(rolled_back, Ordering::SeqCst);
    }

    /// Counts a refusal; beyond the bound without its host, so that an agent that tries many hosts fills neither memory nor disk.
    pub(crate) fn count_refusal(&self, account: AccountId, devbox: Option<DevboxId>, refusal: Refusal, host: Option<&Host>) {
        *lock(&self.refusals_in_all).entry(refusal).or_default() += 1;
        let mut refusals = lock(&self.refusals);
        let mut key = RefusalKey { account, devbox, refusal, host: host.cloned() };
        if refusals.len() >= REFUSALS_PER_FLUSH_MAX && !refusals.contains_key(&key) {
            key.host = None;
        }
        *refusals.entry(key).or_default() += 1;
    }

    /// Refusals of an account that are counted and not written yet; of one devbox only, where one is named.
    pub(crate) fn unwritten_refusals(&self, account: &AccountId, devbox: Option<&DevboxId>) -> Vec<(Refusal, Option<Host>, u64)> {
        let refusals = lock(&self.refusals);
        let is_asked_for = |key: &&RefusalKey| key.account == *account && devbox.is_none_or(|devbox| key.devbox.as_ref() == Some(devbox));
        refusals.iter().filter(|(key, _)| is_asked_for(key)).map(|(key, count)| (key.refusal, key.host.clone(), *count)).collect()
    }

    /// What was counted and is not written.
    fn pending(&self) -> u64 {
        let uses: u64 = lock(&self.uses).values().map(|seen| seen.count).sum();
        uses + lock(&self.refusals).values().sum::<u64>()
    }

    /// Counts a use that is not a first one, where nothing has changed since all were told; false otherwise.
    fn count_use(&self, key: &UseKey, told: Told) -> bool {
        let mut uses = lock(&self.uses);
        let Some(seen) = uses.get_mut(key).filter(|seen| seen.told == Some(told)) else { return false };
        seen.count += 1;
        self.uses_in_all.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn knows(&self, key: &UseKey) -> bool {
        lock(&self.uses).contains_key(key)
    }

    /// All were told; so many uses are to be counted.
    fn note_told(&self, key: &UseKey, told: Told, uses: u64) {
        self.uses_in_all.fetch_add(1, Ordering::Relaxed);
        if let Some(seen) = lock(&self.uses).get_mut(key) {
            seen.version = told.version;
            seen.count += uses;
            seen.told = Some(told);
        }
    }

    /// Remembers a first use. Where memory is full, what has no count is forgotten: its next use is written as a first one, which only says too much.
    fn remember_use(&self, key: UseKey, seen: Use) {
        let mut uses = lock(&self.uses);
        if uses.len() >= USES_MAX {
            uses.retain(|_, seen| seen.count > 0);
        }
        if uses.len() < USES_MAX {
            uses.insert(key, seen);
        }
    }

    fn take_uses(&self) -> Vec<CountedUse> {
        let mut uses = lock(&self.uses);
        let counted = uses.iter_mut().filter(|(_, seen)| seen.count > 0);
        counted
            .map(|(key, seen)| (key.clone(), std::mem::take(&mut seen.count), seen.name.clone(), seen.account.clone(), seen.version))
            .collect()
    }

    fn put_back(&self, uses: Vec<CountedUse>, refusals: HashMap<RefusalKey, u64>) {
        let mut seen_uses = lock(&self.uses);
        for (key, count, name, account, version) in uses {
            seen_uses.entry(key).or_insert(Use { account, name, version, count: 0, told: None }).count += count;
        }
        let mut counted = lock(&self.refusals);
        for (key, count) in refusals {
            *counted.entry(key).or_default() += count;
        }
    }
}

fn use_event(
    kind: EventKind,
    key: &UseKey,
    name: &SecretName,
    account: &AccountId,
    version: u32,
    count: Option<u64>,
    now: Timestamp,
) -> Event {
    Event {
        devbox: Some(key.devbox.clone()),
        secret: Some(key.secret.clone()),
        name: Some(name.clone()),
        version: Some(version),
        host: Some(key.host.clone()),
        count,
        ..Event::bare(kind, now, account.clone())
    }
}

fn refusal_event(key: &RefusalKey, count: u64, now: Timestamp) -> Event {
    Event {
        devbox: key.devbox.clone(),
        host: key.host.clone(),
        refusal: Some(key.refusal),
        count: Some(count),
        ..Event::bare(EventKind::Refused, now, key.account.clone())
    }
}

/// Devbox, secret and host together: bounds the memory of first uses where a binding is a wildcard.
const USES_MAX: usize = 50_000;
/// Devboxes whose refusals are kept to be told.
const DEVBOXES_TOLD_MAX: usize = 4096;
/// Refusals of one devbox that are told at its end.
const REFUSALS_TOLD_MAX: usize = 20;
/// Refusals told apart by host between two flushes.
const REFUSALS_PER_FLUSH_MAX: usize = 64;
/// A page of events, with room for the message around it.
const EVENTS_JSON_BYTES_MAX: usize = LINK_MESSAGE_BYTES_MAX - 4 * 1024;
