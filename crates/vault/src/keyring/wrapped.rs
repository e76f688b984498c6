//! The keyring at rest: JSON under AES-256-GCM, with a key derived from the root key and a salt, and the deployment as associated data.

use std::fmt;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Suite;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};
use zeroize::Zeroizing;

use super::opened::Opened;
use super::recipient::RecipientKey;
use super::root::RootKey;
use super::signer::{ApiVerifyKey, SigningKey};
use super::{KeyringError, OpenKeys};
use crate::envelope::{self, KEY_BYTES, framed};
use crate::locked::Locked;

/// What stands in the file.
#[derive(DeriveSerialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    format: u32,
    deployment: String,
    root: String,
    sealed: String,
}

/// What is inside, as written.
#[derive(DeriveSerialize)]
struct Inside<'a> {
    recipients: Vec<InsideRecipient<'a>>,
    manifest: KeyOut<'a>,
    mac: KeyOut<'a>,
    ca: KeyOut<'a>,
    trusted: Vec<String>,
}

#[derive(DeriveSerialize)]
struct InsideRecipient<'a> {
    suite: Suite,
    private: KeyOut<'a>,
}

/// What is inside, as read.
#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    recipients: Vec<ReadRecipient>,
    manifest: KeyIn,
    mac: KeyIn,
    ca: KeyIn,
    trusted: Vec<String>,
}

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
struct ReadRecipient {
    suite: Suite,
    private: KeyIn,
}

/// A private key on its way out, in base64.
struct KeyOut<'a>(&'a [u8]);

/// A private key on its way in: from the text straight into a locked page.
struct KeyIn(Locked);

pub(super) fn wrap(keys: &OpenKeys, root: &RootKey) -> Result<Vec<u8>, KeyringError> {
    let recipients = keys.recipients.iter().map(|key| InsideRecipient { suite: key.suite(), private: KeyOut(key.private()) });
    let inside = Inside {
        recipients: recipients.collect(),
        manifest: KeyOut(keys.manifest.seed()),
        mac: KeyOut(keys.mac.bytes()),
        ca: KeyOut(keys.ca.bytes()),
        trusted: keys.trusted.iter().map(|key| STANDARD.encode(key.public())).collect(),
    };
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let room = INSIDE_BYTES + INSIDE_KEY_BYTES * (keys.recipients.len() + keys.trusted.len());
    let mut plain = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *plain, &inside).expect("text and numbers are always JSON");
    debug_assert!(plain.len() <= room);

    let id = root.id();
    let sealed = envelope::seal_salted(root.bytes(), PURPOSE, &aad(&keys.deployment, &id), &plain)?;
    let wrapped =
        Wrapped { format: FORMAT, deployment: keys.deployment.clone(), root: STANDARD.encode(id), sealed: STANDARD.encode(sealed) };
    Ok(serde_json::to_vec(&wrapped).expect("text and numbers are always JSON"))
}

pub(super) fn unwrap(wrapped: &[u8], root: &RootKey) -> Result<OpenKeys, KeyringError> {
    let wrapped: Wrapped = serde_json::from_slice(wrapped).map_err(|_| KeyringError::Malformed)?;
    if wrapped.format != FORMAT {
        return Err(KeyringError::Malformed);
    }
    let id = root.id();
    if wrapped.root != STANDARD.encode(id) {
        return Err(KeyringError::WrongRootKey);
    }
    let sealed = STANDARD.decode(&wrapped.sealed).map_err(|_| KeyringError::Malformed)?;
    let plain = envelope::open_salted(root.bytes(), PURPOSE, &aad(&wrapped.deployment, &id), &sealed);
    let plain = plain.ok_or(KeyringError::Malformed)?;
    let read: Read = serde_json::from_slice(&plain).map_err(|_| KeyringError::Malformed)?;
    open_keys(wrapped.deployment, read)
}

fn open_keys(deployment: String, read: Read) -> Result<OpenKeys, KeyringError> {
    let mut recipients = Vec::with_capacity(read.recipients.len());
    for key in read.recipients {
        recipients.push(RecipientKey::from_private(key.suite, key.private.0)?);
    }
    let mut trusted = Vec::with_capacity(read.trusted.len());
    for key in read.trusted {
        let public = STANDARD.decode(key).map_err(|_| KeyringError::Malformed)?;
        trusted.push(ApiVerifyKey::from_public(&public).ok_or(KeyringError::Malformed)?);
    }
    Ok(OpenKeys {
        deployment,
        recipients,
        manifest: SigningKey::from_seed(read.manifest.0)?,
        mac: read.mac.0,
        ca: read.ca.0,
        trusted,
        opened: Mutex::new(Opened::new()?),
    })
}

fn aad(deployment: &str, root_id: &[u8]) -> Vec<u8> {
    framed(&[PURPOSE.as_bytes(), deployment.as_bytes(), root_id])
}

impl Serialize for KeyOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(INSIDE_KEY_BYTES));
        STANDARD.encode_string(self.0, &mut text);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for KeyIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = KeyIn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyIn, E> {
        let mut key = Locked::zeroed(KEY_BYTES).map_err(E::custom)?;
        match STANDARD.decode_slice(text, key.bytes_mut()) {
            Ok(KEY_BYTES) => Ok(KeyIn(key)),
            Ok(_) | Err(_) => Err(E::custom("not a key")),
        }
    }
}

const FORMAT: u32 = 1;
const PURPOSE: &str = "tightlip keyring 1";
/// The punctuation and the fixed keys of what is inside, with room.
const INSIDE_BYTES: usize = 512;
/// One more key: 44 base64 digits and what stands around them, with room.
const INSIDE_KEY_BYTES: usize = 128;
