//! Random bytes, and requests with something wrong in them, at a live server: whatever comes, it serves on.

use std::io::{Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::h2;
use crate::siege::{Siege, status};

#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Cut(usize),
    Twice,
}

fn change(bytes: &mut Vec<u8>, change: &Change) {
    let at = |index: usize| index % (bytes.len().max(1));
    match change {
        Change::Set(index, byte) if !bytes.is_empty() => {
            let at = at(*index);
            bytes[at] = *byte;
        }
        Change::Insert(index, more) => {
            let at = at(*index);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(index, count) => {
            let at = at(*index);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Cut(index) => bytes.truncate(at(*index)),
        Change::Twice => bytes.extend(bytes.clone()),
        Change::Set(..) => {}
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), vec(any::<u8>(), 1..40)).prop_map(|(at, more)| Change::Insert(at, more)),
        (
            any::<usize>(),
            select(vec![b"\r\n".to_vec(), b"\r\n\r\n".to_vec(), b"%00".to_vec(), b"\0".to_vec(), b"content-length: 9\r\n".to_vec()])
        )
            .prop_map(|(at, more)| Change::Insert(at, more)),
        (any::<usize>(), 1..30_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        any::<usize>().prop_map(Change::Cut),
        Just(Change::Twice),
    ];
    vec(one, 0..6)
}

#[test]
fn whatever_bytes_come_the_server_serves_on() {
    let siege = Siege::begin();
    let (key, address) = (siege.key.clone(), siege.address());
    let body = r#"{"name":"RANDOM","value":"a value of some length"}"#;
    let block = h2::block(&h2::request("GET", "/v1/secrets", "localhost", &key));
    let seeds = vec![
        Vec::new(),
        format!("GET /v1/secrets?limit=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\n\r\n").into_bytes(),
        format!("POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(),
        format!("POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
            .into_bytes(),
        [h2::hello(&[(4, 65_535)]), h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &block)].concat(),
        [h2::hello(&[]), h2::frame(h2::DATA, 0, 1, b"{}"), h2::frame(h2::PING, 0, 0, b"01234567")].concat(),
    ];
    let input = (select(seeds), changes(), vec(any::<u8>(), 0..200));
    let mut runner = TestRunner::new(Config { failure_persistence: None, max_shrink_iters: 200, ..Config::default() });
    let outcome = runner.run(&input, |(seed, changes, tail)| {
        let mut bytes = [seed, tail].concat();
        changes.iter().for_each(|one| change(&mut bytes, one));
        let mut stream = crate::siege::connect(std::net::Ipv4Addr::LOCALHOST, address).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        prop_assert!(status(&answer) < 500, "{}", String::from_utf8_lossy(&answer));
        let alive = siege.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        prop_assert_eq!(status(&alive), 200);
        Ok(())
    });
    outcome.unwrap();
    siege.end();
}
