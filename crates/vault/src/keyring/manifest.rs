//! The manifest: the gateway's public keys as JSON, signed, so that nobody who can write the api's folder makes it seal to a key of his own. For that the
//! pin must come from the keyring at every start, and not from that folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Suite;
use serde::{Deserialize, Serialize};

use super::KeyringError;
use super::recipient::Recipient;
use super::signer::{ApiVerifyKey, SigningKey};
use crate::envelope::framed;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    deployment: String,
    keys: Vec<PublicKey>,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    id: String,
    suite: Suite,
    public: String,
}

/// The manifest of these keys, the newest last.
pub(super) fn write(deployment: &str, keys: &[Recipient], signer: &SigningKey) -> Vec<u8> {
    let signature = STANDARD.encode(signer.sign(&signed(deployment, keys)));
    let shown = |key: &Recipient| PublicKey { id: key.id.clone(), suite: key.suite, public: STANDARD.encode(&key.public) };
    let keys = keys.iter().map(shown).collect();
    let manifest = Manifest { format: FORMAT, deployment: deployment.to_owned(), keys, signature };
    serde_json::to_vec(&manifest).expect("text and numbers are always JSON")
}

/// The deployment and the keys of a manifest that the pinned key signed.
pub(crate) fn read(manifest: &[u8], pin: &[u8]) -> Result<(String, Vec<Recipient>), KeyringError> {
    let pinned = ApiVerifyKey::from_public(pin).ok_or(KeyringError::ManifestMalformed)?;
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|_| KeyringError::ManifestMalformed)?;
    if manifest.format != FORMAT {
        return Err(KeyringError::ManifestMalformed);
    }
    let mut keys = Vec::with_capacity(manifest.keys.len());
    for key in manifest.keys {
        let public = STANDARD.decode(&key.public).map_err(|_| KeyringError::ManifestMalformed)?;
        keys.push(Recipient { id: key.id, suite: key.suite, public });
    }
    let signature = STANDARD.decode(&manifest.signature).map_err(|_| KeyringError::ManifestMalformed)?;
    if pinned.holds(&signed(&manifest.deployment, &keys), &signature) {
        Ok((manifest.deployment, keys))
    } else {
        Err(KeyringError::ManifestForged)
    }
}

fn signed(deployment: &str, keys: &[Recipient]) -> Vec<u8> {
    let suites: Vec<[u8; 2]> = keys.iter().map(|key| u16::from(key.suite).to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![b"tightlip manifest 1", deployment.as_bytes()];
    for (key, suite) in keys.iter().zip(&suites) {
        parts.extend([key.id.as_bytes(), suite.as_slice(), key.public.as_slice()]);
    }
    framed(&parts)
}

const FORMAT: u32 = 1;
