//! Sealed values and the records of the data keys that open them: ciphertext and public facts only.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DataKeyId, SecretId};
use crate::name::SecretName;
use crate::time::Timestamp;

/// How a data key is sealed. The number is what stands in the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub enum Suite {
    /// HPKE base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180). Kept openable; seals nothing new.
    X25519,
    /// HPKE base mode: X-Wing (ML-KEM-768 and X25519), HKDF-SHA256, AES-256-GCM.
    XWing,
}

/// A value, encrypted and bound to its place. The only form in which a value can be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which data key opens it.
    pub data_key: DataKeyId,
    /// The salt from which this value's own key was derived (HKDF, RFC 5869).
    pub salt: [u8; 32],
    /// AES-256-GCM ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// Where a sealed value belongs: its associated data. Moved anywhere else, it does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// This installation.
    pub deployment: String,
    /// The account whose secret it is.
    pub account: AccountId,
    /// The secret.
    pub secret: SecretId,
    /// The secret's name: a name cannot be moved to another value.
    pub name: SecretName,
    /// The secret's version.
    pub version: u32,
}

/// A data key, sealed to the gateway's public key and signed by the api that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataKeyRecord {
    /// Its id.
    pub id: DataKeyId,
    /// How it is sealed.
    pub suite: Suite,
    /// Which of the gateway's keys opens it.
    pub recipient: String,
    /// HPKE's encapsulated key.
    pub encapsulated: Vec<u8>,
    /// The sealed data key.
    pub ciphertext: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
    /// Which api signing key signed this record.
    pub signer: String,
    /// Ed25519 (RFC 8032) over all fields above.
    pub signature: Vec<u8>,
}

/// A suite number that this build does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown sealing suite {0}; a newer tightlip may have written it")]
pub struct UnknownSuite(pub u16);

impl From<Suite> for u16 {
    fn from(suite: Suite) -> u16 {
        match suite {
            Suite::X25519 => 1,
            Suite::XWing => 2,
        }
    }
}

impl TryFrom<u16> for Suite {
    type Error = UnknownSuite;

    fn try_from(number: u16) -> Result<Self, UnknownSuite> {
        match number {
            1 => Ok(Self::X25519),
            2 => Ok(Self::XWing),
            other => Err(UnknownSuite(other)),
        }
    }
}
