//! The pass-through list beside the bindings: no value goes where nothing would be scrubbed, and where the two contradict each other the list loses.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::sync::Arc;

use installation::{Installation, secret_name, value};
use model::{Binding, EventKind, Refusal};
use service::{BindingsError, Gate, PassThroughError};
use store::{Mode, Store};

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

/// The installation's gateway as it starts with this list.
fn started_with(house: &Installation, list: &[&str]) -> Gate {
    let store = Arc::new(Store::open(&house.folder.path().join("tightlip.db"), Mode::Reader).unwrap());
    let (ledger, keys) = (Arc::clone(&house.ledger), Arc::clone(&house.keys));
    let gate = Gate::new(store, ledger, keys, vault::hash_token(&house.admin_key), house.clock.clone());
    gate.with_pass_through(list.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

#[test]
fn a_gateway_does_not_start_where_a_secret_is_bound_to_a_listed_host() {
    let house = Installation::make();
    house.store("KEY", "a plain value");
    house.bind("KEY", "*.example.com", "auto");
    for list in [&["a.example.com"][..], &["other.example.test", "*.example.com"]] {
        let refused = started_with(&house, list).check_pass_through();
        assert!(matches!(refused, Err(PassThroughError::Bound(name)) if name.as_str() == "KEY"), "{list:?}");
    }
    for list in [&[][..], &["example.com", "a.b.example.com", "*.example.test"]] {
        assert!(started_with(&house, list).check_pass_through().is_ok(), "{list:?}");
    }
    house.house.secrets().delete(&house.caller(), &secret_name("KEY")).unwrap();
    assert!(started_with(&house, &["a.example.com"]).check_pass_through().is_ok(), "a deleted secret stands in nobody's way");
}

#[test]
fn nothing_is_bound_to_a_listed_host_on_any_port() {
    let house = Installation::make();
    house.store("KEY", "a plain value");
    let gate = started_with(&house, &["pinned.example.test"]);
    for port in [443, 80, 8443] {
        let binding = Binding { port, ..Binding::to_host("pinned.example.test".parse().unwrap()) };
        let refused = gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), binding);
        assert!(matches!(refused, Err(BindingsError::PassedThrough)), "{port}");
    }
    let wide = Binding::to_host("*.example.test".parse().unwrap());
    assert!(matches!(gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), wide), Err(BindingsError::PassedThrough)));
    assert!(!house.kinds().contains(&EventKind::BindingCreated));
}

#[test]
fn a_devbox_passes_only_where_it_may_go_and_has_nothing_bound() {
    let house = Installation::make();
    house.store("GITHUB_TOKEN", GITHUB);
    house.store("KEY", "a plain value");
    let gate = started_with(&house, &["api.github.com", "pinned.example.test"]);
    let passes = |names: &[&str], allow: &[&str], host: &str| {
        let card = house.open(Some(names), allow).unwrap().card;
        gate.passes_unseen(&card, &host.parse().unwrap())
    };
    let everywhere = ["*.github.com", "*.example.test"];
    assert_eq!(passes(&["KEY"], &[], "pinned.example.test"), Ok(false), "not allowed");
    assert_eq!(passes(&["KEY"], &everywhere, "other.example.test"), Ok(false), "not listed");
    assert_eq!(passes(&["GITHUB_TOKEN"], &everywhere, "api.github.com"), Ok(false), "bound by its kind");
    assert_eq!(passes(&["GITHUB_TOKEN"], &everywhere, "pinned.example.test"), Ok(true));
    assert_eq!(passes(&["KEY"], &everywhere, "api.github.com"), Ok(true));
    let card = house.open(Some(&["GITHUB_TOKEN", "KEY"]), &everywhere).unwrap().card;
    let names: Vec<String> = gate.contradictions(&card).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["GITHUB_TOKEN"]);
    assert_eq!(gate.pass_unseen(&card, &"api.github.com".parse().unwrap()), Err(Refusal::HostNotAllowed));
}

#[test]
fn a_value_that_becomes_one_of_a_bound_kind_ends_it() {
    let house = Installation::make();
    house.store("KEY", "a plain value");
    let gate = started_with(&house, &["api.github.com"]);
    let card = house.open(Some(&["KEY"]), &["api.github.com"]).unwrap().card;
    let host = "api.github.com".parse().unwrap();
    assert_eq!(gate.passes_unseen(&card, &host), Ok(true));
    house.house.secrets().update(&house.caller(), &secret_name("KEY"), value(GITHUB)).unwrap();
    assert_eq!(gate.passes_unseen(&card, &host), Ok(false));
}

#[test]
fn the_first_time_of_a_devbox_and_a_host_is_one_event() {
    let house = Installation::make();
    let gate = started_with(&house, &["*.example.test"]);
    let card = house.open(Some(&[]), &["*.example.test"]).unwrap().card;
    for host in ["a.example.test", "a.example.test", "b.example.test"] {
        gate.pass_unseen(&card, &host.parse().unwrap()).unwrap();
    }
    let events = gate.events(&house.owner.id, None, 0, 200).unwrap();
    let passed = events.iter().map(|event| &event.event).filter(|event| event.kind == EventKind::PassedThrough);
    let hosts: Vec<&str> = passed.filter_map(|event| event.host.as_ref()).map(model::Host::as_str).collect();
    assert_eq!(hosts, ["a.example.test", "b.example.test"]);
}
