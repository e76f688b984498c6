//! The keys of the house: the root key, the gateway's keyring, the api's signing key.
//!
//! The gateway alone makes [`OpenKeys`]. The api gets public keys, from a manifest that the gateway signs. Private keys live in locked pages and rest wrapped
//! under the root key. What never lives here: where a file is, and where the root key comes from.

mod manifest;
mod opened;
mod recipient;
mod root;
mod signer;
mod wrapped;

use std::sync::Mutex;

use aws_lc_rs::hmac;
use model::{DevboxId, Suite, Token};
use zeroize::Zeroizing;

pub use root::RootKey;
pub use signer::{ApiVerifyKey, SigningKey};

pub(crate) use manifest::read as read_manifest;
pub(crate) use opened::Opened;
pub(crate) use recipient::{Recipient, SealedKey, seal_to};

use crate::envelope::stream::StreamKey;
use crate::envelope::{self, KEY_BYTES, SALT_BYTES, framed};
use crate::locked::{LockError, Locked};
use crate::token::RandomError;
use recipient::RecipientKey;

/// The gateway's private keys, the api keys it trusts, and the data keys it has opened.
pub struct OpenKeys {
    deployment: String,
    /// The oldest first: the newest seals, any opens.
    recipients: Vec<RecipientKey>,
    manifest: SigningKey,
    mac: Locked,
    ca: Locked,
    trusted: Vec<ApiVerifyKey>,
    opened: Mutex<Opened>,
}

/// Why keys could not be made, wrapped, unwrapped or read. Never contains key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The keyring is another root key's.
    #[error("the root key is not the one that this keyring was wrapped with; put the right root.key back")]
    WrongRootKey,
    /// The keyring was changed, cut off, or is of another version.
    #[error("the keyring is damaged or was written by another version; restore it from a backup")]
    Malformed,
    /// The manifest was changed, cut off, or is of another version.
    #[error("the manifest of public keys is damaged or was written by another version")]
    ManifestMalformed,
    /// The manifest does not carry the signature of the pinned key.
    #[error("the manifest of public keys is not signed by the key that was pinned at set-up; somebody may have replaced it")]
    ManifestForged,
    /// The manifest names no key that new data keys may be sealed to.
    #[error("the manifest of public keys names no key of a suite that seals")]
    NothingSeals,
    /// A signing key of the wrong length.
    #[error("the signing key is damaged; restore it from a backup")]
    SigningKeyMalformed,
    /// Bytes that this keyring did not wrap, or wrapped for another devbox or use.
    #[error("what a devbox keeps sealed does not open: its row was changed or moved")]
    NotWrappedHere,
    /// The root key did not pass from one process to the other.
    #[error("the root key was not handed over: its pipe is closed or was emptied already")]
    NotHanded,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No locked memory.
    #[error(transparent)]
    Locked(#[from] LockError),
}

impl OpenKeys {
    /// New keys for a new deployment, with one X-Wing key to seal to.
    ///
    /// # Errors
    /// [`KeyringError::Random`] or [`KeyringError::Locked`].
    pub fn make(deployment: &str) -> Result<Self, KeyringError> {
        Ok(Self {
            deployment: deployment.to_owned(),
            recipients: vec![RecipientKey::make(Suite::XWing)?],
            manifest: SigningKey::make()?,
            mac: envelope::random_key::<KeyringError>()?,
            ca: envelope::random_key::<KeyringError>()?,
            trusted: Vec::new(),
            opened: Mutex::new(Opened::new()?),
        })
    }

    /// From now on, opens what this api key signed.
    pub fn trust_api(&mut self, key: ApiVerifyKey) {
        if !self.trusted.contains(&key) {
            self.trusted.push(key);
        }
    }

    /// Whether this is the seed of an api key whose signatures are taken.
    #[must_use]
    pub fn trusts_seed(&self, seed: &[u8]) -> bool {
        SigningKey::from_bytes(seed).is_ok_and(|key| self.trusted.contains(&key.verify_key()))
    }

    /// The keyring under the root key: JSON to be stored.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, KeyringError> {
        wrapped::wrap(self, root)
    }

    /// What [`OpenKeys::wrap`] gave.
    ///
    /// # Errors
    /// [`KeyringError::WrongRootKey`] or [`KeyringError::Malformed`].
    pub fn unwrap(wrapped: &[u8], root: &RootKey) -> Result<Self, KeyringError> {
        wrapped::unwrap(wrapped, root)
    }

    /// The public keys, signed: JSON for the api.
    ///
    /// # Errors
    /// [`KeyringError::Malformed`] where a key cannot be read back, which would be a fault of memory.
    pub fn manifest(&self) -> Result<Vec<u8>, KeyringError> {
        let keys: Vec<Recipient> = self.recipients.iter().map(RecipientKey::public).collect();
        Ok(manifest::write(&self.deployment, &keys, &self.manifest))
    }

    /// The public half of the key that signs manifests: what the api pins at set-up.
    #[must_use]
    pub fn manifest_pin(&self) -> Vec<u8> {
        self.manifest.verify_key().public().to_vec()
    }

    /// The deployment that the keys belong to.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// HMAC-SHA-256 (RFC 2104) over `bytes`, under a key of this purpose's own.
    #[must_use]
    pub fn mac(&self, purpose: &'static str, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.mac_key(purpose), bytes).as_ref().to_vec()
    }

    /// Whether `mac` is what [`OpenKeys::mac`] gives, compared in constant time.
    #[must_use]
    pub fn mac_holds(&self, purpose: &'static str, bytes: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.mac_key(purpose), bytes, mac).is_ok()
    }

    /// The private key of a devbox's authority, sealed for `gateway.db`.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn wrap_ca(&self, devbox: &DevboxId, key: &[u8]) -> Result<Vec<u8>, KeyringError> {
        self.wrap_for(devbox, CA_PURPOSE, key)
    }

    /// What [`OpenKeys::wrap_ca`] sealed for this devbox.
    ///
    /// # Errors
    /// [`KeyringError::NotWrappedHere`].
    pub fn unwrap_ca(&self, devbox: &DevboxId, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.unwrap_for(devbox, CA_PURPOSE, wrapped)
    }

    /// A devbox's token, sealed for `gateway.db`: after a restart the scrubber must know what to write in a value's place.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn wrap_token(&self, devbox: &DevboxId, token: &Token) -> Result<Vec<u8>, KeyringError> {
        self.wrap_for(devbox, TOKEN_PURPOSE, token.as_str().as_bytes())
    }

    /// What [`OpenKeys::wrap_token`] sealed for this devbox. Which of its grants it belongs to, the token's hash says.
    ///
    /// # Errors
    /// [`KeyringError::NotWrappedHere`].
    pub fn unwrap_token(&self, devbox: &DevboxId, wrapped: &[u8]) -> Result<Token, KeyringError> {
        let bytes = self.unwrap_for(devbox, TOKEN_PURPOSE, wrapped)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::NotWrappedHere)?;
        text.parse().map_err(|_| KeyringError::NotWrappedHere)
    }

    fn wrap_for(&self, devbox: &DevboxId, purpose: &'static str, plain: &[u8]) -> Result<Vec<u8>, KeyringError> {
        Ok(envelope::seal_salted(self.ca.bytes(), purpose, &self.devbox_aad(devbox, purpose), plain)?)
    }

    fn unwrap_for(&self, devbox: &DevboxId, purpose: &'static str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let aad = self.devbox_aad(devbox, purpose);
        envelope::open_salted(self.ca.bytes(), purpose, &aad, wrapped).ok_or(KeyringError::NotWrappedHere)
    }

    fn devbox_aad(&self, devbox: &DevboxId, purpose: &'static str) -> Vec<u8> {
        framed(&[purpose.as_bytes(), self.deployment.as_bytes(), devbox.as_str().as_bytes()])
    }

    fn mac_key(&self, purpose: &'static str) -> hmac::Key {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        envelope::derive(self.mac.bytes(), MAC_SALT, purpose.as_bytes(), key.as_mut_slice());
        hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())
    }

    pub(crate) fn recipient(&self, id: &str) -> Option<&RecipientKey> {
        self.recipients.iter().find(|key| key.id() == id)
    }

    pub(crate) fn trusted(&self, id: &str) -> Option<&ApiVerifyKey> {
        self.trusted.iter().find(|key| key.id() == id)
    }

    /// The key of one backup, made for its salt alone.
    pub(crate) fn backup_key(&self, salt: &[u8; SALT_BYTES], header: &[u8]) -> StreamKey {
        StreamKey::derive(self.ca.bytes(), salt, BACKUP_PURPOSE, header)
    }

    pub(crate) const fn opened(&self) -> &Mutex<Opened> {
        &self.opened
    }

    /// A key of the older suite, newest of all: for tests of what stays openable.
    #[cfg(test)]
    pub(crate) fn add_recipient(&mut self, suite: Suite) -> Recipient {
        let key = RecipientKey::make(suite).expect("a key");
        let public = key.public();
        self.recipients.push(key);
        public
    }
}

const CA_PURPOSE: &str = "tightlip ca key 1";
const TOKEN_PURPOSE: &str = "tightlip token 1";
const BACKUP_PURPOSE: &str = "tightlip backup 1";
const MAC_SALT: &[u8] = b"tightlip mac 1";

#[cfg(test)]
mod tests;
