//! The data keys that the gateway has opened: a bounded table in locked pages. The oldest makes room.

use std::collections::HashMap;

use crate::envelope::KEY_BYTES;
use crate::locked::{LockError, Locked};

/// Opened data keys, by the digest of their whole record.
pub(crate) struct Opened {
    slab: Locked,
    slots: HashMap<[u8; 32], usize>,
    owners: Vec<[u8; 32]>,
    next: usize,
}

impl Opened {
    pub(super) fn new() -> Result<Self, LockError> {
        Ok(Self { slab: Locked::zeroed(KEYS_MAX * KEY_BYTES)?, slots: HashMap::new(), owners: Vec::new(), next: 0 })
    }

    /// The key of the record with this digest.
    pub(crate) fn key(&self, digest: &[u8; 32]) -> Option<&[u8]> {
        self.slots.get(digest).map(|slot| &self.slab.bytes()[slot * KEY_BYTES..(slot + 1) * KEY_BYTES])
    }

    /// Keeps a key, in the oldest one's place where there is no other.
    pub(crate) fn keep(&mut self, digest: [u8; 32], key: &[u8; KEY_BYTES]) {
        if self.slots.contains_key(&digest) {
            return;
        }
        let slot = self.next;
        self.next = (slot + 1) % KEYS_MAX;
        match self.owners.get_mut(slot) {
            Some(owner) => {
                self.slots.remove(owner);
                *owner = digest;
            }
            None => self.owners.push(digest),
        }
        self.slab.bytes_mut()[slot * KEY_BYTES..(slot + 1) * KEY_BYTES].copy_from_slice(key);
        self.slots.insert(digest, slot);
    }
}

/// 32 KiB of locked memory: half of what the strictest common limit allows a process, and more data keys than the secrets in use come from.
const KEYS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn the_oldest_key_makes_room() {
        let mut opened = Opened::new().expect("pages");
        for number in 0..=KEYS_MAX {
            opened.keep(digest(number), &[number.to_be_bytes()[7]; KEY_BYTES]);
        }
        assert!(opened.key(&digest(0)).is_none());
        assert_eq!(opened.key(&digest(1)), Some([1; KEY_BYTES].as_slice()));
        assert_eq!(opened.key(&digest(KEYS_MAX)), Some([0; KEY_BYTES].as_slice()));
        assert_eq!((opened.slots.len(), opened.owners.len()), (KEYS_MAX, KEYS_MAX));
    }
}
