//! What comes piece by piece passes piece by piece, either way; and a body that its host does not want is not sent.

use std::time::Duration;

use http::{HeaderMap, Request};
use model::{Binding, Form};
use tokio::sync::mpsc::unbounded_channel;

use crate::http2::{AnyBody, body, pieces, service};
use crate::puppet::puppet;
use crate::world::{API, Plan, VALUE, World, binding};

/// The head of a request with a body of five bytes that waits for leave.
fn asking(world: &World) -> String {
    format!("POST / HTTP/1.1\r\nhost: {API}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n{}\r\n", world.bearer("KEY"))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_chunks_is_not_held_for_its_end() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\ntransfer-encoding: chunked\r\n{}\r\n", world.bearer("KEY"))).await;
    assert!(host.hears("\r\n\r\n").await.contains(VALUE), "the head goes before there is a body");
    for piece in ["first", "second"] {
        connection.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        host.hears(piece).await;
    }
    connection.send("0\r\n\r\n").await;
    assert!(host.hears("0\r\n\r\n").await.ends_with("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"));
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_known_length_is_not_held_either() {
    let (hand, mut host) = puppet();
    let plain = Binding { port: 80, ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![plain]).plain_by_hand(API, hand).start().await;
    let mut connection = world.connect_plain(world.look_up(API).await, 80).await;
    connection.send(format!("PUT / HTTP/1.1\r\nhost: {API}\r\ncontent-length: 11\r\n{}\r\nfirst", world.bearer("KEY"))).await;
    host.hears("first").await;
    connection.send("second").await;
    host.hears("second").await;
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_an_upload_passes_as_it_comes_to_a_host_of_either_kind() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let (say, said) = unbounded_channel();
    let request = Request::post(format!("https://{API}/")).body(pieces(said)).unwrap();
    let connection = world.connect_http2(API).await;
    let asked = tokio::spawn(async move { connection.ask(request).await });
    for piece in ["first", "second"] {
        say.send(piece).unwrap();
        host.hears(piece).await;
    }
    drop(say);
    host.hears("0\r\n\r\n").await;
    host.says(OK);
    assert_eq!(asked.await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_the_host_declines_is_not_asked_for() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(asking(&world)).await;
    let head = host.hears("\r\n\r\n").await;
    assert!(head.contains("expect: 100-continue\r\n") && head.contains("content-length: 5\r\n") && head.contains(VALUE), "{head}");
    host.says("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno");
    // The first word is the host's: none before asked for the body.
    let reply = connection.reply(false).await.unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (417, "no"));
    assert!(connection.rest().await.is_empty(), "nothing can follow a body that never came");
    assert!(host.is_left().await.ends_with("\r\n\r\n"), "nothing of a body reached the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_asked_for_when_the_host_asks() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    for _ in 0..2 {
        connection.send(asking(&world)).await;
        host.hears("\r\n\r\n").await;
        host.says(format!("HTTP/1.1 103 Early Hints\r\nlink: <{VALUE}>\r\n\r\nHTTP/1.1 100 {VALUE}\r\nx-a: {VALUE}\r\n\r\n"));
        connection.expect(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        connection.send("hello").await;
        assert!(host.hears("hello").await.ends_with("\r\n\r\nhello"));
        host.says(OK);
        assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
        host.forgets();
    }
    assert_eq!(world.upstreams[API].connections(), 1, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_to_the_question_gets_the_body_all_the_same() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(asking(&world)).await;
    host.hears("\r\n\r\n").await;
    connection.expect(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    connection.send("hello").await;
    host.hears("hello").await;
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_without_waiting_goes_on_after_the_host_has_declined() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("{}hello", asking(&world))).await;
    host.hears("\r\n\r\n").await;
    host.says("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(connection.reply(false).await.unwrap().status, 403);
    connection.send(format!("GET /next HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert!(host.is_left().await.ends_with("\r\n\r\n"), "the body stayed here");
    host.hears("GET /next").await;
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
    assert_eq!(world.upstreams[API].connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_here_asks_neither_the_host_nor_for_the_body() {
    let (hand, _host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let neighbour = world.neighbour(&["KEY"]);
    let mut connection = world.connect(API).await;
    connection.send(asking(&neighbour)).await;
    assert_eq!(connection.reply(false).await.unwrap().refusal().as_deref(), Some("token_foreign"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_values_are_written_into_is_asked_for_at_once() {
    let (hand, mut host) = puppet();
    let in_body = Binding { form: Form::Body, ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![in_body]).by_hand(API, hand).start().await;
    let text = format!("{{\"key\":\"{}\"}}", world.token("KEY"));
    let mut connection = world.connect(API).await;
    let head = format!("content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n", text.len());
    connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\n{head}\r\n")).await;
    connection.expect(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(world.upstreams[API].connections(), 0, "it is decided with the body");
    connection.send(text).await;
    let seen = host.hears(VALUE).await;
    assert!(!seen.contains("expect"), "{seen}");
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_host_of_http2_the_body_goes_without_a_question() {
    let answer = service(|request| async move {
        let said = http_body_util::BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        http::Response::new(body(said, None))
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let mut connection = world.connect(API).await;
    connection.send(asking(&world)).await;
    connection.expect(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    connection.send("hello").await;
    assert_eq!(connection.reply(false).await.unwrap().text(), "hello");
    assert!(!world.received(API)[0].contains("expect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_bodys_end_is_passed_on_and_the_body_goes_on() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\ncontent-length: 11\r\n{}\r\nfirst", world.bearer("KEY"))).await;
    host.hears("first").await;
    host.says("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(connection.reply(false).await.unwrap().status, 202);
    connection.send("second").await;
    host.hears("firstsecond").await;
    connection.send(format!("GET /next HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    host.hears("GET /next").await;
    host.says(OK);
    assert_eq!(connection.reply(false).await.unwrap().text(), "ok");
    assert_eq!(world.upstreams[API].connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_answers_and_hangs_up_in_the_middle_of_a_body_is_heard() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\ncontent-length: 1000000\r\n{}\r\nfirst", world.bearer("KEY"))).await;
    host.hears("first").await;
    host.says("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 8\r\n\r\ntoo much");
    host.leaves();
    let reply = connection.reply(false).await.unwrap();
    assert_eq!((reply.status, reply.text().as_str(), reply.is_whole), (413, "too much", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_its_side_is_taken_to_be_gone_and_its_host_is_told() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    host.hears("\r\n\r\n").await;
    connection.end().await;
    host.is_left().await;
    assert!(connection.rest().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_one_side_of_what_passes_unseen_is_no_end_of_the_other() {
    let (hand, mut host) = puppet();
    let world = Plan::default().secret("KEY", VALUE, vec![]).by_hand(API, hand).pass_through(API).allow(API).start().await;
    let mut connection = world.connect_pinned(API, API).await.unwrap();
    connection.send("hello").await;
    host.hears("hello").await;
    host.says("last words");
    host.leaves();
    assert_eq!(connection.rest().await, b"last words");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_ends_like_a_value_begins_is_not_held() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    host.hears("\r\n\r\n").await;
    host.says("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
    assert!(connection.read_head().await.starts_with("HTTP/1.1 200 OK\r\n"), "before there is an event");
    for event in [":\n\n".to_owned(), format!("data: {}\n\n", &VALUE[..9]), "data\r\n\r\n".to_owned()] {
        host.says(&event);
        connection.read_until(event.as_bytes()).await;
    }
    host.says(format!("data: {VALUE}\n\n"));
    connection.read_until(format!("data: {}\n\n", world.token("KEY")).as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_may_think_for_a_while_before_it_begins() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    host.hears("\r\n\r\n").await;
    // Changes elsewhere are looked at meanwhile, and are none of its.
    world.house.store("ELSE", "a-value-of-somewhere-else");
    host.says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nevent\n\r\n");
    connection.read_until(b"event\n").await;
    host.says("0\r\n\r\n");
    connection.read_until(b"0\r\n\r\n").await;
    // One that never begins is waited for as long as the limit says, here three seconds.
    let begun = std::time::Instant::now();
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    assert_eq!(connection.reply(false).await.unwrap().refusal().as_deref(), Some("upstream_timeout"));
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_reply_pass_scrubbed_from_either_kind_to_either() {
    let said = format!("HTTP/1.1 200 OK\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: {VALUE}\r\n\r\n");
    let script = crate::upstream::always(vec![crate::upstream::say(said)]);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let reply = world.connect_http2(API).await.get(API, "/", None).await;
    assert_eq!((reply.status, reply.text().as_str(), reply.is_whole), (200, "ok", true));
    assert_eq!(reply.trailers["x-t"], world.token("KEY").as_str());
    let answer = service(|_| async move {
        let trailers: HeaderMap = [("x-t".parse().unwrap(), VALUE.parse().unwrap())].into_iter().collect();
        http::Response::builder().header("trailer", "x-t").body(body("ok", Some(trailers))).unwrap()
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\nte: trailers\r\nconnection: te, close\r\n\r\n")).await;
    let rest = connection.rest().await;
    let expected = format!("2\r\nok\r\n0\r\nx-t: {}\r\n\r\n", world.token("KEY"));
    assert!(rest.ends_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_request_pass_where_both_sides_frame_them() {
    let answer = service(|request| async move {
        let whole = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
        let said = whole.trailers().map(|trailers| trailers["x-t"].to_str().unwrap().to_owned()).unwrap_or_default();
        http::Response::new(body(said, None))
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let token = world.token("KEY");
    let trailers: HeaderMap = [("x-t".parse().unwrap(), token.parse().unwrap())].into_iter().collect();
    let with = |trailers: HeaderMap| -> Request<AnyBody> {
        Request::post(format!("https://{API}/")).header("te", "trailers").body(body("hello", Some(trailers))).unwrap()
    };
    let reply = world.connect_http2(API).await.ask(with(trailers.clone())).await;
    assert_eq!(reply.text(), token, "a token in a trailer is as inert as anywhere");
    let chunks = format!("5\r\nhello\r\n0\r\nx-t: {token}\r\n\r\n");
    let reply = world
        .connect(API)
        .await
        .ask(&format!("POST / HTTP/1.1\r\nhost: {API}\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"))
        .await;
    assert_eq!((reply.status, reply.refusal()), (200, None));
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let connection = world.connect_http2(API).await;
    let asked = tokio::spawn(async move { connection.ask(with(trailers)).await });
    assert!(host.hears("hello").await.ends_with("\r\n\r\nhello"), "as long as it was said to be");
    host.says(OK);
    assert_eq!(asked.await.unwrap().text(), "ok");
}
