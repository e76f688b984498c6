//! API keys after their making: listed, revoked, ended, used, made again; and accounts with their first key.

use model::limits::ANSWER_LIFE_MS;
use model::{Account, AccountId, ApiKey, EventKind, Timestamp};
use store::{KeyRequest, Mode, RequestedKey, Store, StoreError};

use crate::backend::Backend;
use crate::sample;

fn stored_key(store: &Store, account: &Account) -> ApiKey {
    let key = sample::api_key(&account.id);
    store.insert_api_key(&key, &sample::event(EventKind::KeyCreated, &account.id)).unwrap();
    key
}

fn revoke(store: &Store, account: &AccountId, key: &ApiKey) -> Result<Timestamp, StoreError> {
    let at = sample::time();
    store.revoke_api_key(account, &key.id, at, &sample::event(EventKind::KeyRevoked, account)).map(|()| at)
}

pub fn another_accounts_key_is_neither_found_nor_revoked<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (ours, theirs) = (sample::stored_account(&store), sample::stored_account(&store));
    let key = stored_key(&store, &theirs);
    assert_eq!(store.api_key_of(&ours.id, &key.id).unwrap(), None);
    assert!(matches!(revoke(&store, &ours.id, &key), Err(StoreError::Conflict)));
    assert_eq!(store.api_keys(&ours.id, None, 10).unwrap().total, 0);
    assert_eq!(store.api_key(&key.hash).unwrap(), Some((key, theirs)));
}

pub fn a_revoked_key_stays_revoked_and_is_told_apart<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let key = stored_key(&store, &account);
    let head = || store.verify_chain().unwrap().seq;
    let before = head();
    let at = revoke(&store, &account.id, &key).unwrap();
    assert_eq!(head(), before + 1, "the change and its event are one");
    assert!(matches!(revoke(&store, &account.id, &key), Err(StoreError::Conflict)));
    assert_eq!(head(), before + 1);
    let found = store.api_key(&key.hash).unwrap().unwrap().0;
    assert_eq!(found, ApiKey { revoked: Some(at), ..key });
    assert!(store.good_api_keys(&account.id, found.created).unwrap().is_empty());
}

pub fn keys_are_listed_from_the_newest_and_pages_meet<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let mut made: Vec<ApiKey> = (0..5).map(|_| stored_key(&store, &account)).collect();
    revoke(&store, &account.id, &made[1]).unwrap();
    made.reverse();
    let ids = |keys: &[ApiKey]| keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
    let first = store.api_keys(&account.id, None, 2).unwrap();
    assert_eq!((ids(&first.keys), first.has_more, first.total), (ids(&made[..2]), true, 5));
    let rest = store.api_keys(&account.id, Some(&made[1].id), 10).unwrap();
    assert_eq!((ids(&rest.keys), rest.has_more, rest.total), (ids(&made[2..]), false, 5));
}

pub fn good_keys_are_those_neither_revoked_nor_ended<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let now = sample::time();
    let ending = |ms: i64| {
        let key = ApiKey { expires: Some(Timestamp::from_unix_ms(now.unix_ms() + ms)), ..sample::api_key(&account.id) };
        store.insert_api_key(&key, &sample::event(EventKind::KeyCreated, &account.id)).unwrap();
        key
    };
    let (_ended, lasting) = (ending(0), ending(1));
    let endless = stored_key(&store, &account);
    let gone = stored_key(&store, &account);
    revoke(&store, &account.id, &gone).unwrap();
    assert_eq!(store.good_api_keys(&account.id, now).unwrap(), [endless, lasting]);
}

pub fn the_latest_use_is_noted_and_no_event_tells_of_it<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let (used, unused) = (stored_key(&store, &account), stored_key(&store, &account));
    let head = store.verify_chain().unwrap();
    let (early, late) = (sample::time(), sample::time());
    store.note_key_uses(&[]).unwrap();
    store.note_key_uses(&[(used.id.clone(), late), (sample::api_key(&account.id).id, late)]).unwrap();
    store.note_key_uses(&[(used.id.clone(), early)]).unwrap();
    assert_eq!(store.api_key_of(&account.id, &used.id).unwrap().unwrap().last_used, Some(late));
    assert_eq!(store.api_key_of(&account.id, &unused.id).unwrap().unwrap().last_used, None);
    assert_eq!(store.verify_chain().unwrap(), head);
}

pub fn a_request_that_comes_again_has_one_good_key<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let caller = stored_key(&store, &account);
    let request = KeyRequest { caller: caller.id.clone(), hash: sample::bytes(32).try_into().unwrap() };
    let event = |kind| sample::event(kind, &account.id);
    let make = |replaced: Option<&ApiKey>, created: Timestamp| {
        let key = ApiKey { created, ..sample::api_key(&account.id) };
        let made = RequestedKey { key: key.clone(), request: request.clone(), replaced: replaced.map(|key| key.id.clone()) };
        store.insert_requested_api_key(&made, &[event(EventKind::KeyRevoked), event(EventKind::KeyCreated)]).map(|()| key)
    };
    let start = sample::time();
    assert_eq!(store.requested_api_key(&request, start).unwrap(), None);
    let first = make(None, start).unwrap();
    assert_eq!(store.requested_api_key(&request, start).unwrap(), Some(first.id.clone()));
    let second = make(Some(&first), start).unwrap();
    assert_eq!(store.requested_api_key(&request, start).unwrap(), Some(second.id.clone()));
    let good: Vec<_> = store.good_api_keys(&account.id, start).unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(good, [second.id.clone(), caller.id.clone()]);
    let head = store.verify_chain().unwrap();
    assert!(matches!(make(Some(&first), start), Err(StoreError::Conflict)), "it was replaced before");
    assert_eq!(store.verify_chain().unwrap(), head);
    // Another's request, and one too long ago, are nobody's.
    let other = KeyRequest { caller: first.id, hash: request.hash };
    assert_eq!(store.requested_api_key(&other, start).unwrap(), None);
    let later = Timestamp::from_unix_ms(start.unix_ms() + ANSWER_LIFE_MS);
    assert_eq!(store.requested_api_key(&request, later).unwrap(), None);
    let third = make(None, later).unwrap();
    assert_eq!(store.requested_api_key(&request, later).unwrap(), Some(third.id));
}

pub fn an_account_and_its_first_key_are_one<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let owner = sample::stored_account(&store);
    let taken = stored_key(&store, &owner);
    let account = sample::account();
    let events = [sample::event(EventKind::AccountCreated, &account.id), sample::event(EventKind::KeyCreated, &account.id)];
    let clash = ApiKey { hash: taken.hash, ..sample::api_key(&account.id) };
    assert!(matches!(store.insert_account_with_key(&account, &clash, [&events[0], &events[1]]), Err(StoreError::Conflict)));
    assert_eq!(store.account(&account.id).unwrap(), None);
    let key = sample::api_key(&account.id);
    store.insert_account_with_key(&account, &key, [&events[0], &events[1]]).unwrap();
    assert_eq!(store.api_key(&key.hash).unwrap(), Some((key, account.clone())));
    assert_eq!(store.account_named(&account.name).unwrap().map(|account| account.id), Some(owner.id));
    assert_eq!(store.account_named("nobody").unwrap(), None);
}

pub fn accounts_are_listed_from_the_oldest_and_pages_meet<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let made: Vec<Account> = (0..5).map(|_| sample::stored_account(&store)).collect();
    let first = store.accounts(None, 2).unwrap();
    assert_eq!((&first.accounts[..], first.has_more, first.total), (&made[..2], true, 5));
    let rest = store.accounts(Some(&made[1].id), 3).unwrap();
    assert_eq!((&rest.accounts[..], rest.has_more, rest.total), (&made[2..], false, 5));
}
