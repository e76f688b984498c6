//! Shares: no account takes so much of the gateway that others wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use model::AccountId;
use tokio::sync::{AcquireError, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::unpoisoned::lock;

/// What accounts share.
pub(crate) struct Shares {
    accounts: Mutex<HashMap<AccountId, Weak<Account>>>,
    questions_max: usize,
    threads: Semaphore,
    apart: Semaphore,
}

/// What one account has of it.
struct Account {
    questions: Arc<Semaphore>,
    making: Arc<tokio::sync::Mutex<()>>,
}

/// A question of an account's, until it is answered.
pub(crate) struct Share {
    _account: Arc<Account>,
    _permit: OwnedSemaphorePermit,
}

/// An account's turn.
pub(crate) struct Turn {
    _account: Arc<Account>,
    _turn: OwnedMutexGuard<()>,
}

/// What askers share of whom nobody knows yet whose they are: agents with a key, and pages of requests. They have places and threads of their own, so that others
/// wait behind none of them, however many there are.
pub(crate) struct Strangers {
    places: Places,
    threads: Semaphore,
}

/// Places of questions that are answered or wait for it: one more is told so at once, and kept nowhere.
pub(crate) struct Places(Arc<Semaphore>);

impl Strangers {
    pub(crate) fn new() -> Self {
        Self { places: Places::new(STRANGERS_MAX), threads: Semaphore::new(STRANGER_THREADS_MAX) }
    }

    /// A place for one more, where there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.take()
    }

    /// A thread that looks up who asks.
    pub(crate) async fn thread(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.threads.acquire().await
    }
}

impl Places {
    /// For looks into the databases, over all accounts.
    pub(crate) fn for_looks() -> Self {
        Self::new(LOOKS_MAX)
    }

    fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place, where there is one.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

impl Shares {
    /// For questions about devboxes.
    pub(crate) fn for_devboxes() -> Self {
        Self::new(ACCOUNT_QUESTIONS_MAX, THREADS_MAX, MAKERS_MAX)
    }

    /// For looks into the databases.
    pub(crate) fn for_looks() -> Self {
        Self::new(ACCOUNT_LOOKS_MAX, LOOK_THREADS_MAX, LOOK_THREADS_MAX)
    }

    fn new(questions_max: usize, threads: usize, apart: usize) -> Self {
        Self { accounts: Mutex::default(), questions_max, threads: Semaphore::new(threads), apart: Semaphore::new(apart) }
    }

    /// A place for one more question of an account, where it has not too many.
    pub(crate) fn take(&self, account: &AccountId) -> Option<Share> {
        let account = self.account(account);
        let permit = Arc::clone(&account.questions).try_acquire_owned().ok()?;
        Some(Share { _account: account, _permit: permit })
    }

    /// The account's turn, for what it does one after the other.
    pub(crate) async fn turn(&self, account: &AccountId) -> Turn {
        let account = self.account(account);
        let turn = Arc::clone(&account.making).lock_owned().await;
        Turn { _account: account, _turn: turn }
    }

    /// A thread for what is not to wait behind the others: making a devbox, or what everybody asks for.
    pub(crate) async fn thread_apart(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.apart.acquire().await
    }

    /// A thread that may wait for databases.
    pub(crate) async fn thread(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.threads.acquire().await
    }

    fn account(&self, id: &AccountId) -> Arc<Account> {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get(id).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account { questions: Arc::new(Semaphore::new(self.questions_max)), making: Arc::default() });
        accounts.insert(id.clone(), Arc::downgrade(&account));
        account
    }
}

/// Questions of one account at a time: a wait for each of its devboxes, and some more.
const ACCOUNT_QUESTIONS_MAX: usize = 512;
/// Threads that wait for databases here, of the five hundred that the gateway has.
const THREADS_MAX: usize = 32;
/// Looks of one account that wait for each other.
const ACCOUNT_LOOKS_MAX: usize = 64;
const LOOK_THREADS_MAX: usize = 8;
/// Looks that are answered at a time, over all accounts: as many as questions about devboxes.
const LOOKS_MAX: usize = 2048;
/// Questions of agents and of requests' pages at a time: some megabytes, as long as they may be, and eight accounts that ask all they may.
const STRANGERS_MAX: usize = 512;
const STRANGER_THREADS_MAX: usize = 8;
/// Threads that make devboxes: the databases let one through at a time, and the next is to be at hand.
const MAKERS_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn strangers_are_refused_beyond_their_places_and_take_no_threads_of_others() {
        let (strangers, looks) = (Strangers::new(), Shares::for_looks());
        let places: Vec<_> = std::iter::from_fn(|| strangers.place()).take(STRANGERS_MAX + 1).collect();
        let threads: Vec<_> = std::iter::from_fn(|| strangers.threads.try_acquire().ok()).take(STRANGER_THREADS_MAX + 1).collect();
        assert_eq!((places.len(), threads.len()), (STRANGERS_MAX, STRANGER_THREADS_MAX));
        assert_eq!((looks.threads.available_permits(), looks.apart.available_permits()), (LOOK_THREADS_MAX, LOOK_THREADS_MAX));
        drop((places, threads));
        assert!(strangers.place().is_some());
    }

    #[test]
    fn one_account_is_refused_before_another_is() {
        let shares = Shares::for_devboxes();
        let account = |number| AccountId::from_parts(Timestamp::from_unix_ms(1), number);
        let held: Vec<_> = std::iter::from_fn(|| shares.take(&account(1))).take(ACCOUNT_QUESTIONS_MAX + 1).collect();
        assert_eq!(held.len(), ACCOUNT_QUESTIONS_MAX);
        assert!(shares.take(&account(2)).is_some());
        drop(held);
        assert!(shares.take(&account(1)).is_some());
        assert!(lock(&shares.accounts).len() <= 2);
    }
}
