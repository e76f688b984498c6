//! A value that a bound host says, whatever the status, the type, the size, the encoding and the cuts: none of it reaches the devbox.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use testkit::Canary;

use crate::upstream::{Script, Step, always, plain, say};
use crate::world::{API, Plan, VALUE, World};

/// Searches all that a devbox was shown, head and body, for the value's own windows and their encodings.
fn assert_absent(canary: &Canary, shown: &[u8], what: &str) {
    assert!(!canary.is_in(shown), "{what}: {}", String::from_utf8_lossy(&shown[..shown.len().min(2000)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_replaced_whatever_the_status_and_the_type() {
    let types = [
        "",
        "content-type: text/html\r\n",
        "content-type: application/json\r\n",
        "content-type: application/octet-stream\r\n",
        "content-type: image/png\r\n",
        "content-type: video/mp4\r\n",
        "content-type: application/zip\r\n",
        "content-type: font/woff2\r\n",
        "content-type: nonsense\r\n",
        "content-type: text/plain\r\ncontent-disposition: attachment; filename=x\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
    ];
    let script: Script = std::sync::Arc::new(move |request: &str| {
        let numbers: Vec<usize> = request.split(' ').nth(1).unwrap().split('/').skip(1).map(|number| number.parse().unwrap()).collect();
        let body = format!("\x00\u{7f}binary? <b>{VALUE}</b> \x01");
        vec![say(format!("HTTP/1.1 {} x\r\n{}content-length: {}\r\n\r\n{body}", numbers[0], types[numbers[1]], body.len()))]
    });
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let expected = format!("\x00\u{7f}binary? <b>{}</b> \x01", world.token("KEY"));
    let mut connection = world.connect(API).await;
    for status in [200, 201, 203, 300, 400, 401, 403, 404, 407, 418, 429, 500, 502, 503, 599] {
        for (number, kind) in types.iter().enumerate() {
            let reply = connection.ask(&format!("GET /{status}/{number} HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
            assert_eq!((reply.status, reply.refusal(), reply.text()), (status, None, expected.clone()), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_megabytes_is_replaced_wherever_it_stands() {
    let filling = "0123456789abcdef".repeat(MIB / 16);
    let body = format!("{VALUE}{filling}{filling}{VALUE}{filling}{VALUE}{VALUE}{filling}{filling}{VALUE}");
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![plain(&body)])).start().await;
    let expected = body.replace(VALUE, &world.token("KEY"));
    let older = world.get(API, "/", "").await;
    assert!(older.is_whole && older.text() == expected, "over HTTP/1.1");
    let newer = world.connect_http2(API).await.get(API, "/", None).await;
    assert!(newer.is_whole && newer.text() == expected, "over HTTP/2");
}

/// The standard forms of a value, by name.
fn forms(value: &str) -> Vec<(String, String)> {
    let each = |write: fn(u8) -> String| value.bytes().map(write).collect::<String>();
    let mut forms = vec![
        ("raw".to_owned(), value.to_owned()),
        ("JSON".to_owned(), serde_json::to_string(value).unwrap()),
        ("hex".to_owned(), each(|byte| format!("{byte:02x}"))),
        ("HEX".to_owned(), each(|byte| format!("{byte:02X}"))),
        ("percent".to_owned(), each(|byte| format!("%{byte:02x}"))),
        ("PERCENT".to_owned(), each(|byte| format!("%{byte:02X}"))),
        ("percent, where needed".to_owned(), value.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")),
        ("HTML, as Go writes it".to_owned(), value.replace('+', "&#43;")),
        ("HTML, as .NET writes it".to_owned(), value.replace('+', "&#x2B;")),
        ("HTML, as Mustache writes it".to_owned(), value.replace('/', "&#x2F;")),
    ];
    for offset in 0..3 {
        let shifted = format!("{}{value}", &"xyz"[..offset]);
        for (name, engine) in
            [("base64", &STANDARD), ("base64, no padding", &STANDARD_NO_PAD), ("URL", &URL_SAFE), ("URL, no padding", &URL_SAFE_NO_PAD)]
        {
            forms.push((format!("{name} at {offset}"), engine.encode(&shifted)));
        }
    }
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn every_standard_form_is_replaced_wherever_a_chunk_ends() {
    let canary = Canary::make("").unwrap();
    let value = format!("a+b/{}", canary.value());
    let forms = forms(&value);
    let (texts, names): (Vec<String>, Vec<String>) = forms.into_iter().map(|(name, text)| (format!("[{text}]"), name)).unzip();
    let shown = texts.clone();
    let script: Script = std::sync::Arc::new(move |request: &str| {
        let numbers: Vec<usize> = request.split(' ').nth(1).unwrap().split('/').skip(1).map(|number| number.parse().unwrap()).collect();
        let (text, every) = (&shown[numbers[0]], numbers[1]);
        let mut steps = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
        let chunk = |part: &[u8]| Step::Say([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
        match numbers.get(2) {
            Some(at) => steps.extend([&text.as_bytes()[..*at], &text.as_bytes()[*at..]].map(chunk)),
            None => steps.extend(text.as_bytes().chunks(every).map(chunk)),
        }
        steps.push(say("0\r\n\r\n"));
        steps
    });
    let world = Plan::default().bound("KEY", &value, API).upstream(API, script).start().await;
    let mut connection = world.connect(API).await;
    for (number, (text, name)) in texts.iter().zip(&names).enumerate() {
        let cuts = (1..text.len()).map(|at| format!("/{number}/0/{at}"));
        for path in cuts.chain([1, 2, 3, 7, text.len()].map(|every| format!("/{number}/{every}"))) {
            let reply = connection.ask(&format!("GET {path} HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
            assert!(reply.is_whole && reply.status == 200, "{name}: {reply:?}");
            assert!(reply.body.starts_with(b"[") && reply.body.ends_with(b"]"), "{name}: {}", reply.text());
            assert_absent(&canary, &reply.body, &format!("{name}, {path}"));
        }
    }
}

type Encode = fn(&str) -> String;
/// What a host may write the head of a request in.
const WHOLES: [(&str, Encode); 7] = [
    ("base64", |text| STANDARD.encode(text)),
    ("hex", |text| text.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ("percent in full", |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
    ("JSON in full", |text| text.bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect()),
    ("JSON of signs", |text| signs(text, |sign| format!("\\u{:04x}", u32::from(sign)))),
    ("entities", |text| text.bytes().map(|byte| format!("&#{byte};")).collect()),
    ("hex entities", |text| text.bytes().map(|byte| format!("&#x{byte:x};")).collect()),
];

fn signs(text: &str, write: fn(char) -> String) -> String {
    text.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_string() } else { write(one) }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_token_is_found_in_whatever_a_host_writes_the_head_of_the_request_in() {
    // As an identity provider's: 1264 bytes.
    let part = |number: usize| STANDARD_NO_PAD.encode((0..320).map(|at| (at * at * (7 + number) % 251) as u8).collect::<Vec<u8>>());
    let token = format!("{}.{}.{}", part(0), part(1), part(2)).replace(['+', '/'], "-");
    let value = &token[..1264];
    let script: Script = std::sync::Arc::new(|request: &str| {
        let number: usize = request.split(' ').nth(1).unwrap()[1..].parse().unwrap();
        vec![plain(&WHOLES[number].1(request))]
    });
    let world = Plan::default().bound("KEY", value, API).upstream(API, script).start().await;
    let written = STANDARD.encode(format!("u:{value}"));
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(format!("u:{}", world.token("KEY"))));
    for (headers, secret) in [(world.bearer("KEY"), value), (basic, &written[4..written.len() - 4])] {
        for (number, (name, encode)) in WHOLES.iter().enumerate() {
            let reply = world.get(API, &format!("/{number}"), &headers).await;
            assert_eq!((reply.status, reply.refusal()), (200, None), "{name}");
            assert!(world.received(API).last().unwrap().contains(secret), "{name}");
            let shown: std::collections::HashSet<&[u8]> = reply.body.windows(40).collect();
            for cut in 0..3 {
                let encoded = encode(&secret[cut..]);
                let inner = &encoded.as_bytes()[..encoded.len() - 4];
                assert!(!inner.windows(40).any(|window| shown.contains(window)), "{name}: {}", reply.text());
            }
        }
    }
}

/// A host that keeps the credential of one request, and says it in answer to others.
fn keeping() -> Script {
    let kept = std::sync::Mutex::new(String::new());
    std::sync::Arc::new(move |request: &str| {
        if let Some(said) = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")) {
            said.clone_into(&mut kept.lock().unwrap());
        }
        let kept = kept.lock().unwrap().clone();
        vec![say(format!("HTTP/1.1 200 OK\r\nx-kept: {kept}\r\nset-cookie: k={kept}\r\ncontent-length: {}\r\n\r\n{kept}", kept.len()))]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_one_request_brought_is_scrubbed_from_the_reply_to_another_without_it() {
    let world: World = Plan::default().bound("KEY", VALUE, API).upstream(API, keeping()).start().await;
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.status, 200);
    assert!(world.received(API)[0].contains(VALUE));
    let token = world.token("KEY");
    for headers in ["", "authorization: Basic eDp5\r\n", "x-api-key: an-own-credential\r\n"] {
        let reply = world.get(API, "/", headers).await;
        assert_eq!((reply.text().as_str(), reply.header("x-kept")), (token.as_str(), Some(token.as_str())));
        assert!(!reply.head.contains(VALUE), "{}", reply.head);
    }
    let newer = world.connect_http2(API).await.get(API, "/", None).await;
    assert_eq!((newer.text().as_str(), newer.headers["x-kept"].to_str().unwrap()), (token.as_str(), token.as_str()));
    // Another devbox that has the secret sees its own placeholder, and neither the value nor the first one's.
    let neighbour = world.neighbour(&["KEY"]);
    let reply = neighbour.get(API, "/", "").await;
    assert_eq!(reply.text(), neighbour.token("KEY"));
    assert_ne!(neighbour.token("KEY"), token);
}

const MIB: usize = 1024 * 1024;
