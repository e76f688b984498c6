//! A secret's history, as its user is shown it: versions with times and keys, uses with devboxes and hosts, and no value.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use common::road::{BOUND, Road, ok};
use serde_json::Value;

mod common {
    pub mod road;
}

fn history(road: &Road) -> Value {
    let shown = road.server.expect(&["--json", "secret", "history", "GITHUB_TOKEN"], b"").unwrap();
    road.assert_no_value(shown.as_bytes());
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn a_name_that_never_was_has_no_history() {
    let road = Road::start(None);
    let output = road.server.call(&["secret", "history", "NONE"], b"").unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn versions_uses_and_a_delete_are_told_for_each_secret_of_the_name() {
    let road = Road::start(None);
    let call = "curl -s https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"";
    ok(&road.sh(&format!("{call}; {call}; {call}")));
    road.server.expect(&["secret", "update", "GITHUB_TOKEN"], road.canary.value().as_bytes()).unwrap();

    let limit = Instant::now() + Duration::from_secs(10);
    let mut told = history(&road);
    // Uses after the first are counted, and written a moment later.
    while told["secrets"][0]["uses"][0]["count"] != 3 && Instant::now() < limit {
        told = history(&road);
    }
    let life = &told["secrets"][0];
    let versions = life["versions"].as_array().unwrap();
    assert_eq!(versions.iter().map(|version| version["version"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    assert!(versions.iter().all(|version| version["key"].as_str().unwrap().starts_with("key_") && version["time_ms"].as_i64() > Some(0)));
    let used = &life["uses"][0];
    assert_eq!((&used["host"], &used["count"]), (&BOUND.into(), &3.into()));
    assert!(used["devbox"].as_str().unwrap().starts_with("dbx_") && used["last_ms"].as_i64() >= used["first_ms"].as_i64());

    road.server.expect(&["secret", "delete", "GITHUB_TOKEN"], b"").unwrap();
    road.server.expect(&["secret", "create", "GITHUB_TOKEN"], road.canary.value().as_bytes()).unwrap();
    let told = history(&road);
    let lives = told["secrets"].as_array().unwrap();
    assert_eq!((lives.len(), lives[0]["deleted_ms"].is_null(), lives[1]["deleted_ms"].is_number()), (2, true, true));
    let words = road.server.expect(&["secret", "history", "GITHUB_TOKEN"], b"").unwrap();
    assert!(words.contains("never used") && words.contains(BOUND) && words.contains("deleted just now by key_"), "{words}");
}
