//! Ed25519 (RFC 8032): the api signs data-key records, the gateway signs manifests.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::KeyringError;
use crate::envelope::{self, KEY_BYTES};
use crate::locked::Locked;

/// A private signing key, kept as its seed in a locked page.
pub struct SigningKey {
    seed: Locked,
    verify: ApiVerifyKey,
}

/// The public half of a [`SigningKey`], by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVerifyKey {
    id: String,
    public: [u8; KEY_BYTES],
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyringError::Random`] or [`KeyringError::Locked`].
    pub fn make() -> Result<Self, KeyringError> {
        Self::from_seed(envelope::random_key::<KeyringError>()?)
    }

    /// The key's 32 bytes, to be written to its file and nowhere else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.seed.bytes().to_vec())
    }

    /// What [`SigningKey::to_bytes`] gave.
    ///
    /// # Errors
    /// [`KeyringError::SigningKeyMalformed`] or [`KeyringError::Locked`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyringError> {
        if bytes.len() != KEY_BYTES {
            return Err(KeyringError::SigningKeyMalformed);
        }
        Self::from_seed(Locked::copy_of(bytes)?)
    }

    /// The public half.
    #[must_use]
    pub fn verify_key(&self) -> ApiVerifyKey {
        self.verify.clone()
    }

    pub(super) fn from_seed(seed: Locked) -> Result<Self, KeyringError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes()).map_err(|_| KeyringError::SigningKeyMalformed)?;
        let verify = ApiVerifyKey::from_public(pair.public_key().as_ref()).ok_or(KeyringError::SigningKeyMalformed)?;
        Ok(Self { seed, verify })
    }

    pub(super) fn seed(&self) -> &[u8] {
        self.seed.bytes()
    }

    pub(crate) fn id(&self) -> &str {
        &self.verify.id
    }

    /// The pair is made anew for each signature, so that the library's own unlocked copy lives for microseconds.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let pair = Ed25519KeyPair::from_seed_unchecked(self.seed.bytes()).expect("the seed was a key when it was read");
        pair.sign(bytes).as_ref().to_vec()
    }
}

impl ApiVerifyKey {
    pub(super) fn from_public(public: &[u8]) -> Option<Self> {
        let public: [u8; KEY_BYTES] = public.try_into().ok()?;
        Some(Self { id: derive_id("vk", &public), public })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn public(&self) -> &[u8; KEY_BYTES] {
        &self.public
    }

    pub(crate) fn holds(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(bytes, signature).is_ok()
    }
}

/// A public key's id: its kind and the first 16 hexadecimal digits of its SHA-256.
pub(super) fn derive_id(kind: &str, public: &[u8]) -> String {
    let hash = digest(&SHA256, public);
    hash.as_ref().iter().take(8).fold(format!("{kind}_"), |id, byte| format!("{id}{byte:02x}"))
}
