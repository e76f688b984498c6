//! What was deleted or replaced is gone from the files, the WAL included, within a second, while the store is open.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use store::{Mode, SealedSecret};

use crate::backend::{Backend, Sqlite};
use crate::sample;

#[test]
fn erased_ciphertext_stands_in_no_file() {
    let backend = Sqlite::make();
    let store = backend.open(Mode::Writer);
    let reader = backend.open(Mode::Reader);
    let account = sample::stored_account(&store).id;
    let (mut live, mut dead): (Vec<SealedSecret>, Vec<SealedSecret>) = (Vec::new(), Vec::new());
    // Of all sizes around a page's, created and removed in an order in which an ordinary table would move its cells.
    for n in 0..400_usize {
        let mut row = sample::secret(&account, &sample::name());
        row.sealed.ciphertext = sample::bytes([40, 316, 900, 2500, 4100, 9000][n % 6]);
        store.insert_secret(&row, &sample::created(&row)).unwrap();
        live.push(row);
        if n % 3 == 2 {
            let row = live.swap_remove((n * 7) % live.len());
            store.delete_secret(&row.secret.id, row.secret.version, &sample::deleted(&row)).unwrap();
            dead.push(row);
        }
        if n % 4 == 3 {
            let place = (n * 5) % live.len();
            let mut next = sample::next(&live[place]);
            next.sealed.ciphertext = sample::bytes([316, 4000, 60, 7000][n / 4 % 4]);
            store.update_secret(&next, &sample::updated(&next)).unwrap();
            dead.push(std::mem::replace(&mut live[place], next));
        }
    }
    assert!(reader.check().is_ok());
    let wal = with_suffix(&backend.path(), "-wal");
    assert!((0..100).any(|_| empty_soon(&wal)), "the WAL was not emptied");

    // By another process: closing a descriptor of these files here would drop SQLite's locks.
    let files = Command::new("cat").arg(backend.path()).arg(&wal).output().unwrap().stdout;
    let files = windows(&files);
    for row in &live {
        assert!(stands_in(&files, &row.sealed.ciphertext), "the search itself does not work");
        assert!(stands_in(&files, &row.data_key.ciphertext), "the search itself does not work");
    }
    for row in &dead {
        assert!(!stands_in(&files, &row.sealed.salt), "a salt was not erased");
        assert!(!stands_in(&files, &row.sealed.ciphertext), "a ciphertext was not erased");
        assert!(!stands_in(&files, &row.data_key.ciphertext), "a data key was not erased");
        assert!(!stands_in(&files, &row.data_key.encapsulated), "an encapsulated key was not erased");
    }
}

/// With rows of such sizes removed in no order, an ordinary table leaves a few in a thousand in its free space, `secure_delete` or not.
#[test]
fn erasing_most_of_many_leaves_nothing() {
    const THREADS: usize = 32;
    const ROWS: usize = 3200;
    let backend = Sqlite::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store).id;
    let shared = sample::data_key();
    let rows: Vec<SealedSecret> = (0..ROWS)
        .map(|n| {
            let mut row = sample::secret_under(&account, &sample::name(), shared.clone());
            row.sealed.ciphertext = sample::bytes([40, 316, 900][n % 3]);
            row
        })
        .collect();
    // Every row's place in the order of erasing: a permutation, since 2017 and 3200 have no common divisor.
    let erased = |n: usize| &rows[(n * 2017) % ROWS];
    let each = |act: &(dyn Fn(usize) + Sync), count: usize| {
        thread::scope(|scope| (0..THREADS).for_each(|first| drop(scope.spawn(move || (first..count).step_by(THREADS).for_each(act)))));
    };
    each(&|n| store.insert_secret(&rows[n], &sample::created(&rows[n])).unwrap(), ROWS);
    each(&|n| store.delete_secret(&erased(n).secret.id, 1, &sample::deleted(erased(n))).unwrap(), ROWS * 9 / 10);
    drop(store);

    let files = Command::new("cat").arg(backend.path()).output().unwrap().stdout;
    let files = windows(&files);
    let found = |range: std::ops::Range<usize>| range.filter(|n| stands_in(&files, &erased(*n).sealed.ciphertext)).count();
    assert_eq!(found(ROWS * 9 / 10..ROWS), ROWS / 10, "the search itself does not work");
    assert_eq!(found(0..ROWS * 9 / 10), 0, "ciphertexts that were not erased");
}

#[test]
fn what_was_erased_goes_also_where_changes_leave_no_pause() {
    let backend = Sqlite::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store).id;
    let row = sample::stored_secret(&store, &account);
    store.delete_secret(&row.secret.id, 1, &sample::deleted(&row)).unwrap();
    let wal = with_suffix(&backend.path(), "-wal");
    let started = Instant::now();
    // Less than what counts as a pause, and far fewer than many.
    while started.elapsed() < Duration::from_millis(2500) {
        sample::stored_secret(&store, &account);
        thread::park_timeout(Duration::from_millis(40));
    }
    let files = Command::new("cat").arg(backend.path()).arg(&wal).output().unwrap().stdout;
    assert!(!stands_in(&windows(&files), &row.sealed.ciphertext), "a ciphertext was not erased");
}

#[test]
fn a_data_key_stays_while_a_secret_needs_it() {
    let backend = Sqlite::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store).id;
    let shared = sample::data_key();
    let [one, other] = [(); 2].map(|()| sample::secret_under(&account, &sample::name(), shared.clone()));
    for row in [&one, &other] {
        store.insert_secret(row, &sample::created(row)).unwrap();
    }
    store.delete_secret(&one.secret.id, 1, &sample::deleted(&one)).unwrap();
    assert_eq!(store.sealed(&other.secret.id).unwrap().unwrap().data_key, shared);
    let next = sample::next(&other);
    store.update_secret(&next, &sample::updated(&next)).unwrap();
    drop(store);
    let files = Command::new("cat").arg(backend.path()).output().unwrap().stdout;
    let files = windows(&files);
    assert!(!stands_in(&files, &shared.ciphertext) && stands_in(&files, &next.data_key.ciphertext));
}

/// All that stands in the files, 24 bytes at a time.
fn windows(files: &[u8]) -> HashSet<&[u8]> {
    files.windows(24).collect()
}

/// Whether its beginning, middle or end stands in the files.
fn stands_in(files: &HashSet<&[u8]>, bytes: &[u8]) -> bool {
    [0, (bytes.len() - 24) / 2, bytes.len() - 24].into_iter().any(|start| files.contains(&bytes[start..start + 24]))
}

fn empty_soon(wal: &Path) -> bool {
    let empty = std::fs::metadata(wal).is_ok_and(|metadata| metadata.len() == 0);
    if !empty {
        thread::park_timeout(Duration::from_millis(10));
    }
    empty
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
