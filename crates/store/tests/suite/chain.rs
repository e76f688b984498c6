//! Events: in the change's own transaction, chained, and found to be tampered with where they were.

use model::{EventKind, Writer};
use store::{ChainFault, EventQuery, Head, Mode, Store, StoreError};

use crate::backend::{Backend, Tampering};
use crate::sample;

/// A store with five events: an account's and four secrets'.
fn five<B: Backend>() -> (B, Head) {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    for _ in 0..4 {
        sample::stored_secret(&store, &account.id);
    }
    let head = store.verify_chain().unwrap();
    assert_eq!(head.seq, 5);
    drop(store);
    (backend, head)
}

fn fault(store: &Store) -> (u64, ChainFault) {
    match store.verify_chain() {
        Err(StoreError::ChainBroken { writer: Writer::Api, seq, fault }) => (seq, fault),
        other => panic!("not found: {other:?}"),
    }
}

fn tampered<B: Backend>(tampering: Tampering) -> (u64, ChainFault) {
    let (backend, _) = five::<B>();
    backend.tamper(tampering);
    fault(&backend.open(Mode::Reader))
}

pub fn an_edited_event_is_found<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Edit(3)), (3, ChainFault::Hash));
}

pub fn a_removed_event_is_found<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Remove(3)), (3, ChainFault::Gap));
    assert_eq!(tampered::<B>(Tampering::Remove(1)), (1, ChainFault::Gap));
}

pub fn reordered_events_are_found<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Swap(2, 4)), (2, ChainFault::Hash));
}

pub fn a_planted_event_is_found<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Plant(5)), (6, ChainFault::Hash));
}

pub fn a_hidden_event_is_found<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Hide(4)), (4, ChainFault::Columns));
}

pub fn a_chain_belongs_to_its_deployment<B: Backend>() {
    assert_eq!(tampered::<B>(Tampering::Rename), (1, ChainFault::Hash));
}

pub fn a_cut_off_end_shows_against_the_head_known_before<B: Backend>() {
    let (backend, known) = five::<B>();
    backend.tamper(Tampering::Remove(5));
    let head = backend.open(Mode::Reader).verify_chain().unwrap();
    assert!(head.seq < known.seq && head != known);
}

pub fn a_change_that_is_refused_leaves_no_event<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    let before = store.verify_chain().unwrap();
    let same_name = sample::secret(&account.id, &row.secret.name);
    assert!(matches!(store.insert_secret(&same_name, &sample::created(&same_name)), Err(StoreError::DuplicateName)));
    assert!(matches!(store.delete_secret(&row.secret.id, 7, &sample::deleted(&row)), Err(StoreError::Conflict)));
    assert_eq!(store.verify_chain().unwrap(), before);
}

pub fn events_come_oldest_first_and_by_name<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (account, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let row = sample::stored_secret(&store, &account.id);
    sample::stored_secret(&store, &other.id);
    sample::stored_secret(&store, &account.id);
    let next = sample::next(&row);
    store.update_secret(&next, &sample::updated(&next)).unwrap();

    let all = EventQuery::of(account.id.clone(), 100);
    let found = store.events(&all).unwrap();
    assert_eq!(found.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 3, 5, 6]);
    assert!(found.iter().all(|event| event.writer == Writer::Api && event.hash.len() == 64));
    assert_eq!(store.events(&EventQuery { after: 3, limit: 1, ..all.clone() }).unwrap(), found[2..3]);
    assert_eq!(store.events(&EventQuery { after: u64::MAX, ..all.clone() }).unwrap(), []);

    let named = store.events(&EventQuery { name: Some(row.secret.name.clone()), ..all }).unwrap();
    assert_eq!(named.iter().map(|event| event.event.kind).collect::<Vec<_>>(), [EventKind::SecretCreated, EventKind::SecretUpdated]);
    assert_eq!(named[1].event.version, Some(2));
}
