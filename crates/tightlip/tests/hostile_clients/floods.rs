//! Too much of everything, as fast as it goes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::h2;
use crate::siege::{Siege, connect};

/// Writes until the server has enough, or all is written; then reads until the end. What was read.
fn pour(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn frames_of(answer: &[u8], kind: u8) -> usize {
    let (mut rest, mut count) = (answer, 0);
    while let Ok(frame) = h2::read_frame(&mut rest) {
        count += usize::from(frame.kind == kind);
    }
    count
}

#[test]
fn streams_that_are_opened_and_taken_back_end_the_connection_or_cost_little() {
    let siege = Siege::begin();
    let block = h2::block(&h2::request("GET", "/v1/secrets?limit=5000", "localhost", &siege.key));
    let mut flood = h2::hello(&[]);
    for id in (1..20_000).step_by(2) {
        flood.extend(h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, id, &block));
        flood.extend(h2::frame(h2::RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    for _ in 0..4 {
        pour(&mut siege.connect(), &flood);
        assert!(siege.growth_kib() < 128 * 1024, "{} KiB", siege.growth_kib());
    }
    // The same by frames that make the server reset: a window of its own that is opened by nothing (CVE-2025-8671).
    let mut flood = h2::hello(&[]);
    for id in (1..20_000).step_by(2) {
        flood.extend(h2::frame(h2::HEADERS, h2::END_HEADERS, id, &block));
        flood.extend(h2::frame(h2::WINDOW_UPDATE, 0, id, &0_u32.to_be_bytes()));
    }
    let answer = pour(&mut siege.connect(), &flood);
    assert!(frames_of(&answer, h2::RST_STREAM) < 1000 && frames_of(&answer, h2::HEADERS) < 1000);
    siege.end();
}

#[test]
fn headers_without_end_end_the_connection() {
    let siege = Siege::begin();
    let mut flood = h2::hello(&[]);
    flood.extend(h2::frame(h2::HEADERS, h2::END_STREAM, 1, &h2::block(&h2::request("GET", "/v1/secrets", "localhost", &siege.key))));
    let part = h2::block(&[("x", &"y".repeat(1000))]).repeat(16);
    for _ in 0..4000 {
        flood.extend(h2::frame(h2::CONTINUATION, 0, 1, &part));
    }
    let mut empty = h2::hello(&[]);
    empty.extend(h2::frame(h2::HEADERS, h2::END_STREAM, 1, &[]));
    empty.extend(h2::frame(h2::CONTINUATION, 0, 1, &[]).repeat(500_000));
    for flood in [flood, empty] {
        let answer = pour(&mut siege.connect(), &flood);
        assert_eq!(frames_of(&answer, h2::HEADERS), 0);
        assert!(siege.growth_kib() < 64 * 1024, "{} KiB", siege.growth_kib());
    }
    siege.end();
}

#[test]
fn pings_settings_and_empty_frames_are_answered_at_the_clients_own_pace() {
    let siege = Siege::begin();
    let ping = h2::frame(h2::PING, 0, 0, b"01234567").repeat(200_000);
    let settings = h2::frame(h2::SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(200_000);
    let block = h2::block(&h2::request("POST", "/v1/secrets", "localhost", &siege.key));
    let nothing = [h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &block), h2::frame(h2::DATA, 0, 1, &[]).repeat(200_000)].concat();
    for flood in [ping, settings, nothing] {
        let mut stream = siege.connect();
        stream.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        // Nothing is read meanwhile: a server that answers without end would need memory for it.
        let _ = stream.write_all(&[h2::hello(&[]), flood].concat());
        assert!(siege.growth_kib() < 64 * 1024, "{} KiB", siege.growth_kib());
    }
    siege.end();
}

#[test]
fn bodies_beyond_all_windows_are_not_kept() {
    let siege = Siege::begin();
    let block = h2::block(&h2::request("POST", "/v1/secrets", "localhost", &siege.key));
    let mut connections = Vec::new();
    for _ in 0..100 {
        let mut stream = siege.connect();
        stream.set_write_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let mut bytes = h2::hello(&[(4, 0)]);
        for id in (1..64).step_by(2) {
            bytes.extend(h2::frame(h2::HEADERS, h2::END_HEADERS, id, &block));
            bytes.extend(h2::frame(h2::DATA, 0, id, &vec![b'{'; 4000]));
        }
        let _ = stream.write_all(&bytes);
        connections.push(stream);
    }
    assert!(siege.growth_kib() < 96 * 1024, "{} KiB", siege.growth_kib());
    drop(connections);
    siege.end();
}

#[test]
fn strangers_bodies_are_not_kept() {
    let siege = Siege::begin();
    let body = vec![b'x'; 120_000];
    let head = format!(
        "POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer tlk_wrong\r\ncontent-length: {}\r\n\r\n",
        body.len() + 1
    );
    let mut connections = Vec::new();
    for _ in 0..200 {
        let mut stream = siege.connect();
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        connections.push(stream);
    }
    assert!(siege.growth_kib() < 64 * 1024, "{} KiB", siege.growth_kib());
    for stream in &mut connections {
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert!(matches!(&first, b"HTTP/1.1 401" | b"HTTP/1.1 429"), "{}", String::from_utf8_lossy(&first));
    }
    siege.end();
}

#[test]
fn garbage_on_the_tls_port_ends_at_once() {
    let siege = Siege::begin();
    for bytes in [b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), vec![0; 100_000], vec![22; 100_000], vec![255; 100_000]] {
        for _ in 0..50 {
            let mut stream = connect(Ipv4Addr::LOCALHOST, siege.tls_address()).unwrap();
            pour(&mut stream, &bytes);
        }
    }
    let mut tls = siege.tls(b"http/1.1");
    tls.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut first = [0; 12];
    tls.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    siege.end();
}
