//! What a bound host answers, when it echoes the credential: where it says it, and how it writes it.

use super::Channel::{Forms, Replies};
use super::Control::{Absent, Leaks};
use super::To::Bound;
use super::{Attempt, asks, dials, web};
use crate::answer::Reply;
use crate::probe::Knowledge;

macro_rules! get {
    ($path:literal) => {
        get!($path, "")
    };
    ($path:literal, $more:literal) => {
        concat!("GET ", $path, " HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\n", $more, "Connection: close\r\n\r\n")
    };
}
pub(super) use get;

/// The long secret, shown with the whole head of the request.
macro_rules! long {
    ($name:literal, $form:literal, $credential:literal) => {
        asks(
            $name,
            Forms,
            3,
            Leaks,
            Bound,
            concat!("GET /show/", $form, " HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: ", $credential, "\r\nConnection: close\r\n\r\n"),
        )
    };
}

macro_rules! ws {
    ($path:literal) => {
        concat!("GET ", $path, " HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    };
}

/// Where it stands.
pub(super) const SURFACES: &[Attempt] = &[
    asks("echo of the whole request", Replies, 2, Leaks, Bound, get!("/echo")),
    asks("echo in the body", Replies, 2, Leaks, Bound, get!("/say/body/raw")),
    asks("echo in the body without a content type", Replies, 2, Leaks, Bound, get!("/say/notype/raw")),
    asks("echo in a body said to be an image", Replies, 2, Leaks, Bound, get!("/say/image/raw")),
    asks("echo in the reason phrase", Replies, 2, Leaks, Bound, get!("/say/reason/raw")),
    asks("echo in a header", Replies, 2, Leaks, Bound, get!("/say/header/raw")),
    asks("echo in a header's name", Replies, 2, Leaks, Bound, get!("/say/name/raw")),
    asks("echo in two headers of one name", Replies, 2, Leaks, Bound, get!("/say/twice/raw")),
    asks("echo in Set-Cookie", Replies, 2, Leaks, Bound, get!("/say/cookie/raw")),
    asks("echo in Location", Replies, 2, Leaks, Bound, get!("/say/location/raw")),
    asks("echo in WWW-Authenticate", Replies, 2, Leaks, Bound, get!("/say/challenge/raw")),
    asks("echo in Link, ETag and Content-Disposition", Replies, 2, Leaks, Bound, get!("/say/link/raw")),
    asks("echo in Content-Type", Replies, 2, Leaks, Bound, get!("/say/type/raw")),
    asks("echo in an error's page", Replies, 2, Leaks, Bound, get!("/say/error/raw")),
    asks("echo in early hints", Replies, 2, Leaks, Bound, get!("/say/hints/raw")),
    asks("echo in a trailer", Replies, 2, Leaks, Bound, get!("/say/trailer/raw", "TE: trailers\r\n")),
    asks("echo in a trailer's name", Replies, 2, Leaks, Bound, get!("/say/trailername/raw", "TE: trailers\r\n")),
    asks("echo in a chunk's extension", Replies, 2, Leaks, Bound, get!("/say/extension/raw")),
    asks("echo in server-sent events", Replies, 2, Leaks, Bound, get!("/say/sse/raw")),
    asks("echo in a gRPC message", Replies, 2, Leaks, Bound, get!("/say/grpc/raw")),
    asks("echo in a multipart body", Replies, 2, Leaks, Bound, get!("/say/multipart/raw")),
    asks("echo in a body that ends with the connection", Replies, 2, Leaks, Bound, get!("/say/endless/raw")),
    asks("echo in a body longer than it says", Replies, 2, Leaks, Bound, get!("/say/longer/raw")),
    asks("echo in a second answer that nobody asked for", Replies, 10, Leaks, Bound, get!("/say/second/raw")),
    asks("echo in HTTP/1.0", Replies, 2, Leaks, Bound, get!("/say/http10/raw")),
    asks("echo without any head", Replies, 2, Leaks, Bound, get!("/say/http09/raw")),
    asks("echo within five megabytes", Replies, 2, Leaks, Bound, get!("/say/big/raw")),
    asks("echo a thousand times", Replies, 2, Leaks, Bound, get!("/say/often/raw")),
    asks("echo in a WebSocket's text", Replies, 2, Leaks, Bound, ws!("/say/ws/raw")),
    asks("echo in a WebSocket's binary message", Replies, 2, Leaks, Bound, ws!("/say/wsbinary/raw")),
    asks("echo in a WebSocket's message of two frames", Replies, 2, Leaks, Bound, ws!("/say/wscut/raw")),
    asks("echo in a WebSocket's closing reason", Replies, 2, Leaks, Bound, ws!("/say/wsclose/raw")),
    asks("echo in a WebSocket's ping", Replies, 2, Leaks, Bound, ws!("/say/wsping/raw")),
    asks("echo in a WebSocket's handshake", Replies, 2, Leaks, Bound, ws!("/say/wshead/raw")),
    asks(
        "echo after a switch to an unknown protocol",
        Replies,
        2,
        Leaks,
        Bound,
        get!("/say/switch/raw", "Upgrade: x\r\nConnection: Upgrade\r\n"),
    ),
    asks("echo under a Range", Replies, 35, Leaks, Bound, get!("/say/body/raw", "Range: bytes=0-90\r\n")),
    asks("echo in a piece that was not asked for", Replies, 35, Leaks, Bound, get!("/say/range/raw")),
    asks("echo in multipart/byteranges", Replies, 35, Leaks, Bound, get!("/say/byteranges/raw", "Range: bytes=0-9,10-99\r\n")),
    asks(
        "echo to HEAD in a header",
        Replies,
        2,
        Leaks,
        Bound,
        "HEAD /say/header/raw HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "echo to OPTIONS",
        Replies,
        2,
        Leaks,
        Bound,
        "OPTIONS /say/body/raw HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "echo of Basic, whole",
        Replies,
        2,
        Leaks,
        Bound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Basic {B}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "echo of Basic's password",
        Replies,
        2,
        Leaks,
        Bound,
        "GET /say/body/raw HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Basic {B}\r\nConnection: close\r\n\r\n",
    ),
    dials("store with the token, recall without", Replies, 34, Leaks, store_and_recall),
    dials("store with the token, recall in base64", Replies, 34, Leaks, store_and_recall_encoded),
    web(
        "echo over HTTP/2",
        Replies,
        2,
        Absent,
        &["curl"],
        "$C --http2 -i \"$BASE/say/header/raw\" -H \"Authorization: Bearer $GITHUB_TOKEN\" -H \"$NAMED\"; $C --http2 -i \"$BASE/say/body/base64\" -H \"Authorization: Bearer $GITHUB_TOKEN\" -H \"$NAMED\"",
    ),
];

/// How it is written.
pub(super) const FORMS: &[Attempt] = &[
    asks("echo in base64", Forms, 3, Leaks, Bound, get!("/say/body/base64")),
    asks("echo in base64, one byte on", Forms, 3, Leaks, Bound, get!("/say/body/base64-1")),
    asks("echo in base64, two bytes on", Forms, 3, Leaks, Bound, get!("/say/body/base64-2")),
    asks("echo in base64 without padding", Forms, 3, Leaks, Bound, get!("/say/body/base64-bare")),
    asks("echo in base64url", Forms, 3, Leaks, Bound, get!("/say/body/base64url")),
    asks("echo in base64url, one byte on", Forms, 3, Leaks, Bound, get!("/say/body/base64url-1")),
    asks("echo in base64url, two bytes on", Forms, 3, Leaks, Bound, get!("/say/body/base64url-2")),
    asks("echo in hexadecimal", Forms, 3, Leaks, Bound, get!("/say/body/hex")),
    asks("echo in hexadecimal, capitals", Forms, 3, Leaks, Bound, get!("/say/body/hex-upper")),
    asks("echo percent-encoded", Forms, 3, Leaks, Bound, get!("/say/body/percent")),
    asks("echo percent-encoded, small letters", Forms, 3, Leaks, Bound, get!("/say/body/percent-lower")),
    asks("echo in JSON's escapes", Forms, 3, Leaks, Bound, get!("/say/json/json")),
    asks("echo in a JSON string", Forms, 3, Leaks, Bound, get!("/say/json/raw")),
    asks("echo in HTML's decimal references", Forms, 3, Leaks, Bound, get!("/say/html/html")),
    asks("echo in HTML's hexadecimal references", Forms, 3, Leaks, Bound, get!("/say/html/html-hex")),
    asks("echo in base64 in a header", Forms, 3, Leaks, Bound, get!("/say/header/base64-1")),
    asks("echo percent-encoded in Location", Forms, 3, Leaks, Bound, get!("/say/location/percent")),
    asks("echo percent-encoded in Set-Cookie", Forms, 3, Leaks, Bound, get!("/say/cookie/percent")),
    asks("echo in hexadecimal in ETag", Forms, 3, Leaks, Bound, get!("/say/link/hex")),
    asks("echo in base64 in a trailer", Forms, 3, Leaks, Bound, get!("/say/trailer/base64", "TE: trailers\r\n")),
    asks("echo in JSON's escapes in server-sent events", Forms, 3, Leaks, Bound, get!("/say/sse/json")),
    asks("echo in base64 in a WebSocket", Forms, 3, Leaks, Bound, ws!("/say/ws/base64")),
    asks("echo in hexadecimal in the reason phrase", Forms, 3, Leaks, Bound, get!("/say/reason/hex")),
    asks("echo in base64 in gRPC", Forms, 3, Leaks, Bound, get!("/say/grpc/base64-2")),
    asks("echo in UTF-16", Forms, 3, Leaks, Bound, get!("/say/utf16/utf16")),
    asks("echo in UTF-16, big end first", Forms, 3, Leaks, Bound, get!("/say/utf16be/utf16be")),
    asks("echo in UTF-32", Forms, 3, Leaks, Bound, get!("/say/utf32/utf32")),
    asks("echo in UTF-7", Forms, 3, Leaks, Bound, get!("/say/utf7/raw")),
    asks("echo in EBCDIC's charset", Forms, 3, Leaks, Bound, get!("/say/ebcdic/raw")),
    long!("a head with a long value in Bearer, in base64", "base64", "Bearer {L}"),
    long!("a head with a long value in Basic, in base64", "base64", "Basic {LB}"),
    long!("a head with a long value in Bearer, in hexadecimal", "hex", "Bearer {L}"),
    long!("a head with a long value in Basic, in hexadecimal", "hex", "Basic {LB}"),
    long!("a head with a long value in Bearer, in percent signs", "percent", "Bearer {L}"),
    long!("a head with a long value in Basic, in percent signs", "percent", "Basic {LB}"),
    long!("a head with a long value in Bearer, in JSON's escapes", "json", "Bearer {L}"),
    long!("a head with a long value in Basic, in JSON's escapes", "json", "Basic {LB}"),
    long!("a head with a long value in Bearer, in HTML's references", "html", "Bearer {L}"),
    long!("a head with a long value in Basic, in HTML's references", "html", "Basic {LB}"),
];

fn store_and_recall(knowledge: &Knowledge) -> Vec<Reply> {
    recall(knowledge, "store with the token, recall without", "GET /recall/one/raw HTTP/1.1\r\nHost: {H}\r\n{A}Connection: close\r\n\r\n")
}

fn store_and_recall_encoded(knowledge: &Knowledge) -> Vec<Reply> {
    recall(
        knowledge,
        "store with the token, recall in base64",
        "GET /recall/two/base64-1 HTTP/1.1\r\nHost: {H}\r\n{A}Connection: close\r\n\r\n",
    )
}

fn recall(knowledge: &Knowledge, name: &str, request: &str) -> Vec<Reply> {
    let slot = request.split('/').nth(2).unwrap_or_default();
    let store = format!("GET /store/{slot} HTTP/1.1\r\nHost: {{H}}\r\n{{A}}Authorization: Bearer {{T}}\r\nConnection: close\r\n\r\n");
    // One after the other: what was not stored cannot be recalled.
    let stored = knowledge.ask_bytes(&knowledge.bound, &knowledge.fill(name, &knowledge.bound, &store));
    vec![stored, knowledge.ask_bytes(&knowledge.bound, &knowledge.fill(name, &knowledge.bound, request))]
}
