//! Requests that could be read in two ways, byte by byte: refused, or sent on in the one form in which they were decided.

use std::time::Duration;

use crate::client::Connection;
use crate::upstream::echo;
use crate::world::{API, Plan, VALUE, World};

async fn world() -> World {
    Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await
}

/// Sends bytes on a connection of their own; gives the statuses that come back until the first after which the connection stays open, or its end.
async fn statuses(world: &World, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut connection: Connection = world.connect(API).await;
    connection.send(bytes).await;
    let mut statuses = Vec::new();
    while let Some(reply) = connection.reply(false).await {
        statuses.push(reply.status);
        if reply.header("connection") != Some("close") {
            break;
        }
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_reaches_nobody() {
    let world = world().await;
    let token = world.bearer("KEY");
    for (name, request) in [
        ("obs-fold", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx-a: 1\r\n 2\r\n{token}\r\n")),
        ("NUL in a value", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx-a: 1\0\r\n{token}\r\n")),
        ("NUL in the target", format!("GET /\0 HTTP/1.1\r\nhost: {API}\r\n{token}\r\n")),
        ("CR in a value", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx-a: 1\rx-b: 2\r\n{token}\r\n")),
        ("space before the colon", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx-a : 1\r\n{token}\r\n")),
        ("space in a name", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx a: 1\r\n{token}\r\n")),
        ("no name", format!("GET / HTTP/1.1\r\nhost: {API}\r\n: 1\r\n{token}\r\n")),
        ("no colon", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx-a\r\n{token}\r\n")),
        ("leading space before the first header", format!("GET / HTTP/1.1\r\n host: {API}\r\n{token}\r\n")),
        ("no host", format!("GET / HTTP/1.1\r\n{token}\r\n")),
        ("two hosts", format!("GET / HTTP/1.1\r\nhost: {API}\r\nhost: {API}\r\n{token}\r\n")),
        ("two different hosts", format!("GET / HTTP/1.1\r\nhost: {API}\r\nHOST: evil.example.com\r\n{token}\r\n")),
        ("userinfo in host", format!("GET / HTTP/1.1\r\nhost: x@{API}\r\n{token}\r\n")),
        ("userinfo in the target", format!("GET https://x@{API}/ HTTP/1.1\r\nhost: {API}\r\n{token}\r\n")),
        ("two lengths that differ", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: 1\r\ncontent-length: 2\r\n\r\nab")),
        ("a list of lengths", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: 1, 1\r\n\r\na")),
        ("a signed length", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: +1\r\n\r\na")),
        ("an unknown coding", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}transfer-encoding: gzip\r\n\r\n0\r\n\r\n")),
        ("chunked not last", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n")),
        (
            "chunked twice",
            format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("xchunked", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("chunked in HTTP/1.0", format!("POST / HTTP/1.0\r\nhost: {API}\r\n{token}transfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("HTTP/0.9", "GET /\r\n\r\n".to_owned()),
        ("HTTP/1.2", format!("GET / HTTP/1.2\r\nhost: {API}\r\n{token}\r\n")),
        ("HTTP/2 over HTTP/1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("two spaces", format!("GET  / HTTP/1.1\r\nhost: {API}\r\n{token}\r\n")),
        ("a space in the target", format!("GET /a b HTTP/1.1\r\nhost: {API}\r\n{token}\r\n")),
        ("no TLS name in the method", format!("G@T / HTTP/1.1\r\nhost: {API}\r\n{token}\r\n")),
        ("too many headers", format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}{token}\r\n", "x: y\r\n".repeat(300))),
        ("too large a head", format!("GET / HTTP/1.1\r\nhost: {API}\r\nx: {}\r\n{token}\r\n", "y".repeat(70_000))),
        ("SSH", "SSH-2.0-OpenSSH_9.0\r\n\r\n".to_owned()),
    ] {
        let statuses = statuses(&world, &request).await;
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{name}: {statuses:?}");
        assert!(world.received(API).is_empty(), "{name}: {:?}", world.received(API));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_in_one_way_is_sent_on_in_that_way() {
    let world = world().await;
    let token = world.bearer("KEY");
    for (name, request, body) in [
        ("a bare LF ends a line", format!("POST / HTTP/1.1\nhost: {API}\n{token}content-length: 1\n\na"), "a"),
        ("one length twice", format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: 1\r\ncontent-length: 1\r\n\r\na"), "a"),
        (
            "a coding beside a length",
            format!(
                "POST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: 100\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
            ),
            "a",
        ),
        (
            "chunk extensions",
            format!("POST / HTTP/1.1\r\nhost: {API}\r\n{token}transfer-encoding: chunked\r\n\r\n1;x=\"y\"\r\na\r\n0\r\n\r\n"),
            "a",
        ),
        ("HTTP/1.0", format!("POST / HTTP/1.0\r\nhost: {API}\r\n{token}content-length: 1\r\n\r\na"), "a"),
        ("an empty line first", format!("\r\nPOST / HTTP/1.1\r\nhost: {API}\r\n{token}content-length: 1\r\n\r\na"), "a"),
    ] {
        let before = world.received(API).len();
        let statuses = statuses(&world, &request).await;
        let received = world.received(API).split_off(before);
        match received.as_slice() {
            [one] => {
                assert_eq!(statuses, [200], "{name}");
                let (head, sent) = one.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with("POST / HTTP/1.1\r\n") && !head.replace("\r\n", "").contains(['\r', '\n']), "{name}: {one}");
                assert_eq!((sent, head.matches("content-length").count() <= 1), (body, true), "{name}: {one}");
            }
            more => panic!("{name}: {more:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_does_not_end_as_a_whole_one() {
    let world = world().await;
    for (name, body) in [
        ("a chunk size that is none", "zz\r\na\r\n0\r\n\r\n"),
        ("a negative chunk size", "-1\r\na\r\n0\r\n\r\n"),
        ("a chunk size too large to count", "fffffffffffffffff\r\na\r\n0\r\n\r\n"),
        ("a chunk longer than it says", "1\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut connection = world.connect(API).await;
        connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
        let reply = connection.reply(false).await;
        assert!(reply.is_none_or(|reply| reply.status >= 400), "{name}");
        assert!(world.received(API).is_empty(), "{name}: {:?}", world.received(API));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_one_decision_however_they_arrive() {
    let world = world().await;
    let token = world.bearer("KEY");
    let inner = format!("GET /inner HTTP/1.1\r\nhost: {API}\r\n{token}\r\n");
    let outer = format!("POST /outer HTTP/1.1\r\nhost: {API}\r\ncontent-length: {}\r\n\r\n{inner}", inner.len());
    let foreign = "GET /third HTTP/1.1\r\nhost: evil.example.com\r\n\r\n";
    let mut connection = world.connect(API).await;
    connection.send(format!("{outer}{inner}{foreign}")).await;
    assert_eq!(connection.reply(false).await.unwrap().status, 200);
    assert_eq!(connection.reply(false).await.unwrap().status, 200);
    assert_eq!(connection.reply(false).await.unwrap().refusal().as_deref(), Some("name_mismatch"));
    let received = world.received(API);
    assert_eq!(received.len(), 2);
    // A request inside a body is a body: its token stays one.
    assert!(received[0].contains(&token) && !received[0].contains(VALUE));
    assert!(received[1].starts_with("GET /inner ") && received[1].contains(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_arrives_byte_by_byte_is_one_head() {
    let world = world().await;
    let mut connection = world.connect(API).await;
    for byte in format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY")).bytes() {
        connection.send([byte]).await;
    }
    assert_eq!(connection.reply(false).await.unwrap().status, 200);
    assert!(world.received(API)[0].contains(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_end_its_head_is_left() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).idle(Duration::from_millis(300)).start().await;
    let mut slow = world.connect(API).await;
    slow.send("GET / HTTP/1.1\r\nhost: ").await;
    let mut silent = world.connect(API).await;
    slow.rest().await;
    silent.rest().await;
    let address = world.look_up(API).await;
    let mut no_greeting = world.connect_plain(address, 443).await;
    no_greeting.rest().await;
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_tls_on_a_tls_port_ends() {
    let world = world().await;
    let address = world.look_up(API).await;
    for bytes in ["SSH-2.0-OpenSSH_9.0\r\n", "GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n"] {
        let mut connection = world.connect_plain(address, 443).await;
        connection.send(bytes).await;
        assert!(!String::from_utf8_lossy(&connection.rest().await).contains("HTTP"));
    }
    assert_eq!(world.upstreams[API].connections(), 0);
}
