//! When keys were used last, to the minute: remembered here, and written now and then, so that a request does not wait for the disk.

use std::collections::HashMap;
use std::sync::Mutex;

use model::limits::USES_NOTED_MAX;
use model::{ApiKeyId, Timestamp};
use store::StoreError;

use crate::gate::{Gate, lock};
use crate::house::House;

/// Uses of keys.
#[derive(Default)]
pub(crate) struct Uses(Mutex<HashMap<ApiKeyId, Use>>);

struct Use {
    minute: Timestamp,
    /// Whether this minute is still to be written.
    is_new: bool,
}

impl House {
    /// Writes the uses of keys that were noted here since the last time, and those that the gateway tells of. Once a minute for each key at most.
    ///
    /// # Errors
    /// When the store cannot be written; what was noted is kept for the next time.
    pub fn write_uses(&self, of_gateway: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut uses = self.uses.take(usize::MAX);
        uses.extend_from_slice(of_gateway);
        let written = self.store.note_key_uses(&uses);
        if written.is_err() {
            uses.iter().for_each(|(key, at)| self.uses.put_back(key, *at));
        }
        written
    }
}

impl Gate {
    /// The uses of keys at the gateway since this was asked last, at most `limit`: only the api may write them.
    #[must_use]
    pub fn take_uses(&self, limit: usize) -> Vec<(ApiKeyId, Timestamp)> {
        self.uses.take(limit)
    }
}

impl Uses {
    /// Notes that a key was used. Where memory is full, what was written is forgotten, then uses are: they are for people to look at, not to decide by.
    pub(crate) fn note(&self, key: &ApiKeyId, now: Timestamp) {
        let minute = Timestamp::from_unix_ms(now.unix_ms() - now.unix_ms().rem_euclid(MINUTE_MS));
        let mut uses = lock(&self.0);
        match uses.get_mut(key) {
            Some(known) if known.minute >= minute => {}
            Some(known) => *known = Use { minute, is_new: true },
            None => {
                if uses.len() >= USES_NOTED_MAX {
                    uses.retain(|_, known| known.is_new);
                }
                if uses.len() < USES_NOTED_MAX {
                    uses.insert(key.clone(), Use { minute, is_new: true });
                }
            }
        }
    }

    fn take(&self, limit: usize) -> Vec<(ApiKeyId, Timestamp)> {
        let mut uses = lock(&self.0);
        let fresh = uses.iter_mut().filter(|(_, known)| known.is_new).take(limit);
        fresh
            .map(|(key, known)| {
                known.is_new = false;
                (key.clone(), known.minute)
            })
            .collect()
    }

    fn put_back(&self, key: &ApiKeyId, minute: Timestamp) {
        let mut uses = lock(&self.0);
        let has_room = uses.len() < USES_NOTED_MAX;
        match uses.get_mut(key) {
            Some(known) if known.minute > minute => {}
            Some(known) => known.is_new = true,
            None if has_room => {
                uses.insert(key.clone(), Use { minute, is_new: true });
            }
            None => {}
        }
    }
}

const MINUTE_MS: i64 = 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u128) -> ApiKeyId {
        ApiKeyId::from_parts(Timestamp::from_unix_ms(0), number)
    }

    #[test]
    fn a_key_is_written_once_a_minute_however_often_it_is_used() {
        let uses = Uses::default();
        let at = Timestamp::from_unix_ms;
        for ms in [60_001, 60_002, 119_999] {
            uses.note(&key(1), at(ms));
        }
        assert_eq!(uses.take(usize::MAX), [(key(1), at(60_000))]);
        uses.note(&key(1), at(119_999));
        assert!(uses.take(usize::MAX).is_empty());
        uses.note(&key(1), at(120_000));
        assert_eq!(uses.take(usize::MAX), [(key(1), at(120_000))]);
    }

    #[test]
    fn what_could_not_be_written_comes_again_and_never_hides_a_later_use() {
        let uses = Uses::default();
        let at = Timestamp::from_unix_ms;
        uses.note(&key(1), at(60_000));
        let taken = uses.take(usize::MAX);
        uses.put_back(&taken[0].0, taken[0].1);
        assert_eq!(uses.take(usize::MAX), taken);
        uses.note(&key(1), at(120_000));
        uses.put_back(&taken[0].0, taken[0].1);
        assert_eq!(uses.take(usize::MAX), [(key(1), at(120_000))]);
    }

    #[test]
    fn memory_is_bounded_and_what_was_written_makes_room() {
        let uses = Uses::default();
        for number in 0..=USES_NOTED_MAX as u128 {
            uses.note(&key(number), Timestamp::from_unix_ms(0));
        }
        assert_eq!(uses.take(3).len(), 3);
        uses.note(&key(u128::MAX), Timestamp::from_unix_ms(0));
        assert_eq!(uses.take(usize::MAX).len(), USES_NOTED_MAX - 3 + 1);
    }
}
