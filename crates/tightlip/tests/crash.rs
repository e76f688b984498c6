//! `kill -9` of either process, of both, and of the supervisor, under eight writers: nothing acknowledged is lost, every change has its event, both chains
//! hold, and the server is there again by itself.
//!
//! 20 rounds; as many as `TIGHTLIP_CRASH_ROUNDS` says where it is set (`cargo xtask crash`).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::wire::{Answer, Wire};
use link::Packets;
use link::cli::{Reply, Request};
use model::{AccountId, EventKind, Secret};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use server::{Place, Server, is_gone, kill_9, wait_for};
use store::{EventQuery, Head, Ledger, Mode, Store};

mod common {
    pub mod wire;
}
#[path = "serving/server.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod server;

/// A secret's state: its version and the time of its last change, `None` where there is none.
type State = Option<(u32, i64)>;

/// What one writer knows of its secrets.
#[derive(Default)]
struct Known {
    secrets: BTreeMap<String, State>,
    /// The change whose answer never came, and what it was to make of it.
    unanswered: Option<(String, Change)>,
    acknowledged: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Create,
    Update,
    Delete,
}

/// Whom a round kills.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Api,
    Gateway,
    Both,
    Supervisor,
}

/// What stands in the databases, read behind the server's back.
struct Look {
    secrets: BTreeMap<String, State>,
    head: Head,
}

/// The history that the events tell, as far as it was read.
#[derive(Default)]
struct History {
    seq: u64,
    hash: String,
    secrets: BTreeMap<String, u32>,
}

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    let rounds: usize = std::env::var("TIGHTLIP_CRASH_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let mut writers: Vec<Known> = (0..WRITERS).map(|_| Known::default()).collect();
    let (mut history, mut ledger_seq, mut times) = (History::default(), 0, Vec::new());
    for round in 0..rounds {
        // In this order no child dies so often in its first seconds that the supervisor would give up.
        let victim = [Victim::Api, Victim::Gateway, Victim::Both, Victim::Supervisor][round % 4];
        let took = kill_under_load(&mut server, victim, &mut writers, 40 + (round * 37) % 160);
        let look = look(&place.data());
        let lost: Vec<String> = writers.iter_mut().flat_map(|known| known.compare(&look)).collect();
        assert!(lost.is_empty(), "round {round}, {victim:?} killed, lost: {lost:?}");
        assert_eq!(look.secrets.len(), writers.iter().map(Known::live).sum::<usize>(), "a secret that nobody made");
        history.follow(&place.data(), &look);
        let seq = ledger_chain(&place);
        assert!(seq >= ledger_seq, "the gateway's events became fewer");
        ledger_seq = seq;
        times.push(took);
        let acknowledged: usize = writers.iter().map(|known| known.acknowledged).sum();
        say(&format!(
            "round {}/{rounds}: {victim:?} killed, {acknowledged} acknowledged, 0 lost, ready in {} ms",
            round + 1,
            took.as_millis()
        ));
    }
    every_secret_opens(&server, &writers);
    assert!(ledger_seq > 0, "the gateway had nothing to record");
    times.sort();
    let (median, most) = (times[times.len() / 2].as_millis(), times[times.len() - 1].as_millis());
    let acknowledged: usize = writers.iter().map(|known| known.acknowledged).sum();
    say(&format!("crash: {rounds} rounds, {acknowledged} acknowledged, 0 lost, ready in {median} ms (p50), {most} ms (max)"));
}

/// Kills when so many changes were acknowledged in this round, and tells how long it took until both processes served again.
fn kill_under_load(server: &mut Server, victim: Victim, writers: &mut [Known], changes: usize) -> Duration {
    let (url, data) = (server.url.clone(), server.data.clone());
    let (acknowledged, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for (number, known) in writers.iter_mut().enumerate() {
            let (acknowledged, stop) = (&acknowledged, &stop);
            let mut wire = Wire::open(&url, &data).unwrap();
            scope.spawn(move || while !stop.load(Ordering::Relaxed) && known.change(number, &mut wire, acknowledged) {});
        }
        let door = data.join("gateway.sock");
        let stop = &stop;
        scope.spawn(move || while !stop.load(Ordering::Relaxed) && use_gateway(&door, &data).is_some() {});
        wait_for("changes", || (acknowledged.load(Ordering::Relaxed) >= changes).then_some(()));
        let took = kill(server, victim);
        stop.store(true, Ordering::Relaxed);
        took
    })
}

fn kill(server: &mut Server, victim: Victim) -> Duration {
    let (api, gateway) = (server.child("__api", None), server.child("__gateway", None));
    let begun = Instant::now();
    match victim {
        Victim::Api => kill_9(api),
        Victim::Gateway => kill_9(gateway),
        Victim::Both => [gateway, api].into_iter().for_each(kill_9),
        Victim::Supervisor => {
            server.process.kill().unwrap();
            server.process.wait().unwrap();
            [api, gateway].into_iter().for_each(|child| wait_for("a child's end", || is_gone(child).then_some(())));
            *server = Server::start(&server.data);
        }
    }
    let mut ready =
        || Wire::open(&server.url, &server.data).and_then(|mut wire| wire.get("/readyz")).ok().filter(|answer| answer.status == 200);
    let gone = |child: i32, killed: bool| !killed || is_gone(child);
    let (api_killed, gateway_killed) = match victim {
        Victim::Api => (true, false),
        Victim::Gateway => (false, true),
        Victim::Both | Victim::Supervisor => (true, true),
    };
    wait_for("readiness", || (gone(api, api_killed) && gone(gateway, gateway_killed)).then(&mut ready).flatten());
    begun.elapsed()
}

/// Opens a devbox and leaves it: two events of the gateway's.
fn use_gateway(door: &Path, data: &Path) -> Option<()> {
    let api_key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let door = Packets::connect(door).ok()?;
    door.send(&Request::OpenDevbox { api_key, secrets: Some(vec![]), allow: vec![] }, &[]).ok()?;
    matches!(door.recv::<Reply>().ok()?.0, Reply::DevboxOpened(_)).then_some(())
}

impl Known {
    /// Makes the next change of this writer. `false` where its answer did not come.
    fn change(&mut self, writer: usize, wire: &mut Wire, acknowledged: &AtomicUsize) -> bool {
        // A few names, used again and again: created, updated, deleted, created anew.
        let turn = self.acknowledged;
        let name = format!("W{writer}_{}", turn % NAMES);
        let change = match self.secrets.get(&name).copied().flatten() {
            None => Change::Create,
            Some(_) if turn / NAMES % 3 == 2 => Change::Delete,
            Some(_) => Change::Update,
        };
        let value = format!("ghp_{writer:04}{turn:032}");
        let answer = match change {
            Change::Create => wire.post("/v1/secrets", &json!({ "name": name, "value": value })),
            Change::Update => wire.post(&format!("/v1/secrets/{name}"), &json!({ "value": value })),
            Change::Delete => wire.post(&format!("/v1/secrets/{name}/delete"), &json!({})),
        };
        match answer {
            Ok(Answer { status: 200, body, .. }) => {
                let version = self.secrets.get(&name).copied().flatten().map_or(0, |(version, _)| version);
                let state = (change != Change::Delete).then(|| (version + 1, body["update_time_ms"].as_i64().unwrap()));
                self.secrets.insert(name, state);
                self.acknowledged += 1;
                acknowledged.fetch_add(1, Ordering::Relaxed);
                true
            }
            Ok(Answer { status, body, .. }) => panic!("{status}: {body}"),
            Err(_) => {
                self.unanswered = Some((name, change));
                false
            }
        }
    }

    /// What of this writer's secrets is not as it must be. What became of the change without an answer is taken over from what is there.
    fn compare(&mut self, look: &Look) -> Vec<String> {
        let found = |name: &str| look.secrets.get(name).copied().flatten();
        let unanswered = self.unanswered.take();
        let mut lost = Vec::new();
        for (name, state) in &self.secrets {
            let before = state.map(|(version, _)| version);
            let possible = match &unanswered {
                Some((changed, change)) if changed == name => [before, change.after(before)],
                Some(_) | None => [before, before],
            };
            let now = found(name);
            let same = now == *state || (possible[1] != before && now.map(|(version, _)| version) == possible[1]);
            if !same {
                lost.push(format!("{name}: {state:?} became {now:?}"));
            }
        }
        if let Some((name, _)) = unanswered {
            self.secrets.insert(name.clone(), found(&name));
        }
        lost
    }

    fn live(&self) -> usize {
        self.secrets.values().flatten().count()
    }
}

impl Change {
    fn after(self, version: Option<u32>) -> Option<u32> {
        match self {
            Self::Create => Some(1),
            Self::Update => version.map(|version| version + 1),
            Self::Delete => None,
        }
    }
}

fn look(data: &Path) -> Look {
    let (store, account) = store(data);
    let mut secrets = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.secrets(&account, after.as_ref(), 5000).unwrap();
        after = page.secrets.last().map(|secret| secret.id.clone());
        secrets.extend(
            page.secrets.iter().map(|secret: &Secret| (secret.name.as_str().to_owned(), Some((secret.version, secret.updated.unix_ms())))),
        );
        if !page.has_more {
            return Look { secrets, head: store.verify_chain().unwrap() };
        }
    }
}

fn store(data: &Path) -> (Store, AccountId) {
    let store = Store::open(&data.join("store/tightlip.db"), Mode::Reader).unwrap();
    let account = store.owner().unwrap().unwrap().id;
    (store, account)
}

impl History {
    /// Reads on: the events tell what stands, no more and no less, and are a continuation of those read before.
    fn follow(&mut self, data: &Path, look: &Look) {
        let (store, account) = store(data);
        let query = |after, limit| EventQuery { after, ..EventQuery::of(account.clone(), limit) };
        if self.seq > 0 {
            let last = store.events(&query(self.seq - 1, 1)).unwrap();
            assert_eq!((last[0].seq, &last[0].hash), (self.seq, &self.hash), "the chain is another one");
        }
        loop {
            let events = store.events(&query(self.seq, 5000)).unwrap();
            let Some(last) = events.last() else { break };
            (self.seq, self.hash) = (last.seq, last.hash.clone());
            for event in &events {
                self.take(&event.event);
            }
        }
        assert_eq!(self.seq, look.head.seq);
        let stand: BTreeMap<String, u32> =
            look.secrets.iter().filter_map(|(name, state)| Some((name.clone(), state.as_ref()?.0))).collect();
        assert!(self.secrets == stand, "a change without its event, or the other way round");
    }

    fn take(&mut self, event: &model::Event) {
        let Some(name) = event.name.as_ref().map(|name| name.as_str().to_owned()) else { return };
        let version = event.version.unwrap();
        let before = if matches!(event.kind, EventKind::SecretCreated | EventKind::SecretUpdated) {
            self.secrets.insert(name, version)
        } else if event.kind == EventKind::SecretDeleted {
            self.secrets.remove(&name).inspect(|before| assert_eq!(*before, version)).map(|_| version - 1)
        } else {
            return;
        };
        assert_eq!(before.unwrap_or(0) + 1, version, "an event is missing");
    }
}

/// The number of the gateway's last event, its whole chain verified on a copy: the ledger is the gateway's alone.
fn ledger_chain(place: &Place) -> u64 {
    let copy = place.data().with_extension("ledger");
    let source = Connection::open_with_flags(place.data().join("gateway/gateway.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    source.busy_timeout(Duration::from_secs(5)).unwrap();
    source.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let head = Ledger::open(&copy).unwrap().verify_chain().unwrap();
    std::fs::remove_file(copy).unwrap();
    head.seq
}

/// The gateway shows the kind of every secret, for which it must open each.
fn every_secret_opens(server: &Server, writers: &[Known]) {
    let mut wire = Wire::open(&server.url, &server.data).unwrap();
    let mut opened = std::collections::BTreeSet::new();
    let mut path = "/v1/bindings".to_owned();
    loop {
        let page = wire.get(&path).unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        for line in page.body["bindings"].as_array().unwrap() {
            assert_eq!(line["kind"], "github_token", "{line}");
            opened.insert(line["secret_name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page.body["next"].as_str().filter(|_| page.body["has_more"] == true) else { break };
        path = format!("/v1/bindings?starting_after={next}");
    }
    assert_eq!(opened.len(), writers.iter().map(Known::live).sum::<usize>(), "a secret that does not open");
}

fn say(line: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
}

const WRITERS: usize = 8;
/// Names of each writer.
const NAMES: usize = 12;
