//! The gateway's ledger.

use std::process::Command;

use model::{
    AccountId, ApiKeyId, Binding, BindingId, DevboxId, Event, EventKind, Grant, SecretId, StoredBinding, Timestamp, TokenHash, Writer,
};
use store::{DevboxRow, EventQuery, GrantRow, Ledger, StoreError};
use tempfile::TempDir;

use crate::backend::DEPLOYMENT;
use crate::sample;

struct House {
    folder: TempDir,
    account: AccountId,
}

impl House {
    fn make() -> (Self, Ledger) {
        let house = Self { folder: tempfile::tempdir().unwrap(), account: sample::account().id };
        Ledger::create(&house.path(), DEPLOYMENT).unwrap();
        let ledger = house.open();
        (house, ledger)
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("gateway.db")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path()).unwrap()
    }

    fn event(&self, kind: EventKind) -> Event {
        sample::event(kind, &self.account)
    }

    fn binding(&self, secret: &SecretId, host: &str) -> StoredBinding {
        let created = sample::time();
        StoredBinding {
            id: BindingId::from_parts(created, 1),
            account: self.account.clone(),
            secret: secret.clone(),
            binding: Binding {
                port: 8443,
                methods: "GET,POST".parse().unwrap(),
                path: "/v1".parse().unwrap(),
                form: "basic:x-access-token".parse().unwrap(),
                ..Binding::to_host(host.parse().unwrap())
            },
            created,
            mac: sample::bytes(32),
        }
    }

    fn devbox(&self) -> DevboxRow {
        let opened = sample::time();
        DevboxRow {
            id: DevboxId::from_parts(opened, 1),
            account: self.account.clone(),
            key: ApiKeyId::from_parts(opened, 1),
            allow: vec!["api.example.com".parse().unwrap(), "*.example.org".parse().unwrap()],
            resume: TokenHash(sample::bytes(32).try_into().unwrap()),
            ca_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            ca_key: sample::bytes(200),
            opened,
            closed: None,
        }
    }

    fn grant(&self, devbox: &DevboxRow) -> GrantRow {
        let created = sample::time();
        let grant = Grant {
            token: TokenHash(sample::bytes(32).try_into().unwrap()),
            devbox: devbox.id.clone(),
            account: self.account.clone(),
            secret: SecretId::from_parts(created, 1),
            created,
            ended: None,
        };
        GrantRow {
            grant,
            env: "GITHUB_TOKEN".parse().unwrap(),
            name: "github.token".parse().unwrap(),
            token: sample::bytes(80),
            gateway: None,
        }
    }
}

#[test]
fn bindings_come_back_as_they_were_macd() {
    let (house, ledger) = House::make();
    let secret = SecretId::from_parts(sample::time(), 1);
    let made = [house.binding(&secret, "api.example.com"), house.binding(&secret, "*.example.org")];
    for binding in &made {
        ledger.insert_binding(binding, &house.event(EventKind::BindingCreated)).unwrap();
    }
    assert!(matches!(ledger.insert_binding(&made[0], &house.event(EventKind::BindingCreated)), Err(StoreError::Conflict)));
    drop(ledger);
    let ledger = house.open();
    let found = ledger.bindings_of(&secret).unwrap();
    assert_eq!(found, made);
    assert_eq!(found[1].mac_input(), made[1].mac_input());
    assert_eq!(ledger.bindings_of(&SecretId::from_parts(sample::time(), 2)).unwrap(), []);
}

#[test]
fn bindings_are_removed_together_or_not_at_all() {
    let (house, ledger) = House::make();
    let secret = SecretId::from_parts(sample::time(), 1);
    let made = [house.binding(&secret, "a.example.com"), house.binding(&secret, "b.example.com")];
    for binding in &made {
        ledger.insert_binding(binding, &house.event(EventKind::BindingCreated)).unwrap();
    }
    let unknown = BindingId::from_parts(sample::time(), 9);
    let deleted = house.event(EventKind::BindingDeleted);
    assert!(matches!(ledger.delete_bindings(&[made[0].id.clone(), unknown], &deleted), Err(StoreError::Conflict)));
    assert_eq!(ledger.bindings_of(&secret).unwrap(), made);
    ledger.delete_bindings(&made.each_ref().map(|binding| binding.id.clone()), &deleted).unwrap();
    assert_eq!(ledger.bindings_of(&secret).unwrap(), []);
    assert_eq!(ledger.verify_chain().unwrap().seq, 3);
}

#[test]
fn a_devbox_survives_a_restart_with_its_grants() {
    let (house, ledger) = House::make();
    let devbox = house.devbox();
    let grants = [house.grant(&devbox), house.grant(&devbox)];
    ledger.open_devbox(&devbox, &grants, &house.event(EventKind::DevboxOpened)).unwrap();
    drop(ledger);
    let ledger = house.open();
    assert_eq!(ledger.devbox(&devbox.id).unwrap().as_ref(), Some(&devbox));
    assert_eq!(ledger.open_devboxes().unwrap(), std::slice::from_ref(&devbox));
    assert_eq!(ledger.grants_of(&devbox.id).unwrap(), grants);
    assert_eq!(ledger.grant(&grants[1].grant.token).unwrap().as_ref(), Some(&grants[1].grant));
    assert_eq!(ledger.grant(&TokenHash([0; 32])).unwrap(), None);
    assert_eq!(ledger.deployment(), DEPLOYMENT);
}

#[test]
fn a_devbox_opens_whole_or_not_at_all() {
    let (house, ledger) = House::make();
    let devbox = house.devbox();
    let granted = house.grant(&devbox);
    ledger.open_devbox(&devbox, std::slice::from_ref(&granted), &house.event(EventKind::DevboxOpened)).unwrap();
    let other = house.devbox();
    let same_token = GrantRow { grant: Grant { devbox: other.id.clone(), ..granted.grant.clone() }, ..granted.clone() };
    let opened = house.event(EventKind::DevboxOpened);
    assert!(matches!(ledger.open_devbox(&other, &[house.grant(&other), same_token], &opened), Err(StoreError::Conflict)));
    assert!(matches!(ledger.open_devbox(&other, &[house.grant(&devbox)], &opened), Err(StoreError::Conflict)));
    assert!(matches!(ledger.open_devbox(&devbox, &[], &opened), Err(StoreError::Conflict)));
    assert_eq!(ledger.devbox(&other.id).unwrap(), None);
    assert_eq!(ledger.grants_of(&other.id).unwrap(), []);
    assert_eq!(ledger.verify_chain().unwrap().seq, 1);
}

#[test]
fn closing_ends_the_grants_and_erases_key_and_tokens() {
    let (house, ledger) = House::make();
    let (devbox, other) = (house.devbox(), house.devbox());
    let (granted, kept) = (house.grant(&devbox), house.grant(&other));
    ledger.open_devbox(&devbox, std::slice::from_ref(&granted), &house.event(EventKind::DevboxOpened)).unwrap();
    ledger.open_devbox(&other, std::slice::from_ref(&kept), &house.event(EventKind::DevboxOpened)).unwrap();
    let at: Timestamp = sample::time();
    ledger.close_devbox(&devbox.id, at, &house.event(EventKind::DevboxClosed)).unwrap();
    assert!(matches!(ledger.close_devbox(&devbox.id, at, &house.event(EventKind::DevboxClosed)), Err(StoreError::Conflict)));

    assert_eq!(ledger.open_devboxes().unwrap(), std::slice::from_ref(&other));
    assert_eq!(ledger.devbox(&devbox.id).unwrap(), Some(DevboxRow { closed: Some(at), ca_key: vec![], ..devbox.clone() }));
    assert_eq!(ledger.grant(&granted.grant.token).unwrap().unwrap().ended, Some(at));
    assert_eq!(ledger.grants_of(&devbox.id).unwrap()[0].token, [0; 0]);
    assert_eq!(ledger.grants_of(&other.id).unwrap(), std::slice::from_ref(&kept));

    drop(ledger);
    let files = Command::new("cat").arg(house.path()).output().unwrap().stdout;
    let stands = |bytes: &[u8]| files.windows(24).any(|window| window == &bytes[..24]);
    assert!(stands(&kept.token) && stands(&other.ca_key), "the search itself does not work");
    assert!(!stands(&granted.token) && !stands(&devbox.ca_key));
}

#[test]
fn recorded_events_are_chained_in_their_order() {
    let (house, ledger) = House::make();
    ledger.record(&[]).unwrap();
    let events = [EventKind::SecretFirstUsed, EventKind::Refused, EventKind::SecretUsed].map(|kind| house.event(kind));
    ledger.record(&events).unwrap();
    let found = ledger.events(&EventQuery::of(house.account.clone(), 10)).unwrap();
    assert_eq!(found.iter().map(|chained| (chained.seq, chained.writer)).collect::<Vec<_>>(), [1, 2, 3].map(|seq| (seq, Writer::Gateway)));
    assert_eq!(found.into_iter().map(|chained| chained.event).collect::<Vec<_>>(), events);
    assert_eq!(ledger.verify_chain().unwrap().seq, 3);
    ledger.check().unwrap();
}
