//! Whether anybody uses the gateway: what an idle server goes by.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use link::agents::{AgentRequest, AgentTell};
use model::limits::REQUEST_LINK_LIFE_MS;

use crate::unpoisoned::lock;

/// Counts who is here, and remembers when somebody last was.
pub(crate) struct Activity {
    visitors: AtomicUsize,
    last: Mutex<Instant>,
    expected: Mutex<Option<Instant>>,
}

/// Somebody who is here until this is dropped.
pub(crate) struct Visit(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { visitors: AtomicUsize::new(0), last: Mutex::new(Instant::now()), expected: Mutex::new(None) })
    }

    /// Somebody arrives, unless `most` are here already.
    pub(crate) fn visit(self: &Arc<Self>, most: usize) -> Option<Visit> {
        let visit = Visit(Arc::clone(self));
        let before = self.visitors.fetch_add(1, Ordering::SeqCst);
        // Dropped again at once where there is no room.
        (before < most).then_some(visit)
    }

    /// Something happened just now.
    pub(crate) fn touch(&self) {
        *lock(&self.last) = Instant::now();
    }

    /// An agent is answered: a person may come by the link in the answer, where there is one.
    pub(crate) fn expect_at_link_of(&self, told: &AgentTell) {
        if let AgentTell::Request(request) = told {
            self.expect_at_link(request);
        }
    }

    /// A person may come by this request's link, where it has one that works.
    pub(crate) fn expect_at_link(&self, request: &AgentRequest) {
        if request.entry_path.is_some() {
            self.expect(LINK_LIFE);
        }
    }

    /// A person may send the page that was opened for as long as a link works.
    pub(crate) fn expect_at_page(&self) {
        self.expect(LINK_LIFE);
    }

    fn expect(&self, time: Duration) {
        self.touch();
        let until = Instant::now() + time;
        let mut expected = lock(&self.expected);
        *expected = Some(expected.map_or(until, |earlier| earlier.max(until)));
    }

    /// How long nobody has been here and nothing has happened; none while somebody is here or expected.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        self.idle_at(Instant::now())
    }

    fn idle_at(&self, now: Instant) -> Option<Duration> {
        let is_expected = lock(&self.expected).is_some_and(|until| now < until);
        let last = *lock(&self.last);
        (self.visitors.load(Ordering::SeqCst) == 0 && !is_expected).then(|| now.saturating_duration_since(last))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.touch();
        self.0.visitors.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How long a link works, and the page that it opens.
const LINK_LIFE: Duration = Duration::from_millis(REQUEST_LINK_LIFE_MS.unsigned_abs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_idle_while_somebody_is_here() {
        let activity = Activity::new();
        assert!(activity.idle_for().is_some());
        let visit = activity.visit(1);
        assert!(visit.is_some() && activity.visit(1).is_none());
        assert!(activity.idle_for().is_none());
        drop(visit);
        assert!(activity.idle_for().is_some() && activity.visit(1).is_some());
    }

    #[test]
    fn nobody_is_idle_while_somebody_may_come() {
        let (activity, minute) = (Activity::new(), Duration::from_secs(60));
        activity.expect(15 * minute);
        activity.expect(minute);
        let now = Instant::now();
        assert_eq!(activity.idle_at(now + 14 * minute), None);
        assert!(activity.idle_at(now + 16 * minute).is_some_and(|idle| idle >= 15 * minute));
    }
}
