//! Secrets: names, versions, data keys.

use model::{AccountId, DataKeyRecord, Secret};
use store::{Mode, SealedSecret, StoreError};

use crate::backend::{Backend, DEPLOYMENT};
use crate::sample;

pub fn a_name_is_taken_once_per_account<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (one, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let row = sample::stored_secret(&store, &one.id);
    let again = sample::secret(&one.id, &row.secret.name);
    assert!(matches!(store.insert_secret(&again, &sample::created(&again)), Err(StoreError::DuplicateName)));
    assert_eq!(store.sealed(&again.secret.id).unwrap(), None);
    assert_eq!(store.sealed(&row.secret.id).unwrap().as_ref(), Some(&row));

    let elsewhere = sample::secret(&other.id, &row.secret.name);
    store.insert_secret(&elsewhere, &sample::created(&elsewhere)).unwrap();
    let same_id =
        SealedSecret { secret: Secret { name: sample::name(), ..row.secret.clone() }, ..sample::secret(&one.id, &sample::name()) };
    assert!(matches!(store.insert_secret(&same_id, &sample::created(&same_id)), Err(StoreError::Conflict)));
    let nobodys = sample::secret(&sample::account().id, &sample::name());
    assert!(matches!(store.insert_secret(&nobodys, &sample::created(&nobodys)), Err(StoreError::Conflict)));
}

pub fn a_name_is_free_again_after_a_delete<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    store.delete_secret(&row.secret.id, 1, &sample::deleted(&row)).unwrap();
    assert_eq!(store.secret(&account.id, &row.secret.name).unwrap(), None);
    let again = sample::secret(&account.id, &row.secret.name);
    store.insert_secret(&again, &sample::created(&again)).unwrap();
    assert_eq!(store.secret(&account.id, &row.secret.name).unwrap(), Some(again.secret));
}

pub fn an_update_from_another_version_is_a_conflict<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    for version in [0, 1, 3, u32::MAX] {
        let next = sample::next(&row);
        let wrong = SealedSecret { secret: Secret { version, ..next.secret }, ..next };
        assert!(matches!(store.update_secret(&wrong, &sample::updated(&wrong)), Err(StoreError::Conflict)), "version {version}");
    }
    let gone = sample::next(&sample::secret(&account.id, &sample::name()));
    assert!(matches!(store.update_secret(&gone, &sample::updated(&gone)), Err(StoreError::Conflict)));
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
}

pub fn an_update_cannot_move_a_secret<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (account, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let row = sample::stored_secret(&store, &account.id);
    let moved = |account: &AccountId, name| {
        let next = sample::next(&row);
        SealedSecret { secret: Secret { account: account.clone(), name, ..next.secret }, ..next }
    };
    for wrong in [moved(&other.id, row.secret.name.clone()), moved(&account.id, sample::name())] {
        assert!(matches!(store.update_secret(&wrong, &sample::updated(&wrong)), Err(StoreError::Conflict)));
    }
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
}

pub fn a_delete_of_another_version_is_a_conflict<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    assert!(matches!(store.delete_secret(&row.secret.id, 2, &sample::deleted(&row)), Err(StoreError::Conflict)));
    store.delete_secret(&row.secret.id, 1, &sample::deleted(&row)).unwrap();
    assert!(matches!(store.delete_secret(&row.secret.id, 1, &sample::deleted(&row)), Err(StoreError::Conflict)));
    assert_eq!(store.secrets(&account.id, None, 10).unwrap().total, 0);
}

pub fn a_data_key_cannot_be_exchanged<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    let planted = DataKeyRecord { id: row.data_key.id.clone(), ..sample::data_key() };
    let other = sample::secret_under(&account.id, &sample::name(), planted);
    assert!(matches!(store.insert_secret(&other, &sample::created(&other)), Err(StoreError::Conflict)));
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
}

pub fn a_sealed_value_without_its_data_key_is_refused<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = SealedSecret { data_key: sample::data_key(), ..sample::secret(&account.id, &sample::name()) };
    assert!(matches!(store.insert_secret(&row, &sample::created(&row)), Err(StoreError::Conflict)));
    assert_eq!(store.secrets(&account.id, None, 10).unwrap().total, 0);
}

pub fn what_was_stored_comes_back_as_it_was<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let shared = sample::data_key();
    for len in [0, 1, 300, 5000, model::limits::VALUE_BYTES_MAX + 16] {
        let mut row = sample::secret_under(&account.id, &sample::name(), shared.clone());
        row.sealed.ciphertext = sample::bytes(len);
        row.secret.kind = if len == 1 { None } else { row.secret.kind };
        store.insert_secret(&row, &sample::created(&row)).unwrap();
        assert_eq!(store.sealed(&row.secret.id).unwrap().as_ref(), Some(&row));
        assert_eq!(store.secret(&account.id, &row.secret.name).unwrap(), Some(row.secret));
    }
}

pub fn everything_is_there_after_opening_again<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let row = sample::stored_secret(&store, &account.id);
    let next = sample::next(&row);
    store.update_secret(&next, &sample::updated(&next)).unwrap();
    drop(store);
    for mode in [Mode::Reader, Mode::Writer] {
        let store = backend.open(mode);
        assert_eq!(store.sealed(&row.secret.id).unwrap().as_ref(), Some(&next));
        assert_eq!(store.deployment().unwrap(), DEPLOYMENT);
        assert_eq!(store.verify_chain().unwrap().seq, 3);
        store.check().unwrap();
    }
}
