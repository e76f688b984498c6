//! Fills the store of a server that does not run, for `cargo xtask bench b6`: secrets `FILLED_0` to `FILLED_N` of the owner's, like one that is there, written
//! through the store in group commits. Their values do not open, since a sealed value belongs to one secret. Usage: `fill DATABASE COUNT`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper of the benchmarks")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use model::{Event, EventKind, Secret, SecretId, Timestamp};
use store::{Mode, SealedSecret, Store};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap();
    let count: u64 = arguments.next().unwrap().parse().unwrap();
    let store = Store::open(Path::new(&path), Mode::Writer).unwrap();
    let account = store.owner().unwrap().unwrap().id;
    let like = store.secrets(&account, None, 1).unwrap().secrets.pop().unwrap();
    let like = store.sealed(&like.id).unwrap().unwrap();
    let next = AtomicU64::new(0);
    let write = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            if number.is_multiple_of(50_000) {
                eprintln!("fill: {number} of {count}");
            }
            let now = Timestamp::from_unix_ms(like.secret.created.unix_ms() + i64::try_from(number).unwrap() / 10);
            let secret = Secret {
                id: SecretId::from_parts(now, u128::from(number) << 32),
                name: format!("FILLED_{number}").parse().unwrap(),
                created: now,
                updated: now,
                version: 1,
                ..like.secret.clone()
            };
            let row = SealedSecret { secret, ..like.clone() };
            let event = Event::bare(EventKind::SecretCreated, now, account.clone()).about(&row.secret);
            store.insert_secret(&row, &event).unwrap();
        }
    };
    thread::scope(|scope| (0..WRITERS).for_each(|_| drop(scope.spawn(write))));
}

/// As many as a group of the store's may have.
const WRITERS: usize = 256;
