//! Facts of the databases that requests need over and over, kept for as long as nothing in the databases changes.
//!
//! Only what is at rest there anyway is kept here: rows, sealed where they hold a value.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use model::Refusal;

use crate::gate::{Gate, lock};
use crate::rows::Stamp;

/// Facts by key, each with the state of the databases that it holds for.
pub(crate) struct Memo<K, V>(Mutex<HashMap<K, (Stamp, V)>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Memo<K, V> {
    /// The fact under `key`, read anew where it was read in another state. `stamp` was taken before, so that what is read can only be fresher.
    ///
    /// # Errors
    /// What `read` refuses; nothing is kept then.
    pub(crate) fn get_or(&self, stamp: Stamp, key: &K, read: impl FnOnce() -> Result<V, Refusal>) -> Result<V, Refusal> {
        if let Some(known) = self.get(stamp, key) {
            return Ok(known);
        }
        let fact = read()?;
        self.put(stamp, key, fact.clone());
        Ok(fact)
    }

    /// The fact under `key`, where it holds in this state.
    pub(crate) fn get(&self, stamp: Stamp, key: &K) -> Option<V> {
        lock(&self.0).get(key).filter(|(of, _)| *of == stamp).map(|(_, fact)| fact.clone())
    }

    /// Keeps a fact. Where there are too many, those of other states go, then all.
    pub(crate) fn put(&self, stamp: Stamp, key: &K, fact: V) {
        let mut facts = lock(&self.0);
        if facts.len() >= FACTS_MAX && !facts.contains_key(key) {
            facts.retain(|_, (of, _)| *of == stamp);
            if facts.len() >= FACTS_MAX {
                facts.clear();
            }
        }
        facts.insert(key.clone(), (stamp, fact));
    }
}

impl Gate {
    /// Does `work` without waiting for the disk or for anybody who writes: whatever it does not find in memory, it is refused, as when the databases do not
    /// answer. A yes can be taken; a refusal means to ask again where waiting is allowed, and so does a panic.
    ///
    /// # Errors
    /// Those of `work`; [`Refusal::Undecided`] where it panicked.
    pub fn at_hand<T>(&self, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
        // What `work` changes are memories, each by a single insert or remove under its lock.
        catch_unwind(AssertUnwindSafe(|| store::at_hand(work))).unwrap_or(Err(Refusal::Undecided))
    }

    /// Whether this thread may wait now: not inside [`Gate::at_hand`].
    #[must_use]
    pub fn may_wait(&self) -> bool {
        store::may_wait().is_ok()
    }
}

/// Of one sort. A sealed row of the size that is kept takes four kilobytes at most.
const FACTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_holds_for_its_state_and_no_other() {
        let memo: Memo<u8, u8> = Memo::default();
        let [one, two] = [Stamp::of(1, 0), Stamp::of(2, 0)];
        assert_eq!(memo.get_or(one, &1, || Err(Refusal::Undecided)), Err(Refusal::Undecided));
        assert_eq!(memo.get_or(one, &1, || Ok(7)), Ok(7));
        assert_eq!(memo.get_or(one, &1, || Err(Refusal::Undecided)), Ok(7));
        assert_eq!((memo.get(two, &1), memo.get(Stamp::of(1, 1), &1), memo.get(one, &2)), (None, None, None));
        assert_eq!(memo.get_or(two, &1, || Ok(8)), Ok(8));
        assert_eq!(memo.get(one, &1), None);
    }

    #[test]
    fn memory_is_bounded() {
        let memo: Memo<usize, ()> = Memo::default();
        for key in 0..=FACTS_MAX {
            memo.put(Stamp::of(1, 0), &key, ());
        }
        assert_eq!(lock(&memo.0).len(), 1);
    }
}
