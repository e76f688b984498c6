//! Something of which there is so much for everybody, and a share of it for one at most (an account, a network), so that nobody leaves the others without.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So much in all, and so much for one of those who ask.
pub(crate) struct Shares<K> {
    all: Arc<Semaphore>,
    share: usize,
    each: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// What one has taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub(crate) fn new(all: usize, share: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), share, each: Mutex::default() }
    }

    /// Takes `count`, at most the share, as soon as there is so much. Ends the wait by being dropped.
    pub(crate) async fn take(&self, who: &K, count: u32) -> Option<Taken> {
        let own = self.of(who).acquire_many_owned(count).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(count).await.ok()?;
        Some(Taken { _own: own, _all: all })
    }

    /// Takes one, if there is one now.
    pub(crate) fn try_take(&self, who: &K) -> Option<Taken> {
        let own = self.of(who).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Taken { _own: own, _all: all })
    }

    fn of(&self, who: &K) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= ENTRIES_KEPT {
            // Who has or waits for nothing needs no entry.
            each.retain(|_, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(each.entry(who.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.share))))
    }
}

/// How many who have nothing taken are remembered.
const ENTRIES_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use model::{AccountId, Timestamp};

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_parts(Timestamp::from_unix_ms(0), number)
    }

    #[tokio::test]
    async fn one_takes_no_more_than_its_share_and_leaves_the_rest_to_others() {
        let shares = Shares::new(4, 2);
        let first = [shares.try_take(&account(1)), shares.try_take(&account(1))].map(|taken| taken.expect("within the share"));
        assert!(shares.try_take(&account(1)).is_none());
        let _other = shares.take(&account(2), 2).await.expect("another's share");
        assert!(shares.try_take(&account(3)).is_none(), "all are taken");
        drop(first);
        assert!(shares.try_take(&account(3)).is_some() && shares.try_take(&account(1)).is_some());
    }

    #[tokio::test]
    async fn accounts_that_have_nothing_are_forgotten() {
        let shares = Shares::new(10, 1);
        let _kept = shares.try_take(&account(0)).expect("one");
        for number in 1..2 * ENTRIES_KEPT as u128 {
            drop(shares.try_take(&account(number)));
        }
        assert!(shares.each.lock().expect("not poisoned").len() <= ENTRIES_KEPT + 1);
        assert!(shares.try_take(&account(0)).is_none(), "what is taken is remembered");
    }
}
