//! Clients that take their time: each is let go when its time is over, and thousands of them keep nobody out.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::h2;
use crate::server::wait_for;
use crate::siege::{Siege, connect, status};

/// Feeds a connection one byte at a time until it ends; what it answered.
fn drip(mut stream: TcpStream, byte: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let limit = Instant::now() + LIMIT;
    while Instant::now() < limit {
        let mut part = [0; 4096];
        match stream.read(&mut part) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&part[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stream.write_all(byte).is_err() {
                    return answer;
                }
            }
            Err(_) => return answer,
        }
    }
    panic!("it was never let go");
}

/// Takes as many descriptors as the system lets this process have, and says how many those are.
fn all_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.current.map_or(usize::MAX, |most| usize::try_from(most).unwrap())
}

#[test]
fn every_slow_client_is_let_go_and_told_where_that_is_possible() {
    let siege = Siege::begin();
    let key = siege.key.clone();
    let begin = |bytes: &[u8]| {
        let mut stream = siege.connect();
        stream.write_all(bytes).unwrap();
        stream
    };
    let post = format!("POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\ncontent-length: 100000\r\n\r\n{{");
    let stranger = "POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n{";
    let block = h2::block(&h2::request("POST", "/v1/secrets", "localhost", &key));
    let h2_post = [h2::hello(&[]), h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &block)].concat();
    let h2_head = [h2::hello(&[]), h2::frame(h2::HEADERS, 0, 1, &block[..10])].concat();
    let half_handshake = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let mut handshake = connect(Ipv4Addr::LOCALHOST, siege.tls_address()).unwrap();
    handshake.write_all(&half_handshake).unwrap();
    let silent = siege.tls(b"h2");
    let cases: Vec<(&str, TcpStream, Vec<u8>, Option<u16>)> = vec![
        ("nothing at all", begin(b""), vec![], None),
        ("half a request line", begin(b"GET /v1/secr"), vec![], None),
        ("a slow head", begin(b"GET /v1/secrets HTTP/1.1\r\nhost: localhost\r\nx: "), b"y".to_vec(), None),
        ("half a preface", begin(b"PRI * HTTP"), vec![], None),
        ("a slow body", begin(post.as_bytes()), b" ".to_vec(), Some(408)),
        ("a stranger's slow body", begin(stranger.as_bytes()), b" ".to_vec(), Some(401)),
        ("a slow head over HTTP/2", begin(&h2_head), h2::frame(h2::CONTINUATION, 0, 1, &[]), None),
        ("half a handshake", handshake, vec![], None),
        ("TLS and then nothing", silent.sock.try_clone().unwrap(), vec![], None),
        ("an idle HTTP/2 client that answers pings", begin(&h2::hello(&[])), h2::frame(h2::PING, 0, 0, b"01234567"), None),
    ];
    let mut over_h2 = begin(&h2_post);
    let told = std::thread::spawn(move || {
        let mut feed = over_h2.try_clone().unwrap();
        let (done, answered) = std::sync::mpsc::channel();
        let feeder = std::thread::spawn(move || {
            let part = h2::frame(h2::DATA, 0, 1, b" ");
            while answered.recv_timeout(Duration::from_millis(500)).is_err() && feed.write_all(&part).is_ok() {}
        });
        let told = h2::answer(&mut over_h2, 1);
        done.send(()).unwrap();
        feeder.join().unwrap();
        told
    });
    let threads: Vec<_> =
        cases.into_iter().map(|(what, stream, byte, expected)| (what, expected, std::thread::spawn(move || drip(stream, &byte)))).collect();
    for (what, expected, thread) in threads {
        let answer = thread.join().unwrap_or_else(|_| panic!("{what} was never let go"));
        if let Some(expected) = expected {
            assert_eq!(status(&answer), expected, "{what}: {}", String::from_utf8_lossy(&answer));
        }
    }
    assert!(told.join().unwrap().expect("an answer over HTTP/2").is_none());
    drop(silent);
    siege.end();
}

#[test]
fn an_answer_that_is_not_taken_is_given_up() {
    let siege = Siege::begin();
    let block = h2::block(&h2::request("GET", "/openapi.json", "localhost", &siege.key));
    let mut stream = siege.connect();
    // A window of one byte, and nobody who opens it.
    stream.write_all(&[h2::hello(&[(4, 1)]), h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &block)].concat()).unwrap();
    // It answers the server's pings, whose bytes are always the same (h2's `Ping::USER`).
    let alive = h2::frame(h2::PING, h2::ACK, 0, &[0x3b, 0x7c, 0xdb, 0x7a, 0x0b, 0x87, 0x16, 0xb4]);
    let ended = drip(stream, &alive);
    assert!(!ended.is_empty());
    // Many of them, over many connections: what is kept of their answers is bounded.
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut stream = siege.connect();
        let mut bytes = h2::hello(&[(4, 1)]);
        for id in (1..64).step_by(2) {
            bytes.extend(h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, id, &block));
        }
        stream.write_all(&bytes).unwrap();
        stalled.push(stream);
    }
    assert!(siege.growth_kib() < 192 * 1024, "{} KiB", siege.growth_kib());
    drop(stalled);
    siege.end();
}

#[test]
#[expect(clippy::print_stderr, reason = "a run that tries less than it says tells so")]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let count = IDLE.min(all_descriptors().saturating_sub(200));
    if count < IDLE {
        eprintln!("this process may have {count} connections, not {IDLE}");
    }
    assert!(count >= 2000, "too few descriptors to say anything");
    let siege = Siege::begin();
    let mut idle = Vec::new();
    // From one address, of which most are refused at once; then from ten, which may take every place.
    for _ in 0..1000 {
        idle.extend(connect(Ipv4Addr::LOCALHOST, siege.address()).ok());
    }
    for last in 0..count - 1000 {
        idle.extend(connect(Ipv4Addr::new(127, 0, 1, u8::try_from(last % 10).unwrap()), siege.address()).ok());
    }
    assert!(siege.growth_kib() < 64 * 1024, "{} KiB", siege.growth_kib());
    // A newcomer finds a place before the idle ones' ordinary time is over.
    let began = Instant::now();
    wait_for("a place", || {
        let mut stream = connect(Ipv4Addr::new(127, 0, 2, 1), siege.address()).ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (status(&answer) == 200).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let closed = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
            || matches!(stream.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    };
    let refused = idle.iter_mut().take(1000).filter_map(|stream| closed(stream).then_some(())).count();
    assert!(refused >= 700, "one address kept {} places", 1000 - refused);
    drop(idle);
    siege.end();
}

/// Beyond the longest that the server lets anything go on.
const LIMIT: Duration = Duration::from_secs(100);
const IDLE: usize = 10_000;
