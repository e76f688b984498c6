//! Rows of the gateway's own database, put back or changed under a gateway that runs: each with a mark of its own that holds.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, named, secret_name, wanted};
use link::agents::{AgentTell, AgentVerb, EntryAsk, EntryProof, EntryTell};
use link::cli::Exposure;
use model::{AccountId, Event, EventKind, Mechanism};
use rusqlite::Connection;
use service::anchor::AnchorPlaces;
use service::verify::{Subject, verify};
use service::{Agent, AgentsError, BindingsError, DevboxDenial, Policy};
use store::{Ledger, Mode, Store};

/// Changes the ledger behind the gateway's back.
fn tamper(house: &Installation, sql: &str) {
    let conn = Connection::open(house.folder.path().join("gateway.db")).unwrap();
    conn.execute_batch(sql).unwrap();
    assert!(conn.changes() > 0, "nothing was changed by {sql}");
}

/// Keeps a table's rows as they are now; what this gives puts them back.
fn keep(house: &Installation, table: &str) -> String {
    let kept = house.folder.path().join("kept.db").display().to_string();
    tamper(
        house,
        &format!(
            "ATTACH '{kept}' AS kept; CREATE TABLE kept.rows AS SELECT * FROM {table}; CREATE TABLE kept.x AS SELECT 1; DELETE FROM kept.x"
        ),
    );
    format!("ATTACH '{kept}' AS kept; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.rows")
}

fn expose(house: &Installation, exposure: Exposure) -> Result<(), BindingsError> {
    house.gate.expose(&house.admin_key, &house.caller(), &secret_name("TOKEN"), exposure)
}

#[test]
fn an_exposure_that_is_put_back_under_a_running_gateway_gives_nothing() {
    let house = Installation::make();
    house.store("TOKEN", "a plain value");
    expose(&house, Exposure::Plain).unwrap();
    let put_back = keep(&house, "exposures");
    expose(&house, Exposure::Brokered).unwrap();
    assert!(house.create(wanted(&[("A", "TOKEN")], &[])).unwrap().plain.is_none());
    tamper(&house, &put_back);
    let denied = house.create(wanted(&[("A", "TOKEN")], &[])).map(|made| made.plain.is_some());
    assert!(matches!(denied, Err(DevboxDenial::Unusable { .. })), "{denied:?}");
    assert!(matches!(expose(&house, Exposure::Brokered), Err(BindingsError::Tampered)));
    let (views, _) = house.gate.views(&house.owner.id, None, None).unwrap();
    assert!(views.iter().all(|view| !view.given_plain));
}

#[test]
fn an_exposure_that_is_removed_under_a_running_gateway_gives_nothing_by_the_operators_word() {
    let house = Installation::with_policy(Policy { plain_env_for_unbound: true, ..Policy::default() });
    house.store("TOKEN", "a plain value");
    expose(&house, Exposure::Brokered).unwrap();
    assert!(house.create(wanted(&[("A", "TOKEN")], &[])).unwrap().plain.is_none());
    tamper(&house, "DELETE FROM exposures");
    let denied = house.create(wanted(&[("A", "TOKEN")], &[])).map(|made| made.plain.is_some());
    assert!(matches!(denied, Err(DevboxDenial::Unusable { .. })), "{denied:?}");
}

#[test]
fn a_pairing_that_a_person_refused_and_that_is_put_back_binds_nothing() {
    let house = Installation::with_policy(Policy { accept_pairings: true, ..Policy::default() });
    house.config("up", "https://up.example.com", Mechanism::Bearer, &[]);
    house.store("TOKEN", "a plain value");
    // Kept back, so that a person is asked.
    expose(&house, Exposure::Brokered).unwrap();
    house.through("up", "TOKEN").unwrap();
    let put_back = keep(&house, "pairings");
    let asked = house.gate.requests(&house.caller()).unwrap();
    house.gate.refuse(&house.admin_key, &house.caller(), &asked[0].id).unwrap();
    // What is known of the secret is in memory from here on.
    house.card(&["TOKEN"]);
    tamper(&house, &put_back);
    let denied = house.through("up", "TOKEN").map(drop);
    assert!(matches!(denied, Err(DevboxDenial::Tampered)), "{denied:?}");
    assert!(matches!(house.gate.approve(&house.admin_key, &house.caller(), &asked[0].id), Err(BindingsError::Tampered)));
    assert!(!house.kinds().contains(&model::EventKind::BindingCreated));
}

#[test]
fn what_was_changed_of_a_devbox_is_not_marked_anew_by_giving_it_more() {
    let house = Installation::make();
    house.config("up", "https://up.example.com", Mechanism::Bearer, &[]);
    house.store("TOKEN", "a plain value");
    house.bind("TOKEN", "up.example.com", "bearer");
    let made = house.create(wanted(&[("A", "TOKEN")], &[])).unwrap();
    let id = made.card.devbox.clone();
    let give = || house.gate.add_gateway(&house.caller(), &made.card, &named("up"), &named("TOKEN")).map(drop);
    give().unwrap();
    for (change, back) in [
        ("UPDATE devboxes SET allow = '[\"evil.example.net\"]'", "UPDATE devboxes SET allow = '[]'"),
        ("UPDATE grants SET env = 'B' WHERE number = 1", "UPDATE grants SET env = 'A' WHERE number = 1"),
    ] {
        tamper(&house, change);
        assert!(matches!(give(), Err(DevboxDenial::Tampered)), "{change}");
        assert!(matches!(house.gate.take_up(&id), Err(DevboxDenial::Tampered)), "{change}");
        tamper(&house, back);
        give().unwrap();
    }
    house.gate.take_up(&id).unwrap();
}

#[test]
fn a_devbox_that_was_moved_to_another_account_is_shown_to_neither() {
    let house = Installation::make();
    let id = house.create(wanted(&[], &[])).unwrap().card.devbox;
    let other = AccountId::from_parts(installation::START, 2);
    tamper(&house, &format!("UPDATE hosted SET account = '{other}'"));
    for account in [&house.owner.id, &other] {
        assert!(matches!(house.gate.hosted(account, &id), Err(DevboxDenial::NotFound)));
        assert!(house.gate.hosted_page(account, None, 10, None).unwrap().0.is_empty());
    }
}

/// A devbox of the API's that asked to reach a host, and was let.
fn let_through(house: &Installation) -> (model::DevboxId, model::RequestId) {
    let made = house.create(wanted(&[], &[])).unwrap();
    let verb = AgentVerb::RequestAccess {
        secret: None,
        host: "a.example.com".parse().unwrap(),
        methods: model::Methods::default(),
        reason: "to look it up".into(),
    };
    let AgentTell::Request(asked) = house.gate.agent(&Agent::Devbox(&made.card), verb) else { panic!("not asked") };
    house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None).unwrap();
    (made.card.devbox, asked.id)
}

#[test]
fn a_host_that_nobody_let_a_devbox_reach_is_found_and_not_taken_up() {
    let house = Installation::make();
    let (id, _) = let_through(&house);
    house.gate.take_up(&id).unwrap();
    for change in [
        "UPDATE allowed SET host = 'evil.example.com'",
        "UPDATE allowed SET host = 'a.example.com', created = created + 1",
        "DELETE FROM allowed",
        &format!("INSERT INTO allowed VALUES ('{id}', 'evil.example.com', 1)"),
    ] {
        tamper(&house, change);
        assert!(matches!(house.gate.take_up(&id), Err(DevboxDenial::Tampered)), "{change}");
    }
}

#[test]
fn a_request_that_is_put_back_or_planted_is_named_and_decides_nothing() {
    let house = Installation::make();
    let made = house.create(wanted(&[], &[])).unwrap();
    let verb = || AgentVerb::RequestSecret {
        name: secret_name("NEW"),
        hosts: vec!["a.example.com".parse().unwrap()],
        form: None,
        reason: "to release".into(),
    };
    let ask = || house.gate.agent(&Agent::Devbox(&made.card), verb());
    let AgentTell::Request(asked) = ask() else { panic!("not asked") };
    let put_back = keep(&house, "requests");
    house.gate.refuse_request(&house.admin_key, &house.caller(), &asked.id).unwrap();
    assert_eq!(found(&house), [""; 0]);
    tamper(&house, &put_back);
    assert_eq!(found(&house), ["requests: it was decided, and its row was put back to before that"]);
    tamper(&house, "UPDATE requests SET reason = 'another'");
    assert!(matches!(house.gate.approve_request(&house.admin_key, &house.caller(), &asked.id, None), Err(AgentsError::Tampered)));
    assert!(matches!(ask(), AgentTell::Denied(denied) if denied.code == "row_tampered"));
    assert!(found(&house).contains(&"requests: its mark does not hold: the row was changed or planted".to_owned()));
    tamper(&house, "DELETE FROM requests");
    assert_eq!(found(&house), ["requests: it was made, and its row is gone"]);
}

/// A devbox's request for a value, and its link.
fn asked_for_a_value(house: &Installation) -> (model::RequestId, String) {
    let card = house.card(&[]);
    let hosts = vec!["a.example.com".parse().unwrap()];
    let verb = AgentVerb::RequestSecret { name: secret_name("NEW"), hosts, form: None, reason: "to release".into() };
    let AgentTell::Request(asked) = house.gate.agent(&Agent::Devbox(&card), verb) else { panic!("not asked") };
    (asked.id, asked.entry_path.unwrap().rsplit('/').next().unwrap().to_owned())
}

fn denied(told: EntryTell) -> String {
    let EntryTell::Denied(denied) = told else { panic!("not denied") };
    denied.code
}

#[test]
fn a_link_that_was_opened_does_not_open_again_where_its_row_is_put_back() {
    let house = Installation::make();
    let (_, link) = asked_for_a_value(&house);
    let put_back = keep(&house, "requests");
    let open = || house.gate.entry(EntryAsk::Open { link: link.clone() });
    assert!(matches!(open(), EntryTell::Opened { .. }));
    assert_eq!(found(&house), [""; 0]);
    tamper(&house, &put_back);
    assert_eq!(denied(open()), "row_tampered");
    assert_eq!(found(&house), ["requests: its link was opened, and its row was put back to before that"]);
}

#[test]
fn wrong_codes_are_counted_where_their_row_is_put_back() {
    let house = Installation::make();
    let (id, link) = asked_for_a_value(&house);
    let EntryTell::Opened { session, entry } = house.gate.entry(EntryAsk::Open { link }) else { panic!("not opened") };
    let put_back = keep(&house, "requests");
    let wrong = || {
        let (session, digest, proof) = (session.clone(), entry.digest.clone(), EntryProof::Code("0000-0000".into()));
        denied(house.gate.entry(EntryAsk::Allow { session, digest, proof }))
    };
    assert_eq!(wrong(), "proof_wrong");
    assert_eq!(found(&house), [""; 0]);
    tamper(&house, &put_back);
    assert_eq!(wrong(), "row_tampered");
    assert!(matches!(house.gate.approve_request(&house.admin_key, &house.caller(), &id, None), Err(AgentsError::Tampered)));
    assert!(house.gate.asked(Some(&house.admin_key), &house.caller(), None).unwrap().is_empty());
    assert_eq!(found(&house), ["requests: a wrong code was entered for it, and its row was put back to before that"]);
}

#[test]
fn a_devbox_of_which_no_event_tells_is_named_and_one_that_an_earlier_build_ended_is_not() {
    let house = Installation::make();
    let ended = |id: &model::DevboxId, count| Event {
        devbox: Some(id.clone()),
        count,
        ..Event::bare(EventKind::DevboxClosed, installation::START, house.owner.id.clone())
    };
    // Ended as it is ended now, and as it was before ends were counted, which left no mark.
    for count in [Some(0), None] {
        let id = house.card(&[]).devbox;
        house.ledger.close_devbox(&id, installation::START, &ended(&id, count)).unwrap();
        if count.is_none() {
            tamper(&house, &format!("DELETE FROM marks WHERE id = '{id}'"));
        }
    }
    assert_eq!(found_in(&house, &["devboxes", "marks", "grants"]), [""; 0]);
    // Planted, with an event that tells of its end: another must tell of its beginning.
    let planted = house.gate.make_devbox_id().unwrap();
    tamper(
        &house,
        &format!(
            "INSERT INTO devboxes (id, account, key, allow, resume, ca_pem, opened, closed)
             SELECT '{planted}', account, key, allow, resume, ca_pem, opened, closed FROM devboxes LIMIT 1"
        ),
    );
    let more = "devboxes: there are more devboxes than events tell of: one was planted";
    let endless = "devboxes: it is said to have ended, and no event tells of its end: it was ended outside tightlip, or planted";
    assert_eq!(found_in(&house, &["devboxes", "marks"]), [endless, more]);
    house.ledger.record(&[ended(&planted, None)]).unwrap();
    assert_eq!(found_in(&house, &["devboxes", "marks"]), [more]);
}

#[test]
fn a_row_without_an_id_is_named() {
    let house = Installation::make();
    tamper(&house, "INSERT INTO exposures VALUES ('', 'a', 1, 5, zeroblob(32))");
    let what = "exposures: there is a row without an id: it was planted, or its id was taken out";
    assert_eq!(found_in(&house, &["exposures"]), [what]);
}

/// What looking at everything finds about requests. (The fixture's keys have events that name none.)
fn found(house: &Installation) -> Vec<String> {
    found_in(house, &["requests"])
}

/// What looking at everything finds in these tables.
fn found_in(house: &Installation, tables: &[&str]) -> Vec<String> {
    let path = |name: &str| house.folder.path().join(name);
    let (store, ledger) = (Store::open(&path("tightlip.db"), Mode::Reader).unwrap(), Ledger::open_to_read(&path("gateway.db")).unwrap());
    let (store, ledger) = (store.look().unwrap(), ledger.look().unwrap());
    let subject = Subject { store, ledger, keys: &house.keys, anchors: &AnchorPlaces::default() };
    let verified = verify(&subject, &mut |_, _| {}).unwrap();
    let findings = verified.findings.into_iter().filter(|finding| tables.contains(&finding.table.as_str()));
    findings.map(|finding| format!("{}: {}", finding.table, finding.what)).collect()
}
