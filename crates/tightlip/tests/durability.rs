//! The whole server on a disk that fails, and on one that is full: writes are refused and say so, reads are served, readiness tells, and when the fault is
//! over all goes on by itself. Nothing acknowledged is lost.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::wire::{Answer, Wire};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use server::{Place, Server, is_gone, kill_9, wait_for};
use store::{Mode, Store};

mod common {
    pub mod wire;
}
#[path = "serving/server.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod server;

fn create(wire: &mut Wire, name: &str, value: &str) -> Answer {
    wire.post("/v1/secrets", &json!({ "name": name, "value": value })).unwrap()
}

fn wire(server: &Server) -> Wire {
    Wire::open(&server.url, &server.data).unwrap()
}

/// That these names, and of the others none but those that were refused, are there, with the events that belong to them.
fn holds(data: &Path, acknowledged: &[String], refused: &[String]) {
    let store = Store::open(&data.join("store/tightlip.db"), Mode::Reader).unwrap();
    let owner = store.owner().unwrap().unwrap();
    let page = store.secrets(&owner.id, None, 5000).unwrap();
    let names: Vec<&str> = page.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert!(acknowledged.iter().all(|name| names.contains(&name.as_str())), "an acknowledged secret is gone");
    assert!(names.iter().all(|name| acknowledged.iter().chain(refused).any(|known| known == name)), "a secret that nobody made");
    store.verify_chain().unwrap();
    let events = store.events(&store::EventQuery::of(owner.id, 5000)).unwrap();
    let created = |name: &str| {
        let of_it = events.iter().filter(|event| event.event.name.as_ref().is_some_and(|known| known.as_str() == name));
        of_it.filter(|event| event.event.kind == model::EventKind::SecretCreated).count()
    };
    assert!(names.iter().all(|name| created(name) == 1), "a change without its event");
    let known = events.iter().filter(|event| event.event.kind == model::EventKind::SecretCreated).count();
    assert_eq!(known, names.len(), "an event without its change");
}

/// strace at a process, failing its syncs.
struct Failing {
    strace: Child,
    pid: i32,
}

impl Failing {
    fn syncs(pid: i32) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO", "-p"]);
        Self { strace: strace.arg(pid.to_string()).stderr(Stdio::null()).spawn().expect("strace: see scripts/setup"), pid }
    }

    /// Whether it could not begin, for want of the right to trace.
    fn is_over(&mut self) -> bool {
        self.strace.try_wait().unwrap().is_some()
    }
}

/// Asked to end, strace lets the process go on. Asked while the process dies, it may wait for it without end.
impl Drop for Failing {
    fn drop(&mut self) {
        let _gone = if is_gone(self.pid) {
            self.strace.kill().is_ok()
        } else {
            kill(Pid::from_raw(self.strace.id().cast_signed()), Signal::SIGINT).is_ok()
        };
        let _buried = self.strace.wait();
    }
}

#[test]
fn on_a_failing_disk_writes_are_refused_and_reads_served_until_it_is_well_again() {
    // Nobody else may trace the api; a writer below the server is held to the same in the store's own tests.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let server = Server::start(&place.data());
    assert_eq!(create(&mut wire(&server), "KEPT", "a value").status, 200);
    let (mut acknowledged, mut refused) = (vec!["KEPT".to_owned()], Vec::new());
    for round in 0..2 {
        let (mut wire, mut reading) = (wire(&server), wire(&server));
        let api = server.child("__api", None);
        let mut failing = Failing::syncs(api);
        let mut number = 0;
        let mut next = |wire: &mut Wire| {
            number += 1;
            let name = format!("R{round}_{number}");
            let answer = create(wire, &name, "a value");
            if answer.status == 200 { &mut acknowledged } else { &mut refused }.push(name);
            answer
        };
        next(&mut wire);
        let first = wait_for("the fault", || Some(next(&mut wire)).filter(|answer| answer.status != 200 || failing.is_over()));
        if failing.is_over() {
            return;
        }
        for answer in std::iter::once(first).chain((0..5).map(|_| next(&mut wire))) {
            assert_eq!((answer.status, &answer.body["code"]), (503, &"store_unavailable".into()), "{}", answer.body);
            ready_is(&mut reading, 503);
            for path in ["/v1/secrets", "/v1/secrets/KEPT", "/v1/events", "/healthz"] {
                assert_eq!(reading.get(path).unwrap().status, 200, "{path}");
            }
        }
        if round == 1 {
            // What was refused may be found by the next api, and must not be built upon.
            kill_9(api);
            wait_for("the api's end", || is_gone(api).then_some(()));
        }
        drop(failing);
        let mut wire = wait_for("the api", || Wire::open(&server.url, &server.data).ok());
        wait_for("writing", || (next(&mut wire).status == 200).then_some(()));
        ready_is(&mut wire, 200);
    }
    holds(&server.data, &acknowledged, &refused);
}

#[test]
fn on_a_full_disk_writes_are_refused_and_reads_served_until_there_is_room() {
    let place = Place::new();
    let folder = place.data();
    fs::create_dir(&folder).unwrap();
    // Root of its own user namespace where it is not root already; where that is forbidden there is no small disk to be had.
    let Some(unshare) =
        [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].into_iter().find(|how| mounted(how, &folder, "true").is_some())
    else {
        return;
    };
    let exe = std::env::current_exe().unwrap();
    let child = format!("exec '{}' --exact on_the_small_disk --nocapture", exe.display());
    let output = mounted(unshare, &folder, &child).unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// Waits until readiness says so: one look serves all who ask within a moment.
fn ready_is(wire: &mut Wire, status: u16) {
    wait_for("readiness", || (wire.get("/readyz").unwrap().status == status).then_some(()));
}

/// Runs the command with a small tmpfs on the folder; `None` where that cannot be done.
fn mounted(unshare: &[&str], folder: &Path, command: &str) -> Option<Output> {
    let script = format!("mount -t tmpfs -o size=100m,mode=700 tmpfs '{}' || exit {CANNOT}; {command}", folder.display());
    let output = Command::new("unshare").args(unshare).args(["--", "sh", "-c", &script]).env(FOLDER, folder).output().ok()?;
    if output.status.code() == Some(CANNOT) || (command == "true" && !output.status.success()) { None } else { Some(output) }
}

/// Not a test: what is done on the small disk.
#[test]
fn on_the_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut server = Server::start(&folder.join("data"));
    let (mut wire, mut reading) = (wire(&server), wire(&server));
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    let large = "v".repeat(60_000);
    for number in 0..10 {
        let name = format!("BEFORE_{number}");
        assert_eq!(create(&mut wire, &name, &large).status, 200);
        acknowledged.push(name);
    }
    ready_is(&mut wire, 200);

    fill(&folder.join("ballast"));
    let mut next = |wire: &mut Wire| {
        let name = format!("N{}", acknowledged.len() + refused.len());
        let answer = create(wire, &name, &large);
        if answer.status == 200 { &mut acknowledged } else { &mut refused }.push(name);
        answer
    };
    let first = wait_for("no room", || Some(next(&mut wire)).filter(|answer| answer.status != 200));
    for answer in std::iter::once(first).chain((0..3).map(|_| next(&mut wire))) {
        assert_eq!((answer.status, &answer.body["code"]), (503, &"disk_full".into()), "{}", answer.body);
        assert!(answer.head.contains("x-should-retry: false"), "clients would try for half a minute: {}", answer.head);
        ready_is(&mut reading, 503);
        for path in ["/v1/secrets", "/v1/secrets/BEFORE_3", "/v1/events", "/v1/bindings/BEFORE_3", "/healthz"] {
            assert_eq!(reading.get(path).unwrap().status, 200, "{path}");
        }
    }
    // A delete needs room as well, for its event; where there is none, it says so and nothing is changed.
    let deleted = wire.post("/v1/secrets/BEFORE_0/delete", &json!({})).unwrap();
    let after = wire.get("/v1/secrets/BEFORE_0").unwrap().status;
    match deleted.status {
        200 => assert_eq!(after, 404),
        _ => assert_eq!((&deleted.body["code"], after), (&"disk_full".into(), 200), "{}", deleted.body),
    }

    fs::remove_file(folder.join("ballast")).unwrap();
    assert_eq!(next(&mut wire).status, 200);
    ready_is(&mut wire, 200);
    if after == 200 {
        assert_eq!(wire.post("/v1/secrets/BEFORE_0/delete", &json!({})).unwrap().status, 200);
    }
    assert_eq!(create(&mut wire, "BEFORE_0", "another").status, 200);
    assert!(server.stop().success());
    acknowledged.retain(|name| name != "BEFORE_0");
    let store = Store::open(&folder.join("data/store/tightlip.db"), Mode::Reader).unwrap();
    let owner = store.owner().unwrap().unwrap();
    let there = |name: &String| store.secret(&owner.id, &name.parse().unwrap()).unwrap().is_some();
    assert!(acknowledged.iter().all(there), "an acknowledged secret is gone");
    assert!(!refused.iter().any(there), "a secret that was refused for want of room is there");
    store.verify_chain().unwrap();
}

/// Fills what is left of the disk.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for bytes in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; bytes]).is_ok() {}
    }
}

const FOLDER: &str = "TIGHTLIP_TEST_SMALL_DISK";
const CANNOT: i32 = 99;
