//! WebSockets: the handshake is a request like others, and no message of the host holds a value.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::upstream::{Script, Step, always, frame, masked_frame, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World};

/// Agrees, says what stood in `authorization`, and then gives every frame back.
fn echoing() -> Script {
    Arc::new(|request| {
        let said = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        vec![
            say(format!(
                "HTTP/1.1 101 {said}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nx-said: {said}\r\n\r\n"
            )),
            Step::Say(frame(0x81, said.as_bytes())),
            Step::EchoFrames,
        ]
    })
}

fn handshake(host: &str, more: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nhost: {host}\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: permessage-deflate\r\n{more}\r\n"
    )
}

async fn open(world: &World) -> Connection {
    let mut connection = world.connect(API).await;
    connection.send(handshake(API, &world.bearer("KEY"))).await;
    let reply = connection.reply(false).await.unwrap();
    assert_eq!((reply.status, reply.header("upgrade"), reply.header("connection")), (101, Some("websocket"), Some("Upgrade")), "{reply:?}");
    assert_eq!(reply.header("x-said"), Some(format!("Bearer {}", world.token("KEY")).as_str()));
    assert!(!reply.head.contains(VALUE) && reply.header("sec-websocket-accept") == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    connection.expect(&frame(0x81, format!("Bearer {}", "*".repeat(VALUE.len())).as_bytes())).await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_with_the_value_and_says_nothing_of_it() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echoing()).start().await;
    let mut connection = open(&world).await;
    let seen = world.received(API)[0].to_ascii_lowercase();
    assert!(seen.contains(&format!("authorization: bearer {}", VALUE.to_ascii_lowercase())), "{seen}");
    assert!(seen.contains("upgrade: websocket") && seen.contains("connection: upgrade") && !seen.contains("deflate"), "{seen}");
    let token = world.token("KEY");
    for (first, text) in [(0x81, "hello"), (0x82, "bytes"), (0x89, "ping"), (0x81, token.as_str())] {
        connection.send(masked_frame(first, text.as_bytes())).await;
        connection.expect(&frame(first, text.as_bytes())).await;
    }
    assert_eq!(world.received(API).last(), Some(&token), "a token in a message is as inert as anywhere");
    connection.send(masked_frame(0x81, VALUE.as_bytes())).await;
    connection.expect(&frame(0x81, "*".repeat(VALUE.len()).as_bytes())).await;
    connection.send(masked_frame(0x88, b"")).await;
    assert_eq!(connection.rest().await, frame(0x88, b""));
    assert_eq!(world.upstreams[API].closed(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_quiet_stays_open_beyond_every_time_limit() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echoing()).idle(Duration::from_millis(300)).start().await;
    let mut connection = open(&world).await;
    // Longer than the gateway waits for a head, for the next request, and for a reply.
    tokio::time::sleep(Duration::from_secs(4)).await;
    connection.send(masked_frame(0x81, b"still here")).await;
    connection.expect(&frame(0x81, b"still here")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_value_and_with_its_devbox() {
    for change in ["delete", "update", "unbind", "devbox"] {
        let mut world = Plan::default().bound("KEY", VALUE, API).upstream(API, echoing()).allow(API).start().await;
        let mut connection = open(&world).await;
        let begun = Instant::now();
        match change {
            "delete" => world.delete("KEY"),
            "update" => world.update("KEY", "another-value-of-the-same-secret"),
            "unbind" => world.unbind("KEY"),
            _ => drop(world.attached.take()),
        }
        connection.rest().await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{change}: {:?}", begun.elapsed());
        world.upstreams[API].until_closed(change).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_agree_answers_as_to_any_request() {
    let world = Plan::default()
        .bound("KEY", VALUE, API)
        .upstream(API, always(vec![plain("no socket here")]))
        .upstream(OTHER, always(vec![say("HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n")]))
        .allow(OTHER)
        .start()
        .await;
    let mut connection = world.connect(API).await;
    assert_eq!(connection.ask(&handshake(API, &world.bearer("KEY"))).await.text(), "no socket here");
    assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await.text(), "no socket here", "the connection goes on");
    assert_eq!(world.connect(OTHER).await.ask(&handshake(OTHER, "")).await.refusal().as_deref(), Some("upgrade_unsupported"));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_could_hide_a_value_end_the_socket() {
    let script: Script = Arc::new(|_| {
        let agreement = say("HTTP/1.1 101 x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
        vec![agreement, Step::Say(frame(0x81, b"plain")), Step::Say(frame(0xc1, b"compressed")), Step::Say(frame(0x81, b"later"))]
    });
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let mut connection = world.connect(API).await;
    connection.send(handshake(API, "")).await;
    assert_eq!(connection.reply(false).await.unwrap().status, 101);
    // What came before it may have come in one piece with it.
    let rest = connection.rest().await;
    assert!(rest.is_empty() || rest == frame(0x81, b"plain"), "{rest:?}");
}
