//! A host says a value in another exchange at the moment in which it hears it: under another of its names, to another devbox, or to the same one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::Connection;
use crate::installation::secret_name;
use crate::puppet::{Puppet, puppet};
use crate::upstream::{Hand, Script, frame, plain, scripted};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

const SECOND: &str = "Another-value_of.the-same~account/98765";
/// Of a value that is rotated; each is as good a chance to be late.
const ROTATIONS: usize = 8;

/// A value for each rotation, none of which is like another.
fn rotated(number: usize) -> String {
    format!("{}-value.of+rotation~", ["Kj", "Qx", "Vw", "Bz", "Hp", "Tn", "Rm", "Gd"][number]).repeat(2)
}

/// What stood behind `Bearer`.
fn heard(request: &str) -> Option<String> {
    request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).map(str::to_owned)
}

/// Answers, and has said what it heard before that.
fn telling(tell: impl Fn(Vec<u8>) + Send + Sync + 'static, dress: fn(&str) -> Vec<u8>) -> Script {
    Arc::new(move |request| {
        heard(request).iter().for_each(|value| tell(dress(value)));
        vec![plain("ok")]
    })
}

fn chunk(value: &str) -> Vec<u8> {
    let text = format!("saw {value}\n");
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A stream that the devbox holds open at the host that the puppet moves.
async fn stream(world: &World, host: &str, upstream: &mut Puppet) -> Connection {
    let mut stream = world.connect(host).await;
    stream.send(format!("GET /hub HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
    upstream.hears("\r\n\r\n").await;
    upstream.says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n");
    stream.read_until(b"begun\n").await;
    stream.rest_now();
    stream
}

/// The next line of the stream that tells of a value.
async fn next(stream: &mut Connection) -> String {
    stream.read_until(b"\n\r\n").await;
    String::from_utf8(stream.rest_now()).unwrap()
}

async fn send(world: &World, host: &str) {
    let reply = world.get(host, "/poke", &world.bearer("KEY")).await;
    assert_eq!((reply.status, reply.refusal()), (200, None));
}

fn assert_hidden(said: &str, value: &str) {
    let survives = |window: &[u8]| said.as_bytes().windows(8).any(|other| other == window);
    assert!(!value.as_bytes().windows(8).any(survives), "{said:?} tells of {value:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_value_is_known_to_a_stream_at_the_hosts_other_name_before_it_leaves() {
    let (hand, mut other) = puppet();
    let script = telling(other.voice(), chunk);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).by_hand(OTHER, hand).allow(OTHER).start().await;
    let mut stream = stream(&world, OTHER, &mut other).await;
    for number in 0..ROTATIONS {
        let value = rotated(number);
        world.update("KEY", &value);
        send(&world, API).await;
        assert_hidden(&next(&mut stream).await, &value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_goes_to_a_host_for_the_first_time_is_known_to_another_devboxs_stream_there_before_it_leaves() {
    for _ in 0..3 {
        let (hand, mut hub) = puppet();
        // The same host under two names: at one of them it says what it heard at the other, to whoever listens there.
        let script = telling(hub.voice(), chunk);
        let world = Plan::default()
            .secret("KEY", VALUE, vec![binding("*.example.com")])
            .bound("SECOND", SECOND, OTHER)
            .upstream(API, script)
            .by_hand(OTHER, hand)
            .start()
            .await;
        let beside = world.neighbour(&["KEY", "SECOND"]);
        let mut stream = stream(&beside, OTHER, &mut hub).await;
        world.update("KEY", &rotated(0));
        send(&world, API).await;
        assert_hidden(&next(&mut stream).await, &rotated(0));
    }
}

/// A host that gives the first connection to a puppet, and answers others by itself.
fn hub(hand: Hand, script: Script) -> Hand {
    let taken = AtomicBool::new(false);
    let others = scripted(script);
    Arc::new(move |stream, seen| {
        let is_first = !taken.swap(true, Ordering::SeqCst);
        if is_first { hand(stream, seen) } else { others(stream, seen) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn another_devboxs_stream_at_the_same_name_knows_a_first_use_and_every_rotation() {
    let (hand, mut listening) = puppet();
    let script = telling(listening.voice(), chunk);
    let world = Plan::default().bound("KEY", VALUE, API).bound("SECOND", SECOND, API).by_hand(API, hub(hand, script)).start().await;
    // It holds another secret, and none of what is sent here.
    let beside = world.neighbour(&["SECOND"]);
    let mut stream = stream(&beside, API, &mut listening).await;
    send(&world, API).await;
    assert_hidden(&next(&mut stream).await, VALUE);
    for number in 0..ROTATIONS {
        let value = rotated(number);
        world.update("KEY", &value);
        send(&world, API).await;
        assert_hidden(&next(&mut stream).await, &value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_holders_of_a_secret_at_one_name_see_no_rotation_of_each_others() {
    let (hand, mut listening) = puppet();
    let script = telling(listening.voice(), chunk);
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hub(hand, script)).start().await;
    let beside = world.neighbour(&["KEY"]);
    let mut stream = stream(&beside, API, &mut listening).await;
    for number in 0..ROTATIONS {
        let value = rotated(number);
        world.update("KEY", &value);
        send(&world, API).await;
        let said = next(&mut stream).await;
        assert_hidden(&said, &value);
        assert!(said.contains(&beside.token("KEY")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_head_is_awaited_knows_what_left_meanwhile() {
    fn whole(value: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nx-saw: {value}\r\ncontent-length: {}\r\n\r\nsaw {value}\n", value.len() + 5).into_bytes()
    }
    let (hand, mut poll) = puppet();
    let script = telling(poll.voice(), whole);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).by_hand(OTHER, hand).allow(OTHER).start().await;
    let mut waiting = world.connect(OTHER).await;
    for number in 0..ROTATIONS {
        let value = rotated(number);
        waiting.send(format!("GET /poll/{number} HTTP/1.1\r\nhost: {OTHER}\r\n\r\n")).await;
        poll.hears(&format!("/poll/{number} ")).await;
        world.update("KEY", &value);
        send(&world, API).await;
        let reply = waiting.reply(false).await.unwrap();
        assert_eq!(reply.status, 200);
        assert_hidden(&format!("{}{}", reply.head, reply.text()), &value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_knows_what_left_meanwhile() {
    fn message(value: &str) -> Vec<u8> {
        frame(0x81, format!("saw {value}\n").as_bytes())
    }
    let (hand, mut socket) = puppet();
    let script = telling(socket.voice(), message);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).by_hand(OTHER, hand).allow(OTHER).start().await;
    let mut listening = world.connect(OTHER).await;
    let asked = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    listening.send(format!("GET / HTTP/1.1\r\nhost: {OTHER}\r\n{asked}\r\n")).await;
    socket.hears("\r\n\r\n").await;
    socket.says("HTTP/1.1 101 x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(listening.reply(false).await.unwrap().status, 101);
    for number in 0..ROTATIONS {
        let value = rotated(number);
        world.update("KEY", &value);
        send(&world, API).await;
        listening.read_until(b"\n").await;
        assert_hidden(&String::from_utf8_lossy(&listening.rest_now()), &value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_bound_again_is_known_everywhere_before_it_leaves() {
    let (hand, mut other) = puppet();
    let script = telling(other.voice(), chunk);
    let world = Plan::default()
        .bound("KEY", VALUE, API)
        .bound("SECOND", SECOND, OTHER)
        .upstream(API, script)
        .by_hand(OTHER, hand)
        .allow(API)
        .start()
        .await;
    let mut stream = stream(&world, OTHER, &mut other).await;
    send(&world, API).await;
    assert_hidden(&next(&mut stream).await, VALUE);
    for _ in 0..ROTATIONS {
        // Bound nowhere it is no secret at the other name, and the stream's plan forgets it.
        world.unbind("KEY");
        tokio::time::sleep(Duration::from_millis(150)).await;
        let secret = secret_name("KEY");
        world.house.gate.bind(&world.house.admin_key, &world.house.caller(), &secret, binding(API)).unwrap();
        send(&world, API).await;
        assert_hidden(&next(&mut stream).await, VALUE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_anything_to_look_for_ends_where_another_devbox_sends_it_a_value() {
    let (hand, mut listening) = puppet();
    let script = telling(listening.voice(), chunk);
    let world = Plan::default().bound("KEY", VALUE, API).secret("FREE", SECOND, vec![]).by_hand(API, hub(hand, script)).start().await;
    let beside = world.neighbour_with(&["FREE"], &[API]);
    let mut stream = stream(&beside, API, &mut listening).await;
    send(&world, API).await;
    assert_hidden(&String::from_utf8_lossy(&stream.rest().await), VALUE);
}
