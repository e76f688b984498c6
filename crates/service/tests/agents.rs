//! What agents ask and what people make of it: who sees what, what is asked twice, and what is let through. The refusals first.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_account, add_key, secret_name};
use link::agents::{AgentRequest, AgentTell, AgentVerb, Meant, RequestStatus, Tested, Usable, Wish};
use link::front::Denied;
use model::{Asked, EventKind, Form, Methods, Refusal, RequestId, Scope, Spot};
use service::{Agent, AgentsError, BindingsError, DevboxCard};

const VALUE: &str = "a plain value of a key";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn house() -> Installation {
    Installation::with_keys(|store| {
        add_account(store, &account(2));
        add_key(store, &account(2), 2, "tlk_stranger", model::Scopes::all());
        add_key(store, &account(1), 3, "tlk_reader", [Scope::Read].into_iter().collect());
        add_key(store, &account(1), 4, "tlk_other", model::Scopes::all());
    })
}

fn ask(house: &Installation, who: &Agent<'_>, verb: AgentVerb) -> Result<AgentTell, Denied> {
    match house.gate.agent(who, verb) {
        AgentTell::Denied(denied) => Err(denied),
        told @ (AgentTell::Secrets(_)
        | AgentTell::Use(_)
        | AgentTell::Tested(_)
        | AgentTell::Refusals(_)
        | AgentTell::Request(_)
        | AgentTell::Requests { .. }) => Ok(told),
    }
}

fn code(told: Result<AgentTell, Denied>) -> String {
    told.err().unwrap().code
}

fn list(house: &Installation, who: &Agent<'_>) -> Vec<Usable> {
    let Ok(AgentTell::Secrets(usable)) = ask(house, who, AgentVerb::ListSecrets) else { panic!("no list") };
    usable
}

fn names(house: &Installation, who: &Agent<'_>) -> Vec<String> {
    list(house, who).into_iter().map(|usable| usable.name.to_string()).collect()
}

fn request(told: Result<AgentTell, Denied>) -> AgentRequest {
    let AgentTell::Request(request) = told.unwrap() else { panic!("no request") };
    *request
}

fn for_secret(name: &str, hosts: &[&str]) -> AgentVerb {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    AgentVerb::RequestSecret { name: secret_name(name), hosts, form: None, reason: "to release".into() }
}

fn for_access(name: Option<&str>, host: &str) -> AgentVerb {
    AgentVerb::RequestAccess {
        secret: name.map(secret_name),
        host: host.parse().unwrap(),
        methods: Methods::default(),
        reason: "to look it up".into(),
    }
}

fn test(house: &Installation, who: &Agent<'_>, name: &str, host: Option<&str>, method: Option<&str>, path: Option<&str>) -> Vec<Tested> {
    let verb = AgentVerb::TestSecret {
        name: secret_name(name),
        host: host.map(|host| host.parse().unwrap()),
        method: method.map(str::to_owned),
        path: path.map(str::to_owned),
    };
    let AgentTell::Tested(tested) = ask(house, who, verb).unwrap() else { panic!("nothing tested") };
    tested
}

fn status(house: &Installation, who: &Agent<'_>, id: &RequestId) -> AgentRequest {
    request(ask(house, who, AgentVerb::RequestStatus { id: id.clone() }))
}

fn use_it(house: &Installation, card: &DevboxCard, token: &model::Token, host: &str) -> Result<Form, Refusal> {
    let host = host.parse().unwrap();
    let asked = Asked { devbox: &card.devbox, host: &host, port: 443, method: "GET", path: "/" };
    house.gate.resolve(card, token, asked, Spot::Header).map(|armed| armed.permit.form().clone())
}

#[test]
fn a_devbox_sees_its_own_things_only() {
    let house = house();
    for name in ["MINE", "OTHERS"] {
        house.store(name, VALUE);
        house.bind(name, "api.example.com", "bearer");
    }
    let (mine, others) = (house.card(&["MINE"]), house.card(&["OTHERS"]));
    let (me, other) = (Agent::Devbox(&mine), Agent::Devbox(&others));
    assert_eq!((names(&house, &me), names(&house, &other)), (vec!["MINE".to_owned()], vec!["OTHERS".to_owned()]));
    assert_eq!(code(ask(&house, &me, AgentVerb::HowToUse { name: secret_name("OTHERS") })), "secret_unknown");
    let test = AgentVerb::TestSecret { name: secret_name("OTHERS"), host: None, method: None, path: None };
    assert_eq!(code(ask(&house, &me, test)), "secret_unknown");
    let asked = request(ask(&house, &me, for_secret("NEW", &["api.example.com"])));
    assert_eq!(code(ask(&house, &other, AgentVerb::RequestStatus { id: asked.id.clone() })), "request_unknown");
    // Whether there is a secret that it was not given, it is not told: a person is asked either way.
    for name in ["OTHERS", "NOTHING"] {
        assert_eq!(request(ask(&house, &me, for_access(Some(name), "b.example.com"))).status, RequestStatus::Waiting);
    }
    assert_eq!(request(ask(&house, &me, for_secret("OTHERS", &["b.example.com"]))).status, RequestStatus::Waiting);
    // The account's key sees all of it, another account's nothing.
    let caller = house.caller();
    assert_eq!(names(&house, &Agent::Key(&caller)).len(), 2);
    assert_eq!(status(&house, &Agent::Key(&caller), &asked.id).devbox.as_ref(), Some(&mine.devbox));
    let stranger = house.gate.authenticate(Some("tlk_stranger")).unwrap();
    assert!(names(&house, &Agent::Key(&stranger)).is_empty());
    let listed = |who: &Agent<'_>| {
        let told = ask(&house, who, AgentVerb::ListRequests { after: None, limit: 100 });
        let Ok(AgentTell::Requests { requests, has_more: false }) = told else { panic!("not listed") };
        requests.len()
    };
    assert_eq!([listed(&me), listed(&other), listed(&Agent::Key(&caller)), listed(&Agent::Key(&stranger))], [4, 0, 4, 0]);
    assert_eq!(code(ask(&house, &Agent::Key(&stranger), AgentVerb::RequestStatus { id: asked.id })), "request_unknown");
}

#[test]
fn a_key_that_only_reads_asks_nobody_for_anything() {
    let house = house();
    let caller = house.gate.authenticate(Some("tlk_reader")).unwrap();
    let who = Agent::Key(&caller);
    assert!(list(&house, &who).is_empty());
    assert_eq!(code(ask(&house, &who, for_secret("NEW", &["api.example.com"]))), "scope_missing");
}

#[test]
fn what_looks_like_a_secret_is_refused_and_stands_nowhere() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let random = "f3a9Kq27Lm0Zx81Wc5Vb4Nt6Yp2";
    let verbs = [
        AgentVerb::HowToUse { name: secret_name(GITHUB) },
        AgentVerb::RequestSecret {
            name: secret_name("A"),
            hosts: vec!["a.example.com".parse().unwrap()],
            form: None,
            reason: format!("use {GITHUB}"),
        },
        for_secret(random, &["a.example.com"]),
        for_secret("A", &["3f2a9c41d07b5e8812aa90ffcc3471be.example.com"]),
        AgentVerb::RequestSecret {
            name: secret_name("A"),
            hosts: vec!["a.example.com".parse().unwrap()],
            form: Some(format!("basic:{random}").parse().unwrap()),
            reason: "x".into(),
        },
        AgentVerb::TestSecret { name: secret_name("A"), host: None, method: Some(random.into()), path: None },
        AgentVerb::TestSecret { name: secret_name("A"), host: None, method: None, path: Some(format!("/{random}")) },
        for_access(Some(random), "a.example.com"),
    ];
    for verb in verbs {
        let denied = ask(&house, &who, verb).err().unwrap();
        assert_eq!(denied.code, "looks_like_secret");
        assert!(!denied.message.contains(random) && !denied.message.contains(GITHUB));
    }
    let events = format!("{:?}", house.gate.events(&house.owner.id, None, 0, 200).unwrap());
    assert!(!events.contains(random) && !events.contains(GITHUB) && !house.kinds().contains(&EventKind::RequestMade));
}

#[test]
fn hosts_and_reasons_are_bounded_and_plain() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    assert_eq!(code(ask(&house, &who, for_secret("A", &[]))), "hosts_invalid");
    let many: Vec<String> = (0..21).map(|number| format!("h{number}.example.com")).collect();
    assert_eq!(code(ask(&house, &who, for_secret("A", &many.iter().map(String::as_str).collect::<Vec<_>>()))), "hosts_invalid");
    for reason in ["", "a\nb", "\u{1b}[31m", "\u{202e}", &"a ".repeat(501)] {
        let verb = AgentVerb::RequestSecret {
            name: secret_name("A"),
            hosts: vec!["a.example.com".parse().unwrap()],
            form: None,
            reason: reason.into(),
        };
        assert_eq!(code(ask(&house, &who, verb)), "reason_invalid", "{reason:?}");
    }
    // Each host once.
    let asked = request(ask(&house, &who, for_secret("A", &["a.example.com", "a.example.com"])));
    assert_eq!(asked.wanted.hosts().len(), 1);
}

#[test]
fn what_is_there_already_is_not_asked_for() {
    let house = house();
    house.store("KEY", VALUE);
    house.bind("KEY", "api.example.com", "auto");
    let opened = house.open(Some(&["KEY"]), &["allowed.example.com"]).unwrap();
    let who = Agent::Devbox(&opened.card);
    assert_eq!(code(ask(&house, &who, for_secret("KEY", &["b.example.com"]))), "secret_exists");
    assert_eq!(code(ask(&house, &who, for_access(Some("KEY"), "api.example.com"))), "already_allowed");
    assert_eq!(code(ask(&house, &who, for_access(None, "allowed.example.com"))), "already_allowed");
    let caller = house.caller();
    assert_eq!(code(ask(&house, &Agent::Key(&caller), for_secret("KEY", &["b.example.com"]))), "secret_exists");
    assert_eq!(code(ask(&house, &Agent::Key(&caller), for_access(None, "b.example.com"))), "devbox_only");
    assert_eq!(code(ask(&house, &Agent::Key(&caller), for_access(Some("NONE"), "b.example.com"))), "secret_unknown");
}

#[test]
fn more_than_a_person_reads_is_not_asked() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    for number in 0..10 {
        ask(&house, &who, for_secret(&format!("S{number}"), &["a.example.com"])).unwrap();
    }
    assert_eq!(code(ask(&house, &who, for_secret("S10", &["a.example.com"]))), "too_many_requests");
    // The same again is none more.
    ask(&house, &who, for_secret("S3", &["b.example.com"])).unwrap();
    let caller = house.caller();
    for number in 0..30 {
        ask(&house, &Agent::Key(&caller), for_secret(&format!("K{number}"), &["a.example.com"])).unwrap();
    }
    // Whoever has another key is heard all the same.
    assert_eq!(code(ask(&house, &Agent::Key(&caller), for_secret("K30", &["a.example.com"]))), "too_many_requests");
    let other = house.gate.authenticate(Some("tlk_other")).unwrap();
    for number in 0..10 {
        ask(&house, &Agent::Key(&other), for_secret(&format!("O{number}"), &["a.example.com"])).unwrap();
    }
    assert_eq!(code(ask(&house, &Agent::Key(&other), for_secret("O10", &["a.example.com"]))), "too_many_requests");
    house.clock.advance(24 * 60 * 60 * 1000);
    ask(&house, &who, for_secret("S10", &["a.example.com"])).unwrap();
}

#[test]
fn what_one_key_asks_in_ever_other_ways_leaves_room_for_others() {
    let house = house();
    let caller = house.caller();
    let fill = |number: usize| ask(&house, &Agent::Key(&caller), for_secret("FILL", &[&format!("h{number}.example.com")]));
    let asked = (0..200).take_while(|number| fill(*number).is_ok()).count();
    assert_eq!(asked, 120);
    let other = house.gate.authenticate(Some("tlk_other")).unwrap();
    ask(&house, &Agent::Key(&other), for_secret("OTHER", &["a.example.com"])).unwrap();
}

#[test]
fn what_devboxes_wanted_that_have_ended_takes_neither_room_nor_time() {
    let house = house();
    for _ in 0..20 {
        let card = house.card(&[]);
        for number in 0..10 {
            ask(&house, &Agent::Devbox(&card), for_access(None, &format!("h{number}.example.com"))).unwrap();
        }
        house.gate.close(&card.devbox).unwrap();
        let open = house.ledger.open_requests(&house.owner.id, model::Clock::now(&*house.clock)).unwrap();
        assert!(open.len() <= 50, "{}", open.len());
    }
    assert!(house.kinds().contains(&EventKind::RequestLapsed));
}

#[test]
fn a_name_or_methods_longer_than_a_line_are_not_asked_for() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    ask(&house, &who, for_secret(&"N".repeat(64), &["a.example.com"])).unwrap();
    assert_eq!(code(ask(&house, &who, for_secret(&"N".repeat(65), &["a.example.com"]))), "too_large");
    let with = |methods: &str| AgentVerb::RequestAccess {
        secret: None,
        host: "a.example.com".parse().unwrap(),
        methods: methods.parse().unwrap(),
        reason: "to look".into(),
    };
    let eleven = ('A'..='K').map(|letter| format!("M{letter}")).collect::<Vec<_>>().join(",");
    for methods in [eleven.as_str(), &"M".repeat(21)] {
        assert_eq!(code(ask(&house, &who, with(methods))), "too_large");
    }
    ask(&house, &who, with("GET,VERSION-CONTROL")).unwrap();
}

#[test]
fn a_request_lapses_after_a_day_and_is_not_decided_any_more() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let asked = request(ask(&house, &who, for_access(None, "a.example.com")));
    house.clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(status(&house, &who, &asked.id).status, RequestStatus::Expired);
    let decided = house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None);
    assert!(matches!(decided, Err(AgentsError::Closed)));
    let again = request(ask(&house, &who, for_access(None, "a.example.com")));
    assert!(again.id != asked.id && again.status == RequestStatus::Waiting);
}

#[test]
fn the_same_asked_again_is_one_request_with_a_link_that_works() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let first = request(ask(&house, &who, for_secret("NEW", &["a.example.com"])));
    let again = request(ask(&house, &who, for_secret("NEW", &["a.example.com"])));
    assert_eq!(first.id, again.id);
    // The link stands while nobody opened it and it works for some minutes at least.
    assert!(first.entry_path.is_some() && first.entry_path == again.entry_path);
    house.clock.advance(11 * 60 * 1000);
    assert_ne!(request(ask(&house, &who, for_secret("NEW", &["a.example.com"]))).entry_path, first.entry_path);
    // What a person has seen never changes: asked in another way it is another one, and the first is dead.
    let changed = request(ask(&house, &who, for_secret("NEW", &["b.example.com"])));
    assert_ne!(first.id, changed.id);
    assert_eq!(status(&house, &who, &first.id).status, RequestStatus::Expired);
    assert!(matches!(house.gate.approve_request(&house.admin_key, &house.caller(), &first.id, None), Err(AgentsError::Closed)));
    let first = changed;
    assert_eq!(house.gate.asked(None, &house.caller(), None).unwrap().len(), 1);
    // Its link is told to whoever asked, and by no look at it later.
    assert_eq!(status(&house, &who, &first.id).entry_path, None);
    // Another devbox's is another.
    let other = house.card(&[]);
    assert_ne!(request(ask(&house, &Agent::Devbox(&other), for_secret("NEW", &["a.example.com"]))).id, first.id);
}

#[test]
fn nobody_decides_without_the_admin_key_or_of_another_account() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let asked = request(ask(&house, &who, for_access(None, "a.example.com")));
    for key in ["", "tla_wrong", &house.owner_key] {
        let error = house.gate.approve_request(key, &house.caller(), &asked.id, None).err().unwrap();
        assert!(matches!(error, AgentsError::Bindings(BindingsError::NotAdmin)));
        assert!(house.gate.refuse_request(key, &house.caller(), &asked.id).is_err());
    }
    let stranger = house.gate.authenticate(Some("tlk_stranger")).unwrap();
    assert!(matches!(house.gate.approve_request(&house.admin_key, &stranger, &asked.id, None), Err(AgentsError::RequestUnknown)));
    assert!(house.gate.asked(None, &stranger, None).unwrap().is_empty());
    assert!(matches!(house.gate.asked(Some("tla_wrong"), &house.caller(), None), Err(AgentsError::Bindings(BindingsError::NotAdmin))));
    assert_eq!(status(&house, &who, &asked.id).status, RequestStatus::Waiting);
}

#[test]
fn what_was_refused_stays_refused_and_gives_nothing() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let host = "a.example.com".parse().unwrap();
    let asked = request(ask(&house, &who, for_access(None, "a.example.com")));
    house.gate.refuse_request(&house.admin_key, &house.caller(), &asked.id).unwrap();
    assert_eq!(status(&house, &who, &asked.id).status, RequestStatus::Refused);
    assert!(matches!(house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None), Err(AgentsError::Closed)));
    assert_eq!(house.gate.reachable(&card, &host, 443), Err(Refusal::HostNotAllowed));
    assert!(house.kinds().ends_with(&[EventKind::RequestMade, EventKind::RequestRefused]));
}

#[test]
fn a_value_that_nobody_stored_is_not_let_through() {
    let house = house();
    let card = house.card(&[]);
    let asked = request(ask(&house, &Agent::Devbox(&card), for_secret("NEW", &["a.example.com"])));
    let decided = house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None);
    assert!(matches!(decided, Err(AgentsError::ValueMissing)));
}

#[test]
fn a_secret_that_was_deleted_and_made_again_is_not_the_one_that_was_asked_about() {
    let house = house();
    house.store("KEY", VALUE);
    house.bind("KEY", "a.example.com", "auto");
    let card = house.card(&["KEY"]);
    let asked = request(ask(&house, &Agent::Devbox(&card), for_access(Some("KEY"), "b.example.com")));
    house.house.secrets().delete(&house.caller(), &secret_name("KEY")).unwrap();
    house.store("KEY", "quite another value");
    let decided = house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None);
    assert!(matches!(decided, Err(AgentsError::NotTheOne)));
}

#[test]
fn a_host_let_through_is_reached_by_that_devbox_from_then_on_and_by_no_other() {
    let house = house();
    let (card, other) = (house.card(&[]), house.card(&[]));
    let host = "a.example.com".parse().unwrap();
    let asked = request(ask(&house, &Agent::Devbox(&card), for_access(None, "a.example.com")));
    assert_eq!(house.gate.reachable(&card, &host, 443), Err(Refusal::HostNotAllowed));
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None).unwrap();
    assert_eq!(house.gate.reachable(&card, &host, 443), Ok(()));
    assert_eq!(house.gate.reachable(&other, &host, 443), Err(Refusal::HostNotAllowed));
    assert!(house.kinds().ends_with(&[EventKind::RequestApproved, EventKind::DevboxGivenMore]));
    // Also by the one that takes it up from its rows.
    let kept = house.ledger.kept_devbox(&card.devbox).unwrap().unwrap();
    assert_eq!(kept.allowed, ["a.example.com".parse().unwrap()]);
}

#[test]
fn a_devbox_that_has_ended_is_let_nowhere() {
    let house = house();
    let card = house.card(&[]);
    let asked = request(ask(&house, &Agent::Devbox(&card), for_access(None, "a.example.com")));
    house.gate.close(&card.devbox).unwrap();
    assert!(matches!(house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None), Err(AgentsError::DevboxGone)));
}

#[test]
fn access_let_through_binds_one_host_more_and_takes_none_away() {
    let house = house();
    house.store("GITHUB_TOKEN", GITHUB);
    let card = house.card(&["GITHUB_TOKEN"]);
    let who = Agent::Devbox(&card);
    let token = card.grants[0].token.clone();
    assert_eq!(use_it(&house, &card, &token, "ghe.example.com"), Err(Refusal::HostNotBound));
    let asked = request(ask(&house, &who, for_access(Some("GITHUB_TOKEN"), "ghe.example.com")));
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None).unwrap();
    assert_eq!(status(&house, &who, &asked.id).status, RequestStatus::Approved);
    for host in ["ghe.example.com", "api.github.com"] {
        assert_eq!(use_it(&house, &card, &token, host), Ok(Form::Auto), "{host}");
    }
    assert_eq!(code(ask(&house, &who, for_access(Some("GITHUB_TOKEN"), "ghe.example.com"))), "already_allowed");
}

#[test]
fn a_secret_let_through_is_the_devboxs_from_then_on() {
    let house = house();
    let card = house.card(&[]);
    let who = Agent::Devbox(&card);
    let asked = request(ask(&house, &who, for_secret("NEW", &["api.example.com", "b.example.com"])));
    assert!(matches!(&asked.wanted, Wish::Secret { form: Form::Auto, .. }));
    house.clock.advance(1000);
    let made = house.store("NEW", VALUE).id;
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, Some(&Meant::Typed(made.clone()))).unwrap();
    let told = status(&house, &who, &asked.id);
    let placeholder = told.placeholder.unwrap();
    assert_eq!((told.status, placeholder.env.as_str()), (RequestStatus::Approved, "NEW"));
    for host in ["api.example.com", "b.example.com"] {
        assert_eq!(use_it(&house, &card, &placeholder.token, host), Ok(Form::Auto));
    }
    assert_eq!(use_it(&house, &card, &placeholder.token, "c.example.com"), Err(Refusal::HostNotBound));
    assert_eq!(names(&house, &who), ["NEW"]);
    // The account's key is told what became of it, and no placeholder.
    assert_eq!(status(&house, &Agent::Key(&house.caller()), &asked.id).placeholder, None);
    // Another devbox has nothing of it.
    let other = house.card(&[]);
    assert_eq!(use_it(&house, &other, &placeholder.token, "api.example.com"), Err(Refusal::TokenForeign));
    use EventKind::{BindingCreated, DevboxGivenMore, DevboxOpened, RequestApproved, RequestMade, SecretFirstUsed};
    let first = [DevboxOpened, RequestMade, RequestApproved, BindingCreated, BindingCreated, DevboxGivenMore, SecretFirstUsed];
    assert!(house.kinds().starts_with(&first), "{:?}", house.kinds());
}

#[test]
fn what_is_tested_is_what_would_be_decided_and_counts_as_no_use() {
    let house = house();
    house.store("KEY", VALUE);
    house.store("LOOSE", VALUE);
    house.bind("KEY", "*.example.com", "bearer");
    let card = house.card(&["KEY", "LOOSE"]);
    let caller = house.caller();
    for who in [Agent::Devbox(&card), Agent::Key(&caller)] {
        let one = |host: &str, method, path| test(&house, &who, "KEY", Some(host), method, path).remove(0).decided;
        assert_eq!(one("api.example.org", None, None), Err(Refusal::HostNotBound));
        assert_eq!(one("api.example.com", Some("TRACE"), None), Err(Refusal::MethodForbidden));
        assert_eq!(one("api.example.com", Some("G ET"), None), Err(Refusal::RequestMalformed));
        assert_eq!(one("api.example.com", None, Some("/a/../b")), Err(Refusal::PathAmbiguous));
        assert_eq!(one("api.example.com", Some("POST"), Some("/v1?x=1")), Ok(Form::Bearer));
        let [each] = <[_; 1]>::try_from(test(&house, &who, "KEY", None, None, None)).unwrap();
        assert_eq!((each.host.as_str(), each.decided), ("*.example.com", Ok(Form::Bearer)));
        assert_eq!(test(&house, &who, "LOOSE", Some("a.example.com"), None, None)[0].decided, Err(Refusal::SecretUnbound));
        assert!(test(&house, &who, "LOOSE", None, None, None).is_empty());
    }
    house.gate.flush().unwrap();
    assert!(!house.kinds().iter().any(|kind| matches!(kind, EventKind::SecretFirstUsed | EventKind::SecretUsed | EventKind::Refused)));
}

#[test]
fn refusals_are_told_to_the_devbox_that_met_them_newest_first() {
    let house = house();
    let (card, other) = (house.card(&[]), house.card(&[]));
    let host = |name: &str| name.parse().unwrap();
    house.gate.refused(&card, Refusal::HostNotAllowed, Some(&host("a.example.com")));
    house.gate.flush().unwrap();
    house.clock.advance(1000);
    house.gate.refused(&card, Refusal::HostNotAllowed, Some(&host("a.example.com")));
    house.gate.refused(&other, Refusal::AddressUnmapped, None);
    let seen = |who: &Agent<'_>| {
        let Ok(AgentTell::Refusals(seen)) = ask(&house, who, AgentVerb::MyRefusals { limit: 10 }) else { panic!("no refusals") };
        seen
    };
    let [mine] = <[_; 1]>::try_from(seen(&Agent::Devbox(&card))).unwrap();
    assert_eq!((mine.refusal, mine.count, mine.host), (Refusal::HostNotAllowed, 2, Some(host("a.example.com"))));
    assert_eq!(seen(&Agent::Devbox(&other))[0].refusal, Refusal::AddressUnmapped);
    assert_eq!(seen(&Agent::Key(&house.caller())).len(), 2);
    let stranger = house.gate.authenticate(Some("tlk_stranger")).unwrap();
    assert!(seen(&Agent::Key(&stranger)).is_empty());
}
