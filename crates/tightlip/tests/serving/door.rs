//! `gateway.sock`: what people's tools may ask of the gateway, what it refuses, and how long a devbox lives.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use link::Packets;
use link::cli::{Denial, Opened, Reply, Request, Role, Wanted};

use crate::server::{Place, Server, kill_9, wait_for};

fn key(data: &Path) -> String {
    fs::read_to_string(data.join("api-key")).unwrap()
}

fn admin_key(data: &Path) -> String {
    fs::read_to_string(data.join("gateway/admin-key")).unwrap()
}

fn connect(server: &Server) -> Packets {
    Packets::connect(&server.data.join("gateway.sock")).unwrap()
}

fn ask(door: &Packets, request: &Request, fds: &[OwnedFd]) -> Reply {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    door.send(request, &fds).unwrap();
    door.recv::<Reply>().unwrap().0
}

fn denied(reply: Reply) -> (Denial, String) {
    let Reply::Refused { why, message } = reply else { panic!("it was done") };
    (why, message)
}

fn open(door: &Packets, data: &Path) -> Opened {
    let reply = ask(door, &Request::OpenDevbox { api_key: key(data), secrets: None, allow: vec![] }, &[]);
    if let Reply::Refused { message, .. } = &reply {
        panic!("{message}");
    }
    let Reply::DevboxOpened(opened) = reply else { panic!("another reply") };
    opened
}

fn bind(admin_key: String, api_key: String) -> Request {
    let binding = model::Binding::to_host("api.example.com".parse().unwrap());
    Request::Bind { admin_key, api_key, name: "NOT_STORED".parse().unwrap(), binding }
}

/// A devbox's listeners: of another network namespace, which only root can make without a devbox around it.
fn foreign_listeners() -> Option<(Vec<Role>, Vec<OwnedFd>)> {
    let make = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
        let tcp = TcpListener::bind("0.0.0.0:443").unwrap();
        let dns = UdpSocket::bind("0.0.0.0:53").unwrap();
        Some((vec![Role::Tcp(443), Role::Dns], vec![tcp.into(), dns.into()]))
    };
    std::thread::spawn(make).join().unwrap()
}

fn again(fds: &[OwnedFd]) -> Vec<OwnedFd> {
    fds.iter().map(|fd| fd.try_clone().unwrap()).collect()
}

#[test]
fn wrong_keys_are_refused_and_never_repeated() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let door = connect(&server);
    let wrong = "tlk_0123456789012345678901234567890123456789012".to_owned();
    let opening = |api_key| Request::OpenDevbox { api_key, secrets: None, allow: vec![] };
    let all = Request::Bindings { api_key: wrong.clone(), name: None, after: None };
    for request in [
        opening(wrong.clone()),
        opening(String::new()),
        opening(admin_key(&place.data())),
        all,
        bind(wrong.clone(), key(&place.data())),
        bind(admin_key(&place.data()), wrong.clone()),
        bind(key(&place.data()), key(&place.data())),
    ] {
        let (why, message) = denied(ask(&door, &request, &[]));
        assert_eq!(why, Denial::NotAuthenticated, "{message}");
        for sent in [&wrong, &key(&place.data()), &admin_key(&place.data())] {
            assert!(!message.contains(sent.as_str()));
        }
    }
    let (why, _) = denied(ask(&door, &bind(admin_key(&place.data()), key(&place.data())), &[]));
    assert_eq!(why, Denial::NotFound);
}

#[test]
fn a_secret_that_is_not_there_opens_no_devbox() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let door = connect(&server);
    let wanted = Wanted { env: "X".parse().unwrap(), name: "X".parse().unwrap() };
    let request = Request::OpenDevbox { api_key: key(&place.data()), secrets: Some(vec![wanted]), allow: vec![] };
    assert_eq!(denied(ask(&door, &request, &[])).0, Denial::NotFound);
    open(&door, &place.data());
}

#[test]
fn what_is_not_of_the_protocol_is_refused_and_the_door_stays_open() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let door = connect(&server);
    door.send(&"open sesame", &[]).unwrap();
    assert_eq!(denied(door.recv::<Reply>().unwrap().0).0, Denial::Invalid);
    assert!(matches!(ask(&door, &Request::Status, &[]), Reply::Ready));
}

#[test]
fn a_devbox_is_its_own_connections_and_takes_listeners_of_another_network_only() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let (door, other) = (connect(&server), connect(&server));
    let opened = open(&door, &place.data());
    let devbox = opened.devbox;
    let (why, _) = denied(ask(&door, &Request::OpenDevbox { api_key: key(&place.data()), secrets: None, allow: vec![] }, &[]));
    assert_eq!(why, Denial::Invalid, "a second one on the same connection");
    assert_eq!(denied(ask(&other, &Request::CloseDevbox { devbox: devbox.clone() }, &[])).0, Denial::NotFound);
    let resume = Request::ResumeDevbox { devbox: devbox.clone(), resume: opened.resume, roles: vec![Role::Tcp(443)] };
    let ours = || vec![OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap())];
    let port = |fds: &[OwnedFd]| TcpListener::from(fds[0].try_clone().unwrap()).local_addr().unwrap().port();
    denied(ask(&other, &resume, &ours()));
    let fds = ours();
    let own_network = Request::HandListeners { devbox: devbox.clone(), roles: vec![Role::Tcp(port(&fds))] };
    let (why, message) = denied(ask(&door, &own_network, &fds));
    assert_eq!(why, Denial::Forbidden, "{message}");
    let too_few = Request::HandListeners { devbox: devbox.clone(), roles: vec![Role::Tcp(443), Role::Dns] };
    assert_eq!(denied(ask(&door, &too_few, &fds)).0, Denial::Invalid);
    let Some((roles, fds)) = foreign_listeners() else { return };
    let hand = Request::HandListeners { devbox: devbox.clone(), roles };
    assert_eq!(denied(ask(&other, &hand, &again(&fds))).0, Denial::NotFound);
    assert!(matches!(ask(&door, &hand, &again(&fds)), Reply::Done));
    assert!(matches!(ask(&door, &Request::CloseDevbox { devbox }, &[]), Reply::DevboxClosed { .. }));
}

#[test]
fn a_devbox_ends_with_its_connection_and_that_is_recorded() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let door = connect(&server);
    let devbox = open(&door, &place.data()).devbox;
    let recorded = |what: &str| {
        let (_, events) = server.get("/v1/events")?;
        (events.contains(what) && events.contains(devbox.as_str())).then_some(())
    };
    wait_for("the opening's event", || recorded("devbox_opened"));
    drop(door);
    wait_for("the end's event", || recorded("devbox_closed"));
}

#[test]
fn a_devbox_is_taken_up_again_after_the_gateway_was_killed() {
    let Some((roles, fds)) = foreign_listeners() else { return };
    let place = Place::new();
    let server = Server::start(&place.data());
    let door = connect(&server);
    let Opened { devbox, resume, .. } = open(&door, &place.data());
    let hand = Request::HandListeners { devbox: devbox.clone(), roles: roles.clone() };
    assert!(matches!(ask(&door, &hand, &again(&fds)), Reply::Done));
    kill_9(server.child("__gateway", None));
    assert!(door.recv::<Reply>().is_err(), "the connection outlived the gateway");

    // Connecting waits in the listener's queue until the gateway is back.
    let door = connect(&server);
    let take_up = |text: &str| Request::ResumeDevbox { devbox: devbox.clone(), resume: text.to_owned(), roles: roles.clone() };
    assert_eq!(denied(ask(&door, &take_up("tlr_wrong"), &again(&fds))).0, Denial::NotAuthenticated);
    assert!(matches!(ask(&door, &take_up(&resume), &again(&fds)), Reply::Done));
    assert_eq!(denied(ask(&connect(&server), &take_up(&resume), &again(&fds))).0, Denial::NotFound);
    assert!(matches!(ask(&door, &Request::CloseDevbox { devbox }, &[]), Reply::DevboxClosed { .. }));
}
