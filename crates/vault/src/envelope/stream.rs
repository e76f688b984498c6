//! Encryption of a long text in chunks: STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", CRYPTO 2015) over AES-256-GCM.
//!
//! The key is made for one stream alone. A chunk's nonce is its number and whether it is the last, so a chunk opens in its own place only, and a stream that was
//! cut off, reordered or lengthened does not open to its end.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{KEY_BYTES, SALT_BYTES, derive};

/// The key of one stream, and the number of its next chunk. It seals or opens, each chunk once and in order.
pub(crate) struct StreamKey {
    key: LessSafeKey,
    aad: Vec<u8>,
    next: u64,
}

/// Where in its stream a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Others follow.
    Inner,
    /// None follows.
    Last,
}

impl StreamKey {
    /// The key for what `salt` and `purpose` name, under `parent`; every chunk is bound to `aad`.
    pub(crate) fn derive(parent: &[u8], salt: &[u8; SALT_BYTES], purpose: &str, aad: &[u8]) -> Self {
        let mut out = Zeroizing::new([0; KEY_BYTES]);
        derive(parent, salt, purpose.as_bytes(), out.as_mut_slice());
        let key = UnboundKey::new(&AES_256_GCM, out.as_slice()).expect("the key is as long as AES-256 wants it");
        Self { key: LessSafeKey::new(key), aad: aad.to_vec(), next: 0 }
    }

    /// Seals the next chunk in place; its tag is added at the end.
    pub(crate) fn seal(&mut self, position: Position, chunk: &mut Vec<u8>) {
        let nonce = self.next_nonce(position);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(&self.aad), chunk);
        sealed.expect("no chunk comes near the length limit of AES-GCM");
    }

    /// Opens the next chunk in place and takes its tag away; nothing where the chunk, its place or the key is another.
    pub(crate) fn open(&mut self, position: Position, chunk: &mut Vec<u8>) -> Option<()> {
        let nonce = self.next_nonce(position);
        let plain_bytes = self.key.open_in_place(nonce, Aad::from(&self.aad), chunk).ok()?.len();
        chunk.truncate(plain_bytes);
        Some(())
    }

    /// The chunk's number in 11 bytes, and one byte that says whether it is the last. No two chunks of a stream have the same.
    fn next_nonce(&mut self, position: Position) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 9..NONCE_LEN - 1].copy_from_slice(&self.next.to_be_bytes());
        nonce[NONCE_LEN - 1] = match position {
            Position::Inner => 0,
            Position::Last => 1,
        };
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What a chunk's tag adds to it.
pub(crate) const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::derive(&[1; 32], &[2; SALT_BYTES], "test", b"header")
    }

    fn sealed() -> [Vec<u8>; 2] {
        let mut key = key();
        let mut chunks = [b"one".to_vec(), b"two".to_vec()];
        key.seal(Position::Inner, &mut chunks[0]);
        key.seal(Position::Last, &mut chunks[1]);
        chunks
    }

    #[test]
    fn a_chunk_opens_in_its_own_place_only() {
        let [one, two] = sealed();
        assert!(key().open(Position::Last, &mut one.clone()).is_none());
        assert!(key().open(Position::Last, &mut two.clone()).is_none());
        let mut stream = key();
        stream.open(Position::Inner, &mut one.clone()).expect("the first");
        assert!(stream.open(Position::Inner, &mut two.clone()).is_none());
    }

    #[test]
    fn another_key_salt_purpose_or_header_opens_nothing() {
        let others = [
            StreamKey::derive(&[9; 32], &[2; SALT_BYTES], "test", b"header"),
            StreamKey::derive(&[1; 32], &[9; SALT_BYTES], "test", b"header"),
            StreamKey::derive(&[1; 32], &[2; SALT_BYTES], "tess", b"header"),
            StreamKey::derive(&[1; 32], &[2; SALT_BYTES], "test", b"heades"),
        ];
        for mut other in others {
            assert!(other.open(Position::Inner, &mut sealed()[0]).is_none());
        }
    }

    #[test]
    fn a_stream_opens_to_what_was_sealed() {
        let [mut one, mut two] = sealed();
        assert_eq!(one.len(), 3 + TAG_BYTES);
        let mut stream = key();
        stream.open(Position::Inner, &mut one).expect("the first");
        stream.open(Position::Last, &mut two).expect("the second");
        assert_eq!((one.as_slice(), two.as_slice()), (b"one".as_slice(), b"two".as_slice()));
    }
}
