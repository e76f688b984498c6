//! Which secret a request is about: the one that was there when it was asked, or one that was stored since and that a person has seen. The refusals first.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, secret_name};
use link::agents::{AgentRequest, AgentTell, AgentVerb, AskedView, EntryAsk, EntryProof, EntryTell, RequestStatus};
use model::{Methods, SecretId};
use service::{Agent, AgentsError, DevboxCard};

const VALUE: &str = "a plain value of a key";
const OLD: &str = "an old and real value";

fn told(house: &Installation, card: &DevboxCard, verb: AgentVerb) -> AgentTell {
    house.gate.agent(&Agent::Devbox(card), verb)
}

fn ask(house: &Installation, card: &DevboxCard, name: &str) -> AgentRequest {
    let hosts = vec!["collect.example.com".parse().unwrap()];
    let verb = AgentVerb::RequestSecret { name: secret_name(name), hosts, form: None, reason: "to release".into() };
    let AgentTell::Request(asked) = told(house, card, verb) else { panic!("not asked") };
    *asked
}

fn ask_access(house: &Installation, card: &DevboxCard, name: &str) -> AgentRequest {
    let (secret, host) = (Some(secret_name(name)), "collect.example.com".parse().unwrap());
    let verb = AgentVerb::RequestAccess { secret, host, methods: Methods::default(), reason: "to look".into() };
    let AgentTell::Request(asked) = told(house, card, verb) else { panic!("not asked") };
    *asked
}

fn view(house: &Installation, asked: &AgentRequest) -> AskedView {
    let views = house.gate.asked(Some(&house.admin_key), &house.caller(), None).unwrap();
    views.into_iter().find(|view| view.entry.request.id == asked.id).unwrap()
}

fn approve(house: &Installation, asked: &AgentRequest, seen: Option<&SecretId>) -> Result<AgentRequest, AgentsError> {
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, seen)
}

/// What an api that was taken over does to its own store.
fn tamper(house: &Installation, sql: &str) {
    rusqlite::Connection::open(house.folder.path().join("tightlip.db")).unwrap().execute_batch(sql).unwrap();
}

fn bindings(house: &Installation, name: &str) -> usize {
    house.gate.bindings(&house.caller(), Some(&secret_name(name)), None).unwrap().0.len()
}

#[test]
fn a_secret_that_a_colleague_stored_since_is_not_bound_unseen() {
    let house = Installation::make();
    let card = house.card(&[]);
    let (asked, access) = (ask(&house, &card, "LATER"), ask_access(&house, &card, "LATER"));
    house.clock.advance(1000);
    let theirs = house.store("LATER", VALUE).id;
    for request in [&asked, &access] {
        assert!(matches!(approve(&house, request, None), Err(AgentsError::NameTaken)));
        let shown = view(&house, request);
        assert_eq!((shown.secret_exists, shown.stored_since.as_ref()), (false, Some(&theirs)));
    }
    // One that was seen and replaced meanwhile is another.
    house.house.secrets().delete(&house.caller(), &secret_name("LATER")).unwrap();
    let again = house.store("LATER", VALUE).id;
    assert!(matches!(approve(&house, &asked, Some(&theirs)), Err(AgentsError::NameTaken)));
    assert_eq!(bindings(&house, "LATER"), 0);
    approve(&house, &asked, Some(&again)).unwrap();
    assert_eq!(bindings(&house, "LATER"), 1);
}

#[test]
fn an_old_secret_that_was_hidden_when_it_was_asked_is_not_bound() {
    let house = Installation::make();
    let old = house.store("REAL", OLD);
    let card = house.card(&[]);
    tamper(&house, "UPDATE secrets SET name = 'HIDDEN'");
    house.clock.advance(1000);
    let asked = ask(&house, &card, "REAL");
    assert!(view(&house, &asked).stored_since.is_none());
    house.clock.advance(1000);
    tamper(&house, "UPDATE secrets SET name = 'REAL', created = created + 100000");
    for seen in [None, Some(&old.id)] {
        assert!(matches!(approve(&house, &asked, seen), Err(AgentsError::NotTheOne)));
    }
}

#[test]
fn a_secret_that_was_there_is_shown_so_also_where_it_is_hidden_later() {
    let house = Installation::make();
    let old = house.store("REAL", OLD);
    let card = house.card(&[]);
    let asked = ask(&house, &card, "REAL");
    tamper(&house, "UPDATE secrets SET name = 'HIDDEN'");
    assert!(view(&house, &asked).secret_exists);
    assert!(matches!(approve(&house, &asked, None), Err(AgentsError::NotTheOne)));
    tamper(&house, "UPDATE secrets SET name = 'REAL'");
    assert!(matches!(approve(&house, &asked, Some(&SecretId::from_parts(installation::START, 1))), Err(AgentsError::NotTheOne)));
    assert_eq!(approve(&house, &asked, Some(&old.id)).unwrap().status, RequestStatus::Approved);
}

#[test]
fn a_page_takes_no_old_secret_for_the_one_that_was_typed() {
    let house = Installation::make();
    let old = house.store("REAL", OLD);
    let card = house.card(&[]);
    tamper(&house, "UPDATE secrets SET name = 'HIDDEN'");
    house.clock.advance(1000);
    let asked = ask(&house, &card, "REAL");
    let link = asked.entry_path.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
    let code = EntryProof::Code(view(&house, &asked).code.unwrap());
    let EntryTell::Opened { session, entry } = house.gate.entry(EntryAsk::Open { link }) else { panic!("not opened") };
    let allow = EntryAsk::Allow { session: session.clone(), digest: entry.digest, proof: code };
    assert!(matches!(house.gate.entry(allow), EntryTell::Allowed { .. }));
    tamper(&house, "UPDATE secrets SET name = 'REAL', created = created + 100000");
    let EntryTell::Denied(denied) = house.gate.entry(EntryAsk::Stored { session, secret: old.id }) else { panic!("taken") };
    assert_eq!(denied.code, "secret_mismatch");
}
