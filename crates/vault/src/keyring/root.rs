//! The root key: the one key that nothing else protects. The `rootkey` crate says where it comes from.

use std::fmt::Write as _;
use std::os::fd::BorrowedFd;

use zeroize::{Zeroize, Zeroizing};

use super::KeyringError;
use crate::envelope::{self, KEY_BYTES};
use crate::locked::{LockError, Locked};

/// 32 random bytes under which the keyring rests.
pub struct RootKey(Locked);

impl RootKey {
    /// A key that was kept somewhere; `bytes` are wiped.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn from_bytes(mut bytes: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, LockError> {
        let key = Locked::copy_of(bytes.as_slice());
        bytes.zeroize();
        Ok(Self(key?))
    }

    /// A new key.
    ///
    /// # Errors
    /// [`KeyringError::Random`] or [`KeyringError::Locked`].
    pub fn make() -> Result<Self, KeyringError> {
        envelope::random_key().map(Self)
    }

    /// The key in 64 hexadecimal digits, to be written where it is kept and nowhere else.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(KEY_BYTES * 2));
        for byte in self.0.bytes() {
            write!(out, "{byte:02x}").expect("writing to a string does not fail");
        }
        out
    }

    /// Writes the key into a pipe, from the locked page itself. The pipe takes it whole, so nobody is waited for.
    ///
    /// # Errors
    /// [`KeyringError::NotHanded`].
    pub fn hand_over(&self, pipe: BorrowedFd<'_>) -> Result<(), KeyringError> {
        match rustix::io::write(pipe, self.0.bytes()) {
            Ok(KEY_BYTES) => Ok(()),
            Ok(_) | Err(_) => Err(KeyringError::NotHanded),
        }
    }

    /// The key that [`RootKey::hand_over`] wrote, read into a locked page and nowhere else.
    ///
    /// # Errors
    /// [`KeyringError::NotHanded`], [`KeyringError::Locked`].
    pub fn take_over(pipe: BorrowedFd<'_>) -> Result<Self, KeyringError> {
        let mut key = Locked::zeroed(KEY_BYTES)?;
        match rustix::io::read(pipe, key.bytes_mut()) {
            Ok(KEY_BYTES) => Ok(Self(key)),
            Ok(_) | Err(_) => Err(KeyringError::NotHanded),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// What tells this root key from another without saying anything of it.
    pub(super) fn id(&self) -> [u8; ID_BYTES] {
        let mut id = [0; ID_BYTES];
        envelope::derive(self.0.bytes(), b"", b"tightlip root key id 1", &mut id);
        id
    }
}

pub(super) const ID_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_key_is_handed_over_whole_and_once() {
        let key = RootKey::make().expect("a key");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        key.hand_over(writer.as_fd()).expect("handed over");
        drop(writer);
        assert_eq!(RootKey::take_over(reader.as_fd()).expect("taken over").to_hex(), key.to_hex());
        assert!(matches!(RootKey::take_over(reader.as_fd()).err(), Some(KeyringError::NotHanded)));
    }
}
