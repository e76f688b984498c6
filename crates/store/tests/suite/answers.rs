//! Answers that are given again: there exactly if their change is, for one key and one day.

use model::limits::ANSWER_LIFE_MS;
use model::{AccountId, ApiKeyId, Event, Timestamp};
use store::{AnswerRow, Mode, Recorded, SealedSecret, Store, StoreError};

use crate::backend::Backend;
use crate::sample;

fn answer(row: &SealedSecret) -> AnswerRow {
    let key = ApiKeyId::from_parts(sample::time(), u128::from(sample::number()));
    AnswerRow { key, request: sample::bytes(32).try_into().unwrap(), shown: row.secret.clone().into() }
}

fn later(event: &Event, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(event.time.unix_ms() + ms)
}

/// A secret that was stored, with its event and answer.
fn stored(store: &Store, account: &AccountId) -> (SealedSecret, Event, AnswerRow) {
    let row = sample::secret(account, &sample::name());
    let (event, answer) = (sample::created(&row), answer(&row));
    store.insert_secret(&row, Recorded { event: &event, answer: Some(&answer) }).unwrap();
    (row, event, answer)
}

pub fn a_refused_change_leaves_no_answer<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let taken = sample::stored_secret(&store, &account.id);
    let row = sample::secret(&account.id, &taken.secret.name);
    let (event, answer) = (sample::created(&row), answer(&row));
    let refused = store.insert_secret(&row, Recorded { event: &event, answer: Some(&answer) });
    assert!(matches!(refused, Err(StoreError::DuplicateName)));
    assert_eq!(store.answer(&answer.key, &answer.request, event.time).unwrap(), None);
}

pub fn an_answered_request_is_not_done_again<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let (row, event, answer) = stored(&store, &account.id);
    let head = store.verify_chain().unwrap();
    let recorded = Recorded { event: &event, answer: Some(&answer) };
    let next = sample::next(&row);
    assert!(matches!(store.insert_secret(&row, recorded), Err(StoreError::Answered)));
    assert!(matches!(store.update_secret(&next, recorded), Err(StoreError::Answered)));
    assert!(matches!(store.delete_secret(&row.secret.id, 1, recorded), Err(StoreError::Answered)));
    assert_eq!(store.verify_chain().unwrap(), head);
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
}

pub fn an_answer_is_its_keys_and_its_requests_alone<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let (row, event, mine) = stored(&store, &account.id);
    let other = answer(&row);
    assert_eq!(store.answer(&other.key, &mine.request, event.time).unwrap(), None);
    assert_eq!(store.answer(&mine.key, &other.request, event.time).unwrap(), None);
    assert_eq!(store.answer(&mine.key, &mine.request, event.time).unwrap(), Some(row.secret.into()));
}

pub fn an_answer_ends_after_a_day<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let (row, event, answer) = stored(&store, &account.id);
    let find = |ms| store.answer(&answer.key, &answer.request, later(&event, ms)).unwrap();
    assert_eq!(find(ANSWER_LIFE_MS - 1), Some(row.secret.clone().into()));
    assert_eq!(find(ANSWER_LIFE_MS), None);
    // The same request is another one then.
    let next = sample::next(&row);
    let event = Event { time: later(&event, ANSWER_LIFE_MS), ..sample::updated(&next) };
    let answer = AnswerRow { shown: next.secret.clone().into(), ..answer };
    store.update_secret(&next, Recorded { event: &event, answer: Some(&answer) }).unwrap();
    assert_eq!(store.answer(&answer.key, &answer.request, event.time).unwrap(), Some(next.secret.into()));
}

pub fn an_answer_outlives_its_secret_and_its_process<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let (row, event, answer) = stored(&store, &account.id);
    store.delete_secret(&row.secret.id, 1, &sample::deleted(&row)).unwrap();
    drop(store);
    let store = backend.open(Mode::Reader);
    assert_eq!(store.answer(&answer.key, &answer.request, event.time).unwrap(), Some(row.secret.into()));
}

pub fn an_id_finds_its_own_accounts_secret<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (account, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let row = sample::stored_secret(&store, &account.id);
    assert_eq!(store.secret_by_id(&other.id, &row.secret.id).unwrap(), None);
    assert_eq!(store.secret_by_id(&account.id, &sample::secret(&account.id, &sample::name()).secret.id).unwrap(), None);
    assert_eq!(store.secret_by_id(&account.id, &row.secret.id).unwrap(), Some(row.secret));
}
