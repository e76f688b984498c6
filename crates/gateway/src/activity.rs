//! Whether anybody uses the gateway: what an idle server goes by.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::unpoisoned::lock;

/// Counts who is here, and remembers when somebody last was.
pub(crate) struct Activity {
    visitors: AtomicUsize,
    last: Mutex<Instant>,
}

/// Somebody who is here until this is dropped.
pub(crate) struct Visit(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { visitors: AtomicUsize::new(0), last: Mutex::new(Instant::now()) })
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

    /// How long nobody has been here and nothing has happened; none while somebody is.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let last = lock(&self.last);
        (self.visitors.load(Ordering::SeqCst) == 0).then(|| last.elapsed())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.touch();
        self.0.visitors.fetch_sub(1, Ordering::SeqCst);
    }
}

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
}
