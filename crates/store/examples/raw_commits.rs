//! How fast this disk takes the rows of creates, written straight: the baseline of `cargo xtask bench b2`.
//!
//! The same tables, bytes and pragmas as the store's own, by one thread in groups as large as 64 waiting callers could make, with the events chained. Without
//! HTTP, keys, sealing, threads that wait, or answers. Arguments: an empty folder, and for how many seconds. Prints rows per second.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use model::{Account, AccountId, ApiKeyId, DataKeyId, Event, EventKind, Secret, SecretId, Timestamp};
use rusqlite::{Connection, Transaction, params};
use store::{Mode, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, seconds] = arguments.as_slice() else { return Err("usage: raw_commits FOLDER SECONDS".into()) };
    let path = Path::new(folder).join("raw.db");
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let account = Account { id: AccountId::from_parts(now, 1), name: "owner".to_owned(), devbox_capability: true, created: now };
    Store::create(&path, "dep_bench")?;
    Store::open(&path, Mode::Writer)?.insert_account(&account, &Event::bare(EventKind::AccountCreated, now, account.id.clone()))?;

    let mut conn = Connection::open(&path)?;
    conn.execute_batch(PRAGMAS)?;
    let mut rows = Rows { account: account.id, hash: [0; 32], number: 0 };
    let (started, limit) = (Instant::now(), Duration::from_secs(seconds.parse()?));
    while started.elapsed() < limit {
        let group = conn.transaction()?;
        for _ in 0..GROUP {
            rows.insert(&group)?;
        }
        group.commit()?;
    }
    say(rows.number as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

struct Rows {
    account: AccountId,
    hash: [u8; 32],
    number: u64,
}

impl Rows {
    /// What one create writes.
    fn insert(&mut self, group: &Transaction<'_>) -> Result<(), Box<dyn Error>> {
        self.number += 1;
        let at = Timestamp::from_unix_ms(1_790_000_000_000 + i64::try_from(self.number / 5)?);
        // A data key serves 100 ms, some hundreds of creates.
        let data_key = DataKeyId::from_parts(at, u128::from(self.number / 500));
        let known = "SELECT signature FROM data_keys WHERE id = ?1";
        if !group.prepare_cached(known)?.exists([data_key.as_str()])? {
            let insert = "INSERT INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature)
                          VALUES (?1, 2, 'gwk_0123456789abcdef', ?2, ?3, ?4, 'api_0123456789abcdef', ?5)";
            group.prepare_cached(insert)?.execute(params![data_key.as_str(), [7u8; 1120], [7u8; 48], at.unix_ms(), [7u8; 64]])?;
        }
        let (secret, name) = (SecretId::from_parts(at, u128::from(self.number)), format!("BENCH_{}", self.number));
        group.prepare_cached("UPDATE accounts SET secrets = secrets + 1 WHERE id = ?1")?.execute([self.account.as_str()])?;
        group
            .prepare_cached("INSERT INTO ciphertexts (salt, ciphertext) VALUES (?1, ?2)")?
            .execute(params![[self.number as u8; 32], [self.number as u8; VALUE_BYTES + 16]])?;
        let insert = "INSERT INTO secrets (id, account, name, version, kind, created, updated, data_key, ciphertext)
                      VALUES (?1, ?2, ?3, 1, NULL, ?4, ?4, ?5, ?6)";
        let ciphertext = group.last_insert_rowid();
        let values = params![secret.as_str(), self.account.as_str(), name, at.unix_ms(), data_key.as_str(), ciphertext];
        group.prepare_cached(insert)?.execute(values)?;
        self.event(group, at, secret, &name)
    }

    fn event(&mut self, group: &Transaction<'_>, at: Timestamp, id: SecretId, name: &str) -> Result<(), Box<dyn Error>> {
        let secret = Secret { id, account: self.account.clone(), name: name.parse()?, version: 1, kind: None, created: at, updated: at };
        let key = Some(ApiKeyId::from_parts(at, 1));
        let event = Event { key, ..Event::bare(EventKind::SecretCreated, at, self.account.clone()).about(&secret) };
        let body = serde_json::to_string(&event)?;
        let mut chained = self.hash.to_vec();
        chained.extend_from_slice(body.as_bytes());
        self.hash.copy_from_slice(digest(&SHA256, &chained).as_ref());
        let insert = "INSERT INTO events (account, name, body, hash) VALUES (?1, ?2, ?3, ?4)";
        group.prepare_cached(insert)?.execute(params![self.account.as_str(), name, body, self.hash])?;
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "whoever started this reads the figure there")]
fn say(rows_per_second: f64) {
    println!("{rows_per_second:.0}");
}

/// As many as there are connections in the bench.
const GROUP: usize = 64;
const VALUE_BYTES: usize = 300;
/// The store's own.
const PRAGMAS: &str = "
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";
