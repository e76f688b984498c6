//! Which secret a request is about: the one that was there when it was asked, or one that was stored since and that a person has seen. The refusals first.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, secret_name};
use link::agents::{AgentRequest, AgentTell, AgentVerb, AskedView, Decided, Entry, EntryAsk, EntryProof, EntryTell, Meant, RequestStatus};
use model::{Methods, SecretId};
use service::{Agent, AgentsError, DevboxCard, Policy};

const VALUE: &str = "a plain value of a key";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
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

fn approve(house: &Installation, asked: &AgentRequest, seen: Option<&SecretId>) -> Result<Decided, AgentsError> {
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, seen.cloned().map(Meant::Stored).as_ref())
}

/// Opens the link of a request: the session, and what is shown.
fn opened(house: &Installation, asked: &AgentRequest) -> (String, Entry) {
    let link = asked.entry_path.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
    let EntryTell::Opened { session, entry } = house.gate.entry(EntryAsk::Open { link }) else { panic!("not opened") };
    (session, *entry)
}

/// What an api that was taken over does to its own store.
fn tamper(house: &Installation, sql: &str) {
    rusqlite::Connection::open(house.folder.path().join("tightlip.db")).unwrap().execute_batch(sql).unwrap();
}

fn bindings(house: &Installation, secret: &SecretId) -> usize {
    house.ledger.decided(secret).unwrap().0.len()
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
    assert_eq!((bindings(&house, &theirs), bindings(&house, &again)), (0, 0));
    approve(&house, &asked, Some(&again)).unwrap();
    assert_eq!(bindings(&house, &again), 1);
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
    let shown = view(&house, &asked);
    assert!(shown.secret_exists && shown.reach.is_empty() && shown.hindered.unwrap().contains("verify"));
    assert!(matches!(approve(&house, &asked, None), Err(AgentsError::NotTheOne)));
    tamper(&house, "UPDATE secrets SET name = 'REAL'");
    assert!(matches!(approve(&house, &asked, Some(&SecretId::from_parts(installation::START, 1))), Err(AgentsError::NotTheOne)));
    // What was seen changed outside is not believed when it is changed back.
    assert!(matches!(approve(&house, &asked, Some(&old.id)), Err(AgentsError::Bindings(_))));
    assert_eq!(bindings(&house, &old.id), 0);
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

#[test]
fn a_devbox_whose_secret_was_deleted_asks_for_it_again_and_uses_the_new_one() {
    let house = Installation::make();
    house.store("KEY", OLD);
    house.bind("KEY", "a.example.com", "auto");
    let card = house.card(&["KEY"]);
    house.house.secrets().delete(&house.caller(), &secret_name("KEY")).unwrap();
    house.clock.advance(1000);
    let listed = |house: &Installation| {
        let AgentTell::Secrets(usable) = told(house, &card, AgentVerb::ListSecrets) else { panic!("no list") };
        usable.into_iter().map(|usable| usable.bindings[0].host.to_string()).collect::<Vec<_>>()
    };
    assert!(listed(&house).is_empty());
    let asked = ask(&house, &card, "KEY");
    let made = house.store("KEY", VALUE).id;
    assert!(approve(&house, &asked, Some(&made)).unwrap().given);
    assert_eq!(listed(&house), ["collect.example.com"]);
    let how = AgentVerb::HowToUse { name: secret_name("KEY") };
    assert!(matches!(told(&house, &card, how), AgentTell::Use(_)));
}

#[test]
fn what_a_request_would_lift_is_shown_before_it_is_let_through() {
    let house = Installation::make();
    house.store("NARROW", VALUE);
    let narrow = model::Binding {
        methods: "GET".parse().unwrap(),
        path: "/v1/read".parse().unwrap(),
        ..model::Binding::to_host("collect.example.com".parse().unwrap())
    };
    house.gate.bind(&house.admin_key, &house.caller(), &secret_name("NARROW"), narrow.clone()).unwrap();
    house.bind("NARROW", "other.example.com", "auto");
    let card = house.card(&["NARROW"]);
    let asked = ask_access(&house, &card, "NARROW");
    assert_eq!(view(&house, &asked).lifts, [narrow]);
}

#[test]
fn one_request_gives_an_agent_no_links_without_end() {
    let house = Installation::make();
    let card = house.card(&[]);
    let mut opened = 0;
    while let Some(path) = ask(&house, &card, "NEW").entry_path {
        let link = path.rsplit('/').next().unwrap().to_owned();
        let EntryTell::Opened { .. } = house.gate.entry(EntryAsk::Open { link }) else { panic!("not opened") };
        opened += 1;
        assert!(opened <= 20, "no end");
        // While the page may be in use there is no other link, which would end it.
        assert_eq!(ask(&house, &card, "NEW").entry_path, None);
        house.clock.advance(15 * 60 * 1000);
    }
    assert_eq!(opened, 20);
    // A person is shown one all the same.
    assert!(view(&house, &ask(&house, &card, "NEW")).entry.request.entry_path.is_some());
}

#[test]
fn a_request_is_not_pulled_away_while_its_value_is_on_its_way() {
    let house = Installation::make();
    let card = house.card(&[]);
    let asked = ask(&house, &card, "NEW");
    let open = |asked: &AgentRequest| {
        let link = asked.entry_path.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
        house.gate.entry(EntryAsk::Open { link })
    };
    let code = EntryProof::Code(view(&house, &asked).code.unwrap());
    let EntryTell::Opened { session, entry } = open(&asked) else { panic!("not opened") };
    let allow = EntryAsk::Allow { session: session.clone(), digest: entry.digest, proof: code };
    assert!(matches!(house.gate.entry(allow), EntryTell::Allowed { .. }));
    let hosts = vec!["other.example.com".parse().unwrap()];
    let other = || AgentVerb::RequestSecret { name: secret_name("NEW"), hosts: hosts.clone(), form: None, reason: "x".into() };
    assert!(matches!(told(&house, &card, other()), AgentTell::Denied(denied) if denied.code == "request_in_use"));
    let again = view(&house, &asked).entry.request;
    assert!(matches!(open(&again), EntryTell::Denied(denied) if denied.code == "request_in_use"));
    let made = house.store("NEW", VALUE).id;
    let EntryTell::Shown(done) = house.gate.entry(EntryAsk::Stored { session, secret: made }) else { panic!("not taken") };
    assert_eq!(done.request.status, RequestStatus::Approved);
    // Of one that came to nothing it can be asked again in a minute.
    house.clock.advance(1000);
    assert!(matches!(told(&house, &card, other()), AgentTell::Denied(denied) if denied.code == "secret_exists"));
}

#[test]
fn what_is_let_through_for_a_devbox_that_ended_or_is_full_is_told_so() {
    let house = Installation::make();
    let (ended, full) = (house.card(&[]), house.card(&[]));
    let asked = ask(&house, &ended, "ENDED");
    house.gate.close(&ended.devbox).unwrap();
    let made = house.store("ENDED", VALUE).id;
    assert!(!approve(&house, &asked, Some(&made)).unwrap().given);
    for number in 0..100 {
        let name = format!("S{number}");
        let asked = ask(&house, &full, &name);
        let made = house.store(&name, VALUE).id;
        assert!(approve(&house, &asked, Some(&made)).unwrap().given);
    }
    let asked = ask(&house, &full, "MORE");
    // Before a value is typed, and for nothing.
    let shown = view(&house, &asked);
    assert!(shown.hindered.unwrap().contains("start another one") && !shown.devbox_ended && shown.code.is_none());
    let link = asked.entry_path.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(matches!(house.gate.entry(EntryAsk::Open { link }), EntryTell::Denied(denied) if denied.code == "devbox_full"));
    let made = house.store("MORE", VALUE).id;
    assert!(matches!(approve(&house, &asked, Some(&made)), Err(AgentsError::DevboxFull)));
    assert_eq!(bindings(&house, &made), 0);
}

#[test]
fn a_devbox_that_ended_is_shown_as_ended_and_asks_for_no_host_any_more() {
    let house = Installation::make();
    let card = house.card(&[]);
    let secret = ask(&house, &card, "NEW");
    let host = AgentVerb::RequestAccess {
        secret: None,
        host: "c.example.com".parse().unwrap(),
        methods: Methods::default(),
        reason: "to look".into(),
    };
    let AgentTell::Request(host) = told(&house, &card, host) else { panic!("not asked") };
    assert!(!view(&house, &secret).devbox_ended && !view(&house, &host).devbox_ended);
    house.gate.close(&card.devbox).unwrap();
    assert!(view(&house, &secret).devbox_ended);
    let waiting = house.gate.asked(None, &house.caller(), None).unwrap();
    assert_eq!(waiting.iter().map(|view| &view.entry.request.id).collect::<Vec<_>>(), [&secret.id]);
}

#[test]
fn what_a_host_may_keep_as_content_is_not_asked_for() {
    let house = Installation::make();
    let card = house.card(&[]);
    for form in ["body", "query:key"] {
        let verb = AgentVerb::RequestSecret {
            name: secret_name("NEW"),
            hosts: vec!["api.example.com".parse().unwrap()],
            form: Some(form.parse().unwrap()),
            reason: "to look".into(),
        };
        assert!(matches!(told(&house, &card, verb), AgentTell::Denied(denied) if denied.code == "form_content"));
    }
}

#[test]
fn a_devbox_that_is_given_a_secret_of_before_gets_all_its_hosts_and_a_person_is_told_them() {
    let house = Installation::make();
    let card = house.card(&[]);
    house.store("NEW", VALUE);
    house.bind("NEW", "api.example.com", "bearer");
    let asked = ask(&house, &card, "NEW");
    let shown = view(&house, &asked);
    assert!(shown.secret_exists && shown.code.is_none() && shown.entry.request.entry_path.is_none());
    assert_eq!(shown.reach, ["api.example.com".parse().unwrap()]);
    let decided = approve(&house, &asked, None).unwrap();
    assert!(decided.given);
    let mut reach: Vec<String> = decided.reach.iter().map(ToString::to_string).collect();
    reach.sort();
    assert_eq!(reach, ["api.example.com", "collect.example.com"]);
}

#[test]
fn a_value_that_is_typed_for_a_request_goes_no_farther_although_its_kind_would() {
    let house = Installation::make();
    let card = house.card(&[]);
    let hosts = vec!["api.github.com".parse().unwrap()];
    let ask = |name: &str| {
        let verb = AgentVerb::RequestSecret { name: secret_name(name), hosts: hosts.clone(), form: None, reason: "to look".into() };
        let AgentTell::Request(asked) = told(&house, &card, verb) else { panic!("not asked") };
        *asked
    };
    // At the terminal.
    let asked = ask("TYPED");
    let made = house.store("TYPED", GITHUB).id;
    let meant = Meant::Typed(made.clone());
    let decided = house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, Some(&meant)).unwrap();
    assert_eq!((decided.reach, bindings(&house, &made)), (hosts.clone(), 1));
    // At the page, with a code.
    let asked = ask("ENTERED");
    let code = EntryProof::Code(view(&house, &asked).code.unwrap());
    let (session, entry) = opened(&house, &asked);
    let allow = EntryAsk::Allow { session: session.clone(), digest: entry.digest, proof: code };
    assert!(matches!(house.gate.entry(allow), EntryTell::Allowed { .. }));
    let made = house.store("ENTERED", GITHUB).id;
    assert!(matches!(house.gate.entry(EntryAsk::Stored { session, secret: made.clone() }), EntryTell::Shown(_)));
    assert_eq!(bindings(&house, &made), 1);
    // Somebody else's of that kind keeps its hosts.
    let asked = ask("THEIRS");
    house.clock.advance(1000);
    let theirs = house.store("THEIRS", GITHUB).id;
    let decided = approve(&house, &asked, Some(&theirs)).unwrap();
    assert!(decided.reach.len() > 1 && bindings(&house, &theirs) == 0);
}

#[test]
fn an_agent_that_asks_again_gets_no_link_that_ends_an_open_page() {
    let house = Installation::make();
    let card = house.card(&[]);
    let asked = ask(&house, &card, "NEW");
    let (session, _) = opened(&house, &asked);
    // A person looks for the code, and is shown a fresh link with it.
    assert!(view(&house, &asked).entry.request.entry_path.is_some());
    assert_eq!(ask(&house, &card, "NEW").entry_path, None);
    assert!(matches!(house.gate.entry(EntryAsk::Look { session }), EntryTell::Shown(_)));
}

#[test]
fn hosts_that_ended_devboxes_wanted_take_nobodys_room() {
    let house = Installation::make();
    for _ in 0..5 {
        let card = house.card(&[]);
        for number in 0..10 {
            let host = format!("h{number}.example.com").parse().unwrap();
            let verb = AgentVerb::RequestAccess { secret: None, host, methods: Methods::default(), reason: "to look".into() };
            assert!(matches!(told(&house, &card, verb), AgentTell::Request(_)));
        }
        house.gate.close(&card.devbox).unwrap();
    }
    assert!(house.gate.asked(None, &house.caller(), None).unwrap().is_empty());
    ask(&house, &house.card(&[]), "NEW");
}

#[test]
fn a_request_that_was_changed_outside_hides_no_other() {
    let house = Installation::make();
    let card = house.card(&[]);
    let (first, second) = (ask(&house, &card, "ONE"), ask(&house, &card, "TWO"));
    let conn = rusqlite::Connection::open(house.folder.path().join("gateway.db")).unwrap();
    conn.execute("UPDATE requests SET reason = 'x' WHERE id = ?1", [first.id.as_str()]).unwrap();
    let AgentTell::Requests { requests, .. } = told(&house, &card, AgentVerb::ListRequests { after: None, limit: 10 }) else {
        panic!("not listed")
    };
    assert_eq!(requests.iter().map(|one| &one.id).collect::<Vec<_>>(), [&second.id]);
}

#[test]
fn what_passes_unseen_is_not_asked_for() {
    let house = Installation::passing_through(vec!["*.example.com".parse().unwrap()], Policy::default());
    let card = house.card(&[]);
    let (host, reason): (model::HostPattern, String) = ("a.example.com".parse().unwrap(), "to look".into());
    for verb in [
        AgentVerb::RequestSecret { name: secret_name("NEW"), hosts: vec![host.clone()], form: None, reason: reason.clone() },
        AgentVerb::RequestAccess { secret: Some(house.store("OLD", VALUE).name), host, methods: Methods::default(), reason },
    ] {
        assert!(matches!(told(&house, &card, verb), AgentTell::Denied(denied) if denied.message.contains("pass_through")));
    }
    assert!(house.gate.asked(None, &house.caller(), None).unwrap().is_empty());
}

#[test]
fn what_was_typed_and_never_approved_expires_with_its_request() {
    let house = Installation::make();
    let card = house.card(&[]);
    let asked = ask(&house, &card, "NEW");
    let (session, entry) = opened(&house, &asked);
    let proof = EntryProof::Key(house.owner_key.clone());
    assert!(matches!(
        house.gate.entry(EntryAsk::Allow { session: session.clone(), digest: entry.digest, proof }),
        EntryTell::Allowed { .. }
    ));
    let secret = house.store("NEW", VALUE).id;
    assert!(matches!(house.gate.entry(EntryAsk::Stored { session, secret }), EntryTell::Shown(_)));
    let status = || {
        let AgentTell::Request(request) = told(&house, &card, AgentVerb::RequestStatus { id: asked.id.clone() }) else {
            panic!("no status")
        };
        request.status
    };
    assert_eq!(status(), RequestStatus::Entered);
    house.clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(status(), RequestStatus::Expired);
}
