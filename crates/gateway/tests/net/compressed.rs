//! Replies that come compressed, though nobody asked for it: decoded, scrubbed, and sent on plain.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::sync::Notify;

use crate::client::Reply;
use crate::upstream::{Step, always, say};
use crate::world::{API, OTHER, Plan, VALUE, World};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(text).unwrap();
    encoder.into_inner()
}

/// A reply with this body, which is coded so.
fn coded(coding: &str, body: &[u8]) -> Step {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\netag: \"a-tag\"\r\n\
         content-md5: x\r\ndigest: x\r\nrepr-digest: x\r\nvary: accept-encoding\r\n\r\n",
        body.len()
    );
    say([head.as_bytes(), body].concat())
}

async fn asked(steps: Vec<Step>, request: &str) -> (World, Reply) {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
    let reply = world.connect(API).await.ask(request).await;
    (world, reply)
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: {host}\r\naccept-encoding: gzip, br\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_one_breaks_off_and_never_passes_as_it_is() {
    let text = format!("before {VALUE} after");
    let whole = gzip(text.as_bytes());
    for body in [&b"abc"[..], text.as_bytes(), &whole[..whole.len() - 1], &[&whole[..], text.as_bytes()].concat()] {
        let steps = vec![coded("gzip", body), Step::Close];
        let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
        let mut connection = world.connect(API).await;
        connection.send(get(API)).await;
        let rest = connection.rest().await;
        let said = String::from_utf8_lossy(&rest);
        assert!(!said.contains(VALUE) && !said.ends_with("0\r\n\r\n"), "{said}");
        assert!(!rest.windows(3).any(|bytes| bytes == b"abc" || bytes.starts_with(&whole[..3])), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_one_is_replaced_and_nothing_is_said_of_the_coded_bytes() {
    let text = format!("before {VALUE} after {}", "and on ".repeat(50_000));
    let text = text.as_bytes();
    for (coding, body) in [
        ("gzip", gzip(text)),
        ("X-GZIP", [gzip(&text[..20]), gzip(&text[20..])].concat()),
        ("deflate", zlib(text)),
        ("br", brotli(text)),
        ("identity, br", brotli(text)),
        ("gzip, br", brotli(&gzip(text))),
    ] {
        let (world, reply) = asked(vec![coded(coding, &body)], &get(API)).await;
        let expected = String::from_utf8_lossy(text).replace(VALUE, &world.token("KEY"));
        assert!(reply.is_whole && reply.text() == expected, "{coding}: {}", reply.head);
        for gone in ["content-encoding", "content-length", "content-md5", "digest", "repr-digest"] {
            assert_eq!(reply.header(gone), None, "{coding}: {gone}");
        }
        let tag = reply.header("etag").unwrap();
        assert!(tag.starts_with("W/\"") && !tag.contains("a-tag"), "{coding}: {tag}");
        assert_eq!(reply.header("vary"), Some("accept-encoding"), "{coding}");
        assert!(world.received(API)[0].contains("accept-encoding: identity\r\n"), "it was not asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_alone_says_nothing_of_how_long_a_coded_body_would_be() {
    for status in ["200 OK", "304 Not Modified"] {
        for coded in ["content-encoding: gzip", "content-encoding: zstd", "x-content-encoding: br"] {
            let head = format!("HTTP/1.1 {status}\r\n{coded}\r\ncontent-length: 90\r\ncontent-md5: x\r\n\r\n");
            let (_, reply) = asked(vec![say(&head)], &get(API).replace("GET", "HEAD")).await;
            assert_eq!((reply.refusal(), reply.header("content-length"), reply.header("content-md5")), (None, None, None), "{head}");
            assert_eq!(reply.header("content-encoding"), None, "{head}");
        }
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 90\r\n\r\n";
    let (_, reply) = asked(vec![say(head)], &get(API).replace("GET", "HEAD")).await;
    assert_eq!(reply.header("content-length"), Some("90"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_bound_it_is_undone_for_a_devbox_with_values_and_passes_as_it_is_otherwise() {
    let text = format!("some text and {VALUE}");
    let body = gzip(text.as_bytes());
    let plan = || Plan::default().upstream(OTHER, always(vec![coded("gzip", &body)])).allow(OTHER);
    let reply = plan().bound("KEY", VALUE, API).start().await.connect(OTHER).await.ask(&get(OTHER)).await;
    assert_eq!((reply.header("content-encoding"), reply.text()), (None, format!("some text and {}", "*".repeat(VALUE.len()))));
    let reply = plan().start().await.connect(OTHER).await.ask(&get(OTHER)).await;
    assert_eq!((reply.header("content-encoding"), reply.header("etag")), (Some("gzip"), Some("\"a-tag\"")));
    assert_eq!(reply.body, body);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_one_come_through_as_they_are_flushed() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut event = |text: &str| {
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.flush().unwrap();
        std::mem::take(encoder.get_mut())
    };
    let (one, two, told) = (event("data: one\n\n"), event(&format!("data: {VALUE}\n\n")), Arc::new(Notify::new()));
    let steps = vec![
        say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"),
        say(one),
        Step::Wait(Arc::clone(&told)),
        say(two),
        Step::Wait(Arc::default()),
    ];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
    let mut connection = world.connect(API).await;
    connection.send(get(API)).await;
    connection.read_until(b"data: one\n\n").await;
    told.notify_one();
    connection.read_until(format!("data: {}\n\n", world.token("KEY")).as_bytes()).await;
}
