//! A secret that is not there, cannot be sent, or is bound elsewhere.

use std::process::Stdio;

use crate::found::Found;
use crate::road::{BOUND, Road, text, users};
use crate::world::{API, OTHER, World};

#[test]
fn where_all_is_well_the_request_arrives_with_the_value() {
    for user in users() {
        let road = Road::start(user);
        road.server.expect(&["bind", "GITHUB_TOKEN", "--host", BOUND], b"").unwrap();
        let mut command = road.server.command(&["doctor", "GITHUB_TOKEN"]);
        let output = command.current_dir(road.work()).stdin(Stdio::null()).output().unwrap();
        let shown = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{shown}");
        assert!(shown.contains("https://api.github.com") && shown.contains("reached with the value"), "{shown}");
        assert!(shown.contains("curl") && shown.contains("trusts the devbox's certificates"), "{shown}");
        assert!(road.upstream.records_of(BOUND).iter().any(|record| record.holds(road.canary.value())));
        road.assert_no_value(&output.stdout);
    }
}

#[test]
fn a_secret_that_is_missing_unbound_or_unfit_is_named() {
    let world = World::bare();
    world.tool(&["secret", "set", "UNBOUND"], "a plain value");
    world.tool(&["secret", "set", "SHORT"], "short");
    world.tool(&["secret", "set", "AWS_SECRET_ACCESS_KEY"], "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    Found::on(&world, &["MISSING"]).broken().assert("secret", "none of this name", "tightlip secret set");
    Found::on(&world, &["UNBOUND"]).broken().assert("binding", "bound to no host", "tightlip bind UNBOUND --host HOST");
    Found::on(&world, &["SHORT"]).broken().assert("secret", "shorter than 8 bytes", "tightlip secret set");
    Found::on(&world, &["AWS_SECRET_ACCESS_KEY"]).broken().assert("secret", "", "tightlip secret set");
}

#[test]
fn a_wrong_host_is_named_with_the_command_that_binds_it() {
    let world = World::start();
    let found = Found::on(&world, &["KEY", "--host", OTHER]);
    let refused = found.broken();
    refused.assert(&format!("https://{OTHER}"), "host_not_bound", &format!("tightlip bind KEY --host {OTHER}"));
    let command = refused.next.split('`').nth(1).unwrap();
    world.tool(&command.split(' ').skip(1).collect::<Vec<_>>(), "");
    Found::on(&world, &["KEY", "--host", OTHER]).assert_well();
}

#[test]
fn a_value_that_goes_into_the_query_is_knocked_with_there() {
    let world = World::bare();
    world.tool(&["secret", "set", "KEY"], world.canary.value());
    world.tool(&["bind", "KEY", "--host", API, "--as", "query:key"], "");
    world.tool(&["bind", "KEY", "--host", API, "--as", "body"], "");
    let found = Found::on(&world, &["KEY"]);
    found.assert_well();
    found.find(&format!("https://{API}"), "ok").assert(&format!("https://{API}"), "answered 200", "");
    found.find("hosts", "note").assert("hosts", "those for a body are not knocked at", "tightlip run -- curl");
    assert!(world.standin.heard().iter().any(|line| line.starts_with("GET /?key=") && line.contains(world.canary.value())));
}

#[test]
fn a_known_kind_that_is_bound_to_none_of_its_hosts_is_noted() {
    let world = World::bare();
    world.tool(&["secret", "set", "GITHUB_TOKEN", "--host", API], "ghp_abcdefghijklmnopqrstuvwxyz0123456789");
    let found = Found::on(&world, &["GITHUB_TOKEN"]);
    found.find("hosts", "note").assert("hosts", "bound to none of that kind's own hosts (api.github.com", "tightlip unbind GITHUB_TOKEN");
}

#[test]
fn a_key_that_is_wrong_and_a_server_that_is_away_are_told_apart() {
    let world = World::start();
    let key = "tlk_0000000000000000000000000000000000000000000";
    let doctor = |arguments: &[&str]| {
        let all: Vec<&str> = ["doctor", "--json"].iter().chain(arguments).copied().collect();
        Found::of(world.command(&all).env("TIGHTLIP_API_KEY", key))
    };
    doctor(&[]).broken().assert("server", "not known", "");
    doctor(&["--url", "http://127.0.0.1:1"]).broken().assert("server", "", "--url");
}
