//! The supervisor's two children: started again when they die, ended when it ends, and given nothing but what they need.

use std::fs;
use std::io::Read;

use crate::server::{Place, Server, is_gone, kill_9, manifest_of_a_thief, up, wait_for};

const BOTH: [&str; 2] = ["__api", "__gateway"];

#[test]
fn a_killed_child_is_started_again_and_both_serve() {
    let place = Place::new();
    let server = Server::start(&place.data());
    for subcommand in BOTH {
        let before = server.child(subcommand, None);
        kill_9(before);
        assert_ne!(server.child(subcommand, Some(before)), before);
        server.wait_until_both_serve();
    }
}

#[test]
fn a_child_that_keeps_ending_is_given_up() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let gateway = server.child("__gateway", None);
    let mut last = None;
    let status = loop {
        if let Some(status) = server.process.try_wait().unwrap() {
            break status;
        }
        if last.is_some_and(|last| !is_gone(last)) {
            continue;
        }
        let ended = wait_for("a new api or the end", || {
            let ended = server.process.try_wait().unwrap().is_some();
            let next = crate::server::children(server.process.id())
                .into_iter()
                .find(|pid| *pid != gateway && Some(*pid) != last && !is_gone(*pid));
            next.map(Some).or_else(|| ended.then_some(None))
        });
        if let Some(next) = ended {
            kill_9(next);
            last = Some(next);
        }
    };
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    server.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the api ended") && said.contains("gave up"), "{said}");
    wait_for("the gateway's end", || is_gone(gateway).then_some(()));
}

#[test]
fn an_api_that_is_started_again_takes_no_pin_from_a_folder_that_it_may_write() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let theirs = manifest_of_a_thief(&place.data());
    let restarted = |server: &Server| {
        let before = server.child("__api", None);
        kill_9(before);
        before
    };
    fs::write(place.data().join("api/manifest.pin"), theirs.manifest_pin()).unwrap();
    let before = restarted(&server);
    server.child("__api", Some(before));
    server.wait_until_both_serve();
    fs::write(place.data().join("api/manifest.json"), theirs.manifest().unwrap()).unwrap();
    restarted(&server);
    let status = wait_for("the end of a server whose manifest is somebody else's", || server.process.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    server.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("is not signed by the key that was pinned"), "{said}");
}

#[test]
fn a_killed_supervisor_takes_its_children_along_and_leaves_the_folder_usable() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let children = BOTH.map(|subcommand| server.child(subcommand, None));
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    for child in children {
        wait_for("a child's end", || is_gone(child).then_some(()));
    }
    let mut next = Server::start(&place.data());
    next.wait_until_both_serve();
    assert!(next.stop().success());
}

#[test]
fn a_server_that_is_asked_to_end_ends_all_and_says_0() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let children = BOTH.map(|subcommand| server.child(subcommand, None));
    let status = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(children.into_iter().all(is_gone));
    for left in ["address", "gateway.sock", "control.sock"] {
        assert!(!place.data().join(left).exists(), "{left} is left");
    }
}

#[test]
fn a_child_has_nothing_of_its_callers_but_what_it_needs() {
    let place = Place::new();
    let leak = fs::File::open("/etc/hostname").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let mut command = up(&place.data());
    command.env("CALLERS_OWN", "canary-of-the-callers-environment");
    let server = Server::spawned(command, &place.data());
    for subcommand in BOTH {
        let pid = server.child(subcommand, None);
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), format!("tightlip\0{subcommand}\0"));
        // Only root may look further: the children are closed to their own user.
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        assert!(!String::from_utf8_lossy(&environment).contains("canary"));
        for fd in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(fd.unwrap().path()).unwrap_or_default();
            assert_ne!(target.to_str(), Some("/etc/hostname"), "{subcommand} inherited its caller's descriptor");
        }
    }
}

#[test]
fn a_hidden_subcommand_called_by_hand_says_what_to_run() {
    for subcommand in BOTH {
        let output = std::process::Command::new(crate::server::BINARY).arg(subcommand).stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("tightlip up"));
    }
}
