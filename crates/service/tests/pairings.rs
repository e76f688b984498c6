//! A person says whether a gateway config may have a secret that is bound nowhere.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_account, add_key, named, secret_name, wanted};
use model::{Asked, EventKind, Mechanism, PairingId, Refusal, Scopes};
use service::{BindingsError, DevboxDenial, NewHosted, WantedContent};
use store::{NewGateway, PairingRow, PairingStatus};

const KEY: &str = "a plain value of a key";
const API: &str = "https://api.example.com/v1";

fn house() -> Installation {
    let house = Installation::with_keys(|store| {
        add_account(store, &account(2));
        add_key(store, &account(2), 2, "tlk_stranger", Scopes::all());
    });
    house.store("KEY", KEY);
    house.config("api", API, Mechanism::Bearer, &[]);
    house
}

fn ask(house: &Installation, made: &NewHosted) -> Result<(), Refusal> {
    let via = house.gate.gateway_at(&made.card, "gw")?;
    let endpoint = via.config.endpoint.clone();
    let asked = Asked { devbox: &made.card.devbox, host: endpoint.host(), port: endpoint.port(), method: "GET", path: "/v1/x" };
    house.gate.resolve_gateway(&made.card, &via, asked).map(drop)
}

fn only(house: &Installation) -> PairingId {
    let [view] = <[_; 1]>::try_from(house.gate.requests(&house.caller()).unwrap()).unwrap();
    view.id
}

#[test]
fn what_nobody_answered_is_refused_until_it_is_approved() {
    let house = house();
    let made = house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingPending));
    let [view] = <[_; 1]>::try_from(house.gate.requests(&house.caller()).unwrap()).unwrap();
    assert_eq!((view.secret.as_str(), view.gateway.as_ref().unwrap().as_str(), &view.devbox), ("KEY", "api", &made.card.devbox));
    assert_eq!((view.binding.host.to_string().as_str(), view.binding.path.as_str()), ("api.example.com", "/v1"));
    for key in ["", "tla_wrong", &house.owner_key] {
        assert!(matches!(house.gate.approve(key, &house.caller(), &view.id), Err(BindingsError::NotAdmin)));
        assert!(matches!(house.gate.refuse(key, &house.caller(), &view.id), Err(BindingsError::NotAdmin)));
    }
    let stranger = house.gate.authenticate(Some("tlk_stranger")).unwrap();
    assert!(matches!(house.gate.approve(&house.admin_key, &stranger, &view.id), Err(BindingsError::NoPairing)));
    assert!(house.gate.requests(&stranger).unwrap().is_empty());
    assert_eq!(ask(&house, &made), Err(Refusal::PairingPending));
    let views = house.gate.approve(&house.admin_key, &house.caller(), &view.id).unwrap();
    assert_eq!(views[0].binding.as_ref(), Some(&view.binding));
    assert_eq!(ask(&house, &made), Ok(()));
    assert!(house.gate.requests(&house.caller()).unwrap().is_empty());
    assert!(matches!(house.gate.approve(&house.admin_key, &house.caller(), &view.id), Err(BindingsError::NoPairing)));
    use EventKind::{BindingCreated, DevboxOpened, PairingApproved, PairingRequested, SecretFirstUsed};
    assert_eq!(house.kinds(), [DevboxOpened, PairingRequested, PairingApproved, BindingCreated, SecretFirstUsed]);
}

#[test]
fn what_was_refused_stays_so_and_is_not_asked_again() {
    let house = house();
    let made = house.through("api", "KEY").unwrap();
    house.gate.refuse(&house.admin_key, &house.caller(), &only(&house)).unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingRefused));
    let again = house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &again), Err(Refusal::PairingRefused));
    assert!(house.gate.requests(&house.caller()).unwrap().is_empty());
    house.bind("KEY", "api.example.com", "bearer");
    assert_eq!(ask(&house, &again), Ok(()));
}

#[test]
fn the_same_is_asked_once_and_after_an_unbinding_again() {
    let house = house();
    let made = house.through("api", "KEY").unwrap();
    house.through("api", "KEY").unwrap();
    house.create(wanted(&[], &[("A", "api", "KEY"), ("B", "api", "KEY")])).unwrap();
    house.gate.approve(&house.admin_key, &house.caller(), &only(&house)).unwrap();
    house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None).unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::SecretUnbound));
    house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingPending));
    only(&house);
}

#[test]
fn a_secret_in_a_custom_header_is_asked_about_as_well() {
    let house = house();
    house.store("TEAM", "another plain value");
    house.bind("KEY", "api.example.com", "bearer");
    house.config("both", API, Mechanism::Bearer, &[("x-team", WantedContent::Secret(named("TEAM")))]);
    let made = house.through("both", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingPending));
    assert!(!house.kinds().contains(&EventKind::SecretFirstUsed));
    house.gate.approve(&house.admin_key, &house.caller(), &only(&house)).unwrap();
    assert_eq!(ask(&house, &made), Ok(()));
}

#[test]
fn more_than_a_person_reads_is_not_asked() {
    let house = house();
    for number in 0..50 {
        house.config(&format!("c{number}"), &format!("https://h{number}.example.com"), Mechanism::Bearer, &[]);
        house.through(&format!("c{number}"), "KEY").unwrap();
    }
    assert!(matches!(house.through("api", "KEY"), Err(DevboxDenial::TooManyPairings)));
    assert_eq!(house.gate.requests(&house.caller()).unwrap().len(), 50);
    house.through("c7", "KEY").unwrap();
}

#[test]
fn a_pairing_without_our_mac_is_never_shown_or_decided_and_permits_nothing() {
    let house = house();
    let secret = house.house.secrets().get(&house.caller(), &secret_name("KEY")).unwrap();
    let made = house.create(wanted(&[], &[])).unwrap();
    let config = house.config("evil", "https://evil.example.com", Mechanism::Bearer, &[]);
    let plant = |number, status| {
        let row = PairingRow {
            id: PairingId::from_parts(installation::START, number),
            account: house.owner.id.clone(),
            secret: secret.id.clone(),
            binding: config.binding(model::Form::Bearer),
            devbox: made.card.devbox.clone(),
            config: config.id.clone(),
            status,
            created: installation::START,
            decided: None,
            mac: house.keys.mac("tightlip exposure v1", b"anything"),
        };
        let new = NewGateway { devbox: made.card.devbox.clone(), granted: vec![], pairings: vec![row.clone()], bindings: vec![] };
        house.ledger.add_gateway(&new, &[]).unwrap();
        row.id
    };
    let waiting = plant(1, PairingStatus::Waiting);
    plant(2, PairingStatus::Approved);
    plant(3, PairingStatus::Refused);
    assert!(house.gate.requests(&house.caller()).unwrap().is_empty());
    assert!(matches!(house.gate.approve(&house.admin_key, &house.caller(), &waiting), Err(BindingsError::NoPairing)));
    // Nothing of the secret's is in force beside rows that are not the gateway's.
    assert!(matches!(house.through("evil", "KEY"), Err(service::DevboxDenial::GatewayUnusable { .. })));
}

#[test]
fn a_secret_that_was_deleted_or_cannot_be_bound_is_not_approved() {
    let house = house();
    house.through("api", "KEY").unwrap();
    let id = only(&house);
    house.house.secrets().update(&house.caller(), &secret_name("KEY"), installation::value("short")).unwrap();
    assert!(matches!(house.gate.approve(&house.admin_key, &house.caller(), &id), Err(BindingsError::Unfit(_))));
    house.house.secrets().delete(&house.caller(), &secret_name("KEY")).unwrap();
    assert!(house.gate.requests(&house.caller()).unwrap().is_empty());
    assert!(matches!(house.gate.approve(&house.admin_key, &house.caller(), &id), Err(BindingsError::NotFound)));
    house.gate.refuse(&house.admin_key, &house.caller(), &id).unwrap();
}

/// Changes the store behind everybody's back, as an api that was taken over can.
fn tamper(house: &Installation, sql: &str) {
    rusqlite::Connection::open(house.folder.path().join("tightlip.db")).unwrap().execute_batch(sql).unwrap();
}

/// Swaps the names of two secrets.
fn swap(house: &Installation, one: &str, other: &str) {
    tamper(
        house,
        &format!(
            "UPDATE secrets SET name = 'x' WHERE name = '{one}'; UPDATE secrets SET name = '{one}' WHERE name = '{other}'; UPDATE secrets SET name = '{other}' WHERE name = 'x'"
        ),
    );
}

#[test]
fn nobody_is_asked_about_a_secret_under_anothers_name() {
    let house = house();
    house.store("HARMLESS", "another plain value");
    house.through("api", "KEY").unwrap();
    swap(&house, "KEY", "HARMLESS");
    assert!(house.gate.requests(&house.caller()).unwrap().is_empty());
    swap(&house, "KEY", "HARMLESS");
    let [view] = <[_; 1]>::try_from(house.gate.requests(&house.caller()).unwrap()).unwrap();
    assert_eq!(view.secret.as_str(), "KEY");
}

#[test]
fn unbinding_takes_nothing_from_another_secret() {
    let house = house();
    house.store("OTHER", "another plain value");
    for name in ["KEY", "OTHER"] {
        house.bind(name, "api.example.com", "auto");
    }
    let unbind = || house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None);
    swap(&house, "KEY", "OTHER");
    assert!(matches!(unbind(), Err(BindingsError::Tampered)));
    swap(&house, "KEY", "OTHER");
    unbind().unwrap();
    let (views, _) = house.gate.views(&house.owner.id, Some(&secret_name("OTHER")), None).unwrap();
    assert!(views[0].binding.is_some());
}

#[test]
fn a_refusal_keeps_a_hidden_secret_back() {
    let house = Installation::with_policy(service::Policy { plain_env_for_unbound: true, accept_pairings: false });
    house.store("KEY", KEY);
    house.config("api", API, Mechanism::Bearer, &[]);
    house.through("api", "KEY").unwrap();
    let id = only(&house);
    let rows = "CREATE TABLE hidden AS SELECT * FROM secrets; DELETE FROM secrets";
    tamper(&house, rows);
    house.gate.refuse(&house.admin_key, &house.caller(), &id).unwrap();
    tamper(&house, "INSERT INTO secrets SELECT * FROM hidden");
    assert!(house.create(wanted(&[("A", "KEY")], &[])).unwrap().plain.is_none());
}

#[test]
fn what_a_person_took_away_is_not_given_back_by_itself() {
    let house = Installation::with_policy(service::Policy { plain_env_for_unbound: false, accept_pairings: true });
    house.store("KEY", KEY);
    house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Ok(()), "the operator said so");
    house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None).unwrap();
    let made = house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingPending));
    house.gate.refuse(&house.admin_key, &house.caller(), &only(&house)).unwrap();
    let made = house.through("api", "KEY").unwrap();
    assert_eq!(ask(&house, &made), Err(Refusal::PairingRefused));
}

#[test]
fn nothing_is_paired_with_a_host_whose_connections_pass_unseen() {
    for accept_pairings in [false, true] {
        let policy = service::Policy { plain_env_for_unbound: false, accept_pairings };
        let house = Installation::passing_through(vec!["*.example.com".parse().unwrap()], policy);
        house.store("KEY", KEY);
        house.config("api", API, Mechanism::Bearer, &[]);
        let made = house.through("api", "KEY").unwrap();
        assert_eq!(ask(&house, &made), Err(Refusal::PairingPending), "accept_pairings = {accept_pairings}");
        let approved = house.gate.approve(&house.admin_key, &house.caller(), &only(&house));
        assert!(matches!(approved, Err(BindingsError::PassedThrough)));
        assert!(house.gate.check_pass_through().is_ok(), "the server starts again");
    }
}

#[test]
fn two_who_take_the_last_bindings_away_at_once_keep_the_secret_back() {
    for _ in 0..20 {
        let house = Installation::with_policy(service::Policy { plain_env_for_unbound: true, accept_pairings: false });
        house.store("KEY", KEY);
        for host in ["a.example.com", "b.example.com"] {
            house.bind("KEY", host, "auto");
        }
        let caller = house.caller();
        std::thread::scope(|scope| {
            for host in ["a.example.com", "b.example.com"] {
                let (house, caller) = (&house, &caller);
                scope
                    .spawn(move || house.gate.unbind(&house.admin_key, caller, &secret_name("KEY"), Some(&host.parse().unwrap())).unwrap());
            }
        });
        assert!(house.create(wanted(&[("A", "KEY")], &[])).unwrap().plain.is_none());
    }
}
