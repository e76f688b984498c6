//! Gateway configs: an account's own, and those that every account has.

use model::gateway::builtin;
use model::{AccountId, ApiKeyId, CustomHeader, EventKind, GatewayConfig, GatewayConfigId, HeaderContent, Mechanism, SecretId};
use store::{AnswerRow, GatewayConfigPage, Mode, Recorded, Store, StoreError};

use crate::backend::Backend;
use crate::sample;

/// A gateway config of this account, not stored.
fn config(account: &AccountId, name: &str) -> GatewayConfig {
    let created = sample::time();
    let header = |name: &str, content| CustomHeader { name: name.parse().unwrap(), content };
    let secret = SecretId::from_parts(created, u128::from(sample::number()));
    GatewayConfig {
        id: GatewayConfigId::from_parts(created, u128::from(sample::number())),
        account: Some(account.clone()),
        name: name.parse().unwrap(),
        endpoint: "https://api.example.com:8443/v1".parse().unwrap(),
        mechanism: Mechanism::Header("x-api-key".parse().unwrap()),
        headers: vec![header("x-version", HeaderContent::Text("1".parse().unwrap())), header("x-second", HeaderContent::Secret(secret))],
        description: Some("two\nlines".parse().unwrap()),
        created,
    }
}

fn stored(store: &Store, account: &AccountId, name: &str) -> GatewayConfig {
    let config = config(account, name);
    store.insert_gateway_config(&config, &sample::event(EventKind::GatewayConfigCreated, account)).unwrap();
    config
}

fn ids(page: &GatewayConfigPage) -> Vec<GatewayConfigId> {
    page.configs.iter().map(|config| config.id.clone()).collect()
}

pub fn another_accounts_gateway_config_is_neither_found_nor_changed<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let (one, other) = (sample::stored_account(&store), sample::stored_account(&store));
    let theirs = stored(&store, &other.id, "theirs");
    let event = sample::event(EventKind::GatewayConfigUpdated, &one.id);
    assert_eq!(store.gateway_config(&one.id, &theirs.id).unwrap(), None);
    assert_eq!(store.gateway_config_named(&one.id, &theirs.name).unwrap(), None);
    let ours = GatewayConfig { account: Some(one.id.clone()), ..theirs.clone() };
    assert!(matches!(store.update_gateway_config(&ours, &event), Err(StoreError::Conflict)));
    assert!(matches!(store.insert_gateway_config(&ours, &event), Err(StoreError::Conflict)));
    assert!(matches!(store.delete_gateway_config(&one.id, &theirs.id, &event), Err(StoreError::Conflict)));
    assert_eq!(store.gateway_configs(&one.id, None, None, 10).unwrap().total, 2);
    assert_eq!(store.gateway_config(&other.id, &theirs.id).unwrap(), Some(theirs));
}

pub fn what_every_account_has_is_neither_stored_nor_changed_nor_removed<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let event = sample::event(EventKind::GatewayConfigUpdated, &account.id);
    for config in builtin() {
        let taken = GatewayConfig { account: Some(account.id.clone()), ..config.clone() };
        for config in [&config, &taken] {
            assert!(matches!(store.update_gateway_config(config, &event), Err(StoreError::Conflict)));
        }
        assert!(matches!(store.insert_gateway_config(&config, &event), Err(StoreError::Conflict)));
        assert!(matches!(store.delete_gateway_config(&account.id, &config.id, &event), Err(StoreError::Conflict)));
        assert_eq!(store.gateway_config(&account.id, &config.id).unwrap().as_ref(), Some(&config));
        assert_eq!(store.gateway_config_named(&account.id, &config.name).unwrap(), Some(config));
    }
}

pub fn a_gateway_config_comes_back_as_it_was_until_it_is_removed<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let first = stored(&store, &account.id, "mine");
    assert_eq!(store.gateway_config(&account.id, &first.id).unwrap().as_ref(), Some(&first));
    let next = GatewayConfig {
        mechanism: Mechanism::Basic,
        endpoint: "https://other.example.com".parse().unwrap(),
        headers: vec![],
        description: None,
        ..first
    };
    store.update_gateway_config(&next, &sample::event(EventKind::GatewayConfigUpdated, &account.id)).unwrap();
    drop(store);
    let store = backend.open(Mode::Writer);
    assert_eq!(store.gateway_config(&account.id, &next.id).unwrap().as_ref(), Some(&next));
    let deleted = sample::event(EventKind::GatewayConfigDeleted, &account.id);
    store.delete_gateway_config(&account.id, &next.id, &deleted).unwrap();
    assert!(matches!(store.delete_gateway_config(&account.id, &next.id, &deleted), Err(StoreError::Conflict)));
    assert_eq!(store.gateway_config(&account.id, &next.id).unwrap(), None);
}

pub fn a_gateway_configs_name_means_the_newest<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let older = stored(&store, &account.id, "anthropic");
    let newer = stored(&store, &account.id, "anthropic");
    assert_eq!(store.gateway_config_named(&account.id, &newer.name).unwrap().as_ref(), Some(&newer));
    let deleted = sample::event(EventKind::GatewayConfigDeleted, &account.id);
    store.delete_gateway_config(&account.id, &newer.id, &deleted).unwrap();
    assert_eq!(store.gateway_config_named(&account.id, &newer.name).unwrap().as_ref(), Some(&older));
    store.delete_gateway_config(&account.id, &older.id, &deleted).unwrap();
    assert_eq!(store.gateway_config_named(&account.id, &newer.name).unwrap(), builtin().into_iter().find(|one| one.name == newer.name));
}

pub fn gateway_configs_are_listed_from_the_newest_and_pages_meet<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let mut all: Vec<_> = ["one", "Anthropic 2", "three"].map(|name| stored(&store, &account.id, name).id).into();
    all.reverse();
    all.extend(builtin().map(|config| config.id));
    for limit in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.gateway_configs(&account.id, None, after.as_ref(), limit).unwrap();
            assert_eq!(page.total, 5);
            seen.extend(ids(&page));
            after = seen.last().cloned();
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    let named = store.gateway_configs(&account.id, Some("ANTHROPIC"), None, 10).unwrap();
    assert_eq!((ids(&named), named.total), (vec![all[1].clone(), builtin()[1].id.clone()], 2));
    let none = store.gateway_configs(&account.id, Some("%"), None, 10).unwrap();
    assert_eq!(none, GatewayConfigPage { configs: vec![], has_more: false, total: 0 });
}

pub fn a_gateway_configs_answer_is_given_again<B: Backend>() {
    let backend = B::make();
    let store = backend.open(Mode::Writer);
    let account = sample::stored_account(&store);
    let config = config(&account.id, "mine");
    let event = sample::event(EventKind::GatewayConfigCreated, &account.id);
    let key = ApiKeyId::from_parts(sample::time(), u128::from(sample::number()));
    let answer = AnswerRow { key, request: sample::bytes(32).try_into().unwrap(), shown: config.clone().into() };
    let recorded = Recorded { event: &event, answer: Some(&answer) };
    store.insert_gateway_config(&config, recorded).unwrap();
    assert!(matches!(store.delete_gateway_config(&account.id, &config.id, recorded), Err(StoreError::Answered)));
    assert_eq!(store.answer(&answer.key, &answer.request, event.time).unwrap(), Some(config.into()));
}
