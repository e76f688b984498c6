//! The one place that reads the ambient clock. Everything else is given a [`Clock`].

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Clock, Timestamp};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one reading of the ambient clock, handed on as model::Clock")]
        let now = SystemTime::now();
        let ms = now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Timestamp::from_unix_ms(ms)
    }
}
