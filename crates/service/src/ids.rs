//! Making ids: the greatest id is the newest, also within one millisecond and when the clock goes back.

use std::sync::{Mutex, PoisonError};

use model::Timestamp;

/// Makes the parts of ids in order. One per process and noun.
#[derive(Default)]
pub struct Ids {
    last: Mutex<Option<(Timestamp, u128)>>,
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("failed to make an id: the system gave no randomness")]
pub struct IdsError;

impl Ids {
    /// The time and number of the next id: greater than those of every earlier call.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn next(&self, now: Timestamp) -> Result<(Timestamp, u128), IdsError> {
        let random = vault::random_u128().map_err(|_| IdsError)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match *last {
            Some((time, number)) if now <= time => (time, number + 1 + random % STEP_MAX),
            Some(_) | None => (now, random % FIRST_MAX),
        };
        *last = Some(next);
        Ok(next)
    }
}

/// An id has room for 71 bits; the upper half stays free for the steps within a millisecond.
const FIRST_MAX: u128 = 1 << 70;
/// Steps are random as well, so that ids cannot be counted. 2^30 of them fit into one millisecond.
const STEP_MAX: u128 = 1 << 40;

#[cfg(test)]
mod tests {
    use model::SecretId;

    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_goes_back() {
        let ids = Ids::default();
        let mut last = None;
        for ms in [5, 5, 5, 4, 1, 5, 6, 6, 2] {
            let (time, number) = ids.next(Timestamp::from_unix_ms(ms)).expect("randomness");
            let id = Some(SecretId::from_parts(time, number));
            assert!(id > last);
            last = id;
        }
    }
}
