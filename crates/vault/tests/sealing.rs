//! The promises of sealing, from outside: flip anything, move anything, plant with the public key alone, and it is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, LazyLock};

use model::limits::{DATA_KEY_LIFE_MS, VALUE_BYTES_MAX};
use model::{AccountId, DataKeyId, DataKeyRecord, Place, Sealed, SecretId, Suite, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use vault::{KeyringError, OpenError, OpenKeys, RootKey, SealError, Sealer, SecretValue, SigningKey, ValueError, wire};

/// One stored secret, and two gateways: one has opened it before, one has not.
struct House {
    warm: OpenKeys,
    cold: OpenKeys,
    sealer: Sealer,
    place: Place,
    record: DataKeyRecord,
    sealed: Sealed,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let (warm, sealer) = gateway_and_api();
    let root = RootKey::make().unwrap();
    let cold = OpenKeys::unwrap(&warm.wrap(&root).unwrap(), &root).unwrap();
    let place = place();
    let (sealed, record) = sealer.seal(value(VALUE), &place, at(0)).unwrap();
    assert!(warm.open(&record, &sealed, &place).is_ok());
    House { warm, cold, sealer, place, record: Arc::unwrap_or_clone(record), sealed }
});

impl House {
    fn refuses(&self, record: &DataKeyRecord, sealed: &Sealed, place: &Place) -> bool {
        self.warm.open(record, sealed, place).is_err() && self.cold.open(record, sealed, place).is_err()
    }
}

const VALUE: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

fn gateway_and_api() -> (OpenKeys, Sealer) {
    let mut keys = OpenKeys::make("dep_one").unwrap();
    let signing = SigningKey::make().unwrap();
    keys.trust_api(signing.verify_key());
    let sealer = Sealer::new(&keys.manifest().unwrap(), &keys.manifest_pin(), signing).unwrap();
    (keys, sealer)
}

fn place() -> Place {
    Place {
        deployment: "dep_one".to_owned(),
        account: AccountId::from_parts(at(0), 1),
        secret: SecretId::from_parts(at(0), 2),
        name: "GITHUB_TOKEN".parse().unwrap(),
        version: 3,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000 + ms)
}

fn value(text: &str) -> SecretValue {
    SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
}

/// The value as the client would send it: the only way in which bytes leave the vault.
fn shown(value: SecretValue) -> String {
    String::from_utf8(wire::update_body(value).to_vec()).unwrap()
}

/// Every field of what is stored.
#[derive(Clone, Copy, Debug)]
enum Field {
    RecordId,
    RecordSuite,
    RecordRecipient,
    RecordEncapsulated,
    RecordCiphertext,
    RecordCreated,
    RecordSigner,
    RecordSignature,
    SealedDataKey,
    SealedSalt,
    SealedCiphertext,
    BothIds,
}

const FIELDS: [Field; 12] = [
    Field::RecordId,
    Field::RecordSuite,
    Field::RecordRecipient,
    Field::RecordEncapsulated,
    Field::RecordCiphertext,
    Field::RecordCreated,
    Field::RecordSigner,
    Field::RecordSignature,
    Field::SealedDataKey,
    Field::SealedSalt,
    Field::SealedCiphertext,
    Field::BothIds,
];

fn flip(field: Field, at: Index, mask: u8, record: &mut DataKeyRecord, sealed: &mut Sealed) {
    match field {
        Field::RecordId => flip_id(&mut record.id, at, mask),
        Field::RecordSuite => record.suite = Suite::X25519,
        Field::RecordRecipient => flip_text(&mut record.recipient, at, mask),
        Field::RecordEncapsulated => flip_bytes(&mut record.encapsulated, at, mask),
        Field::RecordCiphertext => flip_bytes(&mut record.ciphertext, at, mask),
        Field::RecordCreated => record.created = Timestamp::from_unix_ms(record.created.unix_ms() ^ i64::from(mask) << (at.index(7) * 8)),
        Field::RecordSigner => flip_text(&mut record.signer, at, mask),
        Field::RecordSignature => flip_bytes(&mut record.signature, at, mask),
        Field::SealedDataKey => flip_id(&mut sealed.data_key, at, mask),
        Field::SealedSalt => flip_bytes(&mut sealed.salt, at, mask),
        Field::SealedCiphertext => flip_bytes(&mut sealed.ciphertext, at, mask),
        Field::BothIds => {
            flip_id(&mut record.id, at, mask);
            sealed.data_key = record.id.clone();
        }
    }
}

fn flip_bytes(bytes: &mut [u8], at: Index, mask: u8) {
    bytes[at.index(bytes.len())] ^= mask;
}

/// Another letter or digit in its place.
fn flip_text(text: &mut String, at: Index, mask: u8) {
    let mut bytes = std::mem::take(text).into_bytes();
    let at = at.index(bytes.len());
    let other = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(mask) % 36];
    bytes[at] = if bytes[at] == other { b'_' } else { other };
    *text = String::from_utf8(bytes).unwrap();
}

fn flip_id(id: &mut DataKeyId, at: Index, mask: u8) {
    let mut tail = id.as_str()["dk_".len()..].to_owned();
    flip_text(&mut tail, at, mask);
    *id = format!("dk_{}", tail.replace('_', "Z")).parse().unwrap();
}

/// The fields whose length is not fixed by their type.
fn cut(which: usize, keep: Index, record: &mut DataKeyRecord, sealed: &mut Sealed) {
    let fields = [&mut record.encapsulated, &mut record.ciphertext, &mut record.signature, &mut sealed.ciphertext];
    let bytes = fields.into_iter().nth(which).unwrap();
    bytes.truncate(keep.index(bytes.len()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_flipped_byte_is_refused(field in prop::sample::select(&FIELDS[..]), at: Index, mask in 1..=u8::MAX) {
        let house = &*HOUSE;
        let (mut record, mut sealed) = (house.record.clone(), house.sealed.clone());
        flip(field, at, mask, &mut record, &mut sealed);
        prop_assert!(record != house.record || sealed != house.sealed);
        prop_assert!(house.refuses(&record, &sealed, &house.place));
    }

    #[test]
    fn anything_cut_off_or_added_to_is_refused(which in 0..4_usize, keep: Index, more in 0..=u8::MAX) {
        let house = &*HOUSE;
        let (mut record, mut sealed) = (house.record.clone(), house.sealed.clone());
        cut(which, keep, &mut record, &mut sealed);
        prop_assert!(house.refuses(&record, &sealed, &house.place));

        let (mut record, mut sealed) = (house.record.clone(), house.sealed.clone());
        record.signature.push(more);
        prop_assert!(house.refuses(&record, &house.sealed, &house.place));
        sealed.ciphertext.push(more);
        prop_assert!(house.refuses(&house.record, &sealed, &house.place));
    }

    #[test]
    fn any_other_place_is_refused(
        which in 0..5_usize, random: u128, version: u32, name in "[A-Za-z0-9_-]{1,40}", deployment in "dep_[a-z]{1,8}",
    ) {
        let house = &*HOUSE;
        let mut other = house.place.clone();
        match which {
            0 => other.account = AccountId::from_parts(at(1), random),
            1 => other.secret = SecretId::from_parts(at(1), random),
            2 => other.version = version,
            3 => other.name = name.parse().unwrap(),
            _ => other.deployment = deployment,
        }
        prop_assume!(other != house.place);
        prop_assert!(house.refuses(&house.record, &house.sealed, &other));
    }

    #[test]
    fn any_value_comes_out_as_it_went_in(text in "\\PC{1,200}") {
        let house = &*HOUSE;
        let (sealed, record) = house.sealer.seal(value(&text), &house.place, at(0)).unwrap();
        let opened = house.warm.open(&record, &sealed, &house.place).ok().unwrap();
        prop_assert_eq!(shown(opened), shown(value(&text)));
    }

    #[test]
    fn any_flipped_byte_of_keyring_or_manifest_is_refused(at: Index, mask in 1..=u8::MAX) {
        let house = &*HOUSE;
        let root = RootKey::make().unwrap();
        let mut wrapped = house.warm.wrap(&root).unwrap();
        flip_bytes(&mut wrapped, at, mask);
        prop_assert!(OpenKeys::unwrap(&wrapped, &root).is_err());

        let mut manifest = house.warm.manifest().unwrap();
        flip_bytes(&mut manifest, at, mask);
        prop_assert!(Sealer::new(&manifest, &house.warm.manifest_pin(), SigningKey::make().unwrap()).is_err());
    }
}

#[test]
fn what_was_sealed_opens_in_its_place() {
    let house = &*HOUSE;
    let root = RootKey::make().unwrap();
    let restarted = OpenKeys::unwrap(&house.warm.wrap(&root).unwrap(), &root).unwrap();
    for keys in [&house.warm, &restarted, &restarted] {
        let opened = keys.open(&house.record, &house.sealed, &house.place).ok().unwrap();
        assert_eq!(shown(opened), format!(r#"{{"value":"{VALUE}"}}"#));
    }
    assert_eq!(house.record.suite, Suite::XWing);
}

#[test]
fn the_public_key_alone_plants_nothing() {
    let house = &*HOUSE;
    let manifest = house.warm.manifest().unwrap();
    let thief = Sealer::new(&manifest, &house.warm.manifest_pin(), SigningKey::make().unwrap()).unwrap();
    let (planted, record) = thief.seal(value("planted"), &house.place, at(0)).unwrap();
    assert_eq!(house.warm.open(&record, &planted, &house.place).err(), Some(OpenError::UnknownSigner));

    let borrowed_name = DataKeyRecord { signer: house.record.signer.clone(), ..(*record).clone() };
    assert_eq!(house.warm.open(&borrowed_name, &planted, &house.place).err(), Some(OpenError::SignatureForged));

    let borrowed_signature = DataKeyRecord { signature: house.record.signature.clone(), ..borrowed_name };
    assert_eq!(house.warm.open(&borrowed_signature, &planted, &house.place).err(), Some(OpenError::SignatureForged));

    let under_an_honest_key = Sealed { data_key: house.record.id.clone(), ..planted };
    assert_eq!(house.warm.open(&house.record, &under_an_honest_key, &house.place).err(), Some(OpenError::ValueSealed));
}

#[test]
fn another_deployment_opens_nothing_of_ours() {
    let house = &*HOUSE;
    let mut other = OpenKeys::make("dep_two").unwrap();
    let signing = SigningKey::make().unwrap();
    other.trust_api(signing.verify_key());
    let theirs = Sealer::new(&other.manifest().unwrap(), &other.manifest_pin(), signing).unwrap();
    let refused = theirs.seal(value("x"), &house.place, at(0)).err();
    assert!(matches!(refused, Some(SealError::WrongDeployment)));
    assert_eq!(other.open(&house.record, &house.sealed, &house.place).err(), Some(OpenError::WrongDeployment));
    let moved = Place { deployment: "dep_two".to_owned(), ..house.place.clone() };
    assert_eq!(other.open(&house.record, &house.sealed, &moved).err(), Some(OpenError::UnknownSigner));
}

#[test]
fn a_record_or_value_of_a_neighbour_does_not_fit() {
    let (keys, sealer) = gateway_and_api();
    let (mine, theirs) = (place(), Place { account: AccountId::from_parts(at(0), 9), ..place() });
    let (my_sealed, my_record) = sealer.seal(value("mine"), &mine, at(0)).unwrap();
    let (their_sealed, their_record) = sealer.seal(value("theirs"), &theirs, at(200)).unwrap();
    assert_ne!(my_record.id, their_record.id);
    assert_eq!(keys.open(&their_record, &their_sealed, &mine).err(), Some(OpenError::ValueSealed));
    assert_eq!(keys.open(&their_record, &my_sealed, &mine).err(), Some(OpenError::WrongDataKey));
    let renamed = Sealed { data_key: their_record.id.clone(), ..my_sealed };
    assert_eq!(keys.open(&their_record, &renamed, &mine).err(), Some(OpenError::ValueSealed));
    assert_ne!(*my_record, *their_record);
}

#[test]
fn a_data_key_serves_for_its_life_and_no_longer() {
    let (_, sealer) = gateway_and_api();
    let life = i64::try_from(DATA_KEY_LIFE_MS).unwrap();
    let key_at = |ms: i64| sealer.seal(value("x"), &place(), at(ms)).unwrap().1.id.clone();
    let first = key_at(0);
    assert_eq!(key_at(life - 1), first);
    let second = key_at(life);
    assert_ne!(second, first);
    assert_ne!(key_at(0), second, "a clock that was set back ends the key too");

    let third = key_at(1000);
    sealer.forget_old(at(1000 + life - 1));
    assert_eq!(key_at(1000 + life - 1), third);
    sealer.forget_old(at(1000 + life));
    assert_ne!(key_at(1000), third, "forgotten for good");
}

#[test]
fn two_values_are_never_sealed_alike() {
    let (_, sealer) = gateway_and_api();
    let (one, _) = sealer.seal(value("same"), &place(), at(0)).unwrap();
    let (other, _) = sealer.seal(value("same"), &place(), at(0)).unwrap();
    assert_eq!(one.data_key, other.data_key);
    assert!(one.salt != other.salt && one.ciphertext != other.ciphertext);
}

#[test]
fn a_manifest_of_anybody_else_is_forged() {
    let (ours, thieves) = (OpenKeys::make("dep_one").unwrap(), OpenKeys::make("dep_one").unwrap());
    let new = |manifest: &[u8], pin: &[u8]| Sealer::new(manifest, pin, SigningKey::make().unwrap()).err();
    let pin = ours.manifest_pin();
    assert!(matches!(new(&thieves.manifest().unwrap(), &pin), Some(KeyringError::ManifestForged)));
    for broken in [b"".as_slice(), b"{}", b"null", &ours.manifest().unwrap()[1..]] {
        assert!(matches!(new(broken, &pin), Some(KeyringError::ManifestMalformed)));
    }
    assert!(matches!(new(&ours.manifest().unwrap(), &pin[1..]), Some(KeyringError::ManifestMalformed)));
    assert!(new(&ours.manifest().unwrap(), &pin).is_none());
}

#[test]
fn another_root_key_is_told_apart_from_damage() {
    let root = RootKey::make().unwrap();
    let wrapped = OpenKeys::make("dep_one").unwrap().wrap(&root).unwrap();
    assert!(matches!(OpenKeys::unwrap(&wrapped, &RootKey::make().unwrap()).err(), Some(KeyringError::WrongRootKey)));
    for broken in [b"".as_slice(), b"{}", &wrapped[..wrapped.len() - 1]] {
        assert!(matches!(OpenKeys::unwrap(broken, &root).err(), Some(KeyringError::Malformed)));
    }
    let renamed = String::from_utf8(wrapped).unwrap().replace("dep_one", "dep_two");
    assert!(matches!(OpenKeys::unwrap(renamed.as_bytes(), &root).err(), Some(KeyringError::Malformed)));
}

#[test]
fn a_mac_is_for_one_purpose_and_one_text() {
    let keys = &HOUSE.warm;
    let mac = keys.mac("binding", b"text");
    assert!(!keys.mac_holds("anchor", b"text", &mac));
    assert!(!keys.mac_holds("binding", b"texts", &mac));
    assert!(!keys.mac_holds("binding", b"text", &mac[..31]));
    assert!(!keys.mac_holds("binding", b"text", b""));
    assert!(!OpenKeys::make("dep_one").unwrap().mac_holds("binding", b"text", &mac));
    assert!(keys.mac_holds("binding", b"text", &mac));
}

#[test]
fn what_a_devbox_keeps_opens_for_it_alone_and_as_what_it_is() {
    let keys = &HOUSE.warm;
    let [mine, theirs] = [1, 2].map(|number| model::DevboxId::from_parts(at(0), number));
    let token: model::Token = "ghp_aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let (ca, wrapped_token) = (keys.wrap_ca(&mine, b"key").unwrap(), keys.wrap_token(&mine, &token).unwrap());
    assert!(matches!(keys.unwrap_ca(&theirs, &ca).err(), Some(KeyringError::NotWrappedHere)));
    assert!(matches!(keys.unwrap_ca(&mine, &wrapped_token).err(), Some(KeyringError::NotWrappedHere)));
    assert!(matches!(keys.unwrap_token(&mine, &ca).err(), Some(KeyringError::NotWrappedHere)));
    assert!(matches!(keys.unwrap_ca(&mine, &ca[..ca.len() - 1]).err(), Some(KeyringError::NotWrappedHere)));
    assert_eq!(keys.unwrap_ca(&mine, &ca).unwrap().as_slice(), b"key");
    assert!(keys.unwrap_token(&mine, &wrapped_token).unwrap() == token);
}

#[test]
fn a_signing_key_comes_back_from_its_bytes_and_from_nothing_else() {
    let key = SigningKey::make().unwrap();
    assert!(matches!(SigningKey::from_bytes(&key.to_bytes()[1..]).err(), Some(KeyringError::SigningKeyMalformed)));
    assert_eq!(SigningKey::from_bytes(&key.to_bytes()).unwrap().verify_key(), key.verify_key());
}

#[test]
fn what_cannot_be_stored_is_not_sealed() {
    let house = &*HOUSE;
    let parsed = |text: &str| serde_json::from_str::<SecretValue>(&serde_json::to_string(text).unwrap()).unwrap();
    let refusal = |value| match house.sealer.seal(value, &house.place, at(0)).err() {
        Some(SealError::Value(why)) => why,
        _ => panic!("it was sealed"),
    };
    assert_eq!(refusal(parsed("")), ValueError::Empty);
    assert_eq!(refusal(parsed(&"x".repeat(VALUE_BYTES_MAX + 1))), ValueError::TooLarge);
}
