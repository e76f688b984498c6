//! Room for devboxes' connections: fewer than the process may have descriptors, and never all of them one account's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use model::AccountId;

use crate::unpoisoned::lock;

/// Room for connections.
pub(crate) struct Seats {
    max: usize,
    account_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    accounts: HashMap<AccountId, usize>,
}

/// One connection's, a devbox's or one to a host; given back when it is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    account: AccountId,
}

impl Seats {
    /// As many as this process's limit of descriptors has room for.
    pub(crate) fn of_this_process() -> Arc<Self> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = limit.map_or(DESCRIPTORS_MAX, |limit| usize::try_from(limit).unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX));
        Self::new(descriptors.saturating_sub(RESERVE.min(descriptors / 2)))
    }

    fn new(max: usize) -> Arc<Self> {
        let max = max.max(2);
        Arc::new(Self { max, account_max: max / 2, taken: Mutex::default() })
    }

    /// A seat, where there is one for this account.
    pub(crate) fn take(self: &Arc<Self>, account: &AccountId) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        let own = taken.accounts.get(account).copied().unwrap_or(0);
        if taken.all >= self.max || own >= self.account_max {
            return None;
        }
        taken.all += 1;
        taken.accounts.insert(account.clone(), own + 1);
        Some(Seat { seats: Arc::clone(self), account: account.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.seats.taken);
        taken.all -= 1;
        if let Some(own) = taken.accounts.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                taken.accounts.remove(&self.account);
            }
        }
    }
}

/// Kept for databases, listeners and people: a devbox's listeners are some ten.
const RESERVE: usize = 8192;
/// Where there is no limit.
const DESCRIPTORS_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn one_account_leaves_room_for_others() {
        let seats = Seats::new(6);
        let account = |number| AccountId::from_parts(Timestamp::from_unix_ms(1), number);
        let mine: Vec<_> = std::iter::from_fn(|| seats.take(&account(1))).collect();
        assert_eq!(mine.len(), 3);
        let others: Vec<_> = (2..9).filter_map(|number| seats.take(&account(number))).collect();
        assert_eq!(others.len(), 3);
        drop(mine);
        assert!(seats.take(&account(9)).is_some());
        drop(others);
        assert!(lock(&seats.taken).accounts.is_empty() && lock(&seats.taken).all == 0);
    }
}
