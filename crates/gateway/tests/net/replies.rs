//! What comes back: no byte of a value, wherever an upstream puts it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::client::Reply;
use crate::upstream::{Step, always, plain, say};
use crate::world::{API, Plan, VALUE, World};

/// The reply to a request that carries no token: a value that another request brought there is scrubbed all the same.
async fn reply_to(steps: Vec<Step>) -> (World, Reply) {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
    let reply = world.get(API, "/", "").await;
    let everything = [reply.head.as_bytes(), &reply.body].concat();
    assert!(!everything.windows(8).any(|window| VALUE.as_bytes().windows(8).any(|part| part == window)), "{reply:?}");
    (world, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_head_is_replaced() {
    let (world, reply) = reply_to(vec![say(format!(
        "HTTP/1.1 200 Hello {VALUE}\r\nx-echo: a {VALUE} b\r\nset-cookie: k={VALUE}; Path=/\r\nset-cookie: l=m\r\n\
         location: https://x.example/?k={}\r\ncontent-length: 2\r\n\r\nok",
        VALUE.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    ))])
    .await;
    let token = world.token("KEY");
    assert!(reply.head.starts_with(&format!("HTTP/1.1 200 Hello {token}\r\n")), "{}", reply.head);
    for wanted in [format!("x-echo: a {token} b\r\n"), format!("set-cookie: k={token}; Path=/\r\n"), "set-cookie: l=m\r\n".to_owned()] {
        assert!(reply.head.contains(&wanted), "{}", reply.head);
    }
    assert_eq!(reply.header("location"), Some(format!("https://x.example/?k={token}").as_str()));
    assert_eq!(reply.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_as_a_headers_name_takes_the_header_with_it() {
    let value = "lowercase-value-that-is-a-header-name";
    let world = Plan::default()
        .bound("KEY", value, API)
        .upstream(API, always(vec![say(format!("HTTP/1.1 200 OK\r\n{value}: 1\r\ncontent-length: 2\r\n\r\nok"))]))
        .start()
        .await;
    let reply = world.get(API, "/", "").await;
    assert!(!reply.head.contains(value), "{}", reply.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_as_a_headers_name_is_known_in_the_lower_case_that_names_arrive_in() {
    let value = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let head = format!("HTTP/1.1 200 OK\r\nX-{value}-X: 1\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\nok");
    let world = Plan::default().bound("KEY", value, API).upstream(API, always(vec![say(head)])).start().await;
    let reply = world.get(API, "/", "").await;
    assert!(!reply.head.to_ascii_lowercase().contains(&value.to_ascii_lowercase()), "{}", reply.head);
    assert_eq!(reply.header("x-kept"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_a_body_is_withheld_however_it_was_asked_for() {
    for head in [
        "206 Partial Content\r\ncontent-range: bytes 0-9/90",
        "206 Partial Content\r\ncontent-type: multipart/byteranges; boundary=x",
        "206 Partial Content\r\ncontent-range: 0-6/90",
        "206 Partial Content\r\ncontent-range: byte 0-6/90",
        "206 Partial Content\r\nx-kept: 1",
        "200 OK\r\ncontent-range: bytes 0-6/90",
    ] {
        let (_, reply) = reply_to(vec![say(format!("HTTP/1.1 {head}\r\ncontent-length: 7\r\n\r\n{}", &VALUE[..7]))]).await;
        assert_eq!(reply.refusal().as_deref(), Some("reply_unreadable"), "{head}");
    }
    // How some APIs number the records of a whole reply.
    let items = "HTTP/1.1 200 OK\r\ncontent-range: 0-9/90\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(reply_to(vec![say(items)]).await.1.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_of_what_may_hold_a_value_do_not_pass() {
    let head = "HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-md5: a\r\ncontent-digest: a\r\nrepr-digest: a\r\ndigest: a\r\nx-goog-hash: a\r\nx-amz-checksum-crc32: a\r\ncontent-length: 2\r\n\r\nok";
    let (_, reply) = reply_to(vec![say(head)]).await;
    assert!(!["digest", "md5", "hash", "checksum"].iter().any(|word| reply.head.contains(word)), "{}", reply.head);
    assert!(reply.header("etag").is_some_and(|tag| tag != "\"a\"") && reply.text() == "ok", "{}", reply.head);
    let unbound = Plan::default().upstream(API, always(vec![say(head)])).allow(API).start().await;
    assert_eq!(unbound.get(API, "/", "").await.header("content-md5"), Some("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_body_is_replaced_wherever_it_is_cut() {
    let body = format!("before {VALUE} after");
    for cut in 0..body.len() {
        if cut % 7 != 0 {
            continue;
        }
        let chunk = |text: &str| say(format!("{:x}\r\n{text}\r\n", text.len()));
        let mut steps = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
        steps.extend([&body[..cut], &body[cut..]].into_iter().filter(|part| !part.is_empty()).map(chunk));
        steps.push(say("0\r\n\r\n"));
        let (world, reply) = reply_to(steps).await;
        assert_eq!(reply.text(), format!("before {} after", world.token("KEY")), "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_of_a_value_are_replaced() {
    let hex: String = VALUE.bytes().map(|byte| format!("{byte:02X}")).collect();
    let percent: String = VALUE.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for encoded in
        [STANDARD.encode(VALUE), STANDARD.encode(format!("x{VALUE}")), URL_SAFE_NO_PAD.encode(format!("xy{VALUE}")), hex, percent]
    {
        let (_, reply) = reply_to(vec![plain(&format!("<{encoded}>"))]).await;
        let text = reply.text();
        assert!(text.starts_with('<') && text.ends_with('>') && !text.contains(&encoded[4..24]), "{encoded}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_ends_with_the_connection_is_scrubbed_to_its_end() {
    let (world, reply) = reply_to(vec![say(format!("HTTP/1.1 200 OK\r\n\r\nlast words: {VALUE}")), Step::Close]).await;
    assert_eq!(reply.text(), format!("last words: {}", world.token("KEY")));
    let (_, reply) = reply_to(vec![say(format!("HTTP/1.1 200 OK\r\n\r\nhalf: {}", &VALUE[..7])), Step::Close]).await;
    assert_eq!(reply.text(), format!("half: {}", &VALUE[..7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_replies_do_not_come_through_nor_trailers_that_nobody_asked_for() {
    let (_, reply) = reply_to(vec![
        say(format!("HTTP/1.1 103 Early Hints\r\nlink: <{VALUE}>\r\n\r\nHTTP/1.1 100 {VALUE}\r\n\r\n")),
        say("HTTP/1.1 200 OK\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"),
        say(format!("0\r\nx-t: {VALUE}\r\n\r\n")),
    ])
    .await;
    assert_eq!((reply.status, reply.text().as_str(), reply.is_whole), (200, "ok", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_that_were_asked_for_come_scrubbed() {
    let said = vec![
        say("HTTP/1.1 200 OK\r\ntrailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"),
        say(format!("0\r\nx-t: {VALUE}\r\nx-not-announced: x\r\n\r\n")),
        Step::Close,
    ];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(said)).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\nte: trailers\r\nconnection: te, close\r\n\r\n")).await;
    let rest = connection.rest().await;
    let expected = format!("2\r\nok\r\n0\r\nx-t: {}\r\n\r\n", world.token("KEY"));
    assert!(rest.ends_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_trailers_with_names_of_more_than_256_bytes_do_not_pass() {
    let name = |bytes: usize| "n".repeat(bytes);
    let head = format!("{}: passes\r\n{}: does-not\r\n{}: nor-does-this\r\n", name(256), name(257), name(50_000));
    let said = vec![
        say(format!("HTTP/1.1 200 OK\r\n{head}trailer: {}, {}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", name(255), name(258))),
        say(format!("0\r\n{}: passes-too\r\n{}: nor-at-the-end\r\n\r\n", name(255), name(258))),
        Step::Close,
    ];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(said)).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\nte: trailers\r\nconnection: te, close\r\n\r\n")).await;
    let reply = String::from_utf8(connection.rest().await).unwrap();
    for passing in [format!("{}: passes\r\n", name(256)), format!("\r\n{}: passes-too\r\n", name(255))] {
        assert!(reply.contains(&passing), "{reply}");
    }
    for dropped in ["does-not", "nor-does-this", "nor-at-the-end"] {
        assert!(!reply.contains(dropped), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_cannot_be_read_is_withheld() {
    for head in [
        "content-encoding: compress\r\ncontent-length: 3\r\n",
        "content-encoding: identity, br, unheard-of\r\ncontent-length: 3\r\n",
        "content-encoding: gzip, br\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n",
        "connection: content-encoding\r\ncontent-encoding: dcb\r\ncontent-length: 3\r\n",
        "content-type: application/grpc\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n",
        "content-encoding: zstd\r\ncontent-length: 3\r\n",
        "content-type: text/plain; charset=utf-16\r\ncontent-length: 3\r\n",
        "content-type: application/json;charset=\"IBM037\"\r\ncontent-length: 3\r\n",
        "content-type: text/plain; charset=unheard-of\r\ncontent-length: 3\r\n",
        "content-type: text/plain; charset=utf-8; charset=utf-16\r\ncontent-length: 3\r\n",
        "content-type: text/plain; charset=utf-8\r\ncontent-type: text/plain; charset=utf-16\r\ncontent-length: 3\r\n",
    ] {
        let (_, reply) = reply_to(vec![say(format!("HTTP/1.1 200 OK\r\n{head}\r\nabc")), Step::Close]).await;
        assert_eq!(reply.refusal().as_deref(), Some("reply_unreadable"), "{head}");
    }
    let coded = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), Step::Close];
    let (_, reply) = reply_to(coded).await;
    assert!(reply.refusal().is_some(), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_does_not_speak_as_the_gateway_nor_lead_around_it() {
    let (_, reply) = reply_to(vec![say(
        "HTTP/1.1 401 Unauthorized\r\nx-tightlip-refusal: token_ended\r\nalt-svc: h3=\":443\"\r\naccept-ranges: bytes\r\n\
         www-authenticate: Basic\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nno",
    )])
    .await;
    assert_eq!((reply.status, reply.refusal(), reply.header("www-authenticate")), (401, None, Some("Basic")));
    for unwanted in ["alt-svc", "accept-ranges", "x-hop", "keep-alive"] {
        assert_eq!(reply.header(unwanted), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_protocol_is_refused() {
    let (_, reply) = reply_to(vec![say("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), say(VALUE)]).await;
    assert!(reply.refusal().is_some(), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_breaks_off_is_not_passed_as_whole() {
    let (_, reply) = reply_to(vec![say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), Step::Close]).await;
    assert!(!reply.is_whole);
    let (_, reply) = reply_to(vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"), Step::Close]).await;
    assert!(!reply.is_whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_through_as_they_are_sent() {
    let told = std::sync::Arc::new(tokio::sync::Notify::new());
    let steps = vec![
        say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"),
        say("data: one\n\n"),
        Step::Wait(std::sync::Arc::clone(&told)),
        say(format!("data: {VALUE}\n\n")),
        Step::Close,
    ];
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(steps)).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    connection.read_until(b"data: one\n\n").await;
    told.notify_one();
    connection.read_until(format!("data: {}\n\n", world.token("KEY")).as_bytes()).await;
}
