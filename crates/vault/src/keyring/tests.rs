//! The keyring: what it wraps for whom, and the older suite beside the newer.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::Timestamp;

use super::*;
use crate::seal::Sealer;

const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

#[test]
fn a_wrapped_keyring_keeps_every_key() {
    let root = RootKey::make().unwrap();
    let mut keys = OpenKeys::make("dep_test").unwrap();
    keys.add_recipient(Suite::X25519);
    for _ in 0..20 {
        keys.add_recipient(Suite::XWing);
        keys.trust_api(SigningKey::make().unwrap().verify_key());
    }
    let again = OpenKeys::unwrap(&keys.wrap(&root).unwrap(), &root).unwrap();
    assert_eq!(again.deployment(), "dep_test");
    assert!(again.recipients.iter().map(RecipientKey::public).eq(keys.recipients.iter().map(RecipientKey::public)));
    assert_eq!(again.trusted, keys.trusted);
    assert_eq!(again.manifest().unwrap(), keys.manifest().unwrap());
    assert_eq!(again.mac("test", b"x"), keys.mac("test", b"x"));
    let devbox = DevboxId::from_parts(NOW, 1);
    assert_eq!(again.unwrap_ca(&devbox, &keys.wrap_ca(&devbox, b"key").unwrap()).unwrap().as_slice(), b"key");
}

#[test]
fn an_api_key_is_trusted_once() {
    let mut keys = OpenKeys::make("dep_test").unwrap();
    let key = SigningKey::make().unwrap().verify_key();
    keys.trust_api(key.clone());
    keys.trust_api(key);
    assert_eq!(keys.trusted.len(), 1);
}

#[test]
fn the_older_suite_seals_nothing_new() {
    let mut keys = OpenKeys::make("dep_test").unwrap();
    keys.add_recipient(Suite::X25519);
    assert!(Sealer::new(&keys.manifest().unwrap(), &keys.manifest_pin(), SigningKey::make().unwrap()).is_ok());
    keys.recipients.retain(|key| key.suite() == Suite::X25519);
    let refused = Sealer::new(&keys.manifest().unwrap(), &keys.manifest_pin(), SigningKey::make().unwrap());
    assert!(matches!(refused.err(), Some(KeyringError::NothingSeals)));
}
