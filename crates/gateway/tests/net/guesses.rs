//! An agent that has a host say guesses back learns nothing from how they come: neither in chunks nor in frames, before a pause or in bulk.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::http2::{AnyBody, Service, body, get, read, service};
use crate::puppet::puppet;
use crate::upstream::{Script, Step, frame, masked_frame, say};
use crate::world::{API, Plan, VALUE, World};

/// What an agent that knows nine letters of the value tries: the tenth, right and wrong; and the same in base64.
fn guesses() -> [String; 4] {
    use base64::Engine;
    let in_base64 = |text: &str| base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    [VALUE[..10].to_owned(), format!("{}x", &VALUE[..9]), in_base64(&VALUE[..9]), in_base64("Zq7-b+val")]
}

/// The same of one that knows six letters: too few to be held back as a value's beginning.
fn short_guesses() -> [String; 4] {
    use base64::Engine;
    let in_base64 = |text: &str| base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    [VALUE[..7].to_owned(), format!("{}x", &VALUE[..6]), in_base64(&VALUE[..5]), in_base64("Zq7-b")]
}

fn chunk(text: &str) -> String {
    format!("{:X}\r\n{text}\r\n", text.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_before_a_pause_are_as_long_for_wrong_guesses_as_for_right_ones() {
    let (hand, mut host) = puppet();
    let world = Plan::default().bound("KEY", VALUE, API).by_hand(API, hand).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    host.hears("\r\n\r\n").await;
    host.says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.read_head().await;
    for guess in guesses() {
        host.says(chunk(&format!("is it {guess}")));
        connection.expect(chunk("is it ").as_bytes()).await;
        host.says(chunk("?"));
        connection.expect(chunk(&format!("{guess}?")).as_bytes()).await;
    }
    host.says(chunk(&format!("or {VALUE}")));
    connection.expect(chunk("or ").as_bytes()).await;
    host.says("0\r\n\r\n");
    connection.expect(format!("{}0\r\n\r\n", chunk(&world.token("KEY"))).as_bytes()).await;
}

/// What says the frames of the body that was last asked for.
type Hand = Arc<Mutex<Option<UnboundedSender<Vec<u8>>>>>;

/// Answers with a body whose frames the test says.
fn saying(content_type: &'static str) -> (Service, Hand) {
    let hand = Hand::default();
    let given = Arc::clone(&hand);
    let answer = service(move |_| {
        let (say, said) = unbounded_channel();
        *given.lock().unwrap() = Some(say);
        async move { Response::builder().header("content-type", content_type).body(frames(said)).unwrap() }
    });
    (answer, hand)
}

fn frames(mut from: UnboundedReceiver<Vec<u8>>) -> AnyBody {
    let stream = futures_util::stream::poll_fn(move |context| {
        from.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    });
    BodyExt::boxed(http_body_util::StreamBody::new(stream))
}

async fn next(reply: &mut Response<hyper::body::Incoming>) -> Vec<u8> {
    reply.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_http2_are_as_long_for_wrong_guesses_as_for_right_ones() {
    let (answer, hand) = saying("text/plain");
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let mut reply = world.connect_http2(API).await.begin(get(API, "/", Some(&world.token("KEY")))).await.unwrap();
    let say = |text: String| hand.lock().unwrap().as_ref().unwrap().send(text.into_bytes()).unwrap();
    for guess in guesses() {
        say(format!("is it {guess}"));
        assert_eq!(next(&mut reply).await, b"is it ");
        say("?".to_owned());
        assert_eq!(next(&mut reply).await, format!("{guess}?").into_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_bulk_the_pieces_are_as_long_too() {
    // As the host's pieces come into one read or another, borders may differ from run to run. None may stand within the guess at a piece's end.
    let pieces: Vec<String> = ('a'..='z').map(|letter| format!("{}\n{}{letter}", "-\n".repeat(500), &VALUE[..9])).collect();
    let text = pieces.concat();
    let chunks = pieces.iter().map(|piece| chunk(piece)).chain(["0\r\n\r\n".to_owned()]).collect::<String>();
    let steps = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), say(chunks)];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, crate::upstream::always(steps)).start().await;
    let mut reply = world.connect_http2(API).await.begin(get(API, "/", None)).await.unwrap();
    let mut given = Vec::new();
    while let Some(frame) = reply.body_mut().frame().await {
        given.extend(frame.unwrap().into_data().unwrap());
        let open = text.len() - given.len();
        let is_in_guess = text[..given.len()].rsplit('\n').next().is_some_and(|word| !word.is_empty() && word.starts_with("Zq"));
        assert!(!is_in_guess || open == 0, "a border stands {open} bytes before the end");
    }
    assert_eq!(String::from_utf8(given).unwrap(), text);
}

/// A message of gRPC or of Connect.
fn message(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_given_whole_whatever_they_end_in() {
    for content_type in ["application/grpc", "application/connect+proto"] {
        let (answer, hand) = saying(content_type);
        let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
        let mut reply = world.connect_http2(API).await.begin(get(API, "/", Some(&world.token("KEY")))).await.unwrap();
        let say = |bytes: &[u8]| hand.lock().unwrap().as_ref().unwrap().send(bytes.to_vec()).unwrap();
        let mut expect = async |wanted: Vec<u8>| {
            let mut given = Vec::new();
            while given.len() < wanted.len() {
                given.extend(next(&mut reply).await);
            }
            assert_eq!(String::from_utf8_lossy(&given), String::from_utf8_lossy(&wanted), "{content_type}");
        };
        for guess in short_guesses() {
            say(&message(0, guess.as_bytes()));
            expect(message(0, guess.as_bytes())).await;
        }
        let whole = message(0, format!("it is {VALUE}").as_bytes());
        say(&whole[..20]);
        expect(whole[..11].to_vec()).await;
        say(&whole[20..]);
        expect("*".repeat(VALUE.len()).into_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_said_to_end_within_a_value_gives_nothing_of_it() {
    let text = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes).into_bytes();
    for (content_type, begins) in [
        ("application/grpc", message(0, &[b'x'; 20])[..5].to_vec()),
        ("application/connect+json", message(0, &[b'x'; 20])[..5].to_vec()),
        ("application/grpc-web-text", text(&[&message(0, &[b'x'; 15])[..5], b"x"].concat())),
    ] {
        let (answer, hand) = saying(content_type);
        let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
        let mut reply = world.connect_http2(API).await.begin(get(API, "/", Some(&world.token("KEY")))).await.unwrap();
        let say = |bytes: &[u8]| hand.lock().unwrap().as_ref().unwrap().send(bytes.to_vec()).unwrap();
        say(&begins);
        say(&VALUE.as_bytes()[..20]);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        say(&VALUE.as_bytes()[20..]);
        *hand.lock().unwrap() = None;
        let mut given = Vec::new();
        while let Some(Ok(frame)) = reply.body_mut().frame().await {
            given.extend(frame.into_data().unwrap_or_default());
        }
        let given = String::from_utf8_lossy(&given).into_owned();
        assert!(!VALUE.as_bytes().windows(8).any(|window| given.as_bytes().windows(8).any(|other| other == window)), "{given:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_beginning_of_a_value_no_message_is_given_before_more_has_come() {
    for (first, second) in [(&VALUE[..10], &VALUE[..12]), (&VALUE[..10], "Zq7-a+valxyz"), ("Zq7-a+valx", "anything.but")] {
        let (answer, hand) = saying("application/grpc");
        let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
        let mut reply = world.connect_http2(API).await.begin(get(API, "/", None)).await.unwrap();
        let say = |bytes: &[u8]| hand.lock().unwrap().as_ref().unwrap().send(bytes.to_vec()).unwrap();
        let pause = || tokio::time::sleep(std::time::Duration::from_millis(100));
        // The ninth letter is right or wrong: eight of them are what is held.
        for guess in [first, second] {
            say(&message(0, guess.as_bytes()));
            let mut given = Vec::new();
            while given.len() < 5 {
                given.extend(next(&mut reply).await);
            }
            assert_eq!(given, message(0, guess.as_bytes())[..5], "{guess}");
            pause().await;
            // The head of an empty message ends the word.
            say(&message(0, b""));
            let mut given = Vec::new();
            while given.len() < guess.len() + 5 {
                let piece = next(&mut reply).await;
                assert!(!given.is_empty() || piece.len() > guess.len(), "it was given before more had come: {piece:?}");
                given.extend(piece);
            }
            assert_eq!(given, [guess.as_bytes(), &message(0, b"")].concat());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_goes_on_behind_its_end_or_is_compressed_breaks_off() {
    let behind = [message(0, &VALUE.as_bytes()[..20]), VALUE.as_bytes()[20..].to_vec()].concat();
    for bytes in [behind, message(1, b"compressed")] {
        let sent = bytes.clone();
        let answer = service(move |_| {
            let sent = sent.clone();
            async move { Response::builder().header("content-type", "application/connect+json").body(body(sent, None)).unwrap() }
        });
        let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
        // The stream is reset, perhaps before its head has been read.
        if let Ok(begun) = world.connect_http2(API).await.begin(get(API, "/", None)).await {
            let reply = read(begun).await;
            assert!(!reply.is_whole && reply.body.is_empty(), "{reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_not_asked_for_compression_by_another_name_and_not_let_through_with_it() {
    let answer = service(|request: Request<_>| async move {
        let said = request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect::<String>();
        let (name, value) = match request.uri().path() {
            "/connect" => ("connect-content-encoding", "gzip"),
            "/im" => ("im", "gzip"),
            _ => ("connect-content-encoding", "identity"),
        };
        Response::builder().header(name, value).body(body(said, None)).unwrap()
    });
    let world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
    let connection = world.connect_http2(API).await;
    for path in ["/connect", "/im"] {
        assert_eq!(connection.get(API, path, None).await.refusal(), Some("reply_unreadable"), "{path}");
    }
    let mut request = get(API, "/", None);
    for (name, value) in [("connect-accept-encoding", "gzip, br"), ("a-im", "gzip")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let said = connection.ask(request).await.text();
    assert!(said.contains("connect-accept-encoding: identity\n") && !said.contains("a-im"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_socket_are_as_long_for_wrong_guesses_as_for_right_ones() {
    let script: Script = Arc::new(|_| vec![say("HTTP/1.1 101 x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"), Step::EchoFrames]);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let mut connection = open(&world).await;
    for guess in guesses() {
        connection.send(masked_frame(0x01, format!("is it {guess}").as_bytes())).await;
        let first = frame(0x01, format!("is it {guess}").as_bytes());
        connection.expect(&first[..first.len() - guess.len()]).await;
        connection.send(masked_frame(0x80, b"?")).await;
        connection.expect(&[guess.as_bytes(), &frame(0x80, b"?")].concat()).await;
    }
}

async fn open(world: &World) -> crate::client::Connection {
    let mut connection = world.connect(API).await;
    let asked = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{asked}\r\n")).await;
    assert_eq!(connection.reply(false).await.unwrap().status, 101);
    connection
}
