//! Fills a store with secrets of its owner, for `cargo xtask bench b6`. Their ciphertexts open to nothing: names, ids and pages are what is measured.
//! Arguments: the database, and how many.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{DataKeyId, DataKeyRecord, Event, EventKind, Sealed, Secret, SecretId, Suite, Timestamp};
use store::{Mode, SealedSecret, Store, StoreError};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, count] = arguments.as_slice() else { return Err("usage: fill DATABASE COUNT".into()) };
    let (count, next) = (count.parse::<u64>()?, AtomicU64::new(0));
    let store = Store::open(Path::new(path), Mode::Writer)?;
    let owner = store.owner()?.ok_or("the store has no owner")?;
    std::thread::scope(|scope| {
        let fill = || -> Result<(), StoreError> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let row = row(&owner.id, number);
                store
                    .insert_secret(&row, &Event::bare(EventKind::SecretCreated, row.secret.created, owner.id.clone()).about(&row.secret))?;
            }
        };
        let threads: Vec<_> = (0..WRITERS).map(|_| scope.spawn(fill)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer panicked")?.map_err(Into::into))
    })
}

fn row(account: &model::AccountId, number: u64) -> SealedSecret {
    let at = Timestamp::from_unix_ms(1_790_000_000_000 + i64::try_from(number / 5).unwrap_or_default());
    let data_key = DataKeyRecord {
        id: DataKeyId::from_parts(Timestamp::from_unix_ms(1_790_000_000_000), u128::from(number / 500)),
        suite: Suite::XWing,
        recipient: "gwk_0123456789abcdef".to_owned(),
        encapsulated: vec![7; 1120],
        ciphertext: vec![7; 48],
        created: at,
        signer: "api_0123456789abcdef".to_owned(),
        signature: vec![7; 64],
    };
    let sealed = Sealed { data_key: data_key.id.clone(), salt: [7; 32], ciphertext: vec![7; 316] };
    let secret = Secret {
        id: SecretId::from_parts(at, u128::from(number)),
        account: account.clone(),
        name: format!("BENCH_{number}").parse().expect("letters and digits"),
        version: 1,
        kind: None,
        created: at,
        updated: at,
    };
    SealedSecret { secret, sealed, data_key }
}

/// As many changes as one group of the writer's holds.
const WRITERS: usize = 256;
