//! The machine: namespaces, certificates, clocks, Node, and files that lie about.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rusqlite::Connection;

use crate::found::Found;
use crate::world::World;

/// The doctor on this world, started by a shell in namespaces of its own, where a line has changed something before. None where this user can make none.
fn changed(world: &World, flags: &str, line: &str) -> Option<Found> {
    let can = Command::new("unshare").args([flags, "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: this user can make no namespaces with unshare {flags}");
        return None;
    }
    let doctor = world.command(&["doctor", "--json"]);
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", &format!("{line} && exec \"$0\" doctor --json")]).arg(doctor.get_program());
    command
        .env_clear()
        .envs(doctor.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(doctor.get_current_dir().unwrap());
    Some(Found::of(&mut command))
}

#[test]
fn a_limit_of_no_namespaces_is_named_with_the_setting() {
    let world = World::start();
    let Some(found) = changed(&world, "-Ur", "echo 0 > /proc/sys/user/max_net_namespaces") else { return };
    found.broken().assert("user namespaces", "user.max_net_namespaces is 0", "sudo sysctl -w user.max_net_namespaces=");
    let Some(found) = changed(&world, "-Ur", "echo 0 > /proc/sys/user/max_user_namespaces") else { return };
    found.broken().assert("user namespaces", "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=");
}

#[test]
fn a_machine_without_certificates_is_named() {
    let world = World::start();
    let Some(found) = changed(&world, "-Urm", "mount -t tmpfs none /etc/ssl") else { return };
    found.find("certificates", "broken").assert("certificates", "", "ca-certificates");
}

#[test]
fn a_clock_that_went_back_is_named() {
    let world = World::start();
    let store = Connection::open(world.data().join("store/tightlip.db")).unwrap();
    assert_eq!(store.execute("UPDATE secrets SET updated = updated + 245 * 3600000", []).unwrap(), 1);
    Found::on(&world, &[]).broken().assert("clock", "stored 10 days after", "timedatectl set-ntp true");
}

#[test]
fn a_node_that_follows_no_proxy_is_noted() {
    let world = World::start();
    let found = Found::on(&world, &[]);
    let Some(node) = found.checks.iter().find(|check| check.check == "node" && check.found.starts_with("version")) else {
        println!("skipped: no Node is there");
        return;
    };
    let version = Command::new("node").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).trim().trim_start_matches('v').to_owned();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap());
    let is_old = (numbers.next().unwrap(), numbers.next().unwrap()) < (22, 21);
    assert_eq!(node.state == "note", is_old, "{node:?}");
    assert_eq!(node.next.contains("22.21"), is_old, "{node:?}");
}

#[test]
fn an_old_node_is_told_by_its_number() {
    let world = World::start();
    let folder = world.path().join("old");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("node"), "#!/bin/sh\necho v22.20.9\n").unwrap();
    std::fs::set_permissions(folder.join("node"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let found = Found::of(world.command(&["doctor", "--json"]).env("PATH", path));
    found.find("node", "note").assert("node", "version 22.20 follows no proxy variables", "22.21");
}

#[test]
fn a_file_of_values_in_the_work_folder_is_noted() {
    let world = World::start();
    std::fs::write(world.path().join("work/.env.local"), "KEY=a value").unwrap();
    let found = Found::on(&world, &[]);
    found.find("work folder", "note").assert("work folder", ".env.local", "tightlip import .env.local --replace");
}
