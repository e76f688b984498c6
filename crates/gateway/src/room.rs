//! Room for one devbox: how many requests it may have open, and how many connections to hosts, so that it leaves the others theirs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use model::{AccountId, Refusal};

use crate::seats::{Seat, Seats};

/// What one devbox may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSize {
    /// Requests whose reply has not ended, WebSockets among them.
    pub exchanges: usize,
    /// Connections to hosts.
    pub upstreams: usize,
}

/// What one devbox has left.
pub(crate) struct Room {
    exchanges: Arc<Semaphore>,
    upstreams: Arc<Semaphore>,
    /// MiB for replies that are decoded.
    decoding: Arc<Semaphore>,
    seats: Arc<Seats>,
    account: AccountId,
    wait: Duration,
}

/// A connection to a host; given back when it is dropped.
pub(crate) struct UpstreamPlace {
    _place: OwnedSemaphorePermit,
    _seat: Seat,
}

impl Default for RoomSize {
    fn default() -> Self {
        Self { exchanges: EXCHANGES_MAX, upstreams: UPSTREAMS_MAX }
    }
}

impl Room {
    /// All of it. A connection waits for its place no longer than `wait`.
    pub(crate) fn new(size: RoomSize, seats: Arc<Seats>, account: AccountId, wait: Duration) -> Self {
        let [exchanges, upstreams] = [size.exchanges, size.upstreams].map(|places| Arc::new(Semaphore::new(places)));
        Self { exchanges, upstreams, decoding: Arc::new(Semaphore::new(DECODING_MIB_MAX)), seats, account, wait }
    }

    /// A place for one more request.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`] where there is none.
    pub(crate) fn exchange(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.exchanges).try_acquire_owned().map_err(|_| Refusal::LimitReached)
    }

    /// Memory for decoding one more reply.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`] where there is none.
    pub(crate) fn decoding(&self, mib: u32) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.decoding).try_acquire_many_owned(mib).map_err(|_| Refusal::LimitReached)
    }

    /// A place for one more connection to a host, where there is one now.
    pub(crate) fn upstream_now(&self) -> Option<UpstreamPlace> {
        let place = Arc::clone(&self.upstreams).try_acquire_owned().ok()?;
        Some(UpstreamPlace { _place: place, _seat: self.seats.take(&self.account)? })
    }

    /// A place for one more connection to a host, waited for.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`] where none is given back in time, or the account has no seat left.
    pub(crate) async fn upstream(&self) -> Result<UpstreamPlace, Refusal> {
        let place = timeout(self.wait, Arc::clone(&self.upstreams).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or(Refusal::LimitReached)?;
        let seat = self.seats.take(&self.account).ok_or(Refusal::LimitReached)?;
        Ok(UpstreamPlace { _place: place, _seat: seat })
    }
}

/// Two for each connection that a devbox may have: each holds a head of up to 64 KiB, and pieces of its bodies.
const EXCHANGES_MAX: usize = 1024;
/// A dozen replies in brotli, or far more in what has smaller windows. Hosts are asked not to encode at all.
const DECODING_MIB_MAX: usize = 256;
/// One for each connection that a devbox may have.
const UPSTREAMS_MAX: usize = crate::listen::CONNECTIONS_MAX;
