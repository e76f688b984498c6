//! A change whose answer never arrived: the retry gets that answer, whatever happened in between, and nothing is done twice.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "serving/server.rs"]
#[allow(dead_code, reason = "each test program uses its own part")]
mod server;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Barrier, Mutex};

use server::{PATIENCE, Place, Server, kill_9, wait_for};

/// Sends a create under a number and leaves the connection to the caller; its answer is not read.
fn send(server: &Server, number: &str, name: &str) -> TcpStream {
    let key = std::fs::read_to_string(server.data.join("api-key")).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = format!(r#"{{"name":"{name}","value":"a value for {name}"}}"#);
    let head = format!(
        "POST /v1/secrets HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nx-request-id: {number}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

/// The status and body of an answer.
fn read(mut stream: TcpStream) -> (u16, serde_json::Value) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// The id of a secret once it is there.
fn committed(server: &Server, name: &str) -> String {
    let body = wait_for("the commit", || server.get(&format!("/v1/secrets/{name}")).filter(|(status, _)| *status == 200)).1;
    serde_json::from_str::<serde_json::Value>(&body).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_cut_connection_and_a_killed_api_lose_no_answer() {
    let place = Place::new();
    let server = Server::start(&place.data());
    let mut ids = HashSet::new();
    for round in 0..6 {
        let (name, number) = (format!("S{round}"), format!("number-{round}"));
        let lost = send(&server, &number, &name);
        let id = committed(&server, &name);
        drop(lost);
        if round % 2 == 1 {
            let api = server.child("__api", None);
            kill_9(api);
            server.child("__api", Some(api));
            server.wait_until_both_serve();
        }
        let (status, again) = read(send(&server, &number, &name));
        assert_eq!((status, again["id"].as_str()), (200, Some(id.as_str())), "round {round}: {again}");
        assert_eq!(committed(&server, &name), id);
        assert!(ids.insert(id));
    }
    let list: serde_json::Value = serde_json::from_str(&server.get("/v1/secrets").unwrap().1).unwrap();
    assert_eq!(list["total_count"], 6);
}

#[test]
fn a_retry_after_a_restart_of_everything_gets_the_first_answer() {
    let place = Place::new();
    let mut server = Server::start(&place.data());
    let (_, first) = read(send(&server, "one", "A"));
    assert!(server.stop().success());
    let server = Server::start(&place.data());
    assert_eq!(read(send(&server, "one", "A")), (200, first));
}

#[test]
fn two_hundred_duplicates_at_once_make_one_secret() {
    const CALLERS: usize = 200;
    let place = Place::new();
    let server = Server::start(&place.data());
    let (start, ids) = (Barrier::new(CALLERS), Mutex::new(HashSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                start.wait();
                let (status, answer) = read(send(&server, "the same", "A"));
                assert_eq!(status, 200, "{answer}");
                ids.lock().unwrap().insert(answer["id"].as_str().unwrap().to_owned());
            });
        }
    });
    assert_eq!(ids.lock().unwrap().len(), 1);
    let events: serde_json::Value = serde_json::from_str(&server.get("/v1/events?secret=A").unwrap().1).unwrap();
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
}
