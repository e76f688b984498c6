//! Opening, where the test needs what only this crate can make: records of the older suite, and records signed anew by a trusted key.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::{AccountId, DataKeyId, SecretId, Suite, Timestamp};

use super::*;
use crate::envelope::{SALT_BYTES, random};
use crate::keyring::{Recipient, SigningKey};
use crate::seal::make_record;

const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const DEPLOYMENT: &str = "dep_test";

fn place() -> Place {
    Place {
        deployment: DEPLOYMENT.to_owned(),
        account: AccountId::from_parts(NOW, 1),
        secret: SecretId::from_parts(NOW, 2),
        name: "NAME".parse().unwrap(),
        version: 1,
    }
}

/// A record and a value under it, sealed to `recipient` by `signing`.
fn sealed_to(recipient: &Recipient, signing: &SigningKey, data_key: &[u8]) -> (DataKeyRecord, Sealed) {
    let record = make_record(DEPLOYMENT, recipient, signing, DataKeyId::from_parts(NOW, 3), NOW, data_key).unwrap();
    let salt = random::<SALT_BYTES>().unwrap();
    let ciphertext = OnceKey::derive(data_key, &salt, VALUE_PURPOSE).seal(&bound::value_aad(&place(), &record.id), b"the value");
    let sealed = Sealed { data_key: record.id.clone(), salt, ciphertext };
    (record, sealed)
}

fn trusting(suite: Suite) -> (OpenKeys, Recipient, SigningKey) {
    let mut keys = OpenKeys::make(DEPLOYMENT).unwrap();
    let signing = SigningKey::make().unwrap();
    keys.trust_api(signing.verify_key());
    let recipient = keys.add_recipient(suite);
    (keys, recipient, signing)
}

#[test]
fn the_older_suite_stays_openable() {
    let (keys, recipient, signing) = trusting(Suite::X25519);
    let (record, sealed) = sealed_to(&recipient, &signing, &[9; 32]);
    assert_eq!((record.suite, record.encapsulated.len()), (Suite::X25519, 32));
    assert_eq!(keys.open(&record, &sealed, &place()).ok().unwrap().bytes(), b"the value");
}

#[test]
fn a_trusted_signature_does_not_mend_a_changed_record() {
    let (keys, recipient, signing) = trusting(Suite::XWing);
    let (honest, mut sealed) = sealed_to(&recipient, &signing, &[9; 32]);
    let changes: [fn(&mut DataKeyRecord); 4] = [
        |record| record.id = DataKeyId::from_parts(NOW, 4),
        |record| record.created = Timestamp::from_unix_ms(1),
        |record| record.suite = Suite::X25519,
        |record| record.encapsulated[1100] ^= 1,
    ];
    for change in changes {
        let mut record = honest.clone();
        change(&mut record);
        record.signature = signing.sign(&bound::record_signed(DEPLOYMENT, &record));
        sealed.data_key = record.id.clone();
        assert_eq!(keys.open(&record, &sealed, &place()).err(), Some(OpenError::DataKeySealed));
    }
}

#[test]
fn a_data_key_of_another_length_is_refused() {
    let (keys, recipient, signing) = trusting(Suite::XWing);
    for bytes in [0, 31, 33] {
        let (record, sealed) = sealed_to(&recipient, &signing, &vec![9; bytes]);
        assert_eq!(keys.open(&record, &sealed, &place()).err(), Some(OpenError::DataKeySealed));
    }
}

#[test]
fn what_is_no_value_does_not_come_out_as_one() {
    let (keys, recipient, signing) = trusting(Suite::XWing);
    let (record, mut sealed) = sealed_to(&recipient, &signing, &[9; 32]);
    for plain in [b"".as_slice(), b"\xff", &[b'x'; model::limits::VALUE_BYTES_MAX + 1]] {
        let key = OnceKey::derive(&[9; 32], &sealed.salt, VALUE_PURPOSE);
        sealed.ciphertext = key.seal(&bound::value_aad(&place(), &record.id), plain);
        assert_eq!(keys.open(&record, &sealed, &place()).err(), Some(OpenError::ValueSealed));
    }
}

#[test]
fn an_opened_data_key_is_remembered_by_its_whole_record() {
    let (keys, recipient, signing) = trusting(Suite::XWing);
    let (record, sealed) = sealed_to(&recipient, &signing, &[9; 32]);
    let digest = bound::record_digest(DEPLOYMENT, &record);
    assert!(keys.opened().lock().unwrap().key(&digest).is_none());
    assert!(keys.open(&record, &sealed, &place()).is_ok());
    assert_eq!(keys.opened().lock().unwrap().key(&digest), Some([9; 32].as_slice()));
    let forged = DataKeyRecord { signature: vec![0; 64], ..record };
    assert_eq!(keys.open(&forged, &sealed, &place()).err(), Some(OpenError::SignatureForged));
}
