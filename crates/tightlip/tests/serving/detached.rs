//! The server that `run` starts for itself: it says one word, stays while it is used, and goes.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use link::Packets;
use link::cli::{Reply, Request};

use crate::server::{BINARY, Place, Server, children, is_gone, wait_for};

/// A detached server that goes after so many unused milliseconds.
fn start(data: &Path, idle_ms: &str) -> Child {
    std::fs::create_dir_all(data).unwrap();
    let mut command = Command::new(BINARY);
    command.env("XDG_STATE_HOME", crate::server::state(data));
    command.arg("__detached").arg(data).arg(idle_ms).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn word(server: &mut Child) -> String {
    let mut word = String::new();
    server.stdout.take().unwrap().read_to_string(&mut word).unwrap();
    word
}

#[test]
fn an_unused_server_goes_with_its_children() {
    let place = Place::new();
    let mut server = start(&place.data(), "500");
    assert_eq!(word(&mut server), "\"ready\"");
    let visitor = Packets::connect(&place.data().join("gateway.sock")).unwrap();
    visitor.send(&Request::Status, &[]).unwrap();
    assert!(matches!(visitor.recv::<Reply>().unwrap().0, Reply::Ready));
    let ended = children(server.id());
    drop(visitor);
    let status = wait_for("the end", || server.try_wait().unwrap());
    assert!(status.success());
    assert!(ended.into_iter().all(is_gone));
    assert!(!place.data().join("address").exists());
}

#[test]
fn of_two_starters_one_serves_and_the_other_learns_of_it() {
    let place = Place::new();
    let mut servers = [start(&place.data(), "1000"), start(&place.data(), "1000")];
    let mut words = servers.each_mut().map(word);
    words.sort();
    assert_eq!(words, ["\"locked\"", "\"ready\""]);
    for server in &mut servers {
        wait_for("the end", || server.try_wait().unwrap());
    }
}

#[test]
fn a_foreground_server_is_not_started_twice() {
    let place = Place::new();
    let _server = Server::start(&place.data());
    assert_eq!(word(&mut start(&place.data(), "1000")), "\"locked\"");
}
