//! Encryption of one thing under a key made for it alone: HKDF-SHA-256 (RFC 5869) from a long-lived key and a random salt, then AES-256-GCM (NIST SP 800-38D).
//!
//! Each derived key encrypts once, so its nonce, derived beside it, cannot repeat.

pub(crate) mod stream;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::locked::{LockError, Locked};
use crate::token::RandomError;

/// A key for one thing, and its nonce. Consumed by its one use.
pub(crate) struct OnceKey {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
}

impl OnceKey {
    /// The key for what `salt` and `purpose` name, under `parent`.
    pub(crate) fn derive(parent: &[u8], salt: &[u8; SALT_BYTES], purpose: &str) -> Self {
        let mut out = Zeroizing::new([0; KEY_BYTES + NONCE_LEN]);
        derive(parent, salt, purpose.as_bytes(), out.as_mut_slice());
        let (key, rest) = out.split_at(KEY_BYTES);
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key is as long as AES-256 wants it");
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(rest);
        Self { key: LessSafeKey::new(key), nonce }
    }

    /// The ciphertext and tag of `plain`, bound to `aad`.
    pub(crate) fn seal(self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        buffer.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut buffer);
        sealed.expect("nothing here comes near the length limit of AES-GCM");
        buffer
    }

    /// What was sealed, or nothing where the key, the associated data or the ciphertext is another.
    pub(crate) fn open(self, aad: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let plain_bytes = self.key.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?.len();
        buffer.truncate(plain_bytes);
        Some(buffer)
    }
}

/// Seals `plain` under a fresh salt, which goes first.
pub(crate) fn seal_salted(parent: &[u8], purpose: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, RandomError> {
    let salt = random::<SALT_BYTES>()?;
    let mut out = salt.to_vec();
    out.extend_from_slice(&OnceKey::derive(parent, &salt, purpose).seal(aad, plain));
    Ok(out)
}

/// Opens what [`seal_salted`] sealed.
pub(crate) fn open_salted(parent: &[u8], purpose: &str, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, ciphertext) = sealed.split_first_chunk::<SALT_BYTES>()?;
    OnceKey::derive(parent, salt, purpose).open(aad, ciphertext)
}

/// Fills `out` (at most 255 times 32 bytes) from `parent`.
pub(crate) fn derive(parent: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
    let prk = Salt::new(HKDF_SHA256, salt).extract(parent);
    let info = [info];
    let okm = prk.expand(&info, Bytes(out.len())).expect("no more is asked for than HKDF can give");
    okm.fill(out).expect("the length is the one asked for");
}

/// Random bytes of the operating system's.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(RandomError)?;
    Ok(out)
}

/// A random key in a page of its own.
pub(crate) fn random_key<E: From<RandomError> + From<LockError>>() -> Result<Locked, E> {
    let mut key = Locked::zeroed(KEY_BYTES)?;
    getrandom::fill(key.bytes_mut()).map_err(RandomError)?;
    Ok(key)
}

/// The parts one after another, each with its length before it (8 bytes, big-endian), so that no two lists of parts give the same bytes.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// Every symmetric key of the vault.
pub(crate) const KEY_BYTES: usize = 32;
/// Random, so that no two keys under one parent are the same.
pub(crate) const SALT_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// RFC 5869, appendix A, test case 1.
    #[test]
    fn keys_are_derived_as_published() {
        let (salt, info): (Vec<u8>, Vec<u8>) = ((0..=12).collect(), (0xf0..=0xf9).collect());
        let mut out = [0; 42];
        derive(&[0x0b; 22], &salt, &info, &mut out);
        assert_eq!(hex::encode(out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_names_only() {
        let sealed = seal_salted(&[1; 32], "test", b"aad", b"plain").unwrap();
        assert!(open_salted(&[2; 32], "test", b"aad", &sealed).is_none());
        assert!(open_salted(&[1; 32], "tess", b"aad", &sealed).is_none());
        assert!(open_salted(&[1; 32], "test", b"aae", &sealed).is_none());
        assert!(open_salted(&[1; 32], "test", b"aad", &sealed[..sealed.len() - 1]).is_none());
        assert!(open_salted(&[1; 32], "test", b"aad", b"short").is_none());
        assert_eq!(open_salted(&[1; 32], "test", b"aad", &sealed).unwrap().as_slice(), b"plain");
    }

    #[test]
    fn parts_cannot_flow_into_one_another() {
        assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
        assert_ne!(framed(&[b"ab"]), framed(&[b"ab", b""]));
    }
}
