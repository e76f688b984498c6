//! The page where a person types a value: a link that opens once, a session, a proof, and what follows. The refusals first.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fixture/installation.rs"]
mod installation;

use installation::{Installation, account, add_account, add_key, secret_name};
use link::agents::{AgentRequest, AgentTell, AgentVerb, Entry, EntryAsk, EntryProof, EntryTell, RequestStatus};
use model::{Asked, EventKind, Form, Refusal, Scope, Secret, Spot};
use service::{Agent, DevboxCard};

const VALUE: &str = "a plain value of a key";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const MINUTE_MS: i64 = 60 * 1000;

struct World {
    house: Installation,
    card: DevboxCard,
    asked: AgentRequest,
}

/// A devbox that asked for `name` towards these hosts.
fn world(name: &str, hosts: &[&str]) -> World {
    let house = Installation::with_keys(|store| {
        add_account(store, &account(2));
        add_key(store, &account(2), 2, "tlk_stranger", model::Scopes::all());
        add_key(store, &account(1), 3, "tlk_reader", [Scope::Read, Scope::Devbox].into_iter().collect());
        add_key(store, &account(1), 4, "tlk_storer", [Scope::Secrets].into_iter().collect());
    });
    let card = house.card(&[]);
    let asked = ask(&house, &card, name, hosts);
    World { house, card, asked }
}

fn ask(house: &Installation, card: &DevboxCard, name: &str, hosts: &[&str]) -> AgentRequest {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let verb = AgentVerb::RequestSecret { name: secret_name(name), hosts, form: None, reason: "to release".into() };
    let AgentTell::Request(asked) = house.gate.agent(&Agent::Devbox(card), verb) else { panic!("not asked") };
    *asked
}

impl World {
    fn entry(&self, ask: EntryAsk) -> Result<EntryTell, String> {
        match self.house.gate.entry(ask) {
            EntryTell::Denied(denied) => Err(denied.code),
            told @ (EntryTell::Opened { .. } | EntryTell::Shown(_) | EntryTell::Allowed { .. }) => Ok(told),
        }
    }

    fn open(&self, path: &str) -> Result<(String, Entry), String> {
        let link = path.strip_prefix("/ui/requests/").unwrap().to_owned();
        self.entry(EntryAsk::Open { link }).map(|told| {
            let EntryTell::Opened { session, entry } = told else { panic!("not opened") };
            (session, *entry)
        })
    }

    fn opened(&self) -> (String, Entry) {
        self.open(self.asked.entry_path.as_ref().unwrap()).unwrap()
    }

    fn allow(&self, session: &str, digest: &str, proof: EntryProof) -> Result<(), String> {
        let ask = EntryAsk::Allow { session: session.to_owned(), digest: digest.to_owned(), proof };
        self.entry(ask).map(|told| assert!(matches!(told, EntryTell::Allowed { name, .. } if Some(&name) == self.asked.wanted.name())))
    }

    fn code(&self) -> String {
        let views = self.house.gate.asked(Some(&self.house.admin_key), &self.house.caller(), None).unwrap();
        views.into_iter().find(|view| view.entry.request.id == self.asked.id).unwrap().code.unwrap()
    }

    fn stored(&self, session: &str, secret: &Secret) -> Result<AgentRequest, String> {
        let ask = EntryAsk::Stored { session: session.to_owned(), secret: secret.id.clone() };
        self.entry(ask).map(|told| {
            let EntryTell::Shown(entry) = told else { panic!("not shown") };
            entry.request
        })
    }

    fn status(&self) -> AgentRequest {
        let verb = AgentVerb::RequestStatus { id: self.asked.id.clone() };
        let AgentTell::Request(told) = self.house.gate.agent(&Agent::Devbox(&self.card), verb) else { panic!("no status") };
        *told
    }

    fn use_it(&self, host: &str) -> Result<Form, Refusal> {
        let token = self.status().placeholder.unwrap().token;
        let host = host.parse().unwrap();
        let asked = Asked { devbox: &self.card.devbox, host: &host, port: 443, method: "GET", path: "/" };
        self.house.gate.resolve(&self.card, &token, asked, Spot::Header).map(|armed| armed.permit.form().clone())
    }
}

fn key(text: &str) -> EntryProof {
    EntryProof::Key(text.to_owned())
}

fn by_code(text: &str) -> EntryProof {
    EntryProof::Code(text.to_owned())
}

#[test]
fn a_link_opens_once_and_no_other_text_opens_anything() {
    let world = world("NEW", &["a.example.com"]);
    for path in ["/ui/requests/", "/ui/requests/tll_0", &format!("/ui/requests/{}", world.asked.id)] {
        assert_eq!(world.open(path).err().unwrap(), "link_unknown");
    }
    let path = world.asked.entry_path.clone().unwrap();
    assert!(path.len() >= "/ui/requests/tll_".len() + 43);
    let (session, entry) = world.open(&path).unwrap();
    assert_eq!((&entry.request.id, entry.request.reason.as_str()), (&world.asked.id, "to release"));
    assert_eq!(world.open(&path).err().unwrap(), "link_opened");
    for session in ["", "tls_0", &path] {
        assert_eq!(world.entry(EntryAsk::Look { session: session.to_owned() }).err().unwrap(), "session_unknown");
    }
    world.entry(EntryAsk::Look { session }).unwrap();
    assert!(world.house.kinds().ends_with(&[EventKind::RequestMade, EventKind::RequestOpened]));
}

#[test]
fn a_link_or_a_page_of_a_quarter_of_an_hour_ago_is_over() {
    let world = world("NEW", &["a.example.com"]);
    world.house.clock.advance(15 * MINUTE_MS);
    assert_eq!(world.open(world.asked.entry_path.as_ref().unwrap()).err().unwrap(), "link_lapsed");
    let again = ask(&world.house, &world.card, "NEW", &["a.example.com"]);
    let (session, entry) = world.open(again.entry_path.as_ref().unwrap()).unwrap();
    world.house.clock.advance(15 * MINUTE_MS);
    let code = world.code();
    assert_eq!(world.allow(&session, &entry.digest, by_code(&code)).err().unwrap(), "session_unknown");
}

#[test]
fn a_newer_link_is_the_only_one_and_a_newer_page_too() {
    let world = world("NEW", &["a.example.com"]);
    let (first, _) = world.opened();
    // A person is shown a new one; an agent that asks again is not, and ends no page with it.
    assert_eq!(ask(&world.house, &world.card, "NEW", &["a.example.com"]).entry_path, None);
    let views = world.house.gate.asked(Some(&world.house.admin_key), &world.house.caller(), None).unwrap();
    let again = views[0].entry.request.clone();
    assert_eq!(world.open(world.asked.entry_path.as_ref().unwrap()).err().unwrap(), "link_unknown");
    world.entry(EntryAsk::Look { session: first.clone() }).unwrap();
    let (second, _) = world.open(again.entry_path.as_ref().unwrap()).unwrap();
    assert_eq!(world.entry(EntryAsk::Look { session: first }).err().unwrap(), "session_unknown");
    world.entry(EntryAsk::Look { session: second }).unwrap();
}

#[test]
fn a_changed_host_list_is_not_what_was_shown() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    ask(&world.house, &world.card, "NEW", &["evil.example.com"]);
    assert_eq!(world.allow(&session, &entry.digest, by_code(&code)).err().unwrap(), "request_changed");
    assert_eq!(world.entry(EntryAsk::Look { session }).err().unwrap(), "request_changed");
}

#[test]
fn what_was_shown_and_its_code_belong_together() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    let other = ask(&world.house, &world.card, "OTHER", &["evil.example.com"]);
    let (elsewhere, shown) = world.open(other.entry_path.as_ref().unwrap()).unwrap();
    assert_eq!(world.allow(&session, &shown.digest, by_code(&code)).err().unwrap(), "request_changed");
    assert_eq!(world.allow(&elsewhere, &shown.digest, by_code(&code)).err().unwrap(), "proof_wrong");
    world.allow(&session, &entry.digest, by_code(&code)).unwrap();
}

#[test]
fn only_a_key_of_the_account_that_may_store_secrets_proves_anything() {
    for (number, shown) in ["", "tlk_nobody", "tlk_stranger", "tlk_reader"].into_iter().enumerate() {
        let world = world("NEW", &["a.example.com"]);
        let (session, entry) = world.opened();
        assert_eq!(world.allow(&session, &entry.digest, key(shown)).err().unwrap(), "proof_wrong", "{number}");
        assert_eq!(world.allow(&session, &entry.digest, key(&world.house.admin_key)).err().unwrap(), "proof_wrong");
        world.allow(&session, &entry.digest, key("tlk_storer")).unwrap();
    }
}

#[test]
fn a_code_that_nobody_was_shown_proves_nothing() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    assert!(world.house.gate.asked(None, &world.house.caller(), None).unwrap()[0].code.is_none());
    let reader = world.house.gate.authenticate(Some("tlk_reader")).unwrap();
    let view = world.house.gate.asked(Some(&world.house.admin_key), &reader, None).unwrap().remove(0);
    assert!(view.code.is_none() && view.entry.request.entry_path.is_none());
    for code in ["", "0000-0000", "        "] {
        assert_eq!(world.allow(&session, &entry.digest, by_code(code)).err().unwrap(), "proof_wrong");
    }
    let code = world.code().to_ascii_lowercase().replace('-', " ");
    world.allow(&session, &entry.digest, by_code(&code)).unwrap();
}

#[test]
fn five_wrong_proofs_are_the_end_of_a_request() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    for _ in 0..4 {
        assert_eq!(world.allow(&session, &entry.digest, by_code("0000-0000")).err().unwrap(), "proof_wrong");
    }
    assert_eq!(world.allow(&session, &entry.digest, by_code("0000-0000")).err().unwrap(), "request_closed");
    assert_eq!(world.allow(&session, &entry.digest, by_code(&code)).err().unwrap(), "session_unknown");
    assert_eq!(world.status().status, RequestStatus::Expired);
    assert!(world.house.gate.approve_request(&world.house.admin_key, &world.house.caller(), &world.asked.id, None).is_err());
    use EventKind::{RequestLapsed, RequestProofWrong};
    assert!(world.house.kinds().ends_with(&[RequestProofWrong, RequestProofWrong, RequestProofWrong, RequestProofWrong, RequestLapsed]));
}

#[test]
fn a_name_that_was_taken_meanwhile_is_told_and_left_alone() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    world.house.store("NEW", VALUE);
    assert_eq!(world.allow(&session, &entry.digest, by_code(&code)).err().unwrap(), "name_taken");
}

#[test]
fn only_the_secret_that_was_made_for_the_request_follows_from_it() {
    let world = world("NEW", &["a.example.com"]);
    let other = world.house.store("OTHER", VALUE);
    let (session, entry) = world.opened();
    assert_eq!(world.stored(&session, &other).err().unwrap(), "request_closed");
    world.allow(&session, &entry.digest, by_code(&world.code())).unwrap();
    assert_eq!(world.stored(&session, &other).err().unwrap(), "secret_mismatch");
    let made = world.house.store("NEW", VALUE);
    let updated = world.house.secrets_updated("NEW");
    assert_eq!(world.stored(&session, &updated).err().unwrap(), "secret_mismatch");
    assert_eq!(made.id, updated.id);
}

#[test]
fn what_is_sent_twice_at_once_is_bound_once_and_not_stored_alone() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    world.allow(&session, &entry.digest, by_code(&code)).unwrap();
    let made = world.house.store("NEW", VALUE);
    world.house.house.secrets().delete(&world.house.caller(), &secret_name("NEW")).unwrap();
    world.house.clock.advance(5);
    // Between the two the first one's value is on its way.
    world.allow(&session, &entry.digest, by_code(&code)).unwrap();
    assert_eq!(world.allow(&session, &entry.digest, key("tlk_storer")).err().unwrap(), "request_in_use");
    assert_eq!(world.stored(&session, &made).err().unwrap(), "secret_mismatch");
    let made = world.house.store("NEW", VALUE);
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Approved);
    assert_eq!(world.use_it("a.example.com"), Ok(Form::Auto));
}

#[test]
fn what_was_typed_with_the_code_goes_where_the_page_said_also_where_it_is_approved_later() {
    let world = world("GITHUB_TOKEN", &["ghe.example.com"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, by_code(&world.code())).unwrap();
    let made = world.house.store("GITHUB_TOKEN", "two\nlines of it");
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Entered);
    world.house.house.secrets().update(&world.house.caller(), &secret_name("GITHUB_TOKEN"), installation::value(GITHUB)).unwrap();
    world.house.gate.approve_request(&world.house.admin_key, &world.house.caller(), &world.asked.id, None).unwrap();
    assert_eq!(world.use_it("ghe.example.com"), Ok(Form::Auto));
    assert_eq!(world.use_it("api.github.com"), Err(Refusal::HostNotBound));
}

#[test]
fn what_a_devbox_was_given_with_the_value_is_told_before_and_after_a_refusal() {
    let world = world("GITHUB_TOKEN", &["api.github.com", "ghe.example.com"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, key(&world.house.owner_key)).unwrap();
    let made = world.house.store("GITHUB_TOKEN", GITHUB);
    world.stored(&session, &made).unwrap();
    let view = world.house.gate.asked(Some(&world.house.admin_key), &world.house.caller(), None).unwrap().remove(0);
    let gist = "gist.github.com".parse().unwrap();
    assert!(view.given && view.reach.contains(&gist), "{:?}", view.reach);
    let decided = world.house.gate.refuse_request(&world.house.admin_key, &world.house.caller(), &world.asked.id).unwrap();
    assert!(decided.given && decided.reach.contains(&gist));
    assert_eq!(world.use_it("gist.github.com"), Ok(Form::Auto));
    assert_eq!(world.use_it("ghe.example.com"), Err(Refusal::HostNotBound));
}

#[test]
fn with_a_code_the_agents_next_call_works_at_the_hosts_that_were_shown() {
    let world = world("NEW", &["a.example.com", "*.example.org"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, by_code(&world.code())).unwrap();
    let made = world.house.store("NEW", VALUE);
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Approved);
    assert_eq!(world.entry(EntryAsk::Look { session: session.clone() }).err().unwrap(), "session_unknown");
    // Told once more, as where the first answer was lost, it is the same; and the session does nothing else.
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Approved);
    let other = world.house.store("OTHER", VALUE);
    assert_eq!(world.stored(&session, &other).err().unwrap(), "session_unknown");
    assert_eq!(world.allow(&session, &entry.digest, key("tlk_storer")).err().unwrap(), "session_unknown");
    assert_eq!(world.use_it("a.example.com"), Ok(Form::Auto));
    assert_eq!(world.use_it("b.example.org"), Ok(Form::Auto));
    assert_eq!(world.use_it("evil.example.com"), Err(Refusal::HostNotBound));
    use EventKind::{BindingCreated, DevboxGivenMore, RequestApproved, RequestEntered, RequestMade, RequestOpened};
    let first = [
        EventKind::DevboxOpened,
        RequestMade,
        RequestOpened,
        RequestEntered,
        RequestApproved,
        BindingCreated,
        BindingCreated,
        DevboxGivenMore,
    ];
    assert!(world.house.kinds().starts_with(&first), "{:?}", world.house.kinds());
}

#[test]
fn with_a_key_alone_it_goes_where_its_kind_goes_and_a_person_decides_about_the_rest() {
    let world = world("GITHUB_TOKEN", &["api.github.com", "ghe.example.com"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, key(&world.house.owner_key)).unwrap();
    let made = world.house.store("GITHUB_TOKEN", GITHUB);
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Entered);
    assert_eq!(world.use_it("api.github.com"), Ok(Form::Auto));
    assert_eq!(world.use_it("ghe.example.com"), Err(Refusal::HostNotBound));
    // Asked again, it is the same, and nothing is typed twice.
    let again = ask_again(&world);
    assert_eq!(again, "secret_exists");
    world.house.gate.approve_request(&world.house.admin_key, &world.house.caller(), &world.asked.id, None).unwrap();
    assert_eq!(world.status().status, RequestStatus::Approved);
    assert_eq!(world.use_it("ghe.example.com"), Ok(Form::Auto));
    // It goes there as well, and keeps the hosts that the page said.
    for host in ["api.github.com", "uploads.github.com", "gist.github.com"] {
        assert_eq!(world.use_it(host), Ok(Form::Auto));
    }
}

fn ask_again(world: &World) -> String {
    let verb = AgentVerb::RequestSecret {
        name: secret_name("GITHUB_TOKEN"),
        hosts: vec!["api.github.com".parse().unwrap()],
        form: None,
        reason: "to release".into(),
    };
    let AgentTell::Denied(denied) = world.house.gate.agent(&Agent::Devbox(&world.card), verb) else { panic!("asked") };
    denied.code
}

#[test]
fn with_a_key_alone_and_no_host_beyond_the_kinds_own_nothing_is_left_to_decide() {
    let world = world("GITHUB_TOKEN", &["api.github.com"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, key("tlk_storer")).unwrap();
    let made = world.house.store("GITHUB_TOKEN", GITHUB);
    assert_eq!(world.stored(&session, &made).unwrap().status, RequestStatus::Approved);
    assert_eq!(world.use_it("api.github.com"), Ok(Form::Auto));
    assert!(!world.house.kinds().contains(&EventKind::BindingCreated));
}

#[test]
fn a_value_that_cannot_be_sent_is_stored_and_goes_nowhere() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    world.allow(&session, &entry.digest, by_code(&world.code())).unwrap();
    let made = world.house.store("NEW", "two\nlines of it");
    let told = world.stored(&session, &made).unwrap();
    assert_eq!(told.status, RequestStatus::Entered);
    assert_eq!(world.status().placeholder, None);
}

#[test]
fn a_row_without_our_mac_is_taken_for_nothing() {
    let world = world("NEW", &["a.example.com"]);
    let code = world.code();
    let (session, entry) = world.opened();
    let path = world.house.folder.path().join("gateway.db");
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute("UPDATE requests SET wish = replace(wish, 'a.example.com', 'evil.example.com')", []).unwrap();
    assert_eq!(world.allow(&session, &entry.digest, by_code(&code)).err().unwrap(), "row_tampered");
    assert!(world.house.gate.asked(Some(&world.house.admin_key), &world.house.caller(), None).unwrap().is_empty());
    assert!(world.house.gate.approve_request(&world.house.admin_key, &world.house.caller(), &world.asked.id, None).is_err());
}

#[test]
fn no_word_of_the_page_holds_a_proof_or_a_link() {
    let world = world("NEW", &["a.example.com"]);
    let (session, entry) = world.opened();
    let code = world.code();
    let shown = format!("{entry:?} {:?}", by_code(&code));
    let events = format!("{:?}", world.house.gate.events(&world.house.owner.id, None, 0, 200).unwrap());
    for secret in [session.as_str(), code.as_str(), world.asked.entry_path.as_ref().unwrap()] {
        assert!(!shown.contains(secret) && !events.contains(secret));
    }
}
