//! What ends a container's way out, and what does not.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::world::{API, Environment, World, alone, text, until};

/// A reply that does not end by itself, under way.
fn endless(world: &World, sandbox: &Environment) -> Child {
    let got = world.folder.path().join("got");
    let _old = std::fs::remove_file(&got);
    let line = format!("exec curl -sSN https://{API}/endless -H \"Authorization: Bearer $KEY\" -o {}", got.display());
    let child = world.command(sandbox, &["sh", "-c", &line]).stderr(Stdio::null()).spawn().unwrap();
    until("the reply's beginning", || got.metadata().is_ok_and(|file| file.len() > 0));
    child
}

fn ends(mut child: Child, why: &str) -> Duration {
    let took = until(why, || child.try_wait().unwrap().is_some());
    println!("{why}: the tunnel ended {took:?} after the command did");
    took
}

#[test]
fn a_shutdown_a_deleted_secret_and_a_revoked_key_end_open_tunnels() {
    if !alone("ended::a_shutdown_a_deleted_secret_and_a_revoked_key_end_open_tunnels") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let open = endless(&world, &sandbox);
    world.tool(&["devbox", "shutdown", &sandbox.id]);
    assert!(ends(open, "a shutdown") < WITHIN);
    let said = text(&world.run(&sandbox, &["curl", "-sSi", &format!("https://{API}/")]));
    assert!(said.contains("x-tightlip-refusal: proxy_credential_wrong"), "{said}");

    let key: serde_json::Value =
        serde_json::from_str(&world.tool(&["key", "create", "--name", "ci", "--scope", "read,devbox", "--json"])).unwrap();
    let sandbox = {
        let out = world.folder.path().join("of-key");
        let arguments = ["devbox", "env", "--json", "--secret", "KEY", "--format", "dotenv", "--out", out.to_str().unwrap()];
        let made = world.server.command(&arguments).env("TIGHTLIP_API_KEY", key["key"].as_str().unwrap()).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        let file = std::fs::read_to_string(out.join("env")).unwrap();
        let variables = file.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        Environment { id: told["id"].as_str().unwrap().to_owned(), variables: variables.collect() }
    };
    let open = endless(&world, &sandbox);
    world.tool(&["key", "revoke", key["api_key"]["id"].as_str().unwrap()]);
    assert!(ends(open, "a revoked key") < WITHIN);
    until("the devbox's end", || world.tool(&["devbox", "get", &sandbox.id]).contains("api_key_ended"));

    let sandbox = world.environment(&["--secret", "KEY"]);
    let open = endless(&world, &sandbox);
    world.tool(&["secret", "delete", "KEY"]);
    assert!(ends(open, "a deleted secret") < WITHIN);
}

#[test]
fn a_devbox_ends_with_its_time() {
    if !alone("ended::a_devbox_ends_with_its_time") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY", "--keep-alive", "1"]);
    until("its end", || world.tool(&["devbox", "get", &sandbox.id]).contains("keep_alive_timeout"));
    let said = text(&world.run(&sandbox, &["curl", "-sSi", &format!("https://{API}/")]));
    assert!(said.contains("x-tightlip-refusal: proxy_credential_wrong"), "{said}");
}

#[test]
fn a_gateway_that_died_serves_the_same_sandbox_again() {
    if !alone("ended::a_gateway_that_died_serves_the_same_sandbox_again") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let gateway = gateway_of(world.server.pid());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(gateway), nix::sys::signal::Signal::SIGKILL).unwrap();
    // What connects meanwhile waits in the listener's queue, or is cut with the old gateway.
    let line = format!("curl -sS --max-time 30 https://{API}/ -H \"Authorization: Bearer $KEY\"");
    until("an answer", || String::from_utf8_lossy(&world.run(&sandbox, &["sh", "-c", &line]).stdout).contains("authorized"));
    assert_ne!(gateway_of(world.server.pid()), gateway);
    assert!(world.tool(&["devbox", "list"]).contains("running (remote)"));
}

/// The gateway among the supervisor's children.
fn gateway_of(supervisor: u32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap();
    let is_gateway =
        |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(9).any(|word| word == b"__gateway"));
    children.split_whitespace().find(is_gateway).unwrap().parse().unwrap()
}

/// In force within a second of the answer; the rest is for a machine that is busy with other tests. `net/proxy.rs` holds the gateway to the second.
const WITHIN: Duration = Duration::from_secs(10);
