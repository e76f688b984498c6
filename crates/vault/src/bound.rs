//! What sealed things are bound to: the bytes that stand as associated data or under a signature. Each part with its length before it, each list with the
//! name of its use first.

use aws_lc_rs::digest::{SHA256, digest};
use model::{DataKeyId, DataKeyRecord, Place};

use crate::envelope::framed;

/// Associated data of a value: its whole place and the data key it is under.
pub(crate) fn value_aad(place: &Place, data_key: &DataKeyId) -> Vec<u8> {
    framed(&[
        VALUE_PURPOSE.as_bytes(),
        place.deployment.as_bytes(),
        place.account.as_str().as_bytes(),
        place.secret.as_str().as_bytes(),
        place.name.as_str().as_bytes(),
        &place.version.to_be_bytes(),
        data_key.as_str().as_bytes(),
    ])
}

/// Associated data of a sealed data key: everything that is known of it before it is sealed.
pub(crate) fn record_aad(deployment: &str, record: &DataKeyRecord) -> Vec<u8> {
    framed(&[
        RECORD_PURPOSE.as_bytes(),
        deployment.as_bytes(),
        record.id.as_str().as_bytes(),
        &u16::from(record.suite).to_be_bytes(),
        record.recipient.as_bytes(),
        &record.created.unix_ms().to_be_bytes(),
        record.signer.as_bytes(),
    ])
}

/// What the api signs: every field but the signature.
pub(crate) fn record_signed(deployment: &str, record: &DataKeyRecord) -> Vec<u8> {
    framed(&[b"tightlip data key record 1", &record_aad(deployment, record), &record.encapsulated, &record.ciphertext])
}

/// SHA-256 over every field, the signature included: what an opened data key is remembered by, so that a changed record is never taken for a known one.
pub(crate) fn record_digest(deployment: &str, record: &DataKeyRecord) -> [u8; 32] {
    let all = framed(&[&record_signed(deployment, record), &record.signature]);
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &all).as_ref());
    out
}

/// HKDF's info for a value's own key.
pub(crate) const VALUE_PURPOSE: &str = "tightlip value 1";
/// HPKE's info for a data key.
pub(crate) const RECORD_PURPOSE: &str = "tightlip data key 1";
