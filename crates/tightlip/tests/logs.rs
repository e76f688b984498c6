//! What the server says of requests: a number that the answer carries too, in a form for programs where that is asked for, and nothing of the caller's.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "serving/server.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;

use server::{PATIENCE, Place, Server, up};

#[test]
fn a_request_is_told_with_its_answers_number_and_without_a_word_of_the_callers() {
    let place = Place::new();
    let mut command = up(&place.data());
    command.env("TIGHTLIP_LOG", "trace").env("TIGHTLIP_LOG_FORMAT", "json");
    let mut server = Server::spawned(command, &place.data());
    let address = server.url.strip_prefix("http://").unwrap();
    let key = std::fs::read_to_string(server.data.join("api-key")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /v1/secrets/CANARYNAME?canary=query HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nx-request-id: canary-number\r\n\
         user-agent: canary-agent\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let number = answer.lines().find_map(|line| line.strip_prefix("x-tightlip-request: ")).unwrap().to_owned();

    let mut stderr = server.process.stderr.take().unwrap();
    assert!(server.stop().success());
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        lines.iter().find(|line| line["span"]["id"] == number.as_str()).unwrap_or_else(|| panic!("no line tells of {number}:\n{log}"));
    let fields = &told["fields"];
    assert_eq!((&fields["method"], &fields["route"]), (&"GET".into(), &"/v1/secrets/{name}".into()));
    assert_eq!((&fields["status"], &fields["code"]), (&404.into(), &"secret_unknown".into()));
    assert!(fields["took_us"].as_u64().unwrap() > 0);
    assert!(!log.to_lowercase().contains("canary") && !log.contains(key.trim()), "{log}");
}

#[test]
fn a_word_that_the_variables_do_not_take_is_warned_of_once_and_the_default_holds() {
    let place = Place::new();
    let mut command = up(&place.data());
    command.env("TIGHTLIP_LOG", "nonsense").env("TIGHTLIP_LOG_FORMAT", "yaml");
    let mut server = Server::spawned(command, &place.data());
    server.wait_until_both_serve();
    let mut stderr = server.process.stderr.take().unwrap();
    assert!(server.stop().success());
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let warned = |words: &[&str]| log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
    assert_eq!(warned(&["WARN", "TIGHTLIP_LOG is not understood", "off, error, warn, info, debug, trace"]), 1, "{log}");
    assert_eq!(warned(&["WARN", "TIGHTLIP_LOG_FORMAT is not understood", "text and json"]), 1, "{log}");
    assert!(log.contains("INFO") && !log.contains("nonsense") && !log.contains("yaml"), "{log}");
}
