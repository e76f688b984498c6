//! The baseline of `cargo xtask bench b2`: the same rows in the same tables, with the same events, written straight by one connection of rusqlite for 64
//! producers, at the best of a few sizes of group. Usage: `raw_commits FOLDER SECONDS`; says rows per second.
//!
//! Left out is what the store does besides: refusing names that are taken, readers, erasing, checkpoints between groups. SQLite makes its own.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of the benchmarks")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use model::{AccountId, ApiKeyId, DataKeyId, Event, EventKind, Secret, SecretId, SecretName, Timestamp};
use rusqlite::{Connection, params};
use store::Store;

/// What a producer asks to be written, and where it waits.
struct Job {
    number: u64,
    done: SyncSender<()>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap();
    let seconds: u64 = arguments.next().unwrap().parse().unwrap();
    let share = Duration::from_secs(seconds) / u32::try_from(GROUPS.len()).unwrap();
    let best = GROUPS.map(|group| rate(&Path::new(&folder).join(format!("raw-{group}.db")), group, share)).into_iter().fold(0.0, f64::max);
    println!("{best:.0}");
}

/// Rows per second with at most so many in a group.
fn rate(path: &Path, group_max: usize, time: Duration) -> f64 {
    Store::create(path, "dep_raw").unwrap();
    drop(Store::open(path, store::Mode::Writer).unwrap());
    let (jobs, queue) = sync_channel::<Job>(PRODUCERS);
    let raw = Raw::open(path);
    let writer = thread::spawn(move || raw.serve(&queue, group_max));
    let (begun, count) = (Instant::now(), AtomicU64::new(0));
    thread::scope(|scope| {
        for producer in 0..PRODUCERS as u64 {
            let (jobs, count) = (jobs.clone(), &count);
            scope.spawn(move || {
                let (done, is_done) = sync_channel(1);
                let mut number = producer;
                while begun.elapsed() < time {
                    jobs.send(Job { number, done: done.clone() }).unwrap();
                    is_done.recv().unwrap();
                    number += PRODUCERS as u64;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let elapsed = begun.elapsed();
    drop(jobs);
    writer.join().unwrap();
    let conn = Connection::open(path).unwrap();
    let stored: i64 = conn.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0)).unwrap();
    assert_eq!(stored.cast_unsigned(), count.load(Ordering::Relaxed));
    drop(conn);
    std::fs::remove_file(path).unwrap();
    stored as f64 / elapsed.as_secs_f64()
}

struct Raw {
    conn: Connection,
    account: AccountId,
    key: ApiKeyId,
    data_key: Option<(DataKeyId, Instant)>,
    seq: i64,
    hash: Vec<u8>,
}

impl Raw {
    fn open(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF")
            .unwrap();
        conn.set_prepared_statement_cache_capacity(16);
        let now = Timestamp::from_unix_ms(NOW_MS);
        let account = AccountId::from_parts(now, 1);
        let sql = "INSERT INTO accounts (id, name, devbox_capability, created) VALUES (?1, 'owner', 1, ?2)";
        conn.execute(sql, params![account.as_str(), NOW_MS]).unwrap();
        Self { conn, account, key: ApiKeyId::from_parts(now, 2), data_key: None, seq: 0, hash: vec![0; 32] }
    }

    fn serve(mut self, queue: &Receiver<Job>, group_max: usize) {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(group_max - 1));
            self.conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            group.iter().for_each(|job| self.write(job.number));
            self.conn.execute_batch("COMMIT").unwrap();
            group.iter().for_each(|job| job.done.send(()).unwrap());
        }
    }

    /// What creating a secret writes.
    fn write(&mut self, number: u64) {
        let now_ms = NOW_MS + i64::try_from(number).unwrap();
        let now = Timestamp::from_unix_ms(now_ms);
        let data_key = self.data_key_at(now, number);
        let secret = Secret {
            id: SecretId::from_parts(now, u128::from(number)),
            account: self.account.clone(),
            name: format!("BENCH_{number}").parse::<SecretName>().unwrap(),
            version: 1,
            kind: None,
            created: now,
            updated: now,
        };
        let (id, account, name) = (secret.id.as_str(), self.account.as_str(), secret.name.as_str());
        self.run("UPDATE accounts SET secrets = secrets + 1 WHERE id = ?1", &[&account]);
        self.run("INSERT INTO ciphertexts (salt, ciphertext) VALUES (?1, ?2)", &[&bytes(number, 32), &bytes(number, VALUE_BYTES + 16)]);
        let ciphertext = self.conn.last_insert_rowid();
        self.run(
            "INSERT INTO secrets (id, account, name, version, kind, created, updated, data_key, ciphertext)
             VALUES (?1, ?2, ?3, 1, NULL, ?4, ?4, ?5, ?6)",
            &[&id, &account, &name, &now_ms, &data_key.as_str(), &ciphertext],
        );
        let event =
            Event { key: Some(self.key.clone()), ..Event::bare(EventKind::SecretCreated, now, self.account.clone()).about(&secret) };
        let body = serde_json::to_string(&event).unwrap();
        let hash = digest(&SHA256, &[&self.hash, body.as_bytes()].concat()).as_ref().to_vec();
        let sql = "INSERT INTO events (seq, account, name, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.run(sql, &[&(self.seq + 1), &account, &name, &body, &hash]);
        (self.seq, self.hash) = (self.seq + 1, hash);
    }

    fn run(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) {
        self.conn.prepare_cached(sql).unwrap().execute(values).unwrap();
    }

    /// The data key of this moment: another one every 100 ms.
    fn data_key_at(&mut self, now: Timestamp, number: u64) -> DataKeyId {
        if let Some((id, made)) = &self.data_key
            && made.elapsed() < Duration::from_millis(100)
        {
            return id.clone();
        }
        let id = DataKeyId::from_parts(now, u128::from(number));
        self.run(
            "INSERT INTO data_keys (id, suite, recipient, encapsulated, ciphertext, created, signer, signature)
             VALUES (?1, 1, 'gwk_1', ?2, ?3, ?4, 'api_1', ?5)",
            &[&id.as_str(), &bytes(number, 1120), &bytes(number, 48), &now.unix_ms(), &bytes(number, 64)],
        );
        self.data_key = Some((id.clone(), Instant::now()));
        id
    }
}

/// Bytes without a pattern.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

const PRODUCERS: usize = 64;
/// Sizes of group; the best counts.
const GROUPS: [usize; 3] = [16, 32, 64];
/// As long as the benchmark's own values.
const VALUE_BYTES: usize = 40;
const NOW_MS: i64 = 1_790_000_000_000;
