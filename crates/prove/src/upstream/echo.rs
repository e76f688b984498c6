//! Every place in which an upstream may echo what it was sent, by the target `/say/PLACE/FORM`. Written byte by byte: no library would send some of it.

use super::{Part, forms, packed};

/// The answer that says `text` in a place and a form.
pub(super) fn say(place: &str, form: &str, text: &str) -> Vec<Part> {
    let bytes = forms::write(form, text);
    in_head(place, &bytes)
        .or_else(|| odd_answer(place, &bytes))
        .or_else(|| in_frames(place, &bytes))
        .or_else(|| in_socket(place, &bytes))
        .or_else(|| packed_body(place, &bytes))
        .or_else(|| cut(place, &bytes))
        .unwrap_or_else(|| said(&with_type(body_type(place), &body_around(place, &bytes))))
}

fn body_type(place: &str) -> &'static str {
    match place {
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        "image" => "image/png",
        "utf16" => "text/plain; charset=utf-16le",
        "utf16be" => "text/plain; charset=utf-16",
        "utf32" => "text/plain; charset=utf-32le",
        "utf7" => "text/plain; charset=utf-7",
        "ebcdic" => "text/plain; charset=ibm037",
        "multipart" => "multipart/mixed; boundary=b",
        "byteranges" => "multipart/byteranges; boundary=b",
        "sse" => "text/event-stream",
        "grpc" => "application/grpc",
        _ => "text/plain",
    }
}

fn body_around(place: &str, bytes: &[u8]) -> Vec<u8> {
    let frame = |flag: u8| [&[flag][..], &u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes(), bytes].concat();
    match place {
        "json" => [b"{\"error\":\"bad token \\\"", bytes, b"\\\"\"}"].concat(),
        "html" => [b"<p title=\"", bytes, b"\">no</p>"].concat(),
        "multipart" => [b"--b\r\nContent-Type: text/plain\r\n\r\n", bytes, b"\r\n--b--\r\n"].concat(),
        "byteranges" => [b"--b\r\nContent-Range: bytes 0-99/200\r\n\r\n", bytes, b"\r\n--b--\r\n"].concat(),
        "sse" => [b"event: token\ndata: ", bytes, b"\n\ndata: again ", bytes, b"\n\n"].concat(),
        "grpc" => frame(0),
        "big" => [vec![b'x'; BIG_BYTES], bytes.to_vec(), vec![b'y'; BIG_BYTES]].concat(),
        "often" => [bytes, b"."].concat().repeat(1000),
        "border" => [vec![b'x'; BORDER_BYTES - bytes.len() / 2], bytes.to_vec()].concat(),
        "beginnings" => [bytes[..BEGINNING_BYTES.min(bytes.len())].repeat(1000), bytes.to_vec()].concat(),
        _ => bytes.to_vec(),
    }
}

/// Head lines, or what looks like them.
fn in_head(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    let ok = |lines: &[&[u8]]| said(&[b"HTTP/1.1 200 OK\r\n".to_vec(), lines.concat(), b"Content-Length: 2\r\n\r\nok".to_vec()].concat());
    Some(match place {
        "reason" => said(&[b"HTTP/1.1 200 ", bytes, b"\r\nContent-Length: 2\r\n\r\nok"].concat()),
        "header" => ok(&[b"X-Echo: Bearer ", bytes, b"\r\n"]),
        "name" => ok(&[b"X-", bytes, b": 1\r\n"]),
        "twice" => ok(&[b"X-Echo: a\r\nX-Echo: ", bytes, b"\r\n"]),
        "cookie" => ok(&[b"Set-Cookie: t=", bytes, b"; Secure; HttpOnly\r\n"]),
        "challenge" => said(
            &[b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error_description=\"", bytes, b"\"\r\nContent-Length: 0\r\n\r\n"]
                .concat(),
        ),
        "link" => ok(&[
            b"Link: <https://x/?t=",
            bytes,
            b">; rel=next\r\nETag: \"",
            bytes,
            b"\"\r\nContent-Disposition: attachment; filename=\"",
            bytes,
            b"\"\r\n",
        ]),
        "type" => ok(&[b"Content-Type: text/plain; token=", bytes, b"\r\n"]),
        "altsvc" => ok(&[b"Alt-Svc: h3=\":443\"; ma=86400\r\nRefresh: 0; url=https://evil.example.net/", bytes, b"\r\n"]),
        "location" => {
            said(&[b"HTTP/1.1 302 Found\r\nLocation: https://evil.example.net/?t=", bytes, b"\r\nContent-Length: 0\r\n\r\n"].concat())
        }
        "error" => {
            let body = [b"<h1>500</h1><pre>request headers: authorization: Bearer ", bytes, b"</pre>"].concat();
            said(
                &[
                    format!("HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len())
                        .into_bytes(),
                    body,
                ]
                .concat(),
            )
        }
        "hints" => said(
            &[
                b"HTTP/1.1 103 Early Hints\r\nLink: </",
                bytes,
                b">; rel=preload\r\nX-Echo: ",
                bytes,
                b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ]
            .concat(),
        ),
        _ => return None,
    })
}

/// Answers whose end is not where it should be, or that are none.
fn odd_answer(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    Some(match place {
        "notype" => said(&[format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes(), bytes].concat()),
        "endless" => said(&[b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", bytes].concat()),
        "longer" => said(&[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", bytes].concat()),
        "second" => said(
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Echo: ", bytes, b"\r\nContent-Length: 0\r\n\r\n"]
                .concat(),
        ),
        "http10" => said(&[b"HTTP/1.0 200 OK\r\nX-Echo: ", bytes, b"\r\n\r\n", bytes].concat()),
        "http09" => said(bytes),
        "range" => said(
            &[
                format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-{}/9999\r\nContent-Length: {}\r\n\r\n",
                    bytes.len(),
                    bytes.len()
                )
                .as_bytes(),
                bytes,
            ]
            .concat(),
        ),
        "switch" => said(&[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", bytes].concat()),
        _ => return None,
    })
}

/// Chunks (RFC 9112, section 7.1), their extensions and trailers.
fn in_frames(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Echo\r\n\r\n2".to_vec();
    let line: Vec<u8> = match place {
        "trailer" => [b"\r\nok\r\n0\r\nX-Echo: ", bytes, b"\r\n\r\n"].concat(),
        "trailername" => [b"\r\nok\r\n0\r\nX-", bytes, b": 1\r\n\r\n"].concat(),
        "extension" => [b";t=\"", bytes, b"\"\r\nok\r\n0;u=", bytes, b"\r\n\r\n"].concat(),
        _ => return None,
    };
    Some(said(&[head, line].concat()))
}

/// A WebSocket's handshake and frames (RFC 6455, section 5.2). Shorter messages than 126 bytes only.
fn in_socket(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    let frame = |first: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap_or(0);
        if length < 126 { [&[first, length][..], bytes].concat() } else { [&[first, 126, 0, length][..], bytes].concat() }
    };
    let halves = bytes.split_at(bytes.len() / 2);
    let (lines, frames): (&[u8], Vec<u8>) = match place {
        "ws" => (b"", frame(0x81, bytes)),
        "wsbinary" => (b"", frame(0x82, bytes)),
        "wscut" => (b"", [frame(0x01, halves.0), frame(0x80, halves.1)].concat()),
        "wsping" => (b"", frame(0x89, bytes)),
        "wsclose" => (b"", frame(0x88, &[&[3, 232][..], bytes].concat())),
        "wshead" => (bytes, Vec::new()),
        _ => return None,
    };
    let mut head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n".to_vec();
    if !lines.is_empty() {
        head.extend([b"Sec-WebSocket-Protocol: ", lines, b"\r\nX-Echo: ", lines, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    Some(vec![Part::Say(head), Part::Pause, Part::Say([frames, frame(0x88, &[3, 232])].concat())])
}

/// Bodies with a coding.
fn packed_body(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    let (halves, gzip) = (bytes.split_at(bytes.len() / 2), packed::gzip(bytes));
    let (coding, body) = match place {
        "gzip" => ("gzip", gzip),
        "x-gzip" => ("x-gzip", gzip),
        "members" => ("gzip", [packed::gzip(halves.0), packed::gzip(halves.1)].concat()),
        "huffman" => ("gzip", packed::gzip_huffman(bytes)),
        "comment" => ("gzip", packed::gzip_comment(bytes)),
        "behind" => ("gzip", [packed::gzip(b"ok"), bytes.to_vec()].concat()),
        "deflate" => ("deflate", packed::zlib(bytes)),
        "rawdeflate" => ("deflate", packed::stored(bytes)),
        "br" => ("br", packed::brotli(bytes)),
        "zstd" => ("zstd", packed::zstd(bytes)),
        "skippable" => ("zstd", packed::zstd_skippable(bytes)),
        "double" => ("gzip, gzip", packed::gzip(&gzip)),
        "lie" => ("gzip", bytes.to_vec()),
        "unknown" => ("compress", bytes.to_vec()),
        "hidden" => return Some(said(&with_type("text/plain", &gzip))),
        "slowgzip" => return Some(in_chunks("Content-Encoding: gzip\r\n", gzip.chunks(1))),
        "transfer" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_vec();
            return Some(vec![Part::Say(head), Part::Say(chunk(&gzip)), Part::Say(b"0\r\n\r\n".to_vec())]);
        }
        "grpcgzip" => {
            let framed = [&[1][..], &u32::try_from(gzip.len()).unwrap_or(0).to_be_bytes(), &gzip].concat();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                framed.len()
            );
            return Some(said(&[head.into_bytes(), framed].concat()));
        }
        _ => return None,
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    Some(said(&[head.into_bytes(), body].concat()))
}

/// Bodies in pieces, each written on its own.
fn cut(place: &str, bytes: &[u8]) -> Option<Vec<Part>> {
    Some(match place {
        "bytewise" => in_chunks("", bytes.chunks(1)),
        "cut" => {
            let cuts = (1..bytes.len()).flat_map(|at| [&bytes[..at], &bytes[at..], &b"\n"[..]]);
            in_chunks("", cuts)
        }
        "pause" => {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            vec![Part::Say(head), Part::Say(chunk(first)), Part::Pause, Part::Say(chunk(second)), Part::Say(b"0\r\n\r\n".to_vec())]
        }
        "restart" => in_chunks("", [&bytes[..BEGINNING_BYTES.min(bytes.len())], bytes].into_iter()),
        _ => return None,
    })
}

fn in_chunks<'a>(lines: &str, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Part> {
    let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{lines}\r\n").into_bytes();
    let chunks = pieces.map(|piece| Part::Say(chunk(piece)));
    std::iter::once(Part::Say(head)).chain(chunks).chain([Part::Say(b"0\r\n\r\n".to_vec())]).collect()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn with_type(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn said(bytes: &[u8]) -> Vec<Part> {
    vec![Part::Say(bytes.to_vec())]
}

/// A piece of a value that tells less than eight characters of it: longer excerpts by themselves are not promised to be found.
const BEGINNING_BYTES: usize = 11;
const BIG_BYTES: usize = 2_500_000;
/// Common sizes of buffers and of TLS records.
const BORDER_BYTES: usize = 16 << 10;
