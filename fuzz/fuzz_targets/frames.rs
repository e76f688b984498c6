//! WebSocket frames: each keeps its place and its length, whatever the pieces in which they come; no value passes, and after an error nothing does.
//!
//! Messages of gRPC end where their heads say, whatever the pieces.
//!
//! Input: a byte for the pieces' length, a byte of flags, then frames: built from descriptions, or as they are.
#![no_main]

use std::sync::{Arc, LazyLock};

use gateway::fuzzing::{Frames, ends_between};
use libfuzzer_sys::fuzz_target;
use vault::{ScrubPair, ScrubPlan, SecretValue};

const VALUE: &str = "a-value-of-some-length-0123456789";

static PLAN: LazyLock<Arc<ScrubPlan>> = LazyLock::new(|| {
    let value = SecretValue::from_input(VALUE.as_bytes().to_vec()).expect("a value");
    let placeholder = format!("tlp_{}", "x".repeat(40)).parse().ok();
    let pair = ScrubPair { value, placeholder, basic_users: vec![], halves: false, renderings: vec![] };
    Arc::new(ScrubPlan::new(vec![pair]).expect("a plan"))
});

fuzz_target!(|data: &[u8]| {
    let [piece, flags, rest @ ..] = data else { return };
    let sent = if flags & 1 == 0 { built(rest) } else { rest.to_vec() };
    messages(rest, usize::from(*piece).max(1));
    let follows = flags & 2 != 0;
    let whole = fed(&sent, sent.len().max(1), false);
    let pieces = fed(&sent, usize::from(*piece).max(1), follows);
    assert_eq!(whole.is_none(), pieces.is_none(), "refused or not, whatever the pieces");
    let (Some(whole), Some(pieces)) = (whole, pieces) else {
        return assert!(read(&sent).is_none(), "honest frames were refused");
    };
    if !follows {
        assert_eq!(whole, pieces, "the same, whatever the pieces");
    }
    // A head that is not there as a whole, or a control frame, is kept.
    assert!(whole.len() <= sent.len() && pieces.len() <= sent.len());
    let same = |out: &[u8]| out.iter().zip(&sent).all(|(out, sent)| out == sent || *out == b'*');
    assert!(same(&whole) && same(&pieces), "every byte is in its place, or masked");
    let (Some(frames), Some(given)) = (read(&sent), read(&whole)) else { return };
    assert_eq!(whole.len(), sent.len(), "whole frames pass whole");
    assert!(frames.iter().map(|frame| (frame.0, frame.1.len())).eq(given.iter().map(|frame| (frame.0, frame.1.len()))));
    hold_no_value(given);
    hold_no_value(read(&pieces).expect("the same heads"));
});

fn hold_no_value(frames: Vec<(u8, Vec<u8>)>) {
    let mut message = Vec::new();
    for (first, payload) in frames {
        let text = if first & 0x08 == 0 {
            message.extend(payload);
            if first & 0x80 == 0 {
                continue;
            }
            std::mem::take(&mut message)
        } else {
            payload
        };
        assert!(!text.windows(VALUE.len()).any(|window| window == VALUE.as_bytes()), "a value passed");
    }
}

/// Heads of five bytes, a flag first; none of them compressed.
fn messages(body: &[u8], piece: usize) {
    let whole = ends_between(body, body.len().max(1));
    assert_eq!(ends_between(body, piece), whole, "the same ends, whatever the pieces");
    let (mut rest, mut expected) = (body, Some(true));
    // What does not begin as a message is none, and has no ends.
    let is_loose = body.first().is_some_and(|flags| !matches!(flags, 0..=3 | 0x80 | 0x81));
    while let (Some(first), false) = (rest.first(), is_loose) {
        if !matches!(first, 0 | 2 | 0x80) {
            expected = None;
            break;
        }
        let length = rest.get(1..5).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize);
        match length.and_then(|length| rest.get(5 + length..)) {
            Some(after) => rest = after,
            None => {
                expected = Some(false);
                break;
            }
        }
    }
    assert_eq!(whole, if is_loose { Some(false) } else { expected });
}

/// In pieces of this length; none where something was refused. With `follows`, the plan is made known anew before each.
fn fed(bytes: &[u8], piece: usize, follows: bool) -> Option<Vec<u8>> {
    let mut frames = Frames::new(Arc::clone(&PLAN));
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        if follows {
            frames.follow(Arc::clone(&PLAN));
        }
        out.extend(frames.feed(piece)?);
    }
    out.extend(frames.finish());
    Some(out)
}

/// Frames as described, three bytes each: opcode and last bit, payload's length, what is in it.
fn built(mut from: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, length, what, rest @ ..] = from {
        let opcode = [0x01, 0x02, 0x00, 0x08, 0x09, 0x0a, 0x00, 0x01][usize::from(first & 7)];
        let is_control = opcode & 0x08 != 0;
        let mut payload = vec![*what; usize::from(*length) * if *what < 250 || is_control { 1 } else { 2 }];
        let cut = usize::from(*length) % (VALUE.len() + 1);
        match what % 5 {
            1 => payload = VALUE.as_bytes().to_vec(),
            2 => payload = VALUE.as_bytes()[..cut].to_vec(),
            3 => payload = VALUE.as_bytes()[cut..].to_vec(),
            _ => {}
        }
        if is_control {
            payload.truncate(125);
        }
        out.push(opcode | if first & 8 == 0 || is_control { 0x80 } else { 0 });
        match u16::try_from(payload.len()).expect("short enough") {
            short @ 0..=125 => out.push(short as u8),
            long => {
                out.push(126);
                out.extend_from_slice(&long.to_be_bytes());
            }
        }
        out.extend_from_slice(&payload);
        from = rest;
    }
    out
}

/// The frames, read in the plainest way: none where a server may not send them, or something is missing at the end.
fn read(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (length, head) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            length => (u64::from(length), 2),
        };
        let is_control = first & 0x08 != 0;
        if first & 0x70 != 0 || second & 0x80 != 0 || length >> 63 != 0 || (is_control && (length > 125 || first & 0x80 == 0)) {
            return None;
        }
        let end = usize::try_from(length).ok()?.checked_add(head)?;
        frames.push((first, bytes.get(head..end)?.to_vec()));
        bytes = &bytes[end..];
    }
    Some(frames)
}
