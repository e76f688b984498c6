//! Strangers at the proxy: so many at a time, fewer from one network, and so many wrong credentials from one before it is told to stop.
//!
//! A network is what one client can choose addresses from: an IPv4 address, or the 64 bits of an IPv6 one that a subscriber is given. A right credential is
//! always taken: who shares an address with somebody who guesses is not locked out by it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::unpoisoned::lock;

/// Who waits to be known.
pub(super) struct Guests(Mutex<Book>);

#[derive(Default)]
struct Book {
    all: usize,
    here: HashMap<Origin, usize>,
    guesses: HashMap<Origin, Guesses>,
}

/// Wrong credentials since a moment.
struct Guesses {
    since: Instant,
    count: u32,
}

/// Where a stranger comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4(u32),
    V6(u128),
    /// More networks guess than are counted apart.
    Others,
}

/// A stranger's place, given back when it is dropped.
pub(super) struct Guest {
    guests: Arc<Guests>,
    origin: Origin,
}

impl Guests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// A place for one more.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Option<Guest> {
        let origin = Origin::of(from);
        let mut book = lock(&self.0);
        let here = book.here.get(&origin).copied().unwrap_or(0);
        if book.all >= GUESTS_MAX || here >= GUESTS_OF_ONE_MAX {
            return None;
        }
        book.all += 1;
        book.here.insert(origin, here + 1);
        Some(Guest { guests: Arc::clone(self), origin })
    }

    /// Counts a wrong credential; whether its sender may try others.
    pub(super) fn may_guess(&self, from: IpAddr, now: Instant) -> bool {
        let mut origin = Origin::of(from);
        let mut book = lock(&self.0);
        if book.guesses.len() >= ORIGINS_MAX && !book.guesses.contains_key(&origin) {
            book.guesses.retain(|_, guesses| now - guesses.since < GUESS_WINDOW);
            if book.guesses.len() >= ORIGINS_MAX {
                origin = Origin::Others;
            }
        }
        let guesses = book.guesses.entry(origin).or_insert(Guesses { since: now, count: 0 });
        if now - guesses.since >= GUESS_WINDOW {
            *guesses = Guesses { since: now, count: 0 };
        }
        guesses.count = guesses.count.saturating_add(1);
        if guesses.count == GUESSES_MAX + 1 {
            tracing::warn!(from = %from, "the forward proxy was shown {GUESSES_MAX} credentials that it does not know within a minute");
        }
        guesses.count <= GUESSES_MAX
    }
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 64),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut book = lock(&self.guests.0);
        book.all -= 1;
        if let Some(here) = book.here.get_mut(&self.origin) {
            *here -= 1;
            if *here == 0 {
                book.here.remove(&self.origin);
            }
        }
    }
}

/// Connections without a credential at a time: each is a few kilobytes and half a minute.
const GUESTS_MAX: usize = 512;
/// Of one network: half, so that nobody keeps the others out.
const GUESTS_OF_ONE_MAX: usize = 256;
/// Networks whose guesses are counted apart.
const ORIGINS_MAX: usize = 10_000;
/// Wrong credentials of one network in a minute. A credential has 256 random bits: this bounds the noise, not the odds.
const GUESSES_MAX: u32 = 30;
const GUESS_WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_room_for_others_and_gives_its_places_back() {
        let guests = Guests::new();
        let address = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mine: Vec<_> = std::iter::from_fn(|| guests.admit(address(1))).collect();
        assert_eq!(mine.len(), GUESTS_OF_ONE_MAX);
        let others: Vec<_> = std::iter::from_fn(|| guests.admit(address(2))).collect();
        assert_eq!(others.len(), GUESTS_MAX - GUESTS_OF_ONE_MAX);
        assert!(guests.admit(address(3)).is_none());
        drop((mine, others));
        assert!(guests.admit(address(1)).is_some());
        assert!(lock(&guests.0).here.is_empty() && lock(&guests.0).all == 0);
    }

    #[test]
    fn guesses_are_counted_by_network_and_forgotten_in_time() {
        let guests = Guests::new();
        let (one, other): (IpAddr, IpAddr) = ("fd00::1".parse().expect("an address"), "fd00:0:0:1::1".parse().expect("an address"));
        let neighbour: IpAddr = "fd00::2".parse().expect("an address");
        let now = Instant::now();
        assert!((0..GUESSES_MAX).all(|_| guests.may_guess(one, now)));
        assert!(!guests.may_guess(one, now) && !guests.may_guess(neighbour, now) && guests.may_guess(other, now));
        assert!(guests.may_guess(one, now + GUESS_WINDOW));
    }

    #[test]
    fn memory_for_guesses_is_bounded() {
        let (guests, now) = (Guests::new(), Instant::now());
        for number in 0..u32::try_from(ORIGINS_MAX).expect("a number") + 100 {
            guests.may_guess(IpAddr::V4(std::net::Ipv4Addr::from_bits(number)), now);
        }
        assert!(lock(&guests.0).guesses.len() <= ORIGINS_MAX + 1);
    }
}
