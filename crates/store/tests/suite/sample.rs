//! Rows to try things with. Each call makes another one.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{
    Account, AccountId, ApiKey, ApiKeyId, DataKeyId, DataKeyRecord, Event, EventKind, Sealed, Secret, SecretId, SecretName, Suite,
    Timestamp, TokenHash,
};
use store::{SealedSecret, Store};

/// Each process counts in a range of its own, so that what several of them store in one place never collides.
static COUNT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from(std::process::id()) << 20));

/// Another number.
pub fn number() -> u64 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A later time.
pub fn time() -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000 + i64::try_from(number()).unwrap())
}

/// Bytes that stand nowhere else: `len` of them, different from their beginning on.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut state = number().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A name that no other secret has.
pub fn name() -> SecretName {
    format!("NAME_{}", number()).parse().unwrap()
}

/// An account, not stored.
pub fn account() -> Account {
    let created = time();
    Account { id: AccountId::from_parts(created, u128::from(number())), name: "somebody".to_owned(), devbox_capability: true, created }
}

/// An account in the store.
pub fn stored_account(store: &Store) -> Account {
    let account = account();
    store.insert_account(&account, &event(EventKind::AccountCreated, &account.id)).unwrap();
    account
}

/// An API key, not stored.
pub fn api_key(account: &AccountId) -> ApiKey {
    let created = time();
    let hash = TokenHash(bytes(32).try_into().unwrap());
    let scopes = "read,devbox".parse().unwrap();
    ApiKey::new(ApiKeyId::from_parts(created, u128::from(number())), account.clone(), hash, scopes, created)
}

/// A data key's record.
pub fn data_key() -> DataKeyRecord {
    let created = time();
    DataKeyRecord {
        id: DataKeyId::from_parts(created, u128::from(number())),
        suite: Suite::XWing,
        recipient: "gwk_1".to_owned(),
        encapsulated: bytes(1120),
        ciphertext: bytes(48),
        created,
        signer: "api_1".to_owned(),
        signature: bytes(64),
    }
}

/// A value of 300 bytes, sealed under this data key.
pub fn sealed(data_key: &DataKeyRecord) -> Sealed {
    Sealed { data_key: data_key.id.clone(), salt: bytes(32).try_into().unwrap(), ciphertext: bytes(316) }
}

/// A secret of this account and name under a data key of its own, not stored.
pub fn secret(account: &AccountId, name: &SecretName) -> SealedSecret {
    secret_under(account, name, data_key())
}

/// A secret of this account and name under this data key, not stored.
pub fn secret_under(account: &AccountId, name: &SecretName, data_key: DataKeyRecord) -> SealedSecret {
    let created = time();
    let secret = Secret {
        id: SecretId::from_parts(created, u128::from(number())),
        account: account.clone(),
        name: name.clone(),
        version: 1,
        kind: model::KindId::find("github_token"),
        created,
        updated: created,
    };
    SealedSecret { secret, sealed: sealed(&data_key), data_key }
}

/// A secret in the store.
pub fn stored_secret(store: &Store, account: &AccountId) -> SealedSecret {
    let row = secret(account, &name());
    store.insert_secret(&row, &created(&row)).unwrap();
    row
}

/// The next version of this secret, under a data key of its own.
pub fn next(row: &SealedSecret) -> SealedSecret {
    let data_key = data_key();
    let secret = Secret { version: row.secret.version + 1, updated: time(), ..row.secret.clone() };
    SealedSecret { secret, sealed: sealed(&data_key), data_key }
}

/// An event of this account.
pub fn event(kind: EventKind, account: &AccountId) -> Event {
    Event::bare(kind, time(), account.clone())
}

/// The event of this secret's creation.
pub fn created(row: &SealedSecret) -> Event {
    event(EventKind::SecretCreated, &row.secret.account).about(&row.secret)
}

/// The event of this secret's update.
pub fn updated(row: &SealedSecret) -> Event {
    event(EventKind::SecretUpdated, &row.secret.account).about(&row.secret)
}

/// The event of this secret's end.
pub fn deleted(row: &SealedSecret) -> Event {
    event(EventKind::SecretDeleted, &row.secret.account).about(&row.secret)
}
