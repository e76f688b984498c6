//! By the page and by the terminal. The refusals first.

use link::agents::{AgentVerb, EntryAsk, EntryProof, EntryTell, RequestStatus};

use crate::town::{NAME, OTHER, Town, WANTED};

#[test]
fn an_api_that_was_taken_over_moves_nothing_that_was_typed() {
    let mut town = Town::start();
    let asked = town.ask(WANTED);
    let path = asked.entry_path.clone().unwrap();
    let (session, entry) = town.open(&path).unwrap();
    assert_eq!(town.open(&path).err().unwrap(), "link_opened");
    // Without a key of the account or the code, it makes no proof; and what it knows of the page, its session and digest, is none.
    for proof in [EntryProof::Code(entry.digest[..8].to_owned()), EntryProof::Key(session.clone())] {
        assert_eq!(town.allow(&session, &entry.digest, proof).err().unwrap(), "proof_wrong");
    }
    assert_eq!(town.entry(EntryAsk::Look { session: path }).err().unwrap(), "session_unknown");
    // It makes the agent ask for another host under the person's eyes: what the person read and typed is for the first one.
    let code = town.asked()[0]["code"].as_str().unwrap().to_owned();
    let changed = town.ask(OTHER);
    assert_ne!(changed.id, asked.id);
    assert_eq!(town.allow(&session, &entry.digest, EntryProof::Code(code.clone())).err().unwrap(), "request_changed");
    let (session, entry) = town.open(changed.entry_path.as_ref().unwrap()).unwrap();
    assert_eq!(town.allow(&session, &entry.digest, EntryProof::Code(code)).err().unwrap(), "proof_wrong");
    // With the key that the person typed it stores the value, and the hosts stay to be approved.
    let key = town.file("api-key");
    town.allow(&session, &entry.digest, EntryProof::Key(key)).unwrap();
    let secret = town.seal().id;
    let Ok(EntryTell::Shown(shown)) = town.entry(EntryAsk::Stored { session, secret }) else { panic!("not stored") };
    assert_eq!(shown.request.status, RequestStatus::Entered);
    let said = town.use_it(OTHER);
    assert!(said.contains("secret_unbound"), "{said}");
    assert!(town.upstream.records().is_empty(), "something arrived");
    town.assert_no_value();
}

#[test]
fn what_an_agent_asked_for_is_typed_with_the_code_and_works() {
    let mut town = Town::start();
    let asked = town.ask(WANTED);
    let shown = town.asked().remove(0);
    assert_eq!((&shown["entry"]["request"]["id"], &shown["secret_exists"]), (&asked.id.as_str().into(), &false.into()));
    // The link that the agent was given is still the one.
    assert!(shown["entry"]["request"]["entry_path"].as_str().unwrap().ends_with(asked.entry_path.as_ref().unwrap()));
    let words = town.tool(&["requests"], "");
    for word in [asked.id.as_str(), WANTED, NAME, "\"to look \\\"up\\\"\"", shown["code"].as_str().unwrap()] {
        assert!(words.contains(word), "{word}: {words}");
    }
    let (session, entry) = town.open(asked.entry_path.as_ref().unwrap()).unwrap();
    let code = EntryProof::Code(shown["code"].as_str().unwrap().to_owned());
    town.allow(&session, &entry.digest, code).unwrap();
    let secret = town.seal().id;
    let Ok(EntryTell::Shown(done)) = town.entry(EntryAsk::Stored { session, secret }) else { panic!("not stored") };
    assert_eq!(done.request.status, RequestStatus::Approved);
    assert!(town.asked().is_empty());
    let said = town.use_it(WANTED);
    assert!(said.contains("\"authorized\":true"), "{said}");
    assert!(!town.use_it(OTHER).contains("authorized"));
    town.serve();
    let verified = town.tool(&["verify"], "");
    assert!(verified.contains("everything holds"), "{verified}");
    town.assert_no_value();
}

#[test]
fn what_an_agent_asked_for_is_approved_at_a_terminal_and_works() {
    let mut town = Town::start();
    let asked = town.ask(WANTED);
    let refused = town.ask(OTHER);
    // The first is dead: the second took its place.
    assert_eq!(town.call(&["approve", asked.id.as_str()], town.canary.value().to_owned().as_str()).status.code(), Some(3));
    town.tool(&["refuse", refused.id.as_str()], "");
    let asked = town.ask(WANTED);
    town.serve();
    // A whole server starts by itself.
    let value = town.canary.value().to_owned();
    let words = town.tool(&["approve", asked.id.as_str()], &value);
    assert!(words.contains(WANTED) && words.contains(NAME), "{words}");
    let said = town.use_it(WANTED);
    assert!(said.contains("\"authorized\":true"), "{said}");
    let events = town.tool(&["events", "--json"], "");
    for kind in ["request_made", "request_lapsed", "request_refused", "request_approved", "binding_created"] {
        assert!(events.contains(kind), "{kind}: {events}");
    }
    assert_eq!(town.call(&["approve", asked.id.as_str()], "").status.code(), Some(3));
    town.tool(&["down"], "");
    town.assert_no_value();
}

#[test]
fn an_agent_without_a_good_key_is_told_nothing() {
    let mut town = Town::start();
    for key in ["", "tlk_0000000000000000000000000000000000000000000", &town.file("gateway/admin-key")] {
        let code = town.agent(key, AgentVerb::ListSecrets).err().unwrap().code;
        assert!(code.starts_with("key_") || code == "admin_key_refused", "{code}");
    }
}
