//! Devboxes of the API: made once, given tokens or what was exposed, and erased at their end.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::collections::BTreeMap;
use std::io::Read;

use installation::{Installation, account, add_account, add_key, secret_name, wanted};
use link::cli::Exposure;
use link::front::NewDevbox;
use model::{DevboxStatus, EventKind, Mechanism, Scopes, ShutdownReason};
use service::{BindingsError, CreatedHosted, DevboxDenial, NewHosted, Policy};
use store::ExposureRow;

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fn poured(made: &mut NewHosted) -> String {
    let mut text = String::new();
    if let Some(plain) = &mut made.plain {
        plain.read_to_string(&mut text).unwrap();
    }
    text
}

fn numbered(number: u8) -> NewDevbox {
    NewDevbox { request: Some([number; 32]), ..wanted(&[("A", "TOKEN")], &[]) }
}

#[test]
fn a_key_without_the_scope_makes_none() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 2, "tlk_reader", "read,secrets".parse().unwrap()));
    let caller = house.gate.authenticate(Some("tlk_reader")).unwrap();
    let denial = house.gate.create_hosted(&caller, wanted(&[], &[]), house.new_ca()).err().unwrap();
    assert_eq!((denial.denial(), denial.code()), (link::cli::Denial::Forbidden, "scope_missing"));
}

#[test]
fn secrets_must_exist_and_be_usable_and_are_named_by_their_place() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.store("SHORT", "1234567");
    let denial = |secrets: &[(&str, &str)]| house.create(wanted(secrets, &[])).err().unwrap();
    assert!(matches!(denial(&[("A", "TOKEN"), ("B", "NONE")]), DevboxDenial::SecretUnknown(2)));
    assert!(matches!(denial(&[("A", "SHORT")]), DevboxDenial::Unusable { which: 1, .. }));
    assert!(!denial(&[("A", "NONE")]).to_string().contains("NONE"));
    let many: Vec<String> = (0..101).map(|number| format!("V{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|env| (env.as_str(), "TOKEN")).collect();
    assert!(matches!(denial(&many), DevboxDenial::TooManySecrets));
    assert!(house.gate.open_hosted().unwrap().is_empty() && house.kinds().is_empty());
}

#[test]
fn more_than_fits_is_refused() {
    let house = Installation::make();
    let text = |bytes: usize| "x".repeat(bytes);
    let with = |change: &dyn Fn(&mut NewDevbox)| {
        let mut devbox = wanted(&[], &[]);
        change(&mut devbox);
        house.create(devbox)
    };
    let env = |number: usize| format!("V{number}").parse().unwrap();
    assert!(matches!(with(&|devbox| devbox.env = (0..201).map(|n| (env(n), text(1))).collect()), Err(DevboxDenial::TooLarge)));
    assert!(matches!(with(&|devbox| devbox.env = BTreeMap::from([(env(0), text(32 * 1024 + 1))])), Err(DevboxDenial::TooLarge)));
    assert!(matches!(with(&|devbox| devbox.env = BTreeMap::from([(env(0), "a\0B=c".to_owned())])), Err(DevboxDenial::TooLarge)));
    assert!(matches!(with(&|devbox| devbox.about.launch = text(64 * 1024)), Err(DevboxDenial::TooLarge)));
    let metadata: BTreeMap<String, String> = (0..201).map(|n| (n.to_string(), text(1))).collect();
    assert!(matches!(with(&|devbox| devbox.about.metadata = metadata.clone()), Err(DevboxDenial::TooLarge)));
    assert!(with(&|devbox| devbox.env = (0..200).map(|n| (env(n), text(1))).collect()).is_ok());
}

#[test]
fn a_numbered_request_makes_one_devbox_whoever_repeats_it() {
    let house = Installation::with_keys(|store| add_key(store, &account(1), 2, "tlk_other", Scopes::all()));
    house.store("TOKEN", GITHUB);
    let first = house.create(numbered(1)).unwrap();
    match house.gate.create_hosted(&house.caller(), numbered(1), house.new_ca()).unwrap() {
        CreatedHosted::Before(before) => assert_eq!(before, first.hosted),
        CreatedHosted::New(_) => panic!("made twice"),
    }
    assert_ne!(house.create(numbered(2)).unwrap().hosted.id, first.hosted.id);
    let other = house.gate.authenticate(Some("tlk_other")).unwrap();
    assert!(matches!(house.gate.create_hosted(&other, numbered(1), house.new_ca()), Ok(CreatedHosted::New(_))));
    house.gate.transition(&first.hosted.id, DevboxStatus::Shutdown, None, Some(ShutdownReason::ApiShutdown), installation::START).unwrap();
    match house.gate.create_hosted(&house.caller(), numbered(1), house.new_ca()).unwrap() {
        CreatedHosted::Before(before) => assert_eq!(before.status(), DevboxStatus::Shutdown),
        CreatedHosted::New(_) => panic!("made again"),
    }
}

#[test]
fn a_devbox_is_shown_to_its_account_only_and_never_one_of_the_command_line() {
    let house = Installation::with_keys(|store| add_account(store, &account(2)));
    house.store("TOKEN", GITHUB);
    let made = house.create(numbered(1)).unwrap();
    let runs = house.card(&["TOKEN"]);
    assert_eq!(house.gate.hosted(&house.owner.id, &made.hosted.id).unwrap(), made.hosted);
    assert!(matches!(house.gate.hosted(&account(2).id, &made.hosted.id), Err(DevboxDenial::NotFound)));
    assert!(matches!(house.gate.hosted(&house.owner.id, &runs.devbox), Err(DevboxDenial::NotFound)));
    assert!(matches!(house.gate.take_up(&runs.devbox), Err(DevboxDenial::NotFound)));
    assert!(matches!(
        house.gate.transition(&runs.devbox, DevboxStatus::Shutdown, None, None, installation::START),
        Err(DevboxDenial::NotFound)
    ));
    assert!(matches!(house.gate.close(&made.hosted.id), Err(DevboxDenial::NotFound)));
    assert!(matches!(house.gate.resume(&made.hosted.id, "tlr_anything"), Err(DevboxDenial::WrongResume)));
    assert_eq!(house.gate.open_devboxes().unwrap(), [runs.devbox]);
    assert_eq!(house.gate.open_hosted().unwrap(), [made.hosted.id]);
    assert_eq!(house.gate.figures().unwrap().devboxes, 2);
}

#[test]
fn pages_meet_newest_first_and_states_are_told_apart() {
    let house = Installation::make();
    let ids: Vec<_> = (0..5).map(|_| house.create(wanted(&[], &[])).unwrap().hosted.id).collect();
    let page = |after, limit, status| house.gate.hosted_page(&house.owner.id, after, limit, status).unwrap();
    let (first, more, total) = page(None, 3, None);
    assert_eq!((first.iter().map(|hosted| &hosted.id).collect::<Vec<_>>(), more, total), (vec![&ids[4], &ids[3], &ids[2]], true, 5));
    let (second, more, _) = page(Some(&ids[2]), 3, None);
    assert_eq!((second.iter().map(|hosted| &hosted.id).collect::<Vec<_>>(), more), (vec![&ids[1], &ids[0]], false));
    house.gate.transition(&ids[1], DevboxStatus::Running, None, None, installation::START).unwrap();
    let (running, more, total) = page(None, 3, Some(DevboxStatus::Running));
    assert_eq!((running[0].id.clone(), more, total), (ids[1].clone(), false, 1));
}

#[test]
fn nothing_comes_after_a_final_state_and_it_erases_what_the_devbox_had() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.bind("TOKEN", "api.example.com", "auto");
    house.config("api", "https://api.example.com", Mechanism::Bearer, &[]);
    let made = house.create(wanted(&[("A", "TOKEN")], &[("GW", "api", "TOKEN")])).unwrap();
    let id = &made.hosted.id;
    assert_eq!(made.hosted.status(), DevboxStatus::Queued);
    house.gate.transition(id, DevboxStatus::Running, None, None, installation::START).unwrap();
    house.gate.transition(id, DevboxStatus::Running, None, None, installation::START).unwrap();
    house.clock.advance(5);
    let ended = house.gate.transition(id, DevboxStatus::Failure, Some("it was lost".to_owned()), None, installation::START).unwrap();
    let after = house.gate.transition(id, DevboxStatus::Shutdown, None, Some(ShutdownReason::ApiShutdown), installation::START).unwrap();
    assert_eq!((&after, ended.transitions.len(), ended.ended()), (&ended, 3, Some(ended.transitions[2].at)));
    assert_eq!(house.gate.hosted(&house.owner.id, id).unwrap(), ended);
    let row = house.ledger.devbox(id).unwrap().unwrap();
    assert!(row.closed.is_some() && row.ca_key.is_empty());
    let grants = house.ledger.grants_of(id).unwrap();
    assert!(grants.len() == 2 && grants.iter().all(|row| row.grant.ended.is_some() && row.token.is_empty()));
    assert!(matches!(house.gate.take_up(id), Err(DevboxDenial::NotFound)));
    assert!(house.gate.open_hosted().unwrap().is_empty());
    assert_eq!(house.kinds(), [EventKind::BindingCreated, EventKind::DevboxOpened, EventKind::DevboxClosed]);
}

#[test]
fn a_devbox_is_taken_up_with_all_that_it_had() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.bind("TOKEN", "api.example.com", "auto");
    house.config("api", "https://api.example.com", Mechanism::Bearer, &[]);
    let made = house.create(wanted(&[("A", "TOKEN")], &[("GW", "api", "TOKEN"), ("MY_API", "api", "TOKEN")])).unwrap();
    let env: BTreeMap<_, _> = made.env.iter().cloned().collect();
    assert_eq!(env["GW_URL"], "https://gw.gateway.internal");
    assert_eq!(env["MY_API_URL"], "https://my-api.gateway.internal");
    let (again, _) = house.gate.take_up(&made.hosted.id).unwrap();
    assert_eq!((again.ca_pem.as_str(), again.ca_key.as_slice()), ("a certificate", b"a ca's private key".as_slice()));
    assert_eq!(env["A"], again.card.grants[0].token.as_str());
    assert_eq!(again.card.grants.len(), 1);
    assert_eq!(env["MY_API"], again.card.gateway("my-api").unwrap().token().as_str());
    assert_eq!(made.hosted.about.gateways.len(), 2);
}

/// The names of what devboxes are given as it is, as people are shown it.
fn given_plain(house: &Installation) -> Vec<String> {
    let (views, _) = house.gate.views(&house.owner.id, None, None).unwrap();
    let mut names: Vec<_> = views.into_iter().filter(|view| view.given_plain).map(|view| view.secret_name.as_str().to_owned()).collect();
    names.dedup();
    names
}

#[test]
fn a_value_is_given_as_it_is_only_where_a_person_said_so() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.store("LINES", "two\nlines");
    for key in ["", "tla_wrong", &house.owner_key] {
        let refused = house.gate.expose(key, &house.caller(), &secret_name("TOKEN"), Exposure::Plain);
        assert!(matches!(refused, Err(BindingsError::NotAdmin)));
    }
    let expose = |name: &str, exposure| house.gate.expose(&house.admin_key, &house.caller(), &secret_name(name), exposure);
    assert!(matches!(expose("NONE", Exposure::Plain), Err(BindingsError::NotFound)));
    let mut made = house.create(wanted(&[("A", "TOKEN")], &[])).unwrap();
    assert!(made.plain.is_none() && poured(&mut made).is_empty());
    expose("TOKEN", Exposure::Plain).unwrap();
    expose("TOKEN", Exposure::Plain).unwrap();
    expose("LINES", Exposure::Plain).unwrap();
    assert_eq!(given_plain(&house), ["LINES", "TOKEN"]);
    let mut made = house.create(wanted(&[("A", "TOKEN"), ("B", "LINES")], &[])).unwrap();
    assert_eq!(poured(&mut made), format!("A={GITHUB}\0B=two\nlines\0"));
    assert!(made.env.is_empty() && made.card.grants.is_empty());
    expose("TOKEN", Exposure::Brokered).unwrap();
    let mut made = house.create(wanted(&[("A", "TOKEN")], &[])).unwrap();
    assert!(poured(&mut made).is_empty() && made.card.grants.len() == 1);
    use EventKind::{DevboxOpened, SecretBrokered, SecretExposed, SecretGivenPlain};
    let expected =
        [DevboxOpened, SecretExposed, SecretExposed, DevboxOpened, SecretGivenPlain, SecretGivenPlain, SecretBrokered, DevboxOpened];
    assert_eq!(house.kinds(), expected);
}

#[test]
fn a_value_with_a_zero_byte_is_not_given() {
    let house = Installation::make();
    house.store("ZERO", "a value\0B=forged");
    house.gate.expose(&house.admin_key, &house.caller(), &secret_name("ZERO"), Exposure::Plain).unwrap();
    assert!(matches!(house.create(wanted(&[("A", "ZERO")], &[])), Err(DevboxDenial::NoVariable(1))));
    assert_eq!(house.kinds(), [EventKind::SecretExposed]);
}

#[test]
fn exposure_belongs_to_a_secret_and_not_to_its_name() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.gate.expose(&house.admin_key, &house.caller(), &secret_name("TOKEN"), Exposure::Plain).unwrap();
    house.house.secrets().delete(&house.caller(), &secret_name("TOKEN")).unwrap();
    house.store("TOKEN", GITHUB);
    assert!(house.create(wanted(&[("A", "TOKEN")], &[])).unwrap().plain.is_none());
    assert!(given_plain(&house).is_empty());
}

#[test]
fn an_exposure_without_our_mac_gives_nothing() {
    let house = Installation::make();
    let secret = house.store("TOKEN", GITHUB);
    let planted = ExposureRow {
        secret: secret.id,
        account: house.owner.id.clone(),
        plain: true,
        created: installation::START,
        mac: house.keys.mac("tightlip pairing v1", b"anything"),
    };
    let event = model::Event::bare(EventKind::SecretExposed, installation::START, house.owner.id.clone());
    house.ledger.put_exposure(&planted, &event).unwrap();
    assert!(matches!(house.create(wanted(&[("A", "TOKEN")], &[])), Err(service::DevboxDenial::Unusable { .. })));
    assert!(given_plain(&house).is_empty());
}

#[test]
fn the_operator_may_give_what_is_bound_nowhere_and_nothing_else() {
    let house = Installation::with_policy(Policy { plain_env_for_unbound: true, ..Policy::default() });
    house.store("TOKEN", GITHUB);
    house.store("UNBOUND", "a plain value");
    let mut made = house.create(wanted(&[("A", "TOKEN"), ("B", "UNBOUND")], &[])).unwrap();
    assert_eq!(poured(&mut made), "B=a plain value\0");
    assert_eq!(made.card.grants.len(), 1);
    assert_eq!(given_plain(&house), ["UNBOUND"]);
    house.bind("UNBOUND", "api.example.com", "auto");
    assert!(house.create(wanted(&[("B", "UNBOUND")], &[])).unwrap().plain.is_none());
    assert!(given_plain(&house).is_empty());
}

#[test]
fn what_a_person_kept_back_the_operators_word_does_not_give() {
    let house = Installation::with_policy(Policy { plain_env_for_unbound: true, ..Policy::default() });
    let (admin, by) = (house.admin_key.clone(), house.caller());
    for name in ["UNBOUND_LATER", "REFUSED", "BROKERED"] {
        house.store(name, "a plain value");
    }
    house.bind("UNBOUND_LATER", "api.example.com", "auto");
    house.gate.unbind(&admin, &by, &secret_name("UNBOUND_LATER"), None).unwrap();
    house.config("api", "https://api.example.com/v1", model::Mechanism::Bearer, &[]);
    house.through("api", "REFUSED").unwrap();
    let [waiting] = <[_; 1]>::try_from(house.gate.requests(&by).unwrap()).unwrap();
    house.gate.refuse(&admin, &by, &waiting.id).unwrap();
    house.gate.expose(&admin, &by, &secret_name("BROKERED"), Exposure::Brokered).unwrap();
    assert!(given_plain(&house).is_empty());
    for name in ["UNBOUND_LATER", "REFUSED", "BROKERED"] {
        let made = house.create(wanted(&[("A", name)], &[])).unwrap();
        assert!(made.plain.is_none() && made.card.grants.len() == 1, "{name}");
    }
    house.gate.expose(&admin, &by, &secret_name("REFUSED"), Exposure::Plain).unwrap();
    assert_eq!(given_plain(&house), ["REFUSED"], "a person may say so all the same");
}
