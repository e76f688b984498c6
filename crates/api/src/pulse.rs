//! Whether a connection lives: when a request last began on it, or an answer last went on.
//!
//! One rule ends every slow connection: of a client that sends no first request in time, one that is idle, one that does not take the answer it asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::limits::{CROWDED_TIME, ENDING_TIME, HEAD_TIME, QUIET_TIME};

/// A connection's pulse.
pub(crate) struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
    asked: AtomicBool,
    open: AtomicUsize,
}

/// A request that is open until this is dropped.
pub(crate) struct Asked(Arc<Pulse>);

/// An answer's body, whose every part is a beat.
pub(crate) struct Beating {
    body: Body,
    asked: Asked,
}

/// How many places for connections are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Ample,
    Scarce,
}

impl Pulse {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), last_ms: AtomicU64::new(0), asked: AtomicBool::new(false), open: AtomicUsize::new(0) })
    }

    /// A request begins.
    pub(crate) fn ask(self: &Arc<Self>) -> Asked {
        self.asked.store(true, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.beat();
        Asked(Arc::clone(self))
    }

    /// Comes back when the connection has been quiet for too long; for how long depends on whether there is room for others.
    pub(crate) async fn end(&self, room: impl Fn() -> Room) {
        loop {
            let (now, deadline) = (Instant::now(), self.deadline(room()));
            if now >= deadline {
                return;
            }
            // Room may become scarce meanwhile.
            tokio::time::sleep_until(deadline.min(now + CROWDED_TIME)).await;
        }
    }

    /// Comes back when no request is open and none has been for a while.
    pub(crate) async fn idle(&self) {
        loop {
            let last = self.last_ms.load(Ordering::Relaxed);
            tokio::time::sleep(ENDING_TIME).await;
            if self.open.load(Ordering::Relaxed) == 0 && self.last_ms.load(Ordering::Relaxed) == last {
                return;
            }
        }
    }

    /// When the connection ends unless something happens on it.
    fn deadline(&self, room: Room) -> Instant {
        let open = self.open.load(Ordering::Relaxed) > 0;
        let patience = match (open, self.asked.load(Ordering::Relaxed), room) {
            (true, _, _) | (false, true, Room::Ample) => QUIET_TIME,
            (false, false, Room::Ample) => HEAD_TIME,
            (false, _, Room::Scarce) => CROWDED_TIME,
        };
        self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed)) + patience
    }

    fn beat(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(since, Ordering::Relaxed);
    }
}

impl Asked {
    /// The request's answer is open until its body ends.
    pub(crate) const fn body(self, body: Body) -> Beating {
        Beating { body, asked: self }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl http_body::Body for Beating {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.asked.0.beat();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    fn old() -> Arc<Pulse> {
        let new = Arc::into_inner(Pulse::new()).expect("ours alone");
        Arc::new(Pulse { start: new.start - AGE, ..new })
    }

    #[test]
    fn a_client_that_never_asks_ends_though_it_says_other_things() {
        let pulse = old();
        assert_eq!(pulse.deadline(Room::Ample), pulse.start + HEAD_TIME);
        assert_eq!(pulse.deadline(Room::Scarce), pulse.start + CROWDED_TIME);
    }

    #[test]
    fn an_open_request_has_its_time_also_where_room_is_scarce_and_an_idle_client_has_not() {
        let pulse = old();
        let asked = pulse.ask();
        assert!(pulse.deadline(Room::Scarce) >= pulse.start + AGE + QUIET_TIME);
        drop(asked);
        assert!(pulse.deadline(Room::Ample) >= pulse.start + AGE + QUIET_TIME);
        assert!(pulse.deadline(Room::Scarce) < pulse.start + AGE + QUIET_TIME);
    }

    #[tokio::test]
    async fn an_answer_that_goes_on_gives_time_and_one_that_is_not_taken_does_not() {
        let pulse = old();
        let mut body = pulse.ask().body(Body::from("part"));
        pulse.last_ms.store(0, Ordering::Relaxed);
        assert_eq!(pulse.deadline(Room::Scarce), pulse.start + QUIET_TIME);
        body.frame().await.expect("a part").expect("good");
        assert!(pulse.deadline(Room::Scarce) >= pulse.start + AGE + QUIET_TIME);
    }
}
