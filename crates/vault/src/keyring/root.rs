//! The root key: the one key that nothing else protects. The `rootkey` crate says where it comes from.

use std::fmt::Write as _;

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
