//! Places for connections: so many in all, so many for one network, so that nobody takes them all.
//!
//! A network is what one client can choose addresses from: an IPv4 address, or the 64 bits of an IPv6 address that a subscriber is given. It is read from
//! the connection, never from what a request says.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX};
use crate::pulse::Room;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4(u32),
    V6(u64),
}

/// The places of all ports together.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    taken: Mutex<HashMap<Network, usize>>,
}

/// A place that is free for whoever connects next.
pub(crate) struct Free(OwnedSemaphorePermit);

/// A connection's place, given back when dropped.
pub(crate) struct Place {
    pub(crate) network: Network,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Network {
    pub(crate) fn of(peer: SocketAddr) -> Self {
        match peer.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).expect("the upper half of 128 bits")),
        }
    }
}

impl Places {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(CONNECTIONS_MAX)), taken: Mutex::default() })
    }

    /// Waits until there is a place.
    pub(crate) async fn free(&self) -> Free {
        Free(Arc::clone(&self.all).acquire_owned().await.expect("the places are never closed"))
    }

    /// Gives a place to a network, unless it has as many as one may have.
    pub(crate) fn take(self: &Arc<Self>, free: Free, network: Network) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        if *count >= CONNECTIONS_PER_NETWORK_MAX {
            return None;
        }
        *count += 1;
        Some(Place { network, places: Arc::clone(self), _permit: free.0 })
    }
}

impl Place {
    /// Whether others find a place too.
    pub(crate) fn room(&self) -> Room {
        if self.places.all.available_permits() < CONNECTIONS_MAX / 4 { Room::Scarce } else { Room::Ample }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(SocketAddr::new(text.parse().expect("an address"), 1))
    }

    #[tokio::test]
    async fn one_network_never_takes_all_places_and_gets_back_what_it_left() {
        let places = Places::new();
        let (greedy, other) = (network("192.0.2.1"), network("192.0.2.2"));
        let mut taken = Vec::new();
        for _ in 0..CONNECTIONS_PER_NETWORK_MAX {
            taken.push(places.take(places.free().await, greedy).expect("a place"));
        }
        assert!(places.take(places.free().await, greedy).is_none());
        drop(places.take(places.free().await, other).expect("a place for another"));
        taken.pop();
        taken.push(places.take(places.free().await, greedy).expect("the place that was left"));
        drop(taken);
        assert!(places.taken.lock().expect("not poisoned").is_empty());
        assert_eq!(places.all.available_permits(), CONNECTIONS_MAX);
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_network_and_a_mapped_address_is_ipv4() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
