//! What `tightlip doctor` finds: nothing where all is well, and each thing that was broken on purpose.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Output, Stdio};

use common::road::{BOUND, Road, text, users};

mod common {
    pub mod road;
}

fn doctor(road: &Road, words: &[&str], env: &[(&str, &str)]) -> Output {
    let arguments: Vec<&str> = ["doctor"].iter().chain(words).copied().collect();
    let mut command = road.server.command(&arguments);
    command.envs(env.iter().copied()).current_dir(road.work()).stdin(Stdio::null()).output().unwrap()
}

/// A server whose secret may go to one host, which is there.
fn bound(user: Option<u32>) -> Road {
    let road = Road::start(user);
    road.server.expect(&["bind", "GITHUB_TOKEN", "--host", BOUND], b"").unwrap();
    road
}

/// The checks that are in a state, each with what was found and what mends it.
fn checks(output: &Output, state: &str) -> Vec<[String; 3]> {
    let told: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
    let of = |check: &serde_json::Value| ["check", "found", "next"].map(|key| check[key].as_str().unwrap_or_default().to_owned());
    told["checks"].as_array().unwrap().iter().filter(|check| check["state"] == state).map(of).collect()
}

/// What is broken, which must be exactly one thing.
fn broken(road: &Road, words: &[&str], env: &[(&str, &str)]) -> [String; 3] {
    let words: Vec<&str> = words.iter().chain(&["--json"]).copied().collect();
    let output = doctor(road, &words, env);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let [one] = <[_; 1]>::try_from(checks(&output, "broken")).unwrap();
    one
}

#[test]
fn where_all_is_well_the_request_arrives_with_the_value() {
    for user in users() {
        let road = bound(user);
        let output = doctor(&road, &["GITHUB_TOKEN"], &[]);
        let shown = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{shown}");
        assert!(shown.contains("https://api.github.com") && shown.contains("reached with the value"), "{shown}");
        assert!(road.upstream.records_of(BOUND).iter().any(|record| record.holds(road.canary.value())));
        road.assert_no_value(&output.stdout);
    }
}

#[test]
fn what_is_broken_is_named_with_what_mends_it() {
    let road = Road::start(users()[0]);
    let set = |name: &str, value: &str, more: &[&str]| {
        let words: Vec<&str> = ["secret", "set", name].iter().chain(more).copied().collect();
        road.server.expect(&words, value.as_bytes()).unwrap();
    };
    set("UNBOUND", "a plain value", &[]);
    set("STRIPE_API_KEY", "short", &[]);
    set("UNRESOLVED", "a plain value", &["--host", "nowhere.invalid"]);
    for (name, check, found, next) in [
        ("MISSING", "secret", "none of this name", "tightlip secret set"),
        ("UNBOUND", "binding", "bound to no host", "tightlip bind UNBOUND --host HOST"),
        ("STRIPE_API_KEY", "secret", "shorter than 8 bytes", "tightlip secret set"),
        ("UNRESOLVED", "https://nowhere.invalid", "upstream_unresolved", "does not resolve"),
    ] {
        let one = broken(&road, &[name], &[]);
        assert!(one[0] == check && one[1].contains(found) && one[2].contains(next), "{name}: {one:?}");
    }
    let key = broken(&road, &[], &[("TIGHTLIP_API_KEY", "tlk_0000000000000000000000000000000000000000000")]);
    assert!(key[0] == "server" && key[1].contains("not known"), "{key:?}");
    let away = broken(&road, &["--url", "http://127.0.0.1:1"], &[("TIGHTLIP_API_KEY", "tlk_0000000000000000000000000000000000000000000")]);
    assert!(away[0] == "server" && !away[1].is_empty(), "{away:?}");
}

#[test]
fn a_host_that_says_no_is_told_from_a_gateway_that_does() {
    let road = bound(users()[0]);
    road.upstream.expect("another value than the stored one");
    let output = doctor(&road, &["GITHUB_TOKEN", "--json"], &[]);
    let notes = checks(&output, "note");
    let said = |[check, found, _]: &[String; 3]| {
        check.starts_with("https://") && found.contains("401") && found.contains("it is the host that says no")
    };
    assert!(output.status.code() == Some(0) && notes.iter().any(said), "{notes:?}");
}

#[test]
fn a_file_of_values_in_the_work_folder_is_noted() {
    let road = Road::start(users()[0]);
    std::fs::write(road.work().join(".env.local"), "KEY=a value").unwrap();
    let notes = checks(&doctor(&road, &["--json"], &[]), "note");
    assert!(notes.iter().any(|[check, found, _]| check == "work folder" && found.contains(".env.local")), "{notes:?}");
}
