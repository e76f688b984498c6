//! HPKE (RFC 9180, base mode, HKDF-SHA256, AES-256-GCM): the gateway's key pairs, sealing to them, opening with them.

use hpke::aead::{Aead, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use model::Suite;
use zeroize::Zeroizing;

use super::KeyringError;
use super::signer::derive_id;
use crate::envelope;
use crate::locked::Locked;

/// A public key that data keys are sealed to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) id: String,
    pub(crate) suite: Suite,
    pub(crate) public: Vec<u8>,
}

/// A private key that opens data keys, by its id.
pub(crate) struct RecipientKey {
    public: Recipient,
    private: Locked,
}

/// What HPKE gives: the encapsulated key and the ciphertext with its tag.
pub(crate) struct SealedKey {
    pub(crate) encapsulated: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl RecipientKey {
    /// A new key. In both suites any 32 bytes are a private key.
    pub(super) fn make(suite: Suite) -> Result<Self, KeyringError> {
        Self::from_private(suite, envelope::random_key::<KeyringError>()?)
    }

    pub(super) fn from_private(suite: Suite, private: Locked) -> Result<Self, KeyringError> {
        let public = match suite {
            Suite::X25519 => derive_public::<X25519HkdfSha256>(private.bytes()),
            Suite::XWing => derive_public::<XWing>(private.bytes()),
        };
        let public = public.map_err(|_| KeyringError::Malformed)?;
        Ok(Self { public: Recipient::from_public(suite, public), private })
    }

    pub(super) fn public(&self) -> Recipient {
        self.public.clone()
    }

    pub(super) const fn suite(&self) -> Suite {
        self.public.suite
    }

    pub(super) fn private(&self) -> &[u8] {
        self.private.bytes()
    }

    pub(crate) fn id(&self) -> &str {
        &self.public.id
    }

    /// What was sealed to this key in this suite, or nothing where anything is another.
    pub(crate) fn open(&self, suite: Suite, sealed: &SealedKey, info: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if suite != self.public.suite {
            return None;
        }
        let private = self.private.bytes();
        let opened = match suite {
            Suite::X25519 => open_with::<AesGcm256, X25519HkdfSha256>(private, sealed, info, aad),
            Suite::XWing => open_with::<AesGcm256, XWing>(private, sealed, info, aad),
        };
        opened.ok()
    }
}

impl Recipient {
    /// The key with the id that its bytes give it.
    pub(crate) fn from_public(suite: Suite, public: Vec<u8>) -> Self {
        Self { id: derive_id("hk", &public), suite, public }
    }
}

/// Seals `plain` to a public key.
pub(crate) fn seal_to(recipient: &Recipient, info: &[u8], aad: &[u8], plain: &[u8]) -> Result<SealedKey, HpkeError> {
    match recipient.suite {
        Suite::X25519 => seal_with::<X25519HkdfSha256>(&recipient.public, info, aad, plain),
        Suite::XWing => seal_with::<XWing>(&recipient.public, info, aad, plain),
    }
}

fn derive_public<K: Kem>(private: &[u8]) -> Result<Vec<u8>, HpkeError> {
    Ok(K::sk_to_pk(&K::PrivateKey::from_bytes(private)?).to_bytes().to_vec())
}

fn seal_with<K: Kem>(public: &[u8], info: &[u8], aad: &[u8], plain: &[u8]) -> Result<SealedKey, HpkeError> {
    let public = K::PublicKey::from_bytes(public)?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, K>(&OpModeS::Base, &public, info, plain, aad)?;
    Ok(SealedKey { encapsulated: encapsulated.to_bytes().to_vec(), ciphertext })
}

fn open_with<A: Aead, K: Kem>(private: &[u8], sealed: &SealedKey, info: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let private = K::PrivateKey::from_bytes(private)?;
    let encapsulated = K::EncappedKey::from_bytes(&sealed.encapsulated)?;
    let opened = hpke::single_shot_open::<A, HkdfSha256, K>(&OpModeR::Base, &private, &encapsulated, info, &sealed.ciphertext, aad)?;
    Ok(Zeroizing::new(opened))
}

#[cfg(test)]
mod tests;
