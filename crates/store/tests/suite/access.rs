//! Accounts and API keys.

use model::{ApiKey, EventKind, Scope, Scopes, TokenHash};
use store::{Mode, StoreError};

use crate::backend::Backend;
use crate::sample;

pub fn an_unknown_credential_is_nobody<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    assert_eq!(store.owner().unwrap(), None);
    sample::stored_account(&store);
    assert_eq!(store.api_key(&TokenHash([0; 32])).unwrap(), None);
    assert_eq!(store.account(&sample::account().id).unwrap(), None);
}

pub fn an_id_or_hash_that_exists_is_a_conflict<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let event = sample::event(EventKind::KeyCreated, &account.id);
    let key = sample::api_key(&account.id);
    store.insert_api_key(&key, &event).unwrap();
    let same_hash = ApiKey { hash: key.hash, ..sample::api_key(&account.id) };
    let same_id = ApiKey { id: key.id.clone(), ..sample::api_key(&account.id) };
    assert!(matches!(store.insert_api_key(&same_hash, &event), Err(StoreError::Conflict)));
    assert!(matches!(store.insert_api_key(&same_id, &event), Err(StoreError::Conflict)));
    assert!(matches!(store.insert_account(&account, &event), Err(StoreError::Conflict)));
    assert_eq!(store.api_key(&key.hash).unwrap(), Some((key, account)));
}

pub fn a_key_of_no_account_is_a_conflict<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let nobody = sample::account();
    let key = sample::api_key(&nobody.id);
    assert!(matches!(store.insert_api_key(&key, &sample::event(EventKind::KeyCreated, &nobody.id)), Err(StoreError::Conflict)));
    assert_eq!(store.api_key(&key.hash).unwrap(), None);
}

pub fn a_key_comes_back_with_its_account<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    for scopes in [Scopes::default(), [Scope::Keys].into_iter().collect(), Scopes::all()] {
        let key = ApiKey { scopes, ..sample::api_key(&account.id) };
        store.insert_api_key(&key, &sample::event(EventKind::KeyCreated, &account.id)).unwrap();
        assert_eq!(store.api_key(&key.hash).unwrap(), Some((key, account.clone())));
    }
}

pub fn the_owner_is_the_first_account<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (later, owner) = (sample::account(), sample::account());
    for account in [&owner, &later] {
        store.insert_account(account, &sample::event(EventKind::AccountCreated, &account.id)).unwrap();
    }
    assert_eq!(store.owner().unwrap(), Some(owner));
    assert_eq!(store.account(&later.id).unwrap(), Some(later));
}
