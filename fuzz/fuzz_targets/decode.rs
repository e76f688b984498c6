//! Content codings undone: the same bytes whatever the pieces, exactly those that were coded, and nothing of what is not whole.
//!
//! Input: a byte for the pieces' length, a byte that says which coding, then the coded body, or one that is coded here.
#![no_main]

use gateway::fuzzing::{DECODED_BYTES_MAX, decoded};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue};
use libfuzzer_sys::fuzz_target;

const CODINGS: [&str; 8] = ["gzip", "deflate", "br", "gzip, br", "deflate, gzip", "identity", "x-gzip", "gzip, gzip"];

fuzz_target!(|data: &[u8]| {
    let [piece, which, rest @ ..] = data else { return };
    let piece = usize::from(*piece).max(1);
    if which & 0x80 == 0 {
        whatever(CODINGS[usize::from(which % 8)], rest, piece);
    } else {
        coded(rest, usize::from(which & 0x7f) + 1, piece);
    }
});

fn said(coding: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))])
}

fn whatever(coding: &'static str, body: &[u8], piece: usize) {
    let headers = said(coding);
    let whole = decoded(&headers, body, body.len().max(1));
    let pieces = decoded(&headers, body, piece);
    let (Some(whole), Some(pieces)) = (&whole, &pieces) else {
        // Of a body that is too large, what is broken behind the limit was not looked at.
        let large = |body: &Option<Vec<u8>>| body.as_ref().is_some_and(|body| body.len() > DECODED_BYTES_MAX);
        return assert!(whole == pieces || large(&whole) || large(&pieces), "whole or not, whatever the pieces");
    };
    let most = whole.len().min(pieces.len()).min(DECODED_BYTES_MAX);
    assert_eq!(whole[..most], pieces[..most], "the same bytes, whatever the pieces");
    if whole.len() > DECODED_BYTES_MAX || coding == "identity" || body.len() < 2 {
        return;
    }
    assert_eq!(whole.len(), pieces.len());
    // Neither less nor more of it is a body.
    assert!(decoded(&headers, &body[..body.len() - 1], piece).is_none(), "a body that was cut off is none");
    if !coding.contains("gzip") {
        assert!(decoded(&headers, &[body, b"x"].concat(), piece).is_none(), "what follows a body is not let through");
    }
}

/// Blocks as they are (RFC 1951, section 3.2.4) in each frame that has them: read back, and noticed where a byte of it or of its check is another.
fn coded(text: &[u8], block: usize, piece: usize) {
    let mut raw = Vec::new();
    let mut blocks = text.chunks(block).peekable();
    while let Some(part) = blocks.next() {
        let length = u16::try_from(part.len()).expect("a block is short");
        raw.push(u8::from(blocks.peek().is_none()));
        raw.extend_from_slice(&length.to_le_bytes());
        raw.extend_from_slice(&(!length).to_le_bytes());
        raw.extend_from_slice(part);
    }
    if text.is_empty() {
        raw.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    let zlib = [&[0x78, 0x01][..], &raw, &adler32(text).to_be_bytes()].concat();
    let length = u32::try_from(text.len()).expect("a text is short").to_le_bytes();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], &raw, &crc32(text).to_le_bytes(), &length].concat();
    assert_eq!(decoded(&said("deflate"), &raw, piece).as_deref(), Some(text), "without a frame");
    assert_eq!(decoded(&said("deflate"), &zlib, piece).as_deref(), Some(text), "in zlib's");
    assert_eq!(decoded(&said("gzip"), &gzip, piece).as_deref(), Some(text), "in gzip's");
    for (coding, body, check) in [("deflate", zlib, 4), ("gzip", gzip, 8)] {
        let mut changed = body;
        let at = changed.len() - 1 - piece % check;
        changed[at] ^= 1;
        assert_eq!(decoded(&said(coding), &changed, piece), None, "a wrong check is noticed");
    }
}

/// RFC 1950, section 8.2.
fn adler32(text: &[u8]) -> u32 {
    let (low, high) = text.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

/// RFC 1952, section 8.
fn crc32(text: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !text.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), bit))
}
