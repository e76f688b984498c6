//! Shares: no account takes so much of the gateway that others wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use model::AccountId;
use tokio::sync::{AcquireError, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::lock;

/// What accounts share.
pub(super) struct Shares {
    accounts: Mutex<HashMap<AccountId, Weak<Account>>>,
    threads: Semaphore,
    makers: Semaphore,
}

/// What one account has of it.
struct Account {
    questions: Arc<Semaphore>,
    making: Arc<tokio::sync::Mutex<()>>,
}

/// A question of an account's, until it is answered.
pub(super) struct Share {
    _account: Arc<Account>,
    _permit: OwnedSemaphorePermit,
}

/// An account's turn to make a devbox.
pub(super) struct Maker {
    _account: Arc<Account>,
    _turn: OwnedMutexGuard<()>,
}

impl Default for Shares {
    fn default() -> Self {
        Self { accounts: Mutex::default(), threads: Semaphore::new(THREADS_MAX), makers: Semaphore::new(MAKERS_MAX) }
    }
}

impl Shares {
    /// A place for one more question of an account, where it has not too many.
    pub(super) fn take(&self, account: &AccountId) -> Option<Share> {
        let account = self.account(account);
        let permit = Arc::clone(&account.questions).try_acquire_owned().ok()?;
        Some(Share { _account: account, _permit: permit })
    }

    /// The account's turn to make a devbox.
    pub(super) async fn maker(&self, account: &AccountId) -> Maker {
        let account = self.account(account);
        let turn = Arc::clone(&account.making).lock_owned().await;
        Maker { _account: account, _turn: turn }
    }

    /// A thread that may make a devbox.
    pub(super) async fn making(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.makers.acquire().await
    }

    /// A thread that may wait for databases.
    pub(super) async fn thread(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.threads.acquire().await
    }

    fn account(&self, id: &AccountId) -> Arc<Account> {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get(id).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account { questions: Arc::new(Semaphore::new(ACCOUNT_QUESTIONS_MAX)), making: Arc::default() });
        accounts.insert(id.clone(), Arc::downgrade(&account));
        account
    }
}

/// Questions of one account at a time: a wait for each of its devboxes, and some more.
const ACCOUNT_QUESTIONS_MAX: usize = 512;
/// Threads that wait for databases here, of the five hundred that the gateway has.
const THREADS_MAX: usize = 32;
/// Threads that make devboxes: the databases let one through at a time, and the next is to be at hand.
const MAKERS_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn one_account_is_refused_before_another_is() {
        let shares = Shares::default();
        let account = |number| AccountId::from_parts(Timestamp::from_unix_ms(1), number);
        let held: Vec<_> = std::iter::from_fn(|| shares.take(&account(1))).take(ACCOUNT_QUESTIONS_MAX + 1).collect();
        assert_eq!(held.len(), ACCOUNT_QUESTIONS_MAX);
        assert!(shares.take(&account(2)).is_some());
        drop(held);
        assert!(shares.take(&account(1)).is_some());
        assert!(lock(&shares.accounts).len() <= 2);
    }
}
