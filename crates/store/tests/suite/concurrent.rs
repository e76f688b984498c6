//! Many at once.

use std::sync::Barrier;
use std::thread;

use store::{Mode, StoreError};

use crate::backend::Backend;
use crate::sample;

pub fn eight_writers_lose_nothing<B: Backend>() {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let start = Barrier::new(WRITERS);
    let write = || {
        start.wait();
        // Every fourth name is taken already, so that refused changes stand among the others in their groups.
        (0..EACH).for_each(|n| {
            let row = sample::stored_secret(&store, &account.id);
            if n % 4 == 0 {
                assert!(matches!(store.insert_secret(&row, &sample::created(&row)), Err(StoreError::DuplicateName)));
            }
        });
    };
    thread::scope(|scope| (0..WRITERS).for_each(|_| drop(scope.spawn(write))));

    let page = store.secrets(&account.id, None, 5000).unwrap();
    assert_eq!((page.secrets.len(), page.total), (WRITERS * EACH, (WRITERS * EACH) as u64));
    assert_eq!(store.verify_chain().unwrap().seq, 1 + (WRITERS * EACH) as u64);
    assert_eq!(backend.open(Mode::Reader).secrets(&account.id, None, 5000).unwrap(), page);
}

pub fn a_moment_does_not_change_while_it_is_looked_at<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let total = || store.secrets(&account.id, None, 10).unwrap().total;
    let seen = store.at_once(|| {
        let before = total();
        sample::stored_secret(&store, &account.id);
        // In another thread it is there; in this moment it is not, however deep.
        let elsewhere = thread::scope(|scope| scope.spawn(total).join().unwrap());
        (before, elsewhere, total(), store.at_once(total).unwrap())
    });
    assert_eq!((seen.unwrap(), total()), ((0, 1, 0, 0), 1));
}

pub fn a_moment_ends_with_a_panic<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let total = || store.secrets(&account.id, None, 10).unwrap().total;
    let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.at_once(|| {
            total();
            panic!("on purpose");
        })
    }));
    assert!(looked.is_err());
    sample::stored_secret(&store, &account.id);
    assert_eq!(total(), 1);
}

/// How many of eight threads succeed, where each does `attempt` with its number at the same time.
fn winners(attempt: impl Fn(usize) -> Result<(), StoreError> + Sync) -> usize {
    let start = Barrier::new(8);
    thread::scope(|scope| {
        let (start, attempt) = (&start, &attempt);
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn(move || {
                    start.wait();
                    attempt(n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
    })
}

pub fn one_name_has_one_winner<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let name = sample::name();
    let rows: Vec<_> = (0..8).map(|_| sample::secret(&account.id, &name)).collect();
    assert_eq!(winners(|n| store.insert_secret(&rows[n], &sample::created(&rows[n]))), 1);
    assert_eq!(store.secrets(&account.id, None, 10).unwrap().total, 1);
}

pub fn one_version_has_one_successor<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    let rows: Vec<_> = (0..8).map(|_| sample::next(&row)).collect();
    assert_eq!(winners(|n| store.update_secret(&rows[n], &sample::updated(&rows[n]))), 1);
    let stored = store.sealed(&row.secret.id).unwrap().unwrap();
    assert!(rows.contains(&stored));
}

pub fn a_reader_notices_a_commit<B: Backend>() {
    let backend = B::make();
    let writer = backend.open(Mode::Writer);
    let account = sample::stored_account(&writer);
    let reader = backend.open(Mode::Reader);
    let (read, written) = (reader.data_version().unwrap(), writer.data_version().unwrap());
    assert_eq!((reader.data_version().unwrap(), writer.data_version().unwrap()), (read, written));
    let row = sample::stored_secret(&writer, &account.id);
    assert_ne!(reader.data_version().unwrap(), read);
    assert_ne!(writer.data_version().unwrap(), written);
    assert_eq!(reader.secret(&account.id, &row.secret.name).unwrap(), Some(row.secret));
    reader.check().unwrap();
    writer.check().unwrap();
}

pub fn a_reader_cannot_write<B: Backend>() {
    let backend = B::make();
    let reader = backend.open(Mode::Reader);
    let account = sample::account();
    let event = sample::event(model::EventKind::AccountCreated, &account.id);
    assert!(matches!(reader.insert_account(&account, &event), Err(StoreError::ReadOnly)));
    assert_eq!(backend.open(Mode::Writer).owner().unwrap(), None);
}
