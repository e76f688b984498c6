//! A server that is asked to end: what was begun is finished, nobody new is let in, and nobody is kept waiting.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::h2;
use crate::server::{PATIENCE, Place, Server, wait_for};
use crate::tls::{prepared, tls_address};

const BODY: &str = r#"{"name":"NAME","value":"a value of some length"}"#;

fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

fn key(server: &Server) -> String {
    format!("Bearer {}", fs::read_to_string(server.data.join("api-key")).unwrap().trim())
}

fn ask_to_end(server: &Server) {
    kill(Pid::from_raw(server.process.id().cast_signed()), Signal::SIGTERM).unwrap();
}

fn is_closed(address: SocketAddr) -> Option<()> {
    TcpStream::connect(address).is_err().then_some(())
}

/// Begins a create over HTTP/1.1 whose body's second half is still to come.
fn begin<S: Read + Write>(mut stream: S, server: &Server, name: &str) -> impl FnOnce() -> String {
    let body = BODY.replace("NAME", name);
    let head = format!(
        "POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        key(server),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body: the request is under way.
    let mut said = [0; 25];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    move || {
        stream.write_all(&body.as_bytes()[10..]).unwrap();
        let mut answer = Vec::new();
        // A server that ends does not always end TLS politely.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

#[test]
fn what_was_begun_is_finished_over_every_protocol_and_newcomers_are_refused() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &["localhost"]);
    let mut server = Server::start(&place.data());
    let (clear, secure) = (address(&server), tls_address(&server));
    let plain = TcpStream::connect(clear).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    let over_http1 = begin(plain, &server, "A");
    let over_tls = begin(authority.connect(secure, "localhost", b"http/1.1").unwrap().0, &server, "B");
    let mut h2 = TcpStream::connect(clear).unwrap();
    h2.set_read_timeout(Some(PATIENCE)).unwrap();
    let (key, body) = (key(&server), BODY.replace("NAME", "C"));
    let mut headers = h2::request("POST", "/v1/secrets", "localhost", &key).to_vec();
    headers.push(("content-type", "application/json"));
    h2.write_all(&[h2::hello(&[]), h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &h2::block(&headers))].concat()).unwrap();
    h2.write_all(&h2::frame(h2::PING, 0, 0, b"are you?")).unwrap();
    while h2::read_frame(&mut h2).unwrap().kind != h2::PING {}

    ask_to_end(&server);
    wait_for("closed doors", || is_closed(clear).and(is_closed(secure)));
    // timeout(1) asks the process and then its group: that is one asking, and no hurry.
    ask_to_end(&server);
    let mut frame = h2::read_frame(&mut h2).unwrap();
    while frame.kind != h2::GOAWAY {
        frame = h2::read_frame(&mut h2).unwrap();
    }
    h2.write_all(&h2::frame(h2::DATA, h2::END_STREAM, 1, body.as_bytes())).unwrap();
    let created = h2::answer(&mut h2, 1).unwrap().expect("200");
    assert!(created.contains("\"C\""), "{created}");
    for (answer, name) in [(over_http1(), "\"A\""), (over_tls(), "\"B\"")] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(name), "{answer}");
    }
    drop(h2);
    let status = wait_for("the end", || server.process.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let mut log = String::new();
    server.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(!log.contains("was killed"), "{log}");

    let again = Server::start(&place.data());
    for name in ["A", "B", "C"] {
        assert_eq!(again.get(&format!("/v1/secrets/{name}")).unwrap().0, 200, "{name} was acknowledged");
    }
}

#[test]
fn idle_and_following_clients_are_let_go_at_once() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &["localhost"]);
    let mut server = Server::start(&place.data());
    let silent = TcpStream::connect(address(&server)).unwrap();
    let (silent_tls, _) = authority.connect(tls_address(&server), "localhost", b"h2").unwrap();
    let half_handshake = TcpStream::connect(tls_address(&server)).unwrap();
    let mut follower = TcpStream::connect(address(&server)).unwrap();
    follower.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = format!("GET /v1/events?follow=true HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\r\n", key(&server));
    follower.write_all(ask.as_bytes()).unwrap();
    let mut first = [0; 12];
    follower.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let api = server.child("__api", None);
    let asked = std::time::Instant::now();
    ask_to_end(&server);
    wait_for("the api's end", || crate::server::is_gone(api).then_some(()));
    // Far less than what a request under way may take, with room for a busy machine.
    assert!(asked.elapsed() < Duration::from_millis(2900), "{:?}", asked.elapsed());
    let mut rest = Vec::new();
    follower.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream ended in order");
    assert!(wait_for("the end", || server.process.try_wait().unwrap()).success());
    drop((silent, silent_tls, half_handshake));
}

#[test]
fn an_api_that_alone_is_asked_to_end_is_started_again_on_its_ports() {
    let place = Place::new();
    let (authority, _) = prepared(&place, &["localhost"]);
    let server = Server::start(&place.data());
    let api = server.child("__api", None);
    kill(Pid::from_raw(api), Signal::SIGTERM).unwrap();
    assert_ne!(server.child("__api", Some(api)), api);
    server.wait_until_both_serve();
    wait_for("TLS", || authority.connect(tls_address(&server), "localhost", b"http/1.1").ok());
}
