//! What no library would write: HTTP/2 by hand towards a host of HTTP/1.1, replies that could be read in two ways, and floods.

use std::time::Duration;

use model::Binding;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::h2;
use crate::upstream::{Script, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

/// A connection of HTTP/2 on which a test writes every byte.
struct Raw {
    stream: TlsStream<TcpStream>,
    /// The stream of the next request.
    id: u32,
}

/// How a request of such a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// With the status 200, and this body.
    Ok(String),
    /// With another status.
    Other,
    /// Its stream or its connection was ended.
    Ended,
}

impl Raw {
    async fn open(world: &World, host: &str) -> Self {
        let mut stream = world.connect_tls(world.look_up(host).await, 443, host, "h2").await;
        stream.write_all(&h2::hello(&[])).await.unwrap();
        Self { stream, id: 1 }
    }

    /// Writes what may be more than the gateway takes; whether it was all taken.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(WAIT, self.stream.write_all(bytes)).await, Ok(Ok(()))) && self.stream.flush().await.is_ok()
    }

    /// A request of these headers and this body, and how it ended.
    async fn ask(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let flags = h2::END_HEADERS | if body.is_empty() { h2::END_STREAM } else { 0 };
        let mut bytes = h2::frame(h2::HEADERS, flags, self.id, &h2::block(headers));
        if !body.is_empty() {
            bytes.extend(h2::frame(h2::DATA, h2::END_STREAM, self.id, body));
        }
        self.write(&bytes).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        let id = self.id;
        self.id += 2;
        let (mut is_ok, mut body) = (false, Vec::new());
        while let Some(frame) = self.frame().await {
            match frame.kind {
                h2::SETTINGS if frame.flags & h2::ACK == 0 => drop(self.write(&h2::frame(h2::SETTINGS, h2::ACK, 0, &[])).await),
                h2::HEADERS if frame.stream == id => is_ok = frame.payload.first() == Some(&0x88),
                h2::DATA if frame.stream == id => body.extend(&frame.payload),
                h2::RST_STREAM if frame.stream == id => return Answer::Ended,
                _ => {}
            }
            if frame.stream == id && matches!(frame.kind, h2::HEADERS | h2::DATA) && frame.flags & h2::END_STREAM != 0 {
                return if is_ok { Answer::Ok(String::from_utf8_lossy(&body).into_owned()) } else { Answer::Other };
            }
        }
        Answer::Ended
    }

    async fn frame(&mut self) -> Option<h2::Frame> {
        let mut head = [0; 9];
        timeout(WAIT, self.stream.read_exact(&mut head)).await.expect("a frame in time").ok()?;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        timeout(WAIT, self.stream.read_exact(&mut payload)).await.expect("a frame in time").ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(h2::Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until the gateway has ended the connection.
    async fn until_left(mut self) {
        while self.frame().await.is_some() {}
    }
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// The headers of a request, with some of them otherwise.
fn with<'a>(bearer: &'a str, other: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Headers<'a> {
    let usual = [(":method", "POST"), (":scheme", "https"), (":authority", API), (":path", "/x"), ("authorization", bearer)];
    let usual =
        usual.into_iter().map(|(name, value)| (name, other.iter().find(|(named, _)| *named == name).map_or(value, |(_, value)| *value)));
    usual.filter(|(_, value)| *value != GONE).chain(more.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http2_could_hide_from_http1_reaches_no_host() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).start().await;
    let bearer = format!("Bearer {}", world.token("KEY"));
    let hidden = "GET /inner HTTP/1.1\r\nhost: api.example.com\r\n\r\n";
    let in_path = format!("/ HTTP/1.1\r\nhost: api.example.com\r\n\r\n{hidden}");
    let cases: Vec<(&str, Headers<'_>, Headers<'_>, &str)> = vec![
        ("a line break in a value", vec![], vec![("x-a", "1\r\nx-b: 2")], ""),
        ("a bare LF in a value", vec![], vec![("x-a", "1\nx-b: 2")], ""),
        ("a bare CR in a value", vec![], vec![("x-a", "1\rx-b: 2")], ""),
        ("NUL in a value", vec![], vec![("x-a", "1\0")], ""),
        ("a line break in a name", vec![], vec![("x-a: 1\r\nx-b", "2")], ""),
        ("a colon in a name", vec![], vec![("x-a:", "1")], ""),
        ("a blank in a name", vec![], vec![("x a", "1")], ""),
        ("an empty name", vec![], vec![("", "1")], ""),
        ("an upper-case name", vec![], vec![("X-A", "1")], ""),
        ("a coding", vec![], vec![("transfer-encoding", "chunked")], "0\r\n\r\nGET /inner HTTP/1.1\r\n\r\n"),
        ("a connection header", vec![], vec![("connection", "transfer-encoding")], ""),
        ("a proxy's connection header", vec![], vec![("proxy-connection", "keep-alive")], ""),
        ("an upgrade", vec![], vec![("upgrade", "websocket")], ""),
        ("another te", vec![], vec![("te", "chunked")], ""),
        ("a request in the path", vec![(":path", in_path.as_str())], vec![], ""),
        ("a blank in the path", vec![(":path", "/a HTTP/1.1")], vec![], ""),
        ("an empty path", vec![(":path", "")], vec![], ""),
        ("a path of another host", vec![(":path", "https://other.example.com/")], vec![], ""),
        ("a request in the method", vec![(":method", "GET / HTTP/1.1\r\nx:")], vec![], ""),
        ("a blank in the method", vec![(":method", "GET /inner")], vec![], ""),
        ("a tunnel", vec![(":method", "CONNECT"), (":scheme", GONE), (":path", GONE)], vec![], ""),
        (
            "a tunnel elsewhere",
            vec![(":method", "CONNECT"), (":scheme", GONE), (":path", GONE), (":authority", "other.example.com:443")],
            vec![],
            "",
        ),
        ("a socket by CONNECT", vec![(":method", "CONNECT")], vec![(":protocol", "websocket")], ""),
        ("an echo", vec![(":method", "TRACE")], vec![], ""),
        ("user information", vec![(":authority", "x@api.example.com")], vec![], ""),
        ("a line break in the authority", vec![(":authority", "api.example.com\r\nx-a: 1")], vec![], ""),
        ("another authority", vec![(":authority", OTHER)], vec![], ""),
        ("another port", vec![(":authority", "api.example.com:8443")], vec![], ""),
        ("an address as authority", vec![(":authority", "127.0.0.1")], vec![], ""),
        ("another host beside", vec![], vec![("host", OTHER)], ""),
        ("no name at all", vec![(":authority", GONE)], vec![], ""),
        ("another scheme", vec![(":scheme", "http")], vec![], ""),
        ("no method", vec![(":method", GONE)], vec![], ""),
        ("no path", vec![(":path", GONE)], vec![], ""),
        ("two paths", vec![], vec![(":path", "/inner")], ""),
        ("a pseudo-header of its own", vec![], vec![(":x-a", "1")], ""),
        ("a length that is too short", vec![], vec![("content-length", "1")], hidden),
        ("a length of nothing", vec![], vec![("content-length", "0")], hidden),
        ("a length that is too long", vec![], vec![("content-length", "5000")], hidden),
        ("two lengths", vec![], vec![("content-length", "1"), ("content-length", "46")], hidden),
        ("a signed length", vec![], vec![("content-length", "+46")], hidden),
    ];
    for (what, other, more, body) in &cases {
        let answer = Raw::open(&world, API).await.ask(&with(&bearer, other, more), body.as_bytes()).await;
        assert!(matches!(answer, Answer::Other | Answer::Ended), "{what}: {answer:?}");
        assert!(world.received(API).is_empty() && world.received(OTHER).is_empty(), "{what}: {:?}", world.received(API));
    }
    // And what may be said is one request, with a body that is nothing else.
    let mut raw = Raw::open(&world, API).await;
    for more in [vec![], vec![("content-length", "46")], vec![("te", "trailers")], vec![("host", API)]] {
        let length = more.iter().find(|(name, _)| *name == "content-length").map_or(hidden.len(), |(_, length)| length.parse().unwrap());
        assert!(
            matches!(raw.ask(&with(&bearer, &[], &more), &hidden.as_bytes()[..length.min(hidden.len())]).await, Answer::Ok(_)),
            "{more:?}"
        );
    }
    assert_eq!(world.received(API).len(), 4);
    assert!(
        world.received(API).iter().all(|received| received.starts_with("POST /x HTTP/1.1\r\n") && received.matches(VALUE).count() == 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_over_many_frames_of_a_head_is_one_token() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let bearer = format!("Bearer {}", world.token("KEY"));
    let block = h2::block(&with(&bearer, &[], &[]));
    let mut raw = Raw::open(&world, API).await;
    // In two frames, cut anywhere; and in five, as many as are taken.
    let halves = (1..block.len()).map(|at| vec![&block[..at], &block[at..]]);
    for pieces in halves.chain([block.chunks(block.len().div_ceil(5)).collect()]) {
        let last = pieces.len() - 1;
        for (number, piece) in pieces.iter().enumerate() {
            let (kind, begun) = if number == 0 { (h2::HEADERS, h2::END_STREAM) } else { (h2::CONTINUATION, 0) };
            let ended = if number == last { h2::END_HEADERS } else { 0 };
            assert!(raw.write(&h2::frame(kind, begun | ended, raw.id, piece)).await);
        }
        let answer = raw.answer().await;
        let Answer::Ok(said) = answer else { panic!("{answer:?}") };
        assert!(!said.contains(VALUE) && said.contains(&world.token("KEY")), "{said}");
        assert!(world.received(API).last().unwrap().contains(VALUE));
    }
}

/// What a hostile host would have taken for the answer to the next request.
const SMUGGLED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_could_be_read_in_two_ways_never_answers_the_next_request() {
    let replies: Vec<(&str, String)> = vec![
        ("more than its length", format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        (
            "a length and chunks",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunks and a length",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n2\r\nok\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        ("two lengths", format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 60\r\n\r\nok{SMUGGLED}")),
        ("a list of lengths", format!("HTTP/1.1 200 OK\r\ncontent-length: 2, 60\r\n\r\nok{SMUGGLED}")),
        ("a negative length", format!("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok{SMUGGLED}")),
        ("chunked in other words", format!("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        ("chunked twice", format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{SMUGGLED}")),
        ("a chunk size that is none", format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n{SMUGGLED}")),
        (
            "a chunk beyond all numbers",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nok\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        ("no content, with a body", format!("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{SMUGGLED}")),
        ("not modified, with a body", format!("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n{SMUGGLED}")),
        (
            "an early hint, and two replies",
            format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}"),
        ),
        ("a folded header", format!("HTTP/1.1 200 OK\r\nx-a: 1\r\n content-length: 70\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        ("NUL in a header", format!("HTTP/1.1 200 OK\r\nx-a: 1\0\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        ("a blank before the colon", format!("HTTP/1.1 200 OK\r\ncontent-length : 70\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        ("a line break in the reason", format!("HTTP/1.1 200 O\rK\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
        ("another protocol", format!("ICY 200 OK\r\ncontent-length: 2\r\n\r\nok{SMUGGLED}")),
    ];
    let said: Vec<String> = replies.iter().map(|(_, reply)| reply.clone()).collect();
    let script: Script = std::sync::Arc::new(move |request: &str| {
        let path = request.split(' ').nth(1).unwrap();
        path.strip_prefix("/first/")
            .map_or_else(|| vec![plain("the second reply")], |number| vec![say(&said[number.parse::<usize>().unwrap()])])
    });
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let mut answered = 0;
    for (number, (what, _)) in replies.iter().enumerate() {
        let mut connection = world.connect(API).await;
        connection.send(format!("GET /first/{number} HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
        // No reply at all, and the connection's end, is an answer too.
        let Some(first) = connection.reply(false).await else { continue };
        assert!(first.refusal().is_some() || !first.text().contains("smuggled"), "{what}: {first:?}");
        let framings = ["\r\ncontent-length:", "\r\ntransfer-encoding:"].map(|name| first.head.to_ascii_lowercase().matches(name).count());
        assert!(framings.iter().sum::<usize>() <= 1, "{what}: {}", first.head);
        if first.is_whole && first.header("connection") != Some("close") {
            connection.send(format!("GET /second HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
            if let Some(second) = connection.reply(false).await {
                assert_eq!(second.text(), "the second reply", "{what}");
                answered += 1;
            }
        }
        assert!(!String::from_utf8_lossy(&connection.rest_now()).contains("smuggled"), "{what}");
    }
    assert!(answered >= 5, "{answered} of {} connections went on", replies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_taken_back_hold_up_no_other_devbox() {
    let (hand, _puppet) = crate::puppet::puppet();
    let world =
        Plan::default().secret("KEY", VALUE, vec![binding(API), binding(OTHER)]).upstream(API, echo()).by_hand(OTHER, hand).start().await;
    let neighbour = world.neighbour(&["KEY"]);
    let bearer = format!("Bearer {}", world.token("KEY"));
    for path in ["/", "/../climbing", "/%zz"] {
        let block = h2::block(&with(&bearer, &[(":method", "GET"), (":authority", OTHER), (":path", path)], &[]));
        let mut flood = Vec::new();
        for id in (1..20_000).step_by(2) {
            flood.extend(h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, id, &block));
            flood.extend(h2::frame(h2::RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
        let mut raw = Raw::open(&world, OTHER).await;
        let taken = raw.write(&flood).await;
        let reply = neighbour.get(API, "/", &neighbour.bearer("KEY")).await;
        assert_eq!((reply.status, reply.refusal()), (200, None), "meanwhile");
        assert!(!taken || world.upstreams[OTHER].connections() < 1000, "{}", world.upstreams[OTHER].connections());
    }
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.status, 200, "and its own goes on too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_ends_its_connection_alone() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let bearer = format!("Bearer {}", world.token("KEY"));
    let begin = h2::frame(h2::HEADERS, h2::END_STREAM, 1, &h2::block(&with(&bearer, &[], &[])));
    let part = h2::block(&[("x", &"y".repeat(1000))]).repeat(16);
    for flood in [h2::frame(h2::CONTINUATION, 0, 1, &part).repeat(1000), h2::frame(h2::CONTINUATION, 0, 1, &[]).repeat(200_000)] {
        let mut raw = Raw::open(&world, API).await;
        raw.write(&[begin.clone(), flood].concat()).await;
        raw.until_left().await;
        assert!(world.received(API).is_empty());
        assert_eq!(world.connect_http2(API).await.get(API, "/", None).await.status, 200);
        world.upstreams[API].seen.lock().unwrap().requests.clear();
    }
    let mut older = world.connect(API).await;
    older.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n")).await;
    for _ in 0..70 {
        older.send(format!("x: {}\r\n", "y".repeat(1000))).await;
    }
    let reply = older.reply(false).await;
    assert!(reply.is_none_or(|reply| reply.status == 431 || reply.status == 400));
    assert!(world.received(API).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_inside_another_ones_body_stays_a_body_behind_a_binding_to_bodies() {
    let by_body = Binding { form: "body".parse().unwrap(), ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![by_body]).upstream(API, echo()).start().await;
    let inner = format!("GET /inner HTTP/1.1\\r\\nhost: {API}\\r\\nauthorization: Bearer {}\\r\\n", world.token("KEY"));
    let json = format!("{{\"a\":\"{inner}\"}}");
    let request =
        format!("POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}", json.len());
    assert_eq!(world.connect(API).await.ask(&request).await.status, 200);
    let received = world.received(API);
    let (head, body) = received[0].split_once("\r\n\r\n").unwrap();
    assert!(received.len() == 1 && head.contains(&format!("content-length: {}", body.len())), "{received:?}");
}

/// In place of a header that is not to be there.
const GONE: &str = "(gone)";
/// For what must happen at once, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(30);
