//! Whatever is done in whatever order, the store says what a map would say.

use std::collections::BTreeMap;

use model::SecretName;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Mode, SealedSecret, Store, StoreError};

use crate::backend::Backend;
use crate::sample;

#[derive(Clone, Copy, Debug)]
enum Step {
    Create,
    Update,
    Delete,
}

pub fn any_history_reads_as_a_map_would<B: Backend>() {
    let step = prop_oneof![Just(Step::Create), Just(Step::Update), Just(Step::Delete)];
    let steps = proptest::collection::vec((step, 0..4_usize), 1..30);
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps, |steps| {
            let backend = B::make();
            let store = backend.open(Mode::Writer);
            let account = sample::stored_account(&store).id;
            let names: Vec<SecretName> = (0..4).map(|_| sample::name()).collect();
            let mut map = BTreeMap::new();
            for (step, name) in steps {
                take(&store, &mut map, step, sample::secret(&account, &names[name]));
            }
            let mut expected: Vec<_> = map.values().map(|row| row.secret.clone()).collect();
            expected.sort_by(|one, other| other.id.cmp(&one.id));
            let page = store.secrets(&account, None, 10).unwrap();
            prop_assert_eq!(page.total, expected.len() as u64);
            prop_assert_eq!(page.secrets, expected);
            for row in map.values() {
                prop_assert!(store.sealed(&row.secret.id).unwrap().as_ref() == Some(row));
            }
            prop_assert!(store.verify_chain().is_ok());
            Ok(())
        })
        .unwrap();
}

fn take(store: &Store, map: &mut BTreeMap<SecretName, SealedSecret>, step: Step, fresh: SealedSecret) {
    let name = fresh.secret.name.clone();
    match (step, map.get(&name).cloned()) {
        (Step::Create, None) => {
            store.insert_secret(&fresh, &sample::created(&fresh)).unwrap();
            map.insert(name, fresh);
        }
        (Step::Create, Some(_)) => {
            assert!(matches!(store.insert_secret(&fresh, &sample::created(&fresh)), Err(StoreError::DuplicateName)));
        }
        (Step::Update, None) => {
            let next = sample::next(&fresh);
            assert!(matches!(store.update_secret(&next, &sample::updated(&next)), Err(StoreError::Conflict)));
        }
        (Step::Update, Some(row)) => {
            let next = sample::next(&row);
            store.update_secret(&next, &sample::updated(&next)).unwrap();
            map.insert(name, next);
        }
        (Step::Delete, None) => {
            assert!(matches!(store.delete_secret(&fresh.secret.id, 1, &sample::deleted(&fresh)), Err(StoreError::Conflict)));
        }
        (Step::Delete, Some(row)) => {
            store.delete_secret(&row.secret.id, row.secret.version, &sample::deleted(&row)).unwrap();
            map.remove(&name);
        }
    }
}
