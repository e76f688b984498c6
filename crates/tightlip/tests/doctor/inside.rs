//! What a variable of `--env` breaks inside.

use crate::found::Found;
use crate::world::World;

#[test]
fn a_client_that_is_told_to_trust_something_else_is_named_with_the_variable() {
    let world = World::start();
    for (variable, client) in [
        ("CURL_CA_BUNDLE=/etc/hostname", "curl"),
        ("GIT_SSL_CAINFO=/nowhere", "git"),
        ("SSL_CERT_FILE=/etc/hostname", "python3"),
        ("REQUESTS_CA_BUNDLE=/nowhere", "python3 requests"),
        ("NODE_EXTRA_CA_CERTS=", "node"),
    ] {
        let name = variable.split('=').next().unwrap();
        let found = Found::on(&world, &["--env", variable]);
        let check = found.find(client, "broken");
        check.assert(client, &format!("does not trust the devbox's certificates, with --env {name}"), &format!("leave out --env {name}"));
        assert_eq!(found.code, 1);
    }
    Found::on(&world, &["--env", "DEBUG=1"]).assert_well();
}

#[test]
fn a_proxy_that_clients_are_sent_to_is_named() {
    let world = World::start();
    let found = Found::on(&world, &["--env", "https_proxy=http://proxy.example.test:3128"]);
    for client in ["curl", "git", "python3"] {
        found.find(client, "broken").assert(client, "gets no connection, with --env https_proxy", "leave out --env https_proxy");
    }
}

#[test]
fn a_resolver_that_asks_otherwise_is_named() {
    let world = World::start();
    Found::on(&world, &["--env", "RES_OPTIONS=use-vc"]).broken().assert("names", "with --env RES_OPTIONS", "leave out --env RES_OPTIONS");
}

#[test]
fn a_folder_from_which_no_devbox_starts_is_named() {
    let world = World::start();
    let found = Found::of(world.command(&["doctor", "--json"]).current_dir(world.path().join("home")));
    found.broken().assert("devbox", "the work folder is your home folder", "tightlip run -- true");
}

#[test]
fn a_value_in_a_variable_is_refused_without_an_echo() {
    let world = World::start();
    let refused = world.command(&["doctor", "--env", "TOKEN=ghp_abcdefghijklmnopqrstuvwxyz0123456789"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
    assert!(refused.status.code() == Some(2) && !said.contains("abcdef"), "{said}");
}
