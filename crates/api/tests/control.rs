//! `control.sock`: accounts, by whoever runs the server.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../service/tests/fixture/installation.rs"]
mod installation;
#[path = "fixture/server.rs"]
mod server;

use std::os::fd::AsFd;
use std::sync::Arc;

use link::cli::Denial;
use link::control::{Created, Reply, Request};
use link::{Listener, Packets};
use server::Server;

/// Asks over a connection of its own.
struct Door(tempfile::TempDir);

impl Door {
    fn of(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&folder.path().join("control.sock")).unwrap();
        api::control::serve(listener, Arc::downgrade(&server.desk)).unwrap();
        Self(folder)
    }

    fn connect(&self) -> Packets {
        Packets::connect(&self.0.path().join("control.sock")).unwrap()
    }

    fn ask(&self, request: &impl serde::Serialize) -> Reply {
        let end = self.connect();
        end.send(request, &[]).unwrap();
        end.recv().unwrap().0
    }

    /// Makes an account, and gives what was answered and the key.
    fn make(&self, server: &Server, name: &str, devbox_capability: bool) -> (Created, String) {
        let (begun, key) = server.gate.begin_account().unwrap();
        match self.ask(&Request::CreateAccount { name: name.parse().unwrap(), devbox_capability, begun }) {
            Reply::AccountCreated(created) => (created, key.to_string()),
            Reply::Accounts { .. } | Reply::Refused { .. } => panic!("no account"),
        }
    }
}

fn denied(reply: Reply) -> (Denial, String) {
    match reply {
        Reply::Refused { why, message } => (why, message),
        Reply::Accounts { .. } | Reply::AccountCreated(_) => panic!("it was done"),
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_never_repeated() {
    let server = Server::start();
    let door = Door::of(&server);
    let (why, message) = denied(door.ask(&"canary"));
    assert!(why == Denial::Invalid && !message.contains("canary"), "{message}");
    let named = |name: &str| {
        let (begun, _) = server.gate.begin_account().unwrap();
        serde_json::json!({ "create_account": { "name": name, "devbox_capability": true, "begun": begun } })
    };
    assert_eq!(denied(door.ask(&named("canary\u{1b}[31m"))).0, Denial::Invalid);
    assert_eq!(denied(door.ask(&named(""))).0, Denial::Invalid);
    door.make(&server, "team", true);
    assert_eq!(denied(door.ask(&named("team"))).0, Denial::Exists);
}

#[tokio::test]
async fn one_who_says_nothing_keeps_nobody_out_for_long() {
    let server = Server::start();
    let door = Door::of(&server);
    let silent = door.connect();
    door.make(&server, "team", true);
    assert_eq!(denied(silent.recv().unwrap().0).0, Denial::Unavailable);
    drop(door.connect());
    // Descriptors that nobody asked for are closed.
    let end = door.connect();
    end.send(&Request::Accounts { after: None }, &[std::io::stdin().as_fd()]).unwrap();
    assert!(matches!(end.recv::<Reply>().unwrap().0, Reply::Accounts { .. }));
}

#[tokio::test]
async fn an_account_comes_with_its_first_key_and_sees_its_own_alone() {
    let server = Server::start();
    server.create("TOKEN").await;
    let door = Door::of(&server);
    let ((team, team_key), (_, guest_key)) = (door.make(&server, "team", true), door.make(&server, "guest", false));
    let call = |key: &str, path: &str| {
        let (key, path) = (key.to_owned(), path.to_owned());
        let server = &server;
        async move { server.call("GET", &path, Some(&key), "").await }
    };
    call(&guest_key, "/v1/secrets").await.is(403, "no_capability");
    let secrets = call(&team_key, "/v1/secrets").await;
    assert_eq!((secrets.status.as_u16(), secrets.each("secrets", "name").len()), (200, 0));
    let keys = call(&team_key, "/v1/api-keys").await;
    assert_eq!(keys.each("api_keys", "id"), [team.key_id.as_str()]);
    assert_eq!(call(&team_key, "/v1/events").await.each("events", "kind"), ["account_created", "key_created"]);
}

#[tokio::test]
async fn every_account_is_listed_oldest_first_page_by_page() {
    const MORE: usize = 205;
    let server = Server::start();
    let door = Door::of(&server);
    for number in 0..MORE {
        door.make(&server, &format!("team {number}"), true);
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let Reply::Accounts { accounts, next } = door.ask(&Request::Accounts { after }) else { panic!("no page") };
        names.extend(accounts.into_iter().map(|account| account.name));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 3 + MORE);
    assert_eq!((names[3].as_str(), names[2 + MORE].as_str()), ("team 0", "team 204"));
}
