//! The data folder: whose it is, its keys, its room, its lock, its settings and ports.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use rusqlite::Connection;

use crate::found::Found;
use crate::world::{OTHER, World, until};

/// A world whose server has stopped.
fn stopped() -> World {
    let mut world = World::start();
    world.stop();
    world
}

#[test]
fn a_missing_root_key_is_named_with_where_it_belongs() {
    let world = stopped();
    let key = world.data().join("gateway/root.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let found = Found::on(&world, &[]);
    let broken = found.broken();
    broken.assert("root key", "root.key is missing", "install -m 600 COPY");
    let copy = world.path().join("copy");
    fs::write(&copy, kept).unwrap();
    let mend = broken.next.split(": ").nth(1).unwrap().replace("COPY", copy.to_str().unwrap());
    assert!(Command::new("sh").args(["-c", &mend]).status().unwrap().success(), "{mend}");
    Found::on(&world, &[]).assert_well();
}

#[test]
fn another_users_folder_is_named() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give a folder to another user");
        return;
    }
    let world = stopped();
    std::os::unix::fs::chown(world.data(), Some(1000), Some(1000)).unwrap();
    Found::on(&world, &[]).broken().assert("data folder", "belongs to the user with id 1000", "run tightlip as that user");
}

#[test]
fn a_folder_of_something_else_is_named() {
    let world = stopped();
    let elsewhere = world.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("thesis.txt"), "").unwrap();
    Found::on(&world, &["--data", elsewhere.to_str().unwrap()]).broken().assert("data folder", "neither empty nor", "--data DIR");
}

#[test]
fn a_full_disk_is_named() {
    let can = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: this user can make no mount namespace");
        return;
    }
    let world = stopped();
    let doctor = world.command(&[]);
    let mut command = Command::new("unshare");
    let line = "mount -t tmpfs -o size=8m,mode=700 none \"$1\" && exec \"$0\" doctor --json";
    command.args(["-Urm", "sh", "-c", line]).arg(doctor.get_program()).arg(world.data());
    command.env_clear().envs(doctor.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Found::of(&mut command).broken().assert("disk", "8 MB are left", "make room");
}

#[test]
fn whoever_holds_the_folder_and_does_not_answer_is_named() {
    let world = stopped();
    let lock = fs::OpenOptions::new().read(true).write(true).open(world.data().join("lock")).unwrap();
    lock.lock().unwrap();
    fs::write(world.data().join("lock"), format!("{}\n", std::process::id())).unwrap();
    let found = Found::on(&world, &[]);
    found.broken().assert("server", &format!("process {} holds the data folder and does not answer", std::process::id()), "tightlip down");
    drop(lock);
    Found::on(&world, &[]).assert_well();
}

#[test]
fn a_setting_that_cannot_be_is_named_with_its_line() {
    let world = stopped();
    world.write("[gateway]\nresolve = 7\n");
    Found::on(&world, &[]).broken().assert("settings", "line 2", "tightlip.toml");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let world = stopped();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (section, setting) in [("[gateway]\nlisten", "[gateway] listen"), ("[api]\nlisten", "[api] listen")] {
        world.write(&format!("{section} = \"{address}\"\n"));
        let found = Found::on(&world, &[]);
        found.broken().assert("port", &format!("{address} of `{setting}` is taken"), &format!("ss -ltnp 'sport = :{}'", address.port()));
    }
    drop(taken);
    Found::on(&world, &[]).assert_well();
}

#[test]
fn a_proxy_that_the_settings_ask_for_and_nobody_opened_is_named() {
    let mut world = World::start();
    // An address of loopback that no other test takes a port of.
    let place = TcpListener::bind("127.77.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    world.stop();
    world.write(&format!("[gateway]\nlisten = \"{address}\"\n"));
    // The doctor starts a server where none runs, and such a one opens no proxy.
    Found::on(&world, &[]).broken().assert("proxy", &format!("nobody answers at {address}"), "tightlip down, then tightlip up");
    world.tool(&["down"], "");
    world.up_with(&[]);
    Found::on(&world, &[]).find("proxy", "ok");
    world.stop();
    let _other = TcpListener::bind(address).map(|listener| std::thread::spawn(move || drop(listener.accept()))).unwrap();
    world.up_with(&["--gateway", "127.0.0.1:0"]);
    Found::on(&world, &[]).broken().assert("proxy", "is none of ours", "tightlip down");
}

#[test]
fn a_gateway_that_cannot_record_is_named() {
    let world = World::start();
    let devbox = world.with_key();
    let ledger = Connection::open(world.data().join("gateway/gateway.db")).unwrap();
    ledger.execute_batch("CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END").unwrap();
    // What was refused is to be recorded, and cannot be.
    devbox.ask(&format!("curl -sSi https://{OTHER}/")).assert_refused(model::Refusal::HostNotAllowed);
    until("a gateway that says so", || Found::on(&world, &[]).of_state("broken").iter().any(|check| check.check == "gateway"));
    Found::on(&world, &[]).broken().assert("gateway", "the gateway failed", "the output of `tightlip up`");
    ledger.execute_batch("DROP TRIGGER stop").unwrap();
    until("a gateway that records again", || Found::on(&world, &[]).of_state("broken").is_empty());
}

#[test]
fn a_passphrase_that_nobody_typed_is_asked_for() {
    let mut world = World::start();
    world.stop();
    fs::write(world.data().join("gateway/root.passphrase.json"), "{}").unwrap();
    fs::remove_file(world.data().join("gateway/root.key")).unwrap();
    Found::on(&world, &[]).broken().assert("server", "the root key comes from a passphrase", "tightlip up");
}
