//! Too much of everything from inside a devbox: it costs the gateway little, reaches no host more often than allowed, and keeps no other devbox waiting for ever.

use std::time::Duration;

use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::h2;
use crate::http2::{body, service};
use crate::upstream::echo;
use crate::world::{API, Plan, VALUE, World};

/// Writes until the gateway has enough, or all is written; then reads until the end. What was read.
async fn pour(stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = tokio::io::split(stream);
    let writing = async {
        // A gateway that has enough closes before it has read everything.
        let _ = timeout(WAIT, to.write_all(bytes)).await;
        let _ = timeout(WAIT, to.shutdown()).await;
    };
    let reading = async {
        let mut answer = Vec::new();
        let _ = timeout(WAIT, from.read_to_end(&mut answer)).await.expect("the gateway ends it");
        answer
    };
    tokio::join!(writing, reading).1
}

fn frames_of(answer: &[u8], kind: u8) -> usize {
    let (mut rest, mut count) = (answer, 0);
    while let Ok(frame) = h2::read_frame(&mut rest) {
        count += usize::from(frame.kind == kind);
    }
    count
}

async fn world() -> World {
    let answer = service(|_| async { Response::new(body("hello", None)) });
    Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await
}

fn request(token: &str) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    h2::block(&[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", API), ("authorization", &bearer)])
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_taken_back_end_the_connection_and_reach_few_hosts() {
    let world = world().await;
    let block = request(&world.token("KEY"));
    let opened = |after: &dyn Fn(u32) -> Vec<u8>, flags: u8| {
        let streams = (1..20_000).step_by(2);
        let frames = streams.flat_map(|id| [h2::frame(h2::HEADERS, h2::END_HEADERS | flags, id, &block), after(id)].concat());
        [h2::hello(&[]), frames.collect()].concat()
    };
    let reset = opened(&|id| h2::frame(h2::RST_STREAM, 0, id, &8_u32.to_be_bytes()), h2::END_STREAM);
    // Frames that make the gateway reset: a window that is opened by nothing (CVE-2025-8671).
    let provoked = opened(&|id| h2::frame(h2::WINDOW_UPDATE, 0, id, &0_u32.to_be_bytes()), 0);
    // A client that is served once first, so that memory which stays is not taken for the flood's.
    assert_eq!(world.connect_http2(API).await.get(API, "/x", None).await.status, 200);
    let before_kib = rss_kib();
    for flood in [reset, provoked] {
        let stream = world.connect_tls(world.look_up(API).await, 443, API, "h2").await;
        let answer = pour(stream, &flood).await;
        assert_eq!(frames_of(&answer, h2::GOAWAY), 1, "it was told to go");
        assert!(frames_of(&answer, h2::HEADERS) < 1000 && frames_of(&answer, h2::RST_STREAM) < 1100);
    }
    assert!(rss_kib().saturating_sub(before_kib) < GROWTH_KIB_MAX, "{} KiB", rss_kib() - before_kib);
    assert!(world.received(API).len() < 1000, "{} requests reached the host", world.received(API).len());
    let reply = world.connect_http2(API).await.get(API, "/x", Some(&world.token("KEY"))).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_reach_nobody_over_either_protocol() {
    let world = world().await;
    let before_kib = rss_kib();
    let mut flood = h2::hello(&[]);
    flood.extend(h2::frame(h2::HEADERS, h2::END_STREAM, 1, &request(&world.token("KEY"))));
    let part = h2::block(&[("x", &"y".repeat(1000))]).repeat(16);
    (0..2000).for_each(|_| flood.extend(h2::frame(h2::CONTINUATION, 0, 1, &part)));
    let mut empty = h2::hello(&[]);
    empty.extend(h2::frame(h2::HEADERS, h2::END_STREAM, 1, &[]));
    empty.extend(h2::frame(h2::CONTINUATION, 0, 1, &[]).repeat(200_000));
    for flood in [flood, empty] {
        let stream = world.connect_tls(world.look_up(API).await, 443, API, "h2").await;
        assert_eq!(frames_of(&pour(stream, &flood).await, h2::HEADERS), 0);
    }
    let bearer = world.bearer("KEY");
    for lines in ["x: y\r\n".repeat(200_000), format!("x: {}\r\n", "y".repeat(4 * 1024 * 1024))] {
        let stream = world.connect_tls(world.look_up(API).await, 443, API, "http/1.1").await;
        let head = format!("GET /x HTTP/1.1\r\nhost: {API}\r\n{bearer}{lines}\r\n");
        let answer = pour(stream, head.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(rss_kib().saturating_sub(before_kib) < GROWTH_KIB_MAX, "{} KiB", rss_kib() - before_kib);
    assert!(world.received(API).is_empty(), "something reached the host");
    assert_eq!(world.connect_http2(API).await.get(API, "/x", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_devboxs_flood_takes_no_answer_from_another() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let neighbour = world.neighbour(&["KEY"]);
    // Connections that say nothing, half a head, and requests whose body never ends.
    let mut held = Vec::new();
    for number in 0..300 {
        let mut connection = world.connect(API).await;
        let text = match number % 3 {
            0 => String::new(),
            1 => format!("GET /x HTTP/1.1\r\nhost: {API}\r\nx: "),
            _ => format!("POST /x HTTP/1.1\r\nhost: {API}\r\n{}content-length: 1000000\r\n\r\nx", world.bearer("KEY")),
        };
        if !text.is_empty() {
            connection.send(text).await;
        }
        held.push(connection);
    }
    for _ in 0..50 {
        let reply = neighbour.get(API, "/x", &neighbour.bearer("KEY")).await;
        assert_eq!((reply.status, reply.refusal()), (200, None));
    }
    drop(held);
}

fn rss_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Gateway, devbox and host are one process here, and the floods themselves are some megabytes.
const GROWTH_KIB_MAX: u64 = 128 * 1024;
const WAIT: Duration = Duration::from_secs(60);
