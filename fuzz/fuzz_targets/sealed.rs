//! What is stored sealed: rows, keyring, manifest, wrapped keys, backups. Changed anywhere, none of it opens; unchanged, all of it does.
//!
//! Input: a byte that says what, then changes, four bytes each: what is done, where (two bytes), with what. The keys are new in each process, so an input is not
//! a file but what is done to one.
#![no_main]

use std::io::Read;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use model::{AccountId, DataKeyId, DataKeyRecord, DevboxId, Place, Sealed, SecretId, Suite, Timestamp, Token};
use vault::backup::{Head, Opener, Part};
use vault::{OpenKeys, RootKey, Sealer, SecretValue, SigningKey, wire};

const DEPLOYMENT: &str = "dep_one";
const VALUE: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
const TOKEN: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";

/// One installation, and everything that it has stored.
struct House {
    keys: OpenKeys,
    root: RootKey,
    place: Place,
    record: DataKeyRecord,
    sealed: Sealed,
    keyring: Vec<u8>,
    manifest: Vec<u8>,
    pin: Vec<u8>,
    devbox: DevboxId,
    token: Vec<u8>,
    ca: Vec<u8>,
    backup: Vec<u8>,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let mut keys = OpenKeys::make(DEPLOYMENT).expect("keys");
    let signing = SigningKey::make().expect("a key");
    keys.trust_api(signing.verify_key());
    let (manifest, pin) = (keys.manifest().expect("a manifest"), keys.manifest_pin());
    let sealer = Sealer::new(&manifest, &pin, signing).expect("a sealer");
    let (account, secret) = (AccountId::from_parts(now, 1), SecretId::from_parts(now, 2));
    let name = "GITHUB_TOKEN".parse().expect("a name");
    let place = Place { deployment: DEPLOYMENT.to_owned(), account, secret, name, version: 3 };
    let value = SecretValue::from_input(VALUE.as_bytes().to_vec()).expect("a value");
    let (sealed, record) = sealer.seal(value, &place, now).expect("sealed");
    let root = RootKey::make().expect("a root key");
    let keyring = keys.wrap(&root).expect("wrapped");
    let devbox = DevboxId::from_parts(now, 3);
    let token: Token = TOKEN.parse().expect("a token");
    let token = keys.wrap_token(&devbox, &token).expect("wrapped");
    let ca = keys.wrap_ca(&devbox, b"a key of an authority").expect("wrapped");
    let mut content: &[u8] = b"what is in the part";
    let mut parts = [Part { name: "part", bytes: content.len() as u64, from: &mut content as &mut dyn Read }];
    let mut backup = Vec::new();
    keys.seal_backup(Head { keyring: &keyring, recipe: b"{}" }, &mut parts, &mut backup).expect("a backup");
    House { keys, root, place, record: Arc::unwrap_or_clone(record), sealed, keyring, manifest, pin, devbox, token, ca, backup }
});

fuzz_target!(|data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let house = &*HOUSE;
    match which % 8 {
        0 | 1 => row(changes),
        2 => rows_as_text(changes),
        3 => bytes(&house.keyring, changes, |keyring| OpenKeys::unwrap(keyring, &house.root).is_ok()),
        4 => {
            let signing = || SigningKey::make().expect("a key");
            bytes(&house.manifest, changes, |manifest| Sealer::new(manifest, &house.pin, signing()).is_ok());
        }
        5 => bytes(&house.token, changes, |token| house.keys.unwrap_token(&house.devbox, token).is_ok()),
        6 => bytes(&house.ca, changes, |ca| house.keys.unwrap_ca(&house.devbox, ca).is_ok()),
        _ => bytes(&house.backup, changes, backup),
    }
});

/// The changes, and whether there were any. JSON may be written in more than one way, so spaces are not put in.
fn changed(honest: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for change in changes.chunks_exact(4).take(8) {
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % (bytes.len() + 1);
        match change[0] % 5 {
            0 if at < bytes.len() => bytes[at] ^= change[3],
            1 => bytes.truncate(at),
            2 if !change[3].is_ascii_whitespace() => bytes.insert(at, change[3]),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => bytes.extend_from_slice(&honest[at.min(honest.len())..]),
            _ => {}
        }
    }
    bytes
}

fn bytes(honest: &[u8], changes: &[u8], opens: impl Fn(&[u8]) -> bool) {
    let bytes = changed(honest, changes);
    let does = opens(&bytes);
    assert!(does || bytes != honest, "what was stored does not open");
    assert!(!does || bytes == honest || same_json(&bytes, honest), "what was changed opens");
}

/// The same fields with the same texts, however they are written.
fn same_json(one: &[u8], other: &[u8]) -> bool {
    let read = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    read(one).is_some_and(|one| Some(one) == read(other))
}

fn backup(file: &[u8]) -> bool {
    let Ok(opener) = Opener::begin(file) else { return false };
    let Ok(keys) = opener.unwrap_keyring(&HOUSE.root) else { return false };
    opener.open(&keys, |_| Ok(std::io::sink())).is_ok()
}

/// A row of which some fields are others.
fn row(changes: &[u8]) {
    let house = &*HOUSE;
    let (mut record, mut sealed, mut place) = (house.record.clone(), house.sealed.clone(), house.place.clone());
    for (number, change) in changes.chunks_exact(5).take(4).enumerate() {
        let one = &change[1..];
        match change[0] % 12 {
            0 => record.encapsulated = changed(&record.encapsulated, one),
            1 => record.ciphertext = changed(&record.ciphertext, one),
            2 => record.signature = changed(&record.signature, one),
            3 => sealed.ciphertext = changed(&sealed.ciphertext, one),
            4 => sealed.salt[usize::from(one[1]) % 32] ^= one[3],
            5 => record.created = Timestamp::from_unix_ms(record.created.unix_ms() ^ i64::from(one[3])),
            6 => record.suite = if one[3] & 1 == 0 { Suite::X25519 } else { Suite::XWing },
            7 => record.recipient.push(char::from(one[3] | 1)),
            8 => record.signer = format!("{}{}", record.signer, one[3]),
            9 => record.id = DataKeyId::from_parts(record.created, u128::from(one[3])),
            10 => sealed.data_key = DataKeyId::from_parts(record.created, u128::from(one[3])),
            _ => moved(&mut place, one, number),
        }
    }
    let is_same = record == house.record && sealed == house.sealed && place == house.place;
    match house.keys.open(&record, &sealed, &place) {
        Err(_) => assert!(!is_same, "what was stored does not open"),
        Ok(value) => {
            assert!(is_same, "a changed row opened");
            assert_eq!(wire::update_body(value).as_slice(), format!("{{\"value\":\"{VALUE}\"}}").as_bytes());
        }
    }
}

fn moved(place: &mut Place, change: &[u8], number: usize) {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    match change[0] % 5 {
        0 => place.version ^= u32::from(change[3]),
        1 => place.account = AccountId::from_parts(now, u128::from(change[3])),
        2 => place.secret = SecretId::from_parts(now, u128::from(change[3])),
        3 => place.name = format!("NAME_{number}_{}", change[3]).parse().expect("a name"),
        _ => place.deployment.push('x'),
    }
}

/// Rows as JSON, changed as text: what is read is what is written, and opens only where it is the same row.
fn rows_as_text(changes: &[u8]) {
    let house = &*HOUSE;
    let honest = serde_json::to_vec(&house.record).expect("a record is JSON");
    let Ok(record) = serde_json::from_slice::<DataKeyRecord>(&changed(&honest, changes)) else { return };
    let written = serde_json::to_vec(&record).expect("a record is JSON");
    assert!(serde_json::from_slice::<DataKeyRecord>(&written).is_ok_and(|again| again == record));
    assert_eq!(house.keys.open(&record, &house.sealed, &house.place).is_ok(), record == house.record);
}
