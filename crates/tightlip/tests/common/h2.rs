//! HTTP/2 by hand (RFC 9113), so that a client may do what no library lets it.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{self, Read, Write};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A client's first bytes: the preface, and settings (numbers and values).
pub fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (number, value) in settings {
        payload.extend(number.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &payload)].concat()
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of headers, none of them compressed (RFC 7541, section 6.2.2).
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length of seven bits and more (RFC 7541, section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The headers of a request with a key.
pub fn request<'a>(method: &'a str, path: &'a str, authority: &'a str, key: &'a str) -> [(&'a str, &'a str); 5] {
    [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority), ("authorization", key)]
}

pub fn read_frame(stream: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload)?;
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    Ok(Frame { kind: head[3], flags: head[4], stream: id, payload })
}

/// Reads until a stream ends; its body, where its status is 200 (which has one byte in the static table).
pub fn answer(stream: &mut (impl Read + Write), id: u32) -> io::Result<Option<String>> {
    let (mut is_ok, mut body) = (false, Vec::new());
    loop {
        let frame = read_frame(stream)?;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => stream.write_all(&self::frame(SETTINGS, ACK, 0, &[]))?,
            PING if frame.flags & ACK == 0 => stream.write_all(&self::frame(PING, ACK, 0, &frame.payload))?,
            HEADERS if frame.stream == id => is_ok = frame.payload.first() == Some(&0x88),
            DATA if frame.stream == id => body.extend(&frame.payload),
            RST_STREAM if frame.stream == id => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
        if frame.stream == id && matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            return Ok(is_ok.then(|| String::from_utf8(body).unwrap()));
        }
    }
}
