//! The API's devboxes, pairings and exposures in the ledger.

use std::collections::BTreeMap;
use std::process::Command;

use model::devbox::About;
use model::{
    AccountId, ApiKeyId, Binding, BindingId, DevboxId, DevboxStatus, Event, EventKind, GatewayConfigId, Grant, Hosted, PairingId, SecretId,
    ShutdownReason, StoredBinding, Timestamp, TokenHash, Transition,
};
use store::{
    DevboxRow, ExposureRow, GatewayGrant, GatewayRole, GrantRow, HostedRow, Ledger, NewGateway, NewHosted, PairingRow, PairingStatus,
    StoreError,
};
use tempfile::TempDir;

use crate::backend::DEPLOYMENT;
use crate::sample;

struct House {
    folder: TempDir,
    account: AccountId,
    key: ApiKeyId,
}

impl House {
    fn make() -> (Self, Ledger) {
        let house =
            Self { folder: tempfile::tempdir().unwrap(), account: sample::account().id, key: ApiKeyId::from_parts(sample::time(), 1) };
        let path = house.folder.path().join("gateway.db");
        Ledger::create(&path, DEPLOYMENT).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        (house, ledger)
    }

    fn event(&self, kind: EventKind) -> Event {
        sample::event(kind, &self.account)
    }

    fn made(&self, number: u128, request: Option<[u8; 32]>) -> NewHosted {
        let opened = sample::time();
        let id = DevboxId::from_parts(Timestamp::from_unix_ms(1_790_000_000_000), number);
        let devbox = DevboxRow {
            id: id.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            allow: vec![],
            resume: TokenHash(sample::bytes(32).try_into().unwrap()),
            ca_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            ca_key: sample::bytes(200),
            opened,
            closed: None,
        };
        let about = About { name: Some("n".to_owned()), metadata: BTreeMap::from([("k".into(), "v".into())]), ..About::default() };
        let queued = Transition { status: DevboxStatus::Queued, at: opened, failure: None };
        let hosted = Hosted { id, account: self.account.clone(), about, transitions: vec![queued], reason: None };
        let granted = [None, Some(GatewayRole::Credential), Some(GatewayRole::Header)].map(|role| self.grant(&devbox, role)).to_vec();
        let hosted = HostedRow { hosted, key: self.key.clone(), request };
        NewHosted { devbox, hosted, granted, pairings: vec![], bindings: vec![] }
    }

    fn grant(&self, devbox: &DevboxRow, role: Option<GatewayRole>) -> GrantRow {
        let created = sample::time();
        let grant = Grant {
            token: TokenHash(sample::bytes(32).try_into().unwrap()),
            devbox: devbox.id.clone(),
            account: self.account.clone(),
            secret: SecretId::from_parts(created, 1),
            created,
            ended: None,
        };
        let tie = |role| GatewayGrant { config: GatewayConfigId::from_parts(created, 1), label: "gw".to_owned(), role };
        let gateway = role.map(tie);
        GrantRow { grant, env: "GW".parse().unwrap(), name: "token".parse().unwrap(), token: sample::bytes(80), gateway }
    }

    fn pairing(&self, number: u128) -> PairingRow {
        let created = sample::time();
        PairingRow {
            id: PairingId::from_parts(created, number),
            account: self.account.clone(),
            secret: SecretId::from_parts(Timestamp::from_unix_ms(1), 1),
            binding: Binding { path: "/v1".parse().unwrap(), ..Binding::to_host("api.example.com".parse().unwrap()) },
            devbox: DevboxId::from_parts(created, 1),
            config: GatewayConfigId::from_parts(created, 1),
            status: PairingStatus::Waiting,
            created,
            decided: None,
            mac: sample::bytes(32),
        }
    }
}

fn state(status: DevboxStatus) -> Transition {
    Transition { status, at: sample::time(), failure: Some("a reason of some length, so that rows grow with every state".repeat(8)) }
}

#[test]
fn a_devbox_of_the_api_is_made_whole_or_not_at_all_and_once_for_a_request() {
    let (house, ledger) = House::make();
    let opened = [house.event(EventKind::DevboxOpened), house.event(EventKind::PairingRequested)];
    let first = NewHosted { pairings: vec![house.pairing(1)], ..house.made(1, Some([7; 32])) };
    ledger.open_hosted(&first, &opened).unwrap();
    let again = house.made(2, Some([7; 32]));
    assert!(matches!(ledger.open_hosted(&again, &opened), Err(StoreError::Conflict)));
    let same_pairing = NewHosted { pairings: vec![house.pairing(2), first.pairings[0].clone()], ..house.made(3, None) };
    assert!(matches!(ledger.open_hosted(&same_pairing, &opened), Err(StoreError::Conflict)));
    for none in [&again, &same_pairing] {
        assert_eq!((ledger.hosted(&none.devbox.id).unwrap(), ledger.devbox(&none.devbox.id).unwrap()), (None, None));
    }
    assert_eq!(ledger.requested_hosted(&house.key, &[7; 32]).unwrap().as_ref(), Some(&first.hosted.hosted));
    assert_eq!(ledger.requested_hosted(&house.key, &[8; 32]).unwrap(), None);
    assert_eq!(ledger.grants_of(&first.devbox.id).unwrap(), first.granted);
    for number in 4..6 {
        ledger.open_hosted(&house.made(number, None), &opened[..1]).unwrap();
    }
    assert!(ledger.open_devboxes().unwrap().is_empty());
    assert_eq!((ledger.open_hosted_devboxes().unwrap().len(), ledger.count_open_devboxes().unwrap()), (3, 3));
    assert_eq!(ledger.verify_chain().unwrap().seq, 4);
}

#[test]
fn nothing_follows_a_final_state_and_no_wrapped_key_outlives_it() {
    let (house, ledger) = House::make();
    let made: Vec<NewHosted> = (0..40).map(|number| house.made(number, None)).collect();
    for new in &made {
        ledger.open_hosted(new, &[house.event(EventKind::DevboxOpened)]).unwrap();
    }
    let mut states = vec![made[0].hosted.hosted.transitions[0].clone()];
    for status in [DevboxStatus::Provisioning, DevboxStatus::Initializing, DevboxStatus::Running] {
        states.push(state(status));
        for new in &made {
            ledger.note_transitions(&new.devbox.id, &states).unwrap();
        }
    }
    states.push(state(DevboxStatus::Shutdown));
    let closed = house.event(EventKind::DevboxClosed);
    for new in &made[1..] {
        let ended = Hosted { transitions: states.clone(), reason: Some(ShutdownReason::KeepAliveTimeout), ..new.hosted.hosted.clone() };
        ledger.end_hosted(&ended, sample::time(), &closed).unwrap();
        assert!(matches!(ledger.end_hosted(&ended, sample::time(), &closed), Err(StoreError::Conflict)));
        assert!(matches!(ledger.note_transitions(&new.devbox.id, &states[..2]), Err(StoreError::Conflict)));
        assert_eq!(ledger.hosted(&new.devbox.id).unwrap().as_ref(), Some(&ended));
        assert!(ledger.grants_of(&new.devbox.id).unwrap().iter().all(|row| row.token.is_empty() && row.grant.ended.is_some()));
    }
    let late = NewGateway { devbox: made[1].devbox.id.clone(), granted: vec![], pairings: vec![], bindings: vec![] };
    assert!(matches!(ledger.add_gateway(&late, &[]), Err(StoreError::Conflict)));
    assert_eq!(ledger.open_hosted_devboxes().unwrap(), [made[0].devbox.id.clone()]);
    drop(ledger);
    let files = Command::new("cat").arg(house.folder.path().join("gateway.db")).output().unwrap().stdout;
    let windows: std::collections::HashSet<&[u8]> = files.windows(24).collect();
    let stands = |bytes: &[u8]| windows.contains(&bytes[..24]);
    assert!(stands(&made[0].devbox.ca_key) && made[0].granted.iter().all(|row| stands(&row.token)), "the search itself does not work");
    assert!(made[1..].iter().all(|new| !stands(&new.devbox.ca_key) && new.granted.iter().all(|row| !stands(&row.token))));
}

#[test]
fn pages_are_of_one_account_and_one_state() {
    let (house, ledger) = House::make();
    let opened = [house.event(EventKind::DevboxOpened)];
    let made: Vec<NewHosted> = (0..3).map(|number| house.made(number, None)).collect();
    for new in &made {
        ledger.open_hosted(new, &opened).unwrap();
    }
    let ids = |page: store::HostedPage| (page.devboxes.into_iter().map(|hosted| hosted.id).collect::<Vec<_>>(), page.has_more, page.total);
    let id = |number: usize| made[number].devbox.id.clone();
    assert_eq!(ids(ledger.hosted_page(&house.account, None, 2, None).unwrap()), (vec![id(2), id(1)], true, 3));
    assert_eq!(ids(ledger.hosted_page(&house.account, Some(&id(1)), 2, None).unwrap()), (vec![id(0)], false, 3));
    assert_eq!(ids(ledger.hosted_page(&house.account, None, 2, Some(DevboxStatus::Running)).unwrap()), (vec![], false, 0));
    assert_eq!(ids(ledger.hosted_page(&sample::account().id, None, 2, None).unwrap()), (vec![], false, 0));
}

#[test]
fn a_pairing_is_decided_once_together_with_its_binding() {
    let (house, ledger) = House::make();
    let new = NewHosted { pairings: vec![house.pairing(1), house.pairing(2)], ..house.made(1, None) };
    ledger.open_hosted(&new, &[]).unwrap();
    let waiting = ledger.waiting_pairings(&house.account).unwrap();
    assert_eq!(waiting, new.pairings);
    let approved =
        PairingRow { status: PairingStatus::Approved, decided: Some(sample::time()), mac: sample::bytes(32), ..waiting[0].clone() };
    assert_ne!(approved.mac_input(), waiting[0].mac_input());
    let binding = StoredBinding {
        id: BindingId::from_parts(sample::time(), 1),
        account: house.account.clone(),
        secret: approved.secret.clone(),
        binding: approved.binding.clone(),
        created: sample::time(),
        mac: sample::bytes(32),
    };
    let events = [house.event(EventKind::PairingApproved)];
    ledger.decide_pairing(&approved, Some(&binding), &events).unwrap();
    assert!(matches!(ledger.decide_pairing(&approved, Some(&binding), &events), Err(StoreError::Conflict)));
    assert_eq!(ledger.pairing(&approved.id).unwrap().as_ref(), Some(&approved));
    assert_eq!(ledger.bindings_of(&approved.secret).unwrap(), [binding]);
    assert_eq!(ledger.waiting_pairings(&house.account).unwrap(), [waiting[1].clone()]);
    assert_eq!(ledger.pairings_of(&approved.secret).unwrap().len(), 2);
}

#[test]
fn the_last_word_on_exposure_stands() {
    let (house, ledger) = House::make();
    let secret = SecretId::from_parts(sample::time(), 1);
    let row = |plain| ExposureRow {
        secret: secret.clone(),
        account: house.account.clone(),
        plain,
        created: sample::time(),
        mac: sample::bytes(32),
    };
    assert_eq!(ledger.exposure(&secret).unwrap().0, None);
    let (plain, brokered) = (row(true), row(false));
    assert_ne!(plain.mac_input(), ExposureRow { plain: false, ..plain.clone() }.mac_input());
    ledger.put_exposure(&plain, &house.event(EventKind::SecretExposed)).unwrap();
    assert_eq!(ledger.plain_exposures(&house.account).unwrap(), [plain]);
    ledger.put_exposure(&brokered, &house.event(EventKind::SecretBrokered)).unwrap();
    assert_eq!(ledger.exposure(&secret).unwrap().0, Some(brokered));
    assert!(ledger.plain_exposures(&house.account).unwrap().is_empty());
}
