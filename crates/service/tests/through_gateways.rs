//! A gateway config is a destination: what leaves through one, and what never does.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_account, add_key, named, secret_name, value, wanted};
use model::{Asked, EventKind, GatewayConfig, HeaderContent, Host, Mechanism, Refusal, Scopes};
use service::{Candidate, CreatedHosted, DevboxCard, DevboxDenial, GatewayChange, NewHosted, Piece, Policy, WantedContent};

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const KEY: &str = "a plain value of a key";
const API: &str = "https://api.example.com/v1";

fn header(name: &str) -> Mechanism {
    Mechanism::Header(name.parse().unwrap())
}

/// What a request to the devbox's gateway comes to: the headers that the upstream would get.
fn ask_at(house: &Installation, card: &DevboxCard, label: &str, path: &str) -> Result<http::HeaderMap, Refusal> {
    let via = house.gate.gateway_at(card, label)?;
    let endpoint = via.config.endpoint.clone();
    let asked = Asked { devbox: &card.devbox, host: endpoint.host(), port: endpoint.port(), method: "GET", path };
    let mut headers = http::HeaderMap::new();
    for piece in house.gate.resolve_gateway(card, &via, asked)? {
        match piece {
            Piece::Credential(armed) | Piece::Secret { armed, .. } => {
                vault::arm::write(armed.value, armed.permit.form(), &mut headers).map_err(|_| Refusal::ValueUnfit)?;
            }
            Piece::Text { header, text } => {
                let name: http::HeaderName = header.as_str().parse().unwrap();
                headers.insert(name, text.as_str().parse().unwrap());
            }
        }
    }
    Ok(headers)
}

fn ask(house: &Installation, made: &NewHosted) -> Result<http::HeaderMap, Refusal> {
    ask_at(house, &made.card, "gw", "/v1/x")
}

fn change(house: &Installation, config: &GatewayConfig, change: GatewayChange) {
    house.house.gateways().update(&house.caller(), &config.id, change).unwrap();
}

#[test]
fn what_was_asked_for_must_exist_and_be_the_accounts_own() {
    let house = Installation::with_keys(|store| {
        add_account(store, &account(2));
        add_key(store, &account(2), 2, "tlk_stranger", Scopes::all());
    });
    house.store("KEY", KEY);
    let config = house.config("api", API, Mechanism::Bearer, &[]);
    assert!(matches!(house.through("none", "KEY"), Err(DevboxDenial::GatewayUnknown(1))));
    assert!(matches!(house.through("api", "NONE"), Err(DevboxDenial::GatewaySecretUnknown(1))));
    let stranger = house.gate.authenticate(Some("tlk_stranger")).unwrap();
    for name in ["api", config.id.as_str()] {
        let denial = house.gate.create_hosted(&stranger, wanted(&[], &[("GW", name, "KEY")]), house.new_ca()).err().unwrap();
        assert!(matches!(denial, DevboxDenial::GatewayUnknown(1)));
    }
    let denial = house.gate.create_hosted(&stranger, wanted(&[], &[("GW", "openai", "KEY")]), house.new_ca()).err().unwrap();
    assert!(matches!(denial, DevboxDenial::GatewaySecretUnknown(1)));
    house.store("AWS", "AKIA0123456789ABCDEF");
    assert!(matches!(house.through("api", "AWS"), Err(DevboxDenial::GatewayUnusable { which: 1, .. })));
    assert!(house.gate.open_hosted().unwrap().is_empty());
}

#[test]
fn a_bound_secret_meets_no_config_that_leads_elsewhere_or_writes_otherwise() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.store("OTHER", "another plain value");
    house.bind("KEY", "api.example.com", "bearer");
    house.config("elsewhere", "https://evil.example.com", Mechanism::Bearer, &[]);
    house.config("otherwise", API, header("x-api-key"), &[]);
    house.config("port", "https://api.example.com:8443", Mechanism::Bearer, &[]);
    let secret = WantedContent::Secret(named("KEY"));
    house.config("beside", API, Mechanism::Bearer, &[("x-shown-back", secret)]);
    for config in ["elsewhere", "otherwise", "port", "beside"] {
        let denial = house.through(config, "KEY").err().unwrap();
        assert!(matches!(denial, DevboxDenial::Excluded(1)), "{config}: {denial}");
        assert_eq!(denial.denial(), link::cli::Denial::Invalid);
    }
    assert!(house.gate.open_hosted().unwrap().is_empty());
    house.config("right", API, Mechanism::Bearer, &[]);
    let made = house.through("right", "KEY").unwrap();
    assert_eq!(ask(&house, &made).unwrap()["authorization"], format!("Bearer {KEY}"));
}

#[test]
fn a_config_that_changes_redirects_nothing() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "bearer");
    let config = house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.through("api", "KEY").unwrap();
    let via = house.gate.gateway_at(&made.card, "gw").unwrap();
    assert!(house.gate.gateway_stands(&made.card, &via));
    change(&house, &config, GatewayChange { endpoint: Some("https://evil.example.com/v1".parse().unwrap()), ..GatewayChange::default() });
    assert_eq!(ask(&house, &made).err(), Some(Refusal::HostNotBound));
    assert!(!house.gate.gateway_stands(&made.card, &via));
    change(&house, &config, GatewayChange { endpoint: Some(API.parse().unwrap()), ..GatewayChange::default() });
    change(&house, &config, GatewayChange { mechanism: Some(header("x-shown-back")), ..GatewayChange::default() });
    assert_eq!(ask(&house, &made).err(), Some(Refusal::FormNotBound));
    house.house.gateways().delete(&house.caller(), &config.id).unwrap();
    assert_eq!(ask(&house, &made).err(), Some(Refusal::GatewayGone));
    assert!(!house.kinds().contains(&EventKind::SecretFirstUsed));
}

#[test]
fn a_config_that_names_another_secret_later_is_not_given_it() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.store("LATER", "another plain value");
    house.bind("KEY", "api.example.com", "auto");
    house.bind("LATER", "api.example.com", "auto");
    let config = house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.through("api", "KEY").unwrap();
    let content = WantedContent::Secret(named("LATER"));
    let more = vec![service::WantedHeader { name: "x-api-key".parse().unwrap(), content }];
    change(&house, &config, GatewayChange { headers: Some(more), ..GatewayChange::default() });
    assert_eq!(ask(&house, &made).err(), Some(Refusal::GatewayGone));
}

#[test]
fn a_gateways_token_is_good_at_its_gateway_and_nowhere_else() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "auto");
    house.config("api", API, Mechanism::Bearer, &[]);
    let (made, other) = (house.through("api", "KEY").unwrap(), house.through("api", "KEY").unwrap());
    let token = made.card.gateway("gw").unwrap().token().clone();
    assert!(token.as_str().starts_with("gws_") && token.as_str().len() >= 26);
    assert_eq!(house.gate.lookup(&made.card, token.as_str()), Ok(Candidate::Ours(token.clone())));
    assert_eq!(house.gate.lookup(&other.card, token.as_str()), Err(Refusal::TokenForeign));
    let host: Host = "api.example.com".parse().unwrap();
    let asked = Asked { devbox: &made.card.devbox, host: &host, port: 443, method: "GET", path: "/" };
    assert_eq!(house.gate.resolve(&made.card, &token, asked, model::Spot::Header).err(), Some(Refusal::HostNotBound));
    assert_eq!(house.gate.gateway_at(&made.card, "other").err(), Some(Refusal::HostNotAllowed));
    house.gate.transition(&made.card.devbox, model::DevboxStatus::Shutdown, None, None, installation::START).unwrap();
    assert_eq!(house.gate.lookup(&other.card, token.as_str()), Err(Refusal::TokenEnded));
    assert_eq!(ask(&house, &made).err(), Some(Refusal::TokenEnded));
}

#[test]
fn what_ends_a_secret_or_its_binding_ends_its_use_at_a_gateway() {
    let house = Installation::make();
    let secret = house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "auto");
    house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.through("api", "KEY").unwrap();
    let host: Host = "api.example.com".parse().unwrap();
    assert!(house.gate.is_bound(&made.card, &secret.id, &host, 443));
    assert_eq!(house.gate.reachable(&made.card, &host, 443), Ok(()));
    house.bind("KEY", "elsewhere.example.com", "auto");
    house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), Some(&"api.example.com".parse().unwrap())).unwrap();
    assert!(!house.gate.is_bound(&made.card, &secret.id, &host, 443));
    assert_eq!(ask(&house, &made).err(), Some(Refusal::HostNotBound));
    house.house.secrets().update(&house.caller(), &secret_name("KEY"), value("two\r\nlines of it")).unwrap();
    house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None).unwrap();
    assert_eq!(ask(&house, &made).err(), Some(Refusal::SecretUnbound));
    house.house.secrets().delete(&house.caller(), &secret_name("KEY")).unwrap();
    assert_eq!(ask(&house, &made).err(), Some(Refusal::SecretGone));
}

#[test]
fn a_value_that_no_longer_fits_does_not_leave_through_a_gateway() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "auto");
    house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.through("api", "KEY").unwrap();
    house.house.secrets().update(&house.caller(), &secret_name("KEY"), value("short")).unwrap();
    assert_eq!(ask(&house, &made).err(), Some(Refusal::ValueUnfit));
}

#[test]
fn every_part_of_a_config_is_written_in_its_order_and_its_first_use_recorded() {
    let house = Installation::make();
    house.store("USER_PASS", "somebody:a long password");
    house.store("KEY", KEY);
    house.bind("USER_PASS", "api.example.com", "basic");
    house.bind("KEY", "api.example.com", "header:x-team-key");
    let key = WantedContent::Secret(named("KEY"));
    let text = WantedContent::Text("2026-11-01".parse().unwrap());
    let config = house.config("api", API, Mechanism::Basic, &[("x-version", text), ("x-team-key", key)]);
    assert!(matches!(config.headers[1].content, HeaderContent::Secret(_)));
    let made = house.through(config.id.as_str(), "USER_PASS").unwrap();
    let headers = ask(&house, &made).unwrap();
    assert_eq!(headers["authorization"], "Basic c29tZWJvZHk6YSBsb25nIHBhc3N3b3Jk");
    assert_eq!((&headers["x-version"], &headers["x-team-key"]), (&"2026-11-01".parse().unwrap(), &KEY.parse().unwrap()));
    assert_eq!(house.kinds().iter().filter(|kind| **kind == EventKind::SecretFirstUsed).count(), 2);
    let scrub = |text: &str| {
        let plan = house.gate.scrub_plan(&made.card, &"api.example.com".parse().unwrap()).unwrap();
        plan.scrub_all(text.as_bytes()).map_or_else(|| text.to_owned(), |scrubbed| String::from_utf8(scrubbed).unwrap())
    };
    for shown in [KEY, "a long password", "somebody", "somebody:a long password", "c29tZWJvZHk6YSBsb25nIHBhc3N3b3Jk"] {
        assert!(!scrub(&format!("it was <{shown}>")).contains(shown), "{shown}");
    }
    assert_eq!(scrub("it was <a long password>"), format!("it was <{}>", made.card.gateway("gw").unwrap().token().as_str()));
}

#[test]
fn a_password_too_short_to_be_scrubbed_does_not_leave() {
    let house = Installation::make();
    house.store("USER_PASS", "somebody:short");
    house.bind("USER_PASS", "api.example.com", "basic");
    house.config("api", API, Mechanism::Basic, &[]);
    let made = house.through("api", "USER_PASS").unwrap();
    assert_eq!(ask(&house, &made).err(), Some(Refusal::ValueUnfit));
}

#[test]
fn configs_that_every_account_has_take_a_key_of_their_kind() {
    let house = Installation::make();
    house.store("OPENAI_API_KEY", "sk-proj-0123456789abcdefghijABCDEFGHIJ0123456789");
    house.store("TOKEN", GITHUB);
    assert!(matches!(house.through("openai", "TOKEN"), Err(DevboxDenial::Excluded(1))));
    let made = house.through("openai", "OPENAI_API_KEY").unwrap();
    assert!(ask_at(&house, &made.card, "gw", "/v1/models").unwrap()["authorization"].to_str().unwrap().starts_with("Bearer sk-proj-"));
}

#[test]
fn a_gateway_added_later_is_known_at_once_and_after_a_restart() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "auto");
    house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.create(wanted(&[], &[])).unwrap();
    let host: Host = "api.example.com".parse().unwrap();
    assert!(house.gate.scrub_plan(&made.card, &host).unwrap().is_empty());
    let add = |config: &str, secret: &str| house.gate.add_gateway(&house.caller(), &made.card, &named(config), &named(secret));
    assert!(matches!(add("none", "KEY"), Err(DevboxDenial::GatewayUnknown(1))));
    assert!(matches!(add("api", "NONE"), Err(DevboxDenial::GatewaySecretUnknown(1))));
    let token = add("api", "KEY").unwrap();
    let label = token.url.strip_prefix("https://").unwrap().strip_suffix(".gateway.internal").unwrap();
    assert!(label.len() == 17 && label.starts_with('t'));
    assert_eq!(made.card.gateway(label).unwrap().token(), &token.token);
    assert_eq!(ask_at(&house, &made.card, label, "/v1/x").unwrap()["authorization"], format!("Bearer {KEY}"));
    assert!(house.gate.scrub_plan(&made.card, &host).unwrap().scrub_all(KEY.as_bytes()).is_some());
    let (again, _) = house.gate.take_up(&made.card.devbox).unwrap();
    assert_eq!(again.card.gateway(label).unwrap().token(), &token.token);
    assert!(house.kinds().contains(&EventKind::GatewayTokenCreated));
    house.gate.transition(&made.card.devbox, model::DevboxStatus::Shutdown, None, None, installation::START).unwrap();
    assert!(matches!(add("api", "KEY"), Err(DevboxDenial::NotFound)));
}

#[test]
fn prefixes_that_meet_are_refused_by_their_place() {
    let house = Installation::make();
    house.store("KEY", KEY);
    house.bind("KEY", "api.example.com", "auto");
    house.config("api", API, Mechanism::Bearer, &[]);
    let denial = |secrets: &[(&str, &str)], gateways: &[(&str, &str, &str)]| house.create(wanted(secrets, gateways)).err().unwrap();
    assert!(matches!(denial(&[], &[("A_B", "api", "KEY"), ("A__B", "api", "KEY")]), DevboxDenial::GatewayTwice(2)));
    assert!(matches!(denial(&[], &[("_", "api", "KEY")]), DevboxDenial::GatewayTwice(1)));
    assert!(matches!(denial(&[("GW_URL", "KEY")], &[("GW", "api", "KEY")]), DevboxDenial::GatewayTwice(1)));
    assert!(matches!(denial(&[], &[("GW", "api", "KEY"), ("GW_URL", "api", "KEY")]), DevboxDenial::GatewayTwice(2)));
    let mut taken = wanted(&[("A", "KEY")], &[]);
    taken.env.insert("A".parse().unwrap(), "text".to_owned());
    assert!(matches!(house.create(taken), Err(DevboxDenial::EnvTwice(1))));
}

#[test]
fn a_policy_that_takes_pairings_binds_at_once() {
    let house = Installation::with_policy(Policy { accept_pairings: true, ..Policy::default() });
    house.store("KEY", KEY);
    house.config("api", API, Mechanism::Bearer, &[]);
    let made = house.create(wanted(&[], &[("GW", "api", "KEY"), ("TWO", "api", "KEY")])).unwrap();
    assert_eq!(ask(&house, &made).unwrap()["authorization"], format!("Bearer {KEY}"));
    assert_eq!(house.kinds()[..3], [EventKind::DevboxOpened, EventKind::PairingApproved, EventKind::BindingCreated]);
    assert_eq!(ask_at(&house, &made.card, "gw", "/v2").err(), Some(Refusal::RequestNotBound));
    house.config("elsewhere", "https://evil.example.com", Mechanism::Bearer, &[]);
    assert!(matches!(house.through("elsewhere", "KEY"), Err(DevboxDenial::Excluded(1))));
    assert!(!matches!(house.gate.create_hosted(&house.caller(), wanted(&[], &[]), house.new_ca()), Ok(CreatedHosted::Before(_))));
}
