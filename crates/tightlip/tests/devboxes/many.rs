//! Many at a time, and nothing left of any of them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::road::{Road, users};

/// What devboxes are made of, as the host sees it: processes below the server, mounts, network namespaces, sockets and files of the server.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    processes: usize,
    mounts: usize,
    descriptors: usize,
    files: Vec<String>,
}

fn traces(road: &Road) -> Traces {
    let below = descendants(road.server.pid());
    let descriptors = below.iter().map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)).sum();
    let mut files: Vec<String> =
        walk(road.server.beside()).into_iter().filter(|path| !path.ends_with("-wal") && !path.ends_with("-shm")).collect();
    files.sort();
    Traces { processes: below.len(), mounts: fs::read_to_string("/proc/self/mounts").unwrap().lines().count(), descriptors, files }
}

pub fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    all
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path.display().to_string());
    }
    found
}

/// Waits until everything is as it was.
fn assert_nothing_left(road: &Road, before: &Traces) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let after = traces(road);
        // Threads and pools of the server may keep a descriptor or two.
        let same = after.processes == before.processes && after.mounts == before.mounts && after.files == before.files;
        if same && after.descriptors <= before.descriptors + 24 {
            return;
        }
        assert!(Instant::now() < limit, "left behind: {after:?}, and before: {before:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn two_hundred_devboxes_leave_nothing() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    drop(client.devbox(&json!({})));
    let before = traces(&road);
    for round in 0..4 {
        let used = std::thread::scope(|scope| {
            let (road, client) = (&road, &client);
            let threads: Vec<_> = (0..5)
                .map(|thread| {
                    scope.spawn(move || {
                        let boxes: Vec<_> = (0..10).map(|_| client.devbox(&json!({ "secrets": { "T": "GITHUB_TOKEN" } }))).collect();
                        for (number, devbox) in boxes.iter().enumerate() {
                            assert_eq!(devbox.sh(&format!("echo {round} {thread} {number}")).trim(), format!("{round} {thread} {number}"));
                        }
                        let here = descendants(road.server.pid()).len();
                        drop(boxes);
                        here
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(used.iter().any(|processes| *processes > 20), "they stood side by side: {used:?}");
    }
    assert_nothing_left(&road, &before);
    assert_eq!(client.ok(client.get("/v1/devboxes?status=running"))["total_count"].as_u64(), Some(0));
}

#[test]
fn one_that_is_shut_down_while_it_begins_is_never_told_as_running_again() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    drop(client.devbox(&json!({})));
    let before = traces(&road);
    std::thread::scope(|scope| {
        for number in 0..24_u64 {
            let client = &client;
            scope.spawn(move || {
                let id = client.ok(client.post("/v1/devboxes", &json!({})))["id"].as_str().unwrap().to_owned();
                std::thread::park_timeout(Duration::from_millis(number));
                let path = format!("/v1/devboxes/{id}");
                assert_eq!(client.ok(client.post(&format!("{path}/shutdown"), &json!({})))["status"], "shutdown");
                for _ in 0..20 {
                    assert_eq!(client.ok(client.get(&path))["status"], "shutdown");
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                let view = client.ok(client.get(&path));
                let states: Vec<_> = view["state_transitions"].as_array().unwrap().iter().map(|state| state["status"].clone()).collect();
                assert_eq!(states.iter().filter(|state| *state == "shutdown").count(), 1, "{states:?}");
                assert_eq!(states.last().unwrap(), "shutdown", "{states:?}");
            });
        }
    });
    assert_nothing_left(&road, &before);
}

#[test]
fn an_account_that_makes_as_many_as_it_can_holds_up_no_other() {
    let road = Road::start(users()[0]);
    let (owner, greedy) = (Client::owner(&road.server), Client::stranger(&road.server, "greedy"));
    let names: Vec<String> = (0..40).map(|number| format!("SECRET_{number}")).collect();
    for name in &names {
        greedy.create_secret(name, "a plain value");
    }
    let secrets: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!(name))).collect();
    let devbox = owner.devbox(&json!({ "secrets": { "GITHUB_TOKEN": "GITHUB_TOKEN" } }));
    let made = owner.ok(owner.post("/v1/api-keys", &json!({ "name": "short", "scopes": ["read", "devbox"] })));
    let short = Client { server: &road.server, key: made["key"].as_str().unwrap().to_owned() };
    let over = std::sync::atomic::AtomicBool::new(false);
    let (answered, longest) = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        let (status, body) = greedy.post("/v1/devboxes", &json!({ "secrets": secrets }));
                        assert!([200, 429, 503].contains(&status), "{status}: {body}");
                        answered += u32::from(status == 200);
                    }
                    answered
                })
            })
            .collect();
        let mut longest = Duration::ZERO;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(6) {
            let asked = Instant::now();
            assert_eq!(short.ok(short.get(&devbox.path("")))["status"], "running");
            let said = devbox.sh("curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
            assert_eq!(said, "{\"authorized\":true}");
            longest = longest.max(asked.elapsed());
        }
        let revoked = Instant::now();
        owner.ok(owner.post(&format!("/v1/api-keys/{}/revoke", made["api_key"]["id"].as_str().unwrap()), &json!({})));
        assert_eq!(short.get(&devbox.path("")).0, 401);
        assert!(revoked.elapsed() < Duration::from_secs(3), "revoked after {:?}", revoked.elapsed());
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        (floods.into_iter().map(|flood| flood.join().unwrap()).sum::<u32>(), longest)
    });
    assert!(answered > 50, "it was no flood: {answered}");
    assert!(longest < Duration::from_secs(5), "a look and a command took {longest:?}, while {answered} devboxes were made");
}

#[test]
fn an_account_that_looks_as_much_as_it_can_holds_up_no_other() {
    let road = Road::start(users()[0]);
    let (owner, greedy) = (Client::owner(&road.server), Client::stranger(&road.server, "greedy"));
    for number in 0..100 {
        greedy.create_secret(&format!("SECRET_{number}"), &"v".repeat(60_000));
    }
    let devbox = owner.devbox(&json!({}));
    let over = std::sync::atomic::AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0_u32;
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        let (status, body) = greedy.get("/v1/bindings");
                        assert!([200, 429, 503].contains(&status), "{status}: {body}");
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            assert_eq!(devbox.status(), "running");
            owner.ok(owner.get("/v1/bindings"));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        floods.into_iter().map(|flood| flood.join().unwrap()).sum::<u32>()
    });
    assert!(looks > 100, "it was no flood: {looks}");
}

#[test]
fn a_command_and_a_first_process_that_are_killed_leave_nothing() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let before = traces(&road);
    let devbox = client.devbox(&json!({}));
    devbox.begin("sleep 1000 & sleep 1000");
    let own: Vec<u32> = descendants(road.server.pid()).into_iter().filter(|pid| is_first(*pid)).collect();
    assert!(!own.is_empty());
    for pid in own {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    devbox.wait_for("failure");
    let view = client.ok(client.get(&devbox.path("")));
    assert!(view["state_transitions"].to_string().contains("failure_reason"), "{view}");
    assert_nothing_left(&road, &before);
}

/// Whether a process is a devbox's: started as `__init`.
fn is_first(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"__init"))
}
