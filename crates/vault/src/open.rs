//! Opening: the gateway's side. It takes [`OpenKeys`], which only the gateway's wiring makes.

use std::sync::{MutexGuard, PoisonError};

use model::{DataKeyRecord, Place, Sealed};
use zeroize::Zeroizing;

use crate::bound::{self, RECORD_PURPOSE, VALUE_PURPOSE};
use crate::envelope::{KEY_BYTES, OnceKey};
use crate::keyring::{OpenKeys, Opened, SealedKey};
use crate::value::SecretValue;

/// Why a sealed value was refused. Each means that stored data is not what was stored.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The place is in another deployment.
    #[error("the sealed value belongs to another deployment")]
    WrongDeployment,
    /// The record is not the one that the sealed value names.
    #[error("the sealed value is under another data key than the one given")]
    WrongDataKey,
    /// No api that this gateway trusts has a key of this id.
    #[error("the data key was signed by no api that this gateway trusts")]
    UnknownSigner,
    /// The signature over the record does not hold.
    #[error("the data key's signature does not hold")]
    SignatureForged,
    /// The record is sealed to a key that this keyring does not have.
    #[error("the data key is sealed to a key that is not in the keyring")]
    UnknownRecipient,
    /// The data key does not open.
    #[error("the data key does not open")]
    DataKeySealed,
    /// The value does not open: changed, or moved to another place, name or version.
    #[error("the value does not open: it was changed, or moved from another place")]
    ValueSealed,
}

impl OpenKeys {
    /// Opens a sealed value in its place.
    ///
    /// # Errors
    /// [`OpenError`] where anything is not as it was sealed.
    pub fn open(&self, record: &DataKeyRecord, sealed: &Sealed, place: &Place) -> Result<SecretValue, OpenError> {
        if place.deployment != self.deployment() {
            return Err(OpenError::WrongDeployment);
        }
        if sealed.data_key != record.id {
            return Err(OpenError::WrongDataKey);
        }
        let key = self.value_key(record, &sealed.salt)?;
        let opened = key.open(&bound::value_aad(place, &sealed.data_key), &sealed.ciphertext).ok_or(OpenError::ValueSealed)?;
        SecretValue::from_opened(opened).map_err(|_| OpenError::ValueSealed)
    }

    /// The value's own key. Whatever differs in the record, its digest differs, so a known digest was checked already.
    fn value_key(&self, record: &DataKeyRecord, salt: &[u8; 32]) -> Result<OnceKey, OpenError> {
        let digest = bound::record_digest(self.deployment(), record);
        if let Some(key) = self.lock_opened().key(&digest) {
            return Ok(OnceKey::derive(key, salt, VALUE_PURPOSE));
        }
        let data_key = self.open_record(record)?;
        self.lock_opened().keep(digest, &data_key);
        Ok(OnceKey::derive(data_key.as_slice(), salt, VALUE_PURPOSE))
    }

    fn open_record(&self, record: &DataKeyRecord) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
        let signer = self.trusted(&record.signer).ok_or(OpenError::UnknownSigner)?;
        if !signer.holds(&bound::record_signed(self.deployment(), record), &record.signature) {
            return Err(OpenError::SignatureForged);
        }
        let recipient = self.recipient(&record.recipient).ok_or(OpenError::UnknownRecipient)?;
        let sealed = SealedKey { encapsulated: record.encapsulated.clone(), ciphertext: record.ciphertext.clone() };
        let aad = bound::record_aad(self.deployment(), record);
        let opened = recipient.open(record.suite, &sealed, RECORD_PURPOSE.as_bytes(), &aad).ok_or(OpenError::DataKeySealed)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if opened.len() != KEY_BYTES {
            return Err(OpenError::DataKeySealed);
        }
        key.copy_from_slice(&opened);
        Ok(key)
    }

    fn lock_opened(&self) -> MutexGuard<'_, Opened> {
        self.opened().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
