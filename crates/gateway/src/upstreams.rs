//! The connections to upstreams that one downstream connection owns. Nothing is shared beyond it (record 0004).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Refusal;

use crate::greet::Destination;
use crate::listen::Devbox;
use crate::unpoisoned::lock;
use crate::upstream::Upstream;

/// What a devbox speaks on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// One exchange after the other.
    Http1,
    /// Many at a time.
    Http2,
}

/// The connections, each with where it leads.
pub(crate) struct Upstreams {
    spoken: Spoken,
    kept: Mutex<Vec<(Destination, Upstream)>>,
    /// Held while a connection is made that others may want to share.
    dialling: tokio::sync::Mutex<()>,
    /// Whether a connection was made that can be shared by none.
    unshared: AtomicBool,
}

impl Upstreams {
    /// None yet.
    pub(crate) fn new(spoken: Spoken) -> Self {
        Self { spoken, kept: Mutex::default(), dialling: tokio::sync::Mutex::default(), unshared: AtomicBool::new(false) }
    }

    /// A connection to `to` that can be used now.
    pub(crate) async fn kept(&self, to: &Destination) -> Option<Upstream> {
        let mut found = self.take(to)?;
        // Between two exchanges of one connection, the end of the last reply may have yet to be noticed.
        (self.spoken == Spoken::Http2 || found.is_usable().await).then_some(found)
    }

    /// A new connection, or one that another exchange has made meanwhile and that can be shared.
    pub(crate) async fn fresh(&self, devbox: &Devbox, to: &Destination) -> Result<Upstream, Refusal> {
        let mut place = None;
        loop {
            let dialling = match self.spoken {
                Spoken::Http1 => None,
                Spoken::Http2 if self.unshared.load(Ordering::Relaxed) => None,
                Spoken::Http2 => Some(self.dialling.lock().await),
            };
            if dialling.is_some()
                && let Some(shared) = self.take(to)
            {
                return Ok(shared);
            }
            // Nobody else waits while this one waits for its place.
            let Some(place) = place.take().or_else(|| devbox.room.upstream_now()) else {
                drop(dialling);
                place = Some(devbox.room.upstream().await?);
                continue;
            };
            let opened = Upstream::open(devbox.net.dialer.dial(to, self.spoken).await?, place).await?;
            match &opened {
                Upstream::Http2(shared) => self.keep(to, Upstream::Http2(shared.clone())),
                Upstream::Http1 { .. } => self.unshared.store(true, Ordering::Relaxed),
            }
            return Ok(opened);
        }
    }

    /// Keeps a connection whose reply has begun.
    pub(crate) fn keep(&self, to: &Destination, upstream: Upstream) {
        let mut kept = lock(&self.kept);
        let is_there = |(known, known_to): (&Destination, &Upstream)| known == to && matches!(known_to, Upstream::Http2(_));
        if matches!(upstream, Upstream::Http2(_)) && kept.iter().any(|(known, held)| is_there((known, held))) {
            return;
        }
        // One after the other: whatever was kept for elsewhere is done with.
        if self.spoken == Spoken::Http1 {
            kept.clear();
        }
        kept.push((to.clone(), upstream));
    }

    /// Takes one that can be used: a shared one stays.
    fn take(&self, to: &Destination) -> Option<Upstream> {
        let mut kept = lock(&self.kept);
        kept.retain(|(_, held)| !held.is_closed());
        let sequential = self.spoken == Spoken::Http1;
        let at = kept.iter().position(|(known, held)| known == to && (sequential || held.is_free()))?;
        if let Upstream::Http2(shared) = &kept[at].1 {
            return Some(Upstream::Http2(shared.clone()));
        }
        Some(kept.swap_remove(at).1)
    }
}
