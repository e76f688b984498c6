//! Whether a value leaves.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use std::sync::Arc;

use installation::{Installation, secret_name, value};
use model::{Asked, Binding, EventKind, Host, Refusal};
use service::{Armed, Candidate, DevboxCard, Gate};
use store::{Mode, Store};
use vault::{Found, arm};

const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

fn resolve(house: &Installation, card: &DevboxCard, to: &str) -> Result<Armed, Refusal> {
    let to = host(to);
    let asked = Asked { devbox: &card.devbox, host: &to, port: 443, method: "GET", path: "/user" };
    house.gate.resolve(card, &card.grants[0].token, asked, model::Spot::Header)
}

/// What an upstream would receive.
fn written(armed: Armed, card: &DevboxCard) -> String {
    let token = card.grants[0].token.clone();
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", token.as_str()).parse().unwrap());
    arm(armed.value, armed.permit.form(), &Found { header: http::header::AUTHORIZATION, token }, &mut headers).unwrap();
    headers["authorization"].to_str().unwrap().to_owned()
}

fn kinds(house: &Installation) -> Vec<EventKind> {
    house.gate.events(&house.owner.id, None, 0, 100).unwrap().into_iter().map(|event| event.event.kind).collect()
}

#[test]
fn a_value_goes_to_no_host_but_its_own() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.store("UNBOUND", "a plain value");
    let card = house.card(&["TOKEN"]);
    assert_eq!(resolve(&house, &card, "evil.example.com").err(), Some(Refusal::HostNotBound));
    assert_eq!(resolve(&house, &house.card(&["UNBOUND"]), "api.github.com").err(), Some(Refusal::SecretUnbound));
    assert!(!kinds(&house).contains(&EventKind::SecretFirstUsed));
    assert_eq!(written(resolve(&house, &card, "api.github.com").unwrap(), &card), format!("Bearer {GITHUB}"));
}

#[test]
fn a_token_is_worth_nothing_in_another_devbox() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let (card, other) = (house.card(&["TOKEN"]), house.card(&["TOKEN"]));
    let to = host("api.github.com");
    let asked = Asked { devbox: &other.devbox.clone(), host: &to, port: 443, method: "GET", path: "/" };
    assert_eq!(house.gate.resolve(&other, &card.grants[0].token, asked, model::Spot::Header).err(), Some(Refusal::TokenForeign));
    let planted = DevboxCard { grants: card.grants.clone(), ..other };
    assert_eq!(house.gate.resolve(&planted, &card.grants[0].token, asked, model::Spot::Header).err(), Some(Refusal::TokenForeign));
    assert_eq!(house.gate.lookup(&card, card.grants[0].token.as_str()), Ok(Candidate::Ours(card.grants[0].token.clone())));
}

#[test]
fn update_and_delete_are_in_force_at_the_next_request() {
    let house = Installation::make();
    let secret = house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    let before = house.gate.data_version().unwrap();
    let new = GITHUB.replace('0', "9");
    house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value(&new)).unwrap();
    assert_ne!(house.gate.data_version().unwrap(), before);
    assert!(!house.gate.stands(&secret.id, 1) && house.gate.stands(&secret.id, 2));
    assert_eq!(written(resolve(&house, &card, "api.github.com").unwrap(), &card), format!("Bearer {new}"));
    house.house.secrets().delete(&house.caller(), &secret_name("TOKEN")).unwrap();
    assert!(!house.gate.stands(&secret.id, 2));
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretGone));
    house.store("TOKEN", GITHUB);
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretGone));
}

#[test]
fn a_closed_devbox_resolves_nothing() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    house.gate.close(&card.devbox).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::TokenEnded));
}

#[test]
fn a_value_that_no_longer_fits_does_not_leave() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    let bind =
        house.gate.bind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), Binding::to_host("a.example.com".parse().unwrap()));
    bind.unwrap();
    for unfit in ["short", "two\r\nlines of it"] {
        house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value(unfit)).unwrap();
        assert_eq!(resolve(&house, &card, "a.example.com").err(), Some(Refusal::ValueUnfit));
    }
}

#[test]
fn the_first_use_is_on_disk_before_the_value_leaves_and_later_ones_are_counted() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    for _ in 0..4 {
        resolve(&house, &card, "api.github.com").unwrap();
    }
    resolve(&house, &card, "github.com").unwrap();
    use EventKind::{DevboxOpened, Refused, SecretFirstUsed, SecretUsed};
    assert_eq!(kinds(&house), [DevboxOpened, SecretFirstUsed, SecretFirstUsed]);
    house.gate.refused(&card, Refusal::HostNotBound, Some(&host("evil.example.com")));
    house.gate.refused(&card, Refusal::HostNotBound, Some(&host("evil.example.com")));
    house.gate.flush().unwrap();
    house.gate.flush().unwrap();
    assert_eq!(kinds(&house), [DevboxOpened, SecretFirstUsed, SecretFirstUsed, SecretUsed, Refused]);
    let events = house.gate.events(&house.owner.id, None, 3, 100).unwrap();
    assert_eq!((events[0].event.count, events[1].event.count), (Some(3), Some(2)));
    let of_secret = house.gate.events(&house.owner.id, Some(secret_name("TOKEN")), 0, 100).unwrap();
    assert_eq!(of_secret.len(), 3);
}

#[test]
fn an_agent_that_tries_many_hosts_fills_no_log() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    for number in 0..1000 {
        house.gate.refused(&card, Refusal::HostNotAllowed, Some(&host(&format!("h{number}.example.com"))));
    }
    house.gate.flush().unwrap();
    let events = house.gate.events(&house.owner.id, None, 1, 1000).unwrap();
    assert!(events.len() <= 65);
    assert_eq!(events.iter().filter_map(|event| event.event.count).sum::<u64>(), 1000);
}

#[test]
fn a_devbox_reaches_what_it_was_allowed_and_what_it_is_bound_to() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.open(Some(&["TOKEN"]), &["*.example.com"]).unwrap().card;
    let reach = |to: &str, port| house.gate.reachable(&card, &host(to), port);
    for (to, port) in [("example.com", 443), ("a.example.com", 22), ("api.github.com", 80), ("evil.net", 443)] {
        assert_eq!(reach(to, port), Err(Refusal::HostNotAllowed), "{to}:{port}");
    }
    for (to, port) in [("a.example.com", 443), ("a.example.com", 80), ("api.github.com", 443)] {
        assert_eq!(reach(to, port), Ok(()), "{to}:{port}");
    }
    house.house.secrets().delete(&house.caller(), &secret_name("TOKEN")).unwrap();
    assert_eq!(reach("api.github.com", 443), Err(Refusal::HostNotAllowed));
}

#[test]
fn headers_that_bindings_name_are_looked_into() {
    let house = Installation::make();
    house.store("KEY", "a plain value");
    let binding = Binding { form: "header:x-special".parse().unwrap(), ..Binding::to_host("a.example.com".parse().unwrap()) };
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), binding).unwrap();
    let card = house.card(&["KEY"]);
    assert_eq!(house.gate.places(&card, &host("a.example.com"), 443).map(|places| places.headers), Ok(vec!["x-special".to_owned()]));
    assert_eq!(house.gate.places(&card, &host("b.example.com"), 443), Ok(service::Places::default()));
}

#[test]
fn replies_are_scrubbed_of_every_value_bound_to_the_host() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    house.store("OTHER", "another plain value");
    let card = house.card(&["TOKEN", "OTHER"]);
    let reply = format!("{GITHUB} and another plain value");
    let scrub = |to: &str| house.gate.scrub_plan(&card, &host(to)).unwrap().scrub_all(reply.as_bytes());
    let elsewhere = String::from_utf8(scrub("evil.example.com").unwrap()).unwrap();
    assert_eq!(elsewhere, format!("{} and another plain value", "*".repeat(GITHUB.len())), "what is bound nowhere no host has of us");
    let scrubbed = String::from_utf8(scrub("api.github.com").unwrap()).unwrap();
    assert_eq!(scrubbed, format!("{} and another plain value", card.grants[0].token.as_str()));
    let binding = Binding::to_host("api.github.com".parse().unwrap());
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name("OTHER"), binding).unwrap();
    let scrubbed = String::from_utf8(scrub("api.github.com").unwrap()).unwrap();
    assert!(!scrubbed.contains("another plain value"));
    let new = GITHUB.replace('0', "9");
    house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value(&new)).unwrap();
    let plan = house.gate.scrub_plan(&card, &host("api.github.com")).unwrap();
    assert!(plan.scrub_all(new.as_bytes()).is_some());
}

#[test]
fn replies_of_a_host_are_scrubbed_at_whatever_port_a_value_is_bound() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let binding = Binding { port: 8443, ..Binding::to_host("*.example.com".parse().unwrap()) };
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), binding).unwrap();
    let card = house.card(&["TOKEN"]);
    let plan = house.gate.scrub_plan(&card, &host("a.example.com")).unwrap();
    assert!(plan.scrub_all(GITHUB.as_bytes()).is_some());
    let beside = house.gate.scrub_plan(&card, &host("b.example.com")).unwrap();
    assert!(Arc::ptr_eq(&plan, &beside), "each host of a wildcard takes memory of its own");
    let elsewhere = house.gate.scrub_plan(&card, &host("api.github.com")).unwrap();
    assert!(!plan.masks_all() && elsewhere.masks_all() && elsewhere.scrub_all(GITHUB.as_bytes()).is_some());
    let another = house.gate.scrub_plan(&card, &host("evil.example.net")).unwrap();
    assert!(Arc::ptr_eq(&elsewhere, &another), "each host beside them takes memory of its own");
}

#[test]
fn replies_are_scrubbed_of_what_other_devboxes_of_the_account_sent_to_the_host_and_to_no_other() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let (first, other) = (house.card(&["TOKEN"]), house.card(&[]));
    let plan = |to: &str| house.gate.scrub_plan(&other, &host(to)).unwrap();
    assert!(plan("api.github.com").is_empty());
    let state = house.gate.state().unwrap();
    resolve(&house, &first, "api.github.com").unwrap();
    assert_ne!(house.gate.state().unwrap(), state, "replies under way are scrubbed of it as well");
    let state = house.gate.state().unwrap();
    let scrubbed = String::from_utf8(plan("api.github.com").scrub_all(GITHUB.as_bytes()).unwrap()).unwrap();
    assert_eq!(scrubbed, "*".repeat(GITHUB.len()));
    assert!(plan("github.com").is_empty());
    resolve(&house, &house.card(&["TOKEN"]), "api.github.com").unwrap();
    assert_eq!(house.gate.state().unwrap(), state, "it is no news that another devbox uses it there");
    let stranger = DevboxCard { account: model::AccountId::from_parts(model::Timestamp::from_unix_ms(7), 7), ..house.card(&[]) };
    assert!(house.gate.scrub_plan(&stranger, &host("api.github.com")).unwrap().is_empty(), "another account's values are none of its");
    house.house.secrets().delete(&house.caller(), &secret_name("TOKEN")).unwrap();
    assert!(plan("api.github.com").is_empty());
}

#[test]
fn what_a_devbox_sent_to_a_host_is_remembered_after_the_binding_and_beyond_a_restart() {
    let house = Installation::make();
    house.store("KEY", "another plain value");
    let bind = Binding::to_host("a.example.com".parse().unwrap());
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), bind).unwrap();
    let card = house.card(&["KEY"]);
    resolve(&house, &card, "a.example.com").unwrap();
    house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None).unwrap();
    let reader = Arc::new(Store::open(&house.folder.path().join("tightlip.db"), Mode::Reader).unwrap());
    let hash = vault::hash_token(&house.admin_key);
    let started_since = Gate::new(reader, Arc::clone(&house.ledger), Arc::clone(&house.keys), hash, house.clock.clone());
    let scrub = |to: &str| started_since.scrub_plan(&card, &host(to)).unwrap().scrub_all(b"another plain value");
    assert_eq!(scrub("a.example.com"), Some(card.grants[0].token.as_str().as_bytes().to_vec()));
    assert_eq!(scrub("b.example.com"), None);
}

#[test]
fn a_value_that_may_be_written_into_basic_is_found_in_an_encoding_of_the_request() {
    // "u:" and the value in base64, and that in base64 once more, as of a whole request.
    let (value, shown) = ("another plain value of mine", "QmFzaWMgZFRwaGJtOTBhR1Z5SUhCc1lXbHVJSFpoYkhWbElHOW1JRzFwYm1VPQ==");
    let house = Installation::make();
    house.store("KEY", value);
    let bound = |form: model::Form| Binding { form, ..Binding::to_host("a.example.com".parse().unwrap()) };
    for (form, is_found) in [(model::Form::Bearer, false), (model::Form::Auto, true), (model::Form::Basic { user: "me".to_owned() }, true)]
    {
        let _ = house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("KEY"), None);
        house.gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), bound(form.clone())).unwrap();
        let plan = house.gate.scrub_plan(&house.card(&["KEY"]), &host("a.example.com")).unwrap();
        assert_eq!(plan.scrub_all(shown.as_bytes()).is_some(), is_found, "{form:?}");
    }
}

/// Counts how often it was told.
struct Counting(model::AccountId, std::sync::atomic::AtomicUsize);

impl service::Onlooker for Counting {
    fn account(&self) -> &model::AccountId {
        &self.0
    }

    fn catch_up(&self) {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn whoever_shows_replies_is_told_before_a_value_leaves_that_none_of_them_was_looked_through_for() {
    let house = Installation::make();
    house.store("KEY", "another plain value of mine");
    let bind = |to: &str| {
        let binding = Binding::to_host(to.parse().unwrap());
        house.gate.bind(&house.admin_key, &house.caller(), &secret_name("KEY"), binding).unwrap();
    };
    bind("a.example.com");
    bind("b.example.com");
    let card = house.card(&["KEY"]);
    let own = Arc::new(Counting(card.account.clone(), Default::default()));
    let stranger = Arc::new(Counting(model::AccountId::from_parts(model::Timestamp::from_unix_ms(1), 1), Default::default()));
    for onlooker in [&own, &stranger] {
        let weak: std::sync::Weak<Counting> = Arc::downgrade(onlooker);
        house.gate.show(weak);
    }
    let told = |to: &str| {
        resolve(&house, &card, to).unwrap();
        own.1.swap(0, std::sync::atomic::Ordering::SeqCst)
    };
    assert_eq!([told("a.example.com"), told("a.example.com"), told("b.example.com"), told("b.example.com")], [1, 0, 1, 0]);
    house.house.secrets().update(&house.caller(), &secret_name("KEY"), value("a new plain value of mine")).unwrap();
    assert_eq!([told("a.example.com"), told("a.example.com"), told("b.example.com")], [1, 0, 1]);
    bind("c.example.com");
    assert_eq!([told("a.example.com"), told("a.example.com")], [1, 0]);
    let at_hand = |to: &str| house.gate.at_hand(|| resolve(&house, &card, to).map(drop));
    assert_eq!(at_hand("c.example.com"), Err(Refusal::Undecided), "it may take time");
    assert_eq!(stranger.1.load(std::sync::atomic::Ordering::SeqCst), 0, "another account's");
}

#[test]
fn values_too_large_together_leave_those_that_are_bound_to_the_host() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let names: Vec<String> = (0..9).map(|number| format!("LARGE_{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        house.store(name, &format!("{number}{}", "x+/=&<>\"".repeat(7_500)));
        let bind = Binding::to_host("a.example.com".parse().unwrap());
        house.gate.bind(&house.admin_key, &house.caller(), &secret_name(name), bind).unwrap();
    }
    let all: Vec<&str> = names.iter().map(String::as_str).chain(["TOKEN"]).collect();
    let card = house.card(&all);
    assert_eq!(house.gate.scrub_plan(&card, &host("a.example.com")).err(), Some(Refusal::LimitReached));
    let plan = house.gate.scrub_plan(&card, &host("api.github.com")).unwrap();
    assert!(!plan.masks_all() && plan.scrub_all(GITHUB.as_bytes()).is_some());
}

#[test]
fn a_row_that_was_rolled_back_or_moved_is_noticed() {
    let house = Installation::make();
    let secret = house.store("TOKEN", GITHUB);
    house.store("OTHER", "another plain value");
    let card = house.card(&["TOKEN"]);
    let kept = rusqlite::Connection::open(house.folder.path().join("tightlip.db")).unwrap();
    kept.execute_batch("PRAGMA foreign_keys = OFF; CREATE TEMP TABLE old_keys AS SELECT * FROM data_keys").unwrap();
    kept.execute_batch("CREATE TEMP TABLE old_texts AS SELECT * FROM ciphertexts; CREATE TEMP TABLE old AS SELECT * FROM secrets").unwrap();
    house.clock.advance(1_000);
    house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value(&GITHUB.replace('0', "9"))).unwrap();
    resolve(&house, &card, "api.github.com").unwrap();
    let back = "DELETE FROM secrets; DELETE FROM data_keys; DELETE FROM ciphertexts; INSERT INTO data_keys SELECT * FROM old_keys;
        INSERT INTO ciphertexts SELECT * FROM old_texts; INSERT INTO secrets SELECT * FROM old";
    kept.execute_batch(back).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretTampered));
    // A version made up does not open, and neither does another secret's row under this one's id.
    kept.execute("UPDATE secrets SET version = 3 WHERE id = ?1", [secret.id.as_str()]).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretTampered));
    let moved = "UPDATE secrets SET version = 2, (data_key, ciphertext) =
        (SELECT data_key, ciphertext FROM secrets WHERE name = 'OTHER') WHERE name = 'TOKEN'";
    kept.execute_batch(moved).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretTampered));
}

#[test]
fn a_deleted_secret_that_comes_back_is_noticed() {
    let house = Installation::make();
    let secret = house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    let kept = rusqlite::Connection::open(house.folder.path().join("tightlip.db")).unwrap();
    kept.execute_batch("PRAGMA foreign_keys = OFF; CREATE TEMP TABLE old_keys AS SELECT * FROM data_keys").unwrap();
    kept.execute_batch("CREATE TEMP TABLE old_texts AS SELECT * FROM ciphertexts; CREATE TEMP TABLE old AS SELECT * FROM secrets").unwrap();
    house.house.secrets().delete(&house.caller(), &secret.name).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretGone));
    let back = "DELETE FROM data_keys; DELETE FROM ciphertexts; INSERT INTO data_keys SELECT * FROM old_keys;
        INSERT INTO ciphertexts SELECT * FROM old_texts; INSERT INTO secrets SELECT * FROM old";
    kept.execute_batch(back).unwrap();
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::SecretTampered));
}

#[test]
fn while_events_cannot_be_written_nothing_leaves() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    resolve(&house, &card, "api.github.com").unwrap();
    let ledger = rusqlite::Connection::open(house.folder.path().join("gateway.db")).unwrap();
    ledger.execute_batch("CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
    assert_eq!(resolve(&house, &card, "github.com").err(), Some(Refusal::Undecided));
    resolve(&house, &card, "api.github.com").unwrap();
    assert!(house.gate.flush().is_err());
    assert_eq!(resolve(&house, &card, "api.github.com").err(), Some(Refusal::Undecided));
    assert!(house.gate.check().is_err());
    ledger.execute_batch("DROP TRIGGER stop").unwrap();
    house.gate.flush().unwrap();
    resolve(&house, &card, "api.github.com").unwrap();
    house.gate.flush().unwrap();
    let counted: u64 = house.gate.events(&house.owner.id, None, 2, 100).unwrap().iter().filter_map(|event| event.event.count).sum();
    assert_eq!(counted, 2);
}

#[test]
fn what_is_known_is_decided_without_waiting_and_nothing_else_is() {
    let house = Installation::make();
    house.store("TOKEN", GITHUB);
    let card = house.card(&["TOKEN"]);
    let at_hand = |to: &str| house.gate.at_hand(|| resolve(&house, &card, to).map(|armed| written(armed, &card)));
    let once = |to: &str| resolve(&house, &card, to).map(|armed| written(armed, &card));
    assert_eq!(at_hand("api.github.com"), Err(Refusal::Undecided));
    assert_eq!(house.gate.at_hand(|| -> Result<(), Refusal> { panic!("as a defect would") }), Err(Refusal::Undecided));
    assert!(house.gate.may_wait(), "the thread may wait again");
    once("api.github.com").unwrap();
    assert_eq!(at_hand("api.github.com"), Ok(format!("Bearer {GITHUB}")));
    // A first use is written before the value leaves, and a plan is made where waiting is allowed.
    assert_eq!(at_hand("github.com"), Err(Refusal::Undecided));
    assert_eq!(house.gate.at_hand(|| house.gate.scrub_plan(&card, &host("github.com")).map(drop)), Err(Refusal::Undecided));
    let new = GITHUB.replace('0', "9");
    let bind =
        || house.gate.bind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), Binding::to_host("a.example.com".parse().unwrap()));
    let changes: [&dyn Fn(); 2] =
        [&|| drop(house.house.secrets().update(&house.caller(), &secret_name("TOKEN"), value(&new)).unwrap()), &|| {
            drop(house.gate.unbind(&house.admin_key, &house.caller(), &secret_name("TOKEN"), None).unwrap())
        }];
    for change in changes {
        bind().unwrap();
        once("a.example.com").unwrap();
        at_hand("a.example.com").unwrap();
        change();
        assert_eq!(at_hand("a.example.com"), Err(Refusal::Undecided));
    }
    assert_eq!(once("api.github.com"), Ok(format!("Bearer {new}")));
    house.gate.close(&card.devbox).unwrap();
    assert_eq!(at_hand("api.github.com"), Err(Refusal::Undecided));
    assert_eq!(house.gate.at_hand(|| -> Result<(), Refusal> { panic!("as a defect would") }), Err(Refusal::Undecided));
    assert!(house.gate.may_wait(), "the thread may wait again");
    assert_eq!(once("api.github.com"), Err(Refusal::TokenEnded));
}
