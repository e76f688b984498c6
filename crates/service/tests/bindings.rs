//! Who changes bindings, and which are in force.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, secret_name};
use link::cli::BindingView;
use model::{Binding, BindingSource, Form};
use service::BindingsError;

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fn binding(host: &str) -> Binding {
    Binding::to_host(host.parse().unwrap())
}

fn hosts(views: &[BindingView]) -> Vec<String> {
    views.iter().filter_map(|view| view.binding.as_ref()).map(|binding| binding.host.to_string()).collect()
}

fn bind(house: &Installation, name: &str, binding: Binding) -> Result<Vec<BindingView>, BindingsError> {
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name(name), binding)
}

#[test]
fn without_the_admin_key_nothing_changes() {
    let house = Installation::make();
    house.store("A", "a plain value");
    for key in ["", "tla_wrong", &house.owner_key] {
        let refused = house.gate.bind(key, &house.caller(), &secret_name("A"), binding("a.example.com"));
        assert!(matches!(refused, Err(BindingsError::NotAdmin)));
        assert!(matches!(house.gate.unbind(key, &house.caller(), &secret_name("A"), None), Err(BindingsError::NotAdmin)));
    }
    assert!(house.ledger.bindings_of(&house.house.secrets().get(&house.caller(), &secret_name("A")).unwrap().id).unwrap().is_empty());
}

#[test]
fn what_cannot_be_swapped_cannot_be_bound() {
    let house = Installation::make();
    house.store("SHORT", "1234567");
    house.store("LINES", "a value\nof two lines");
    house.store("AWS", "AKIA0123456789ABCDEF");
    assert!(matches!(bind(&house, "SHORT", binding("a.example.com")), Err(BindingsError::Unfit(_))));
    assert!(matches!(bind(&house, "LINES", binding("a.example.com")), Err(BindingsError::Unfit(_))));
    assert!(matches!(bind(&house, "AWS", binding("a.example.com")), Err(BindingsError::NotBrokered(_))));
    assert!(matches!(bind(&house, "NONE", binding("a.example.com")), Err(BindingsError::NotFound)));
}

#[test]
fn what_cannot_be_swapped_is_shown_with_the_reason_whatever_its_kind_is() {
    let house = Installation::make();
    for (name, value) in
        [("SHORT", "1234567"), ("GITHUB_TOKEN", "ghp_of two\nlines"), ("BLANK", "a value with "), ("AWS", "AKIA0123456789ABCDEF")]
    {
        house.store(name, value);
        let (views, _) = house.gate.views(&house.owner.id, Some(&secret_name(name)), None).unwrap();
        assert!(views.iter().all(|view| view.cannot_be_sent.is_some()), "{name}");
    }
    house.store("FIT", "a plain value");
    let (views, _) = house.gate.views(&house.owner.id, Some(&secret_name("FIT")), None).unwrap();
    assert!(views[0].cannot_be_sent.is_none());
}

#[test]
fn explicit_bindings_replace_the_default_and_unbinding_brings_it_back() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let (by_kind, _) = house.gate.views(&house.owner.id, Some(&secret_name("TOKEN")), None).unwrap();
    assert!(hosts(&by_kind).contains(&"api.github.com".to_owned()) && by_kind[0].source == Some(BindingSource::Kind));
    let bound = bind(&house, "TOKEN", binding("ghe.example.com")).unwrap();
    assert_eq!((hosts(&bound), bound[0].source), (vec!["ghe.example.com".into()], Some(BindingSource::Explicit)));
    let unbound = house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), None).unwrap();
    assert_eq!(hosts(&unbound), hosts(&by_kind));
    let nothing = house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), None);
    assert!(matches!(nothing, Err(BindingsError::NoBinding)));
}

#[test]
fn a_binding_of_the_same_scope_is_replaced() {
    let house = Installation::make();
    house.store("A", "a plain value");
    bind(&house, "A", binding("a.example.com")).unwrap();
    bind(&house, "A", binding("b.example.com")).unwrap();
    let views = bind(&house, "A", Binding { form: Form::Bearer, ..binding("a.example.com") }).unwrap();
    assert_eq!(views.len(), 2);
    assert!(views.iter().any(|view| view.binding.as_ref().is_some_and(|binding| binding.form == Form::Bearer)));
    let one = house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("A"), Some(&"a.example.com".parse().unwrap())).unwrap();
    assert_eq!(hosts(&one), ["b.example.com"]);
}

#[test]
fn a_binding_without_our_mac_is_never_in_force() {
    let house = Installation::make();
    let secret = house.store("TOKEN", GITHUB);
    let planted = model::StoredBinding {
        id: model::BindingId::from_parts(installation::START, 7),
        account: house.owner.id.clone(),
        secret: secret.id.clone(),
        binding: binding("evil.example.com"),
        created: installation::START,
        mac: house.keys.mac("another purpose", b"anything"),
    };
    let event = model::Event::bare(model::EventKind::BindingCreated, installation::START, house.owner.id.clone());
    house.ledger.insert_binding(&planted, &event).unwrap();
    let (views, _) = house.gate.views(&house.owner.id, None, None).unwrap();
    assert!(hosts(&views).is_empty() && views[0].kind.is_none());
}

#[test]
fn pages_of_bindings_meet() {
    let house = Installation::make();
    for number in 0..210 {
        house.store(&format!("S{number}"), "a plain value");
    }
    let (first, next) = house.gate.views(&house.owner.id, None, None).unwrap();
    let (second, end) = house.gate.views(&house.owner.id, None, next.as_ref()).unwrap();
    assert_eq!((first.len(), second.len(), end), (200, 10, None));
    assert_eq!((first[0].secret_name.as_str(), second[9].secret_name.as_str()), ("S209", "S0"));
}
