//! Pages of secrets.

use model::SecretId;
use store::{Mode, SecretPage};

use crate::backend::Backend;
use crate::sample;

fn ids(page: &SecretPage) -> Vec<SecretId> {
    page.secrets.iter().map(|secret| secret.id.clone()).collect()
}

pub fn pages_go_from_the_newest_to_the_oldest<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let mut newest_first: Vec<_> = (0..5).map(|_| sample::stored_secret(&store, &account.id).secret.id).collect();
    newest_first.reverse();

    let first = store.secrets(&account.id, None, 2).unwrap();
    let second = store.secrets(&account.id, first.secrets.last().map(|secret| &secret.id), 2).unwrap();
    let third = store.secrets(&account.id, second.secrets.last().map(|secret| &secret.id), 2).unwrap();
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), newest_first);
    assert_eq!([first.has_more, second.has_more, third.has_more], [true, true, false]);
    assert_eq!([first.total, second.total, third.total], [5, 5, 5]);

    let exact = store.secrets(&account.id, None, 5).unwrap();
    assert!(!exact.has_more && ids(&exact) == newest_first);
    assert_eq!(ids(&store.secrets(&account.id, None, usize::MAX).unwrap()), newest_first);
    assert_eq!(store.secrets(&account.id, None, 0).unwrap(), SecretPage { secrets: vec![], has_more: true, total: 5 });
    assert_eq!(store.secrets(&account.id, newest_first.last(), 5).unwrap(), SecretPage { secrets: vec![], has_more: false, total: 5 });
}

pub fn a_page_continues_below_an_id_that_no_longer_exists<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let rows: Vec<_> = (0..4).map(|_| sample::stored_secret(&store, &account.id)).collect();
    store.delete_secret(&rows[2].secret.id, 1, &sample::deleted(&rows[2])).unwrap();
    let rest = store.secrets(&account.id, Some(&rows[2].secret.id), 10).unwrap();
    assert_eq!(ids(&rest), [rows[1].secret.id.clone(), rows[0].secret.id.clone()]);
    assert_eq!((rest.has_more, rest.total), (false, 3));
}

pub fn another_account_is_never_on_a_page<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (one, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let row = sample::stored_secret(&store, &one.id);
    let foreign = sample::stored_secret(&store, &other.id);
    let page = store.secrets(&one.id, None, 10).unwrap();
    assert_eq!((ids(&page), page.total), (vec![row.secret.id], 1));
    assert_eq!(store.secret(&one.id, &foreign.secret.name).unwrap(), None);
    let nobody = store.secrets(&sample::account().id, None, 10).unwrap();
    assert_eq!(nobody, SecretPage { secrets: vec![], has_more: false, total: 0 });
}
