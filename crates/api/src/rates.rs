//! How often one key, and one network, may ask; and how often a network may show a key that is none.
//!
//! Counted by what a caller cannot choose: the key that was found, and the address that the connection comes from. No header is believed.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use http::StatusCode;
use model::TokenHash;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::desk::Desk;
use crate::limits::{
    ADDRESS_REQUESTS_PER_SECOND, BURST_SECONDS, FAILURES_BURST, FAILURES_PER_SECOND, KEY_REQUESTS_PER_SECOND, RATES_COUNTED_MAX,
    REFUSAL_PAUSE, REFUSALS_BURST, REFUSALS_HELD_MAX, REFUSALS_PER_SECOND,
};
use crate::places::Network;
use crate::problem::ApiError;

/// Requests a second; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// For one API key.
    pub key: u32,
    /// For one network: an IPv4 address, or the first 64 bits of an IPv6 one.
    pub address: u32,
}

/// Which limit a request was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The API key's.
    Key,
    /// The network's.
    Address,
    /// The network's, on failed authentications.
    Attempts,
}

/// A request over a limit, and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFast {
    pub(crate) limit: Limit,
    pub(crate) wait: Duration,
}

/// Where a request's connection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) Network);

/// What is counted.
pub(crate) struct Rates<C: Clock = DefaultClock> {
    clock: C,
    keys: Option<Limiter<TokenHash, C>>,
    addresses: Option<Limiter<Network, C>>,
    failures: Limiter<Network, C>,
    refusals: Limiter<Network, C>,
    /// Places for refusals that are held back.
    held: Semaphore,
}

type Limiter<K, C> = RateLimiter<K, Table<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Who asked lately, bounded: beyond that, newcomers are counted as one.
struct Table<K> {
    known: Mutex<HashMap<K, InMemoryState>>,
    others: InMemoryState,
}

impl RateLimits {
    /// No limit.
    pub const OFF: Self = Self { key: 0, address: 0 };

    /// What holds where nothing is set: nothing on loopback, where every client has the same address and is this machine's own.
    #[must_use]
    pub const fn defaults(is_open: bool) -> Self {
        if is_open { Self { key: KEY_REQUESTS_PER_SECOND, address: ADDRESS_REQUESTS_PER_SECOND } } else { Self::OFF }
    }
}

impl Limit {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Key => "key_rate_limited",
            Self::Address => "address_rate_limited",
            Self::Attempts => "attempts_rate_limited",
        }
    }

    /// What was over it, and what to do.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Key => "too many requests with this API key: wait as long as Retry-After says, or raise `[api] key_requests_per_second`",
            Self::Address => {
                "too many requests from this address: wait as long as Retry-After says, or raise `[api] address_requests_per_second`"
            }
            Self::Attempts => {
                "too many requests from this address without a key that is known here: check TIGHTLIP_API_KEY before the next try"
            }
        }
    }
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self::with_clock(limits, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn with_clock(limits: RateLimits, clock: C) -> Self {
        let failures = quota(FAILURES_PER_SECOND, FAILURES_BURST).expect("neither is 0");
        let refusals = quota(REFUSALS_PER_SECOND, REFUSALS_BURST).expect("neither is 0");
        let quota = |per_second: u32| quota(per_second, per_second.saturating_mul(BURST_SECONDS));
        Self {
            keys: quota(limits.key).map(|quota| limiter(quota, clock.clone())),
            addresses: quota(limits.address).map(|quota| limiter(quota, clock.clone())),
            failures: limiter(failures, clock.clone()),
            refusals: limiter(refusals, clock.clone()),
            held: Semaphore::new(REFUSALS_HELD_MAX),
            clock,
        }
    }

    /// Counts a request with a key that was found.
    pub(crate) fn admit_key(&self, key: &TokenHash) -> Result<(), TooFast> {
        self.keys.as_ref().map_or(Ok(()), |limiter| self.count(limiter, key, Limit::Key))
    }

    fn admit_address(&self, network: Network) -> Result<(), TooFast> {
        self.addresses.as_ref().map_or(Ok(()), |limiter| self.count(limiter, &network, Limit::Address))
    }

    /// Counts a request that showed no key that is known.
    fn failed(&self, network: Network) -> Result<(), TooFast> {
        self.count(&self.failures, &network, Limit::Attempts)
    }

    /// Counts a refusal for asking too often. A place among those that are held back, where its network does not wait as it is told to and there is one left:
    /// whoever floods is answered slowly.
    fn hold_back(&self, network: Network) -> Option<SemaphorePermit<'_>> {
        self.refusals.check_key(&network).err().and_then(|_| self.held.try_acquire().ok())
    }

    fn count<K: Hash + Eq + Clone>(&self, limiter: &Limiter<K, C>, who: &K, limit: Limit) -> Result<(), TooFast> {
        limiter.check_key(who).map_err(|until| TooFast { limit, wait: until.wait_time_from(self.clock.now()) })
    }

    /// Forgets whoever has not asked lately.
    pub(crate) fn sweep(&self) {
        if let Some(keys) = &self.keys {
            keys.retain_recent();
        }
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        self.failures.retain_recent();
        self.refusals.retain_recent();
    }
}

/// Holds a request to what its network may.
pub(crate) async fn guard(desk: &Desk, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let Some(Peer(network)) = request.extensions().get::<Peer>().copied() else { return next(request).await };
    let response = counted(desk, network, request, next).await;
    if response.status() == StatusCode::TOO_MANY_REQUESTS
        && let Some(_place) = desk.rates.hold_back(network)
    {
        tokio::time::sleep(REFUSAL_PAUSE).await;
    }
    response
}

async fn counted(desk: &Desk, network: Network, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if let Err(over) = desk.rates.admit_address(network) {
        return ApiError::TooFast(over).into_response();
    }
    let response = next(request).await;
    match response.status() {
        // Whoever has a key is not kept out by a neighbour who guesses.
        StatusCode::UNAUTHORIZED => desk.rates.failed(network).map_or_else(|over| ApiError::TooFast(over).into_response(), |()| response),
        _ => response,
    }
}

fn quota(per_second: u32, burst: u32) -> Option<Quota> {
    Some(Quota::per_second(NonZeroU32::new(per_second)?).allow_burst(NonZeroU32::new(burst)?))
}

fn limiter<K: Hash + Eq + Clone, C: Clock>(quota: Quota, clock: C) -> Limiter<K, C> {
    let table = Table { known: Mutex::new(HashMap::new()), others: InMemoryState::default() };
    RateLimiter::new(quota, table, clock)
}

impl<K: Hash + Eq + Clone> StateStore for Table<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(key) && known.len() >= RATES_COUNTED_MAX {
            return self.others.measure_and_replace(&NotKeyed::NonKey, decide);
        }
        known.entry(key.clone()).or_default().measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Table<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A decision that changes nothing is how the state is read.
        known.retain(|_, state| state.measure_and_replace(&NotKeyed::NonKey, Err::<((), Nanos), _>) > Err(Some(drop_below)));
    }

    fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates(key: u32, address: u32) -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Rates::with_clock(RateLimits { key, address }, clock.clone()), clock)
    }

    #[test]
    fn what_is_over_is_refused_until_the_time_that_is_told() {
        let (rates, clock) = rates(10, 20);
        let (a, b) = (TokenHash([1; 32]), TokenHash([2; 32]));
        for _ in 0..10 * BURST_SECONDS {
            assert_eq!(rates.admit_key(&a), Ok(()));
        }
        let over = rates.admit_key(&a).expect_err("over");
        assert_eq!((over.limit, over.wait), (Limit::Key, SECOND / 10));
        assert_eq!(rates.admit_key(&b), Ok(()), "another key is another budget");
        clock.advance(over.wait);
        assert_eq!(rates.admit_key(&a), Ok(()));
        assert!(rates.admit_key(&a).is_err());
        for _ in 0..20 * BURST_SECONDS {
            assert_eq!(rates.admit_address(Network::V4(1)), Ok(()));
        }
        assert_eq!(rates.admit_address(Network::V4(1)).expect_err("over").limit, Limit::Address);
        assert_eq!(rates.admit_address(Network::V4(2)), Ok(()));
    }

    #[test]
    fn zero_is_no_limit_but_failures_are_always_counted() {
        let (rates, clock) = rates(0, 0);
        for _ in 0..100_000 {
            assert!(rates.admit_key(&TokenHash([1; 32])).is_ok() && rates.admit_address(Network::V4(1)).is_ok());
        }
        let let_through = (0..1000).filter(|_| rates.failed(Network::V6(1)).is_ok()).count();
        assert_eq!(let_through, 50);
        clock.advance(SECOND);
        assert_eq!((0..1000).filter(|_| rates.failed(Network::V6(1)).is_ok()).count(), 10);
    }

    #[test]
    fn whoever_does_not_wait_as_it_was_told_is_held_back_and_nobody_else() {
        let (rates, clock) = rates(0, 0);
        let (flooding, other) = (Network::V4(1), Network::V4(2));
        assert!((0..REFUSALS_BURST).all(|_| rates.hold_back(flooding).is_none()));
        assert!(rates.hold_back(flooding).is_some());
        assert!(rates.hold_back(other).is_none());
        // What is held is bounded: more are told at once.
        let all: Vec<_> = std::iter::from_fn(|| rates.hold_back(flooding)).collect();
        assert_eq!(all.len(), REFUSALS_HELD_MAX);
        drop(all);
        assert!(rates.hold_back(flooding).is_some());
        clock.advance(SECOND);
        assert!(rates.hold_back(flooding).is_none(), "who waited is told at once");
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let (rates, clock) = rates(0, 1);
        let count = u32::try_from(RATES_COUNTED_MAX).expect("fits");
        for address in 0..count {
            assert_eq!(rates.admit_address(Network::V4(address)), Ok(()));
        }
        // Newcomers share one budget; whoever was there keeps its own.
        let newcomers = (count..2 * count).filter(|address| rates.admit_address(Network::V4(*address)).is_ok()).count();
        assert_eq!(newcomers, BURST_SECONDS as usize);
        assert_eq!(rates.admit_address(Network::V4(0)), Ok(()));
        let table = rates.addresses.as_ref().expect("on");
        assert_eq!(table.len(), RATES_COUNTED_MAX);
        rates.sweep();
        assert_eq!(table.len(), RATES_COUNTED_MAX, "nobody is forgotten before its budget is whole again");
        clock.advance(SECOND * 10);
        rates.sweep();
        assert_eq!(table.len(), 0);
    }
}
