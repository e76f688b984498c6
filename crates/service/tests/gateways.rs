//! Gateway configs: who may, what is recorded, how many there may be.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::Installation;
use model::gateway::builtin;
use model::limits::GATEWAY_CONFIGS_MAX;
use model::{ApiKey, Mechanism, Scope, Scopes};
use service::{AuthError, Caller, GatewayChange, GatewayPage, GatewayPlan, GatewaysError, Request};

fn plan(name: &str) -> GatewayPlan {
    GatewayPlan {
        name: name.parse().unwrap(),
        endpoint: "https://api.example.com".parse().unwrap(),
        mechanism: Mechanism::Bearer,
        headers: vec![],
        description: None,
    }
}

fn with_scopes(house: &Installation, scopes: Scopes) -> Caller {
    let caller = house.caller();
    Caller { key: ApiKey { scopes, ..caller.key }, ..caller }
}

#[test]
fn reading_needs_read_and_changing_needs_secrets() {
    let house = Installation::make();
    let made = house.house.gateways().create(&house.caller(), plan("mine")).unwrap();
    let gateways = house.house.gateways();
    for scope in Scope::ALL {
        let caller = with_scopes(&house, Scope::ALL.into_iter().filter(|other| *other != scope).collect());
        let refused = |error: Option<GatewaysError>| matches!(error, Some(GatewaysError::Auth(AuthError::Forbidden { .. })));
        assert_eq!(refused(gateways.get(&caller, &made.id).err()), scope == Scope::Read);
        assert_eq!(refused(gateways.list(&caller, &GatewayPage::new(0, None, None)).err()), scope == Scope::Read);
        assert_eq!(refused(gateways.create(&caller, plan("more")).err()), scope == Scope::Secrets);
        assert_eq!(refused(gateways.update(&caller, &made.id, GatewayChange::default()).err()), scope == Scope::Secrets);
    }
    let reader = with_scopes(&house, [Scope::Read].into_iter().collect());
    assert!(matches!(gateways.delete(&reader, &made.id), Err(GatewaysError::Auth(_))));
}

#[test]
fn an_account_has_no_more_than_there_may_be() {
    let house = Installation::make();
    let gateways = house.house.gateways();
    for _ in 0..GATEWAY_CONFIGS_MAX {
        gateways.create(&house.caller(), plan("same")).unwrap();
    }
    assert!(matches!(gateways.create(&house.caller(), plan("same")), Err(GatewaysError::TooMany)));
    let page = gateways.list(&house.caller(), &GatewayPage::new(1, None, None)).unwrap();
    assert_eq!(page.total, (GATEWAY_CONFIGS_MAX + builtin().len()) as u64);
    gateways.delete(&house.caller(), &page.configs[0].id).unwrap();
    gateways.create(&house.caller(), plan("same")).unwrap();
}

#[test]
fn every_change_leaves_its_event_and_no_refusal_does() {
    let house = Installation::make();
    let gateways = house.house.gateways();
    let events = || house.house.events(&house.caller(), None, 0, 100).unwrap();
    let before = events().len();
    let [fixed, _] = builtin();
    assert!(matches!(gateways.delete(&house.caller(), &fixed.id), Err(GatewaysError::Builtin)));
    assert!(matches!(gateways.update(&house.caller(), &fixed.id, GatewayChange::default()), Err(GatewaysError::Builtin)));
    assert!(matches!(gateways.create(&house.caller(), plan("")), Err(GatewaysError::NameEmpty)));
    assert_eq!(events().len(), before);
    let numbered = Caller { request: Some(Request::new("POST /v1/gateway-configs", "1")), ..house.caller() };
    let made = gateways.create(&numbered, plan("mine")).unwrap();
    assert_eq!(gateways.create(&numbered, plan("mine")).unwrap(), made);
    gateways.delete(&house.caller(), &made.id).unwrap();
    let told: Vec<_> = events().into_iter().skip(before).map(|told| (told.event.gateway, told.event.host.unwrap().to_string())).collect();
    assert_eq!(told, vec![(Some(made.id), "api.example.com".to_owned()); 2]);
}
