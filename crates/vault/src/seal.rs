//! Sealing: the api's side, with public keys only.
//!
//! A data key is random, serves the values of at most [`DATA_KEY_LIFE_MS`], and is wiped. Sealed to the gateway's key and signed, it is what no row can be
//! opened without.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hpke::HpkeError;
use model::limits::DATA_KEY_LIFE_MS;
use model::{DataKeyId, DataKeyRecord, Place, Sealed, Suite, Timestamp};

use crate::bound::{self, RECORD_PURPOSE, VALUE_PURPOSE};
use crate::envelope::{self, OnceKey, SALT_BYTES};
use crate::keyring::{self, KeyringError, Recipient, SealedKey, SigningKey};
use crate::locked::{LockError, Locked};
use crate::token::RandomError;
use crate::value::{SecretValue, ValueError};

/// Seals values to the gateway. Opens nothing.
pub struct Sealer {
    deployment: String,
    recipient: Recipient,
    signing: SigningKey,
    current: Mutex<Option<DataKey>>,
}

/// The data key in use.
struct DataKey {
    key: Locked,
    record: Arc<DataKeyRecord>,
}

/// Why a value could not be sealed. Never contains the value.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The value cannot be stored.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The place is in another deployment than the manifest's.
    #[error("the place belongs to another deployment than the keys")]
    WrongDeployment,
    /// The public key does not work.
    #[error("failed to seal a data key to the gateway's public key")]
    Hpke(#[source] HpkeError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No locked memory.
    #[error(transparent)]
    Locked(#[from] LockError),
}

impl Sealer {
    /// A sealer to the newest key of this manifest that may seal (X25519 only opens).
    ///
    /// # Errors
    /// [`KeyringError::ManifestForged`] where the pinned key did not sign the manifest, [`KeyringError::ManifestMalformed`], [`KeyringError::NothingSeals`].
    pub fn new(manifest: &[u8], pin: &[u8], signing: SigningKey) -> Result<Self, KeyringError> {
        let (deployment, keys) = keyring::read_manifest(manifest, pin)?;
        let recipient = keys.into_iter().rev().find(|key| key.suite == Suite::XWing).ok_or(KeyringError::NothingSeals)?;
        Ok(Self { deployment, recipient, signing, current: Mutex::new(None) })
    }

    /// The deployment that values are sealed for.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Seals a value into its place, and says under which data key. Both go to the store in one transaction.
    ///
    /// # Errors
    /// [`SealError`]; the value is wiped whatever the outcome.
    pub fn seal(&self, value: SecretValue, place: &Place, now: Timestamp) -> Result<(Sealed, Arc<DataKeyRecord>), SealError> {
        if place.deployment != self.deployment {
            return Err(SealError::WrongDeployment);
        }
        let value = value.check()?;
        let salt = envelope::random::<SALT_BYTES>()?;
        let (key, record) = self.key_for(&salt, now)?;
        let ciphertext = key.seal(&bound::value_aad(place, &record.id), value.bytes());
        Ok((Sealed { data_key: record.id.clone(), salt, ciphertext }, record))
    }

    /// Wipes the data key if its time is over. To be called at least every [`DATA_KEY_LIFE_MS`].
    pub fn forget_old(&self, now: Timestamp) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|data_key| !data_key.serves(now)) {
            *current = None;
        }
    }

    fn key_for(&self, salt: &[u8; SALT_BYTES], now: Timestamp) -> Result<(OnceKey, Arc<DataKeyRecord>), SealError> {
        let mut current = self.current();
        let data_key = match current.take() {
            Some(data_key) if data_key.serves(now) => data_key,
            Some(_) | None => make_data_key(&self.deployment, &self.recipient, &self.signing, now)?,
        };
        let data_key = current.insert(data_key);
        Ok((OnceKey::derive(data_key.key.bytes(), salt, VALUE_PURPOSE), Arc::clone(&data_key.record)))
    }

    fn current(&self) -> MutexGuard<'_, Option<DataKey>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataKey {
    /// A clock that was set back ends the key as well: otherwise it would live for as long as the clock needs to catch up.
    fn serves(&self, now: Timestamp) -> bool {
        now >= self.record.created && now.ms_since(self.record.created) < DATA_KEY_LIFE_MS
    }
}

fn make_data_key(deployment: &str, recipient: &Recipient, signing: &SigningKey, now: Timestamp) -> Result<DataKey, SealError> {
    let key = envelope::random_key::<SealError>()?;
    let id = DataKeyId::from_parts(now, u128::from_be_bytes(envelope::random()?));
    let record = make_record(deployment, recipient, signing, id, now, key.bytes())?;
    Ok(DataKey { key, record: Arc::new(record) })
}

/// The record of a data key: sealed to `recipient`, signed by `signing`.
pub(crate) fn make_record(
    deployment: &str,
    recipient: &Recipient,
    signing: &SigningKey,
    id: DataKeyId,
    created: Timestamp,
    key: &[u8],
) -> Result<DataKeyRecord, SealError> {
    let mut record = DataKeyRecord {
        id,
        suite: recipient.suite,
        recipient: recipient.id.clone(),
        encapsulated: Vec::new(),
        ciphertext: Vec::new(),
        created,
        signer: signing.id().to_owned(),
        signature: Vec::new(),
    };
    let aad = bound::record_aad(deployment, &record);
    let SealedKey { encapsulated, ciphertext } =
        keyring::seal_to(recipient, RECORD_PURPOSE.as_bytes(), &aad, key).map_err(SealError::Hpke)?;
    record.encapsulated = encapsulated;
    record.ciphertext = ciphertext;
    record.signature = signing.sign(&bound::record_signed(deployment, &record));
    Ok(record)
}
