//! Requests that two readers read in two ways, and targets that climb.

use super::Channel::Framing;
use super::Control::{Absent, Leaks};
use super::To::{Bound, Unbound};
use super::{Attempt, asks, dials};
use crate::answer::Reply;
use crate::probe::Knowledge;

/// What is no request that two readers read alike may end with its connection. The others have to be answered.
pub(super) const ATTEMPTS: &[Attempt] = &[
    asks(
        "Content-Length and Transfer-Encoding at once",
        Framing,
        10,
        Absent,
        Bound,
        "POST /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /echo HTTP/1.1\r\nHost: {UNBOUND}\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    )
    .may_be_closed(),
    asks(
        "two Content-Lengths",
        Framing,
        10,
        Absent,
        Bound,
        "POST /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nContent-Length: 0\r\nContent-Length: 60\r\nConnection: close\r\n\r\nGET /echo HTTP/1.1\r\nHost: {UNBOUND}\r\nAuthorization: Bearer {T}\r\n\r\n",
    )
    .may_be_closed(),
    asks(
        "a Content-Length with a sign",
        Framing,
        10,
        Absent,
        Bound,
        "POST /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nContent-Length: +2\r\nConnection: close\r\n\r\nok",
    )
    .may_be_closed(),
    asks(
        "Transfer-Encoding misspelt and doubled",
        Framing,
        10,
        Absent,
        Bound,
        "POST /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nTransfer-Encoding: xchunked\r\nTransfer-Encoding: chunked, identity\r\nConnection: close\r\n\r\n0\r\n\r\n",
    )
    .may_be_closed(),
    asks(
        "a chunk's size that overflows",
        Framing,
        10,
        Absent,
        Bound,
        "POST /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nFFFFFFFFFFFFFFFFF\r\nGET /echo HTTP/1.1\r\n\r\n0\r\n\r\n",
    )
    .may_be_closed(),
    asks(
        "a folded header",
        Framing,
        10,
        Absent,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}X-A: 1\r\n Authorization: Bearer {T}\r\nAuthorization:\r\n Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "lines that end with LF alone",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\nHost: {H}\nAuthorization: Bearer {T}\nConnection: close\n\n",
    )
    .may_be_closed(),
    asks(
        "a CR alone inside a header",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}X-A: 1\rAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "a NUL inside a header",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer \u{0}{T}\r\nConnection: close\r\n\r\n",
    )
    .may_be_closed(),
    asks(
        "a blank before the colon",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization : Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "a blank before the first header",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\n Authorization: Bearer {T}\r\nHost: {H}\r\n{A}Connection: close\r\n\r\n",
    ),
    asks(
        "a header named by Connection",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close, authorization, host\r\n\r\n",
    ),
    asks(
        "two requests in one packet, the second unbound",
        Framing,
        10,
        Absent,
        Bound,
        "GET /user HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\n\r\nGET /echo HTTP/1.1\r\nHost: {UNBOUND}\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "HTTP/1.0",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.0\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks("HTTP/0.9", Framing, 10, Absent, Bound, "GET /echo\r\n").may_be_closed(),
    asks(
        "HTTP/2's preface over HTTP/1.1",
        Framing,
        10,
        Absent,
        Bound,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}",
    )
    .may_be_closed(),
    asks(
        "an upgrade to h2c",
        Framing,
        10,
        Leaks,
        Unbound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\n",
    ),
    asks(
        "TRACE",
        Framing,
        4,
        Leaks,
        Bound,
        "TRACE /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "TRACK",
        Framing,
        4,
        Leaks,
        Bound,
        "TRACK /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "TRACE by X-HTTP-Method-Override",
        Framing,
        4,
        Leaks,
        Bound,
        "POST /echo HTTP/1.1\r\nHost: {H}\r\n{A}X-HTTP-Method-Override: TRACE\r\nX-Method-Override: TRACE\r\nAuthorization: Bearer {T}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "Max-Forwards",
        Framing,
        4,
        Leaks,
        Bound,
        "OPTIONS /echo HTTP/1.1\r\nHost: {H}\r\n{A}Max-Forwards: 0\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
    asks(
        "Expect: 100-continue",
        Framing,
        10,
        Leaks,
        Bound,
        "POST /echo HTTP/1.1\r\nHost: {H}\r\n{A}Expect: 100-continue\r\nAuthorization: Bearer {T}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    ),
    dials("one byte a packet", Framing, 13, Leaks, bytewise),
    dials("token cut between two packets", Framing, 13, Leaks, in_halves),
    dials("more than a hundred credentials in one request", Framing, 26, Leaks, many_credentials),
    dials("a head of 128 KiB", Framing, 30, Absent, large_head).may_be_closed(),
];

fn bytewise(knowledge: &Knowledge) -> Vec<Reply> {
    let request = knowledge.fill("one byte a packet", &knowledge.unbound, ECHO);
    let pieces: Vec<&[u8]> = request.chunks(1).collect();
    vec![knowledge.ask_in_pieces(&knowledge.unbound, &pieces)]
}

fn in_halves(knowledge: &Knowledge) -> Vec<Reply> {
    let request = knowledge.fill("token cut between two packets", &knowledge.bound, ECHO);
    let token = knowledge.token();
    let start = request.windows(token.len().max(1)).position(|window| window == token.as_bytes()).unwrap_or(0);
    let (first, second) = request.split_at(start + token.len() / 2);
    vec![knowledge.ask_in_pieces(&knowledge.bound, &[first, second])]
}

fn many_credentials(knowledge: &Knowledge) -> Vec<Reply> {
    let decoys: String = (0..60).map(|number| format!("ghp_{number:036},{number:040x};\"{number:032}\" ")).collect();
    let request = format!("GET /echo HTTP/1.1\r\nHost: {{H}}\r\n{{A}}Authorization: Bearer {decoys}{{T}}\r\nConnection: close\r\n\r\n");
    let filled = knowledge.fill("more than a hundred credentials in one request", &knowledge.unbound, &request);
    vec![knowledge.ask_bytes(&knowledge.unbound, &filled)]
}

fn large_head(knowledge: &Knowledge) -> Vec<Reply> {
    let filler: String = (0..128).map(|number| format!("X-Filler-{number}: {}\r\n", "x".repeat(1000))).collect();
    let request = format!("GET /echo HTTP/1.1\r\nHost: {{H}}\r\n{filler}Authorization: Bearer {{T}}\r\nConnection: close\r\n\r\n");
    vec![knowledge.ask_bytes(&knowledge.unbound, &knowledge.fill("a head of 128 KiB", &knowledge.unbound, &request))]
}

const ECHO: &str = "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n";
