//! Strangers at the proxy: so many at a time, fewer from one network, and so many wrong credentials from one before it is told to stop. Where there is no place,
//! the one who has waited longest goes, of the network that has most: whoever holds places to keep others out loses them first.
//!
//! A network is what one client can choose addresses from: an IPv4 address, or the 64 bits of an IPv6 one that a subscriber is given. A right credential is
//! always taken: who shares an address with somebody who guesses is not locked out by it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::unpoisoned::lock;

/// Who waits to be known.
pub(super) struct Guests(Mutex<Book>);

#[derive(Default)]
struct Book {
    all: usize,
    /// Who is here, by network, the oldest first.
    here: HashMap<Origin, BTreeMap<u64, CancellationToken>>,
    next: u64,
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
    number: u64,
    sent_away: CancellationToken,
}

impl Guests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// A place for one more, if need be somebody else's.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Guest {
        let origin = Origin::of(from);
        let mut book = lock(&self.0);
        if book.here.get(&origin).is_some_and(|here| here.len() >= GUESTS_OF_ONE_MAX) {
            book.send_away_one_of(origin);
        } else if book.all >= GUESTS_MAX
            && let Some(fullest) = book.fullest()
        {
            book.send_away_one_of(fullest);
        }
        let number = book.next;
        book.next += 1;
        book.all += 1;
        let sent_away = CancellationToken::new();
        book.here.entry(origin).or_default().insert(number, sent_away.clone());
        Guest { guests: Arc::clone(self), origin, number, sent_away }
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

impl Book {
    /// The network that has most here; of several, the one whose oldest has been here longest.
    fn fullest(&self) -> Option<Origin> {
        let rank = |(_, here): &(&Origin, &BTreeMap<u64, CancellationToken>)| {
            (here.len(), std::cmp::Reverse(here.first_key_value().map_or(u64::MAX, |(number, _)| *number)))
        };
        self.here.iter().max_by_key(rank).map(|(origin, _)| *origin)
    }

    fn send_away_one_of(&mut self, origin: Origin) {
        let oldest = self.here.get(&origin).and_then(|here| here.first_key_value()).map(|(number, sent_away)| (*number, sent_away.clone()));
        if let Some((number, sent_away)) = oldest {
            sent_away.cancel();
            self.forget(origin, number);
        }
    }

    /// Counts a guest no more, where it still is counted.
    fn forget(&mut self, origin: Origin, number: u64) {
        let Some(here) = self.here.get_mut(&origin) else { return };
        if here.remove(&number).is_some() {
            self.all -= 1;
        }
        if here.is_empty() {
            self.here.remove(&origin);
        }
    }
}

impl Guest {
    /// Cancelled when its place is another's.
    pub(super) fn sent_away(&self) -> CancellationToken {
        self.sent_away.clone()
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
        lock(&self.guests.0).forget(self.origin, self.number);
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

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    /// Which of them still have their places.
    fn left(guests: &[Guest]) -> Vec<usize> {
        (0..guests.len()).filter(|number| !guests[*number].sent_away().is_cancelled()).collect()
    }

    #[test]
    fn one_network_leaves_room_for_others_and_gives_its_places_back() {
        let guests = Guests::new();
        let mine: Vec<_> = (0..GUESTS_OF_ONE_MAX + 10).map(|_| guests.admit(address(1))).collect();
        assert_eq!(left(&mine), (10..GUESTS_OF_ONE_MAX + 10).collect::<Vec<_>>(), "its own oldest go");
        let others: Vec<_> = (0..GUESTS_MAX - GUESTS_OF_ONE_MAX).map(|_| guests.admit(address(2))).collect();
        assert_eq!((left(&mine).len(), left(&others).len(), lock(&guests.0).all), (GUESTS_OF_ONE_MAX, others.len(), GUESTS_MAX));
        drop((mine, others));
        assert!(lock(&guests.0).here.is_empty() && lock(&guests.0).all == 0);
    }

    #[test]
    fn a_newcomer_takes_the_oldest_place_of_whoever_holds_most() {
        let guests = Guests::new();
        let holding: Vec<_> = (1..=2).map(|network| (0..GUESTS_OF_ONE_MAX).map(|_| guests.admit(address(network))).collect()).collect();
        let newcomer = guests.admit(address(3));
        let [one, other]: [Vec<Guest>; 2] = holding.try_into().map_err(|_| "two").expect("two networks");
        assert_eq!((left(&one).len(), left(&other).len()), (GUESTS_OF_ONE_MAX - 1, GUESTS_OF_ONE_MAX));
        assert!(one[0].sent_away().is_cancelled());
        // Those who hold the places come back for them, and take them from each other.
        let again: Vec<_> = (0..2 * GUESTS_MAX).map(|number| guests.admit(address(if number % 2 == 0 { 1 } else { 2 }))).collect();
        assert!(!newcomer.sent_away().is_cancelled());
        assert_eq!(lock(&guests.0).all, GUESTS_MAX);
        drop((one, other, again));
        assert_eq!(lock(&guests.0).all, 1);
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
