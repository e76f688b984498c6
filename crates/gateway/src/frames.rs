//! Frames of a WebSocket (RFC 6455, section 5) on their way to a devbox: each keeps its place and its length, and what is in it is scrubbed.
//!
//! A message may come in several frames, with control frames between them, and a value may begin in one frame and end in the next. So the bytes of a message
//! go through one scrubber, which gives as many as it takes but holds some back, and each frame's head is put before the byte that it stood before.

use std::collections::VecDeque;
use std::sync::Arc;

use vault::{ScrubPlan, Scrubber};

/// A host's frames.
pub(crate) struct Frames {
    scrubber: Scrubber,
    state: State,
    /// Bytes of messages that came, and that were given.
    taken: u64,
    given: u64,
    /// Heads and whole control frames, each with how many bytes of messages stand before it.
    waiting: VecDeque<(u64, Vec<u8>)>,
}

/// What comes next.
enum State {
    /// A head, of which these bytes are there.
    Head(Vec<u8>),
    /// So many bytes of a message's frame; the last of its message, or not.
    Data { left: u64, is_last: bool },
    /// The rest of a control frame: its head, what came of its payload, and how much there is.
    Control { head: Vec<u8>, payload: Vec<u8>, bytes: usize },
}

/// Frames that no host may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// A bit of an extension that nobody agreed to: what is in the frame may be compressed.
    #[error("the host sent a frame of an extension that was not agreed to")]
    Extension,
    /// Servers do not mask (section 5.1).
    #[error("the host sent a masked frame")]
    Masked,
    /// A control frame in pieces, or too long (section 5.5).
    #[error("the host sent a control frame that is none")]
    Control,
    /// Heads and control frames beyond number, all of them behind one word that does not end.
    #[error("the host sent too many frames within one word")]
    Crowd,
    /// A length with its highest bit set (section 5.2).
    #[error("the host sent a frame of an impossible length")]
    Length,
}

impl Frames {
    /// From the first frame on.
    pub(crate) const fn new(scrubber: Scrubber) -> Self {
        Self { scrubber, state: State::Head(Vec::new()), taken: 0, given: 0, waiting: VecDeque::new() }
    }

    /// Goes over to a newer plan. What was held back is given to it first.
    pub(crate) fn follow(&mut self, plan: Arc<ScrubPlan>) {
        let held = self.scrubber.finish();
        self.scrubber = self.scrubber.anew(plan);
        let clean = self.scrubber.feed(&held);
        // It stands before whatever comes next, and is written with it.
        let mut out = Vec::new();
        self.put(&clean, &mut out);
        if !out.is_empty() {
            let at = self.given;
            self.waiting.push_front((at, out));
        }
    }

    /// Takes the next bytes and gives those that may go on.
    ///
    /// # Errors
    /// [`FrameError`]; nothing may pass any more.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Head(_) => self.head(bytes, &mut out)?,
                State::Data { .. } => self.data(bytes, &mut out),
                State::Control { .. } => self.control(bytes, &mut out),
            };
            if self.waiting.len() > WAITING_MAX {
                return Err(FrameError::Crowd);
            }
        }
        Ok(out)
    }

    /// What was held back, where the host says no more.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let rest = self.scrubber.finish();
        self.put(&rest, &mut out);
        self.put_waiting(&mut out);
        out
    }

    fn head<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8], FrameError> {
        let State::Head(head) = &mut self.state else { return Ok(bytes) };
        let needed = head_bytes(head);
        let (now, rest) = bytes.split_at(bytes.len().min(needed - head.len()));
        head.extend_from_slice(now);
        if head.len() < head_bytes(head) || head.len() < 2 {
            return Ok(rest);
        }
        let head = std::mem::take(head);
        let (first, second) = (head[0], head[1]);
        let (is_last, opcode, length) = (first & FIN != 0, first & OPCODE, length_of(&head)?);
        if first & RESERVED != 0 {
            return Err(FrameError::Extension);
        }
        if second & MASKED != 0 {
            return Err(FrameError::Masked);
        }
        if opcode & CONTROL == 0 {
            self.waiting.push_back((self.taken, head));
            self.state = State::Data { left: length, is_last };
            if length == 0 {
                self.frame_ended(is_last, out);
            }
            self.put_waiting(out);
        } else {
            let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= CONTROL_BYTES_MAX && is_last).ok_or(FrameError::Control)?;
            self.state = State::Control { head, payload: Vec::new(), bytes };
            if bytes == 0 {
                self.control(&[], out);
            }
        }
        Ok(rest)
    }

    fn data<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let State::Data { left, is_last } = &mut self.state else { return bytes };
        let is_last = *is_last;
        let (now, rest) = bytes.split_at(usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len()));
        *left -= now.len() as u64;
        let is_over = *left == 0;
        self.taken += now.len() as u64;
        let clean = self.scrubber.feed(now);
        self.put(&clean, out);
        if is_over {
            self.frame_ended(is_last, out);
        }
        rest
    }

    /// After the last byte of a frame; after a message's, nothing of it is held back any more.
    fn frame_ended(&mut self, is_last: bool, out: &mut Vec<u8>) {
        if is_last {
            let rest = self.scrubber.finish();
            self.put(&rest, out);
        }
        self.state = State::Head(Vec::new());
    }

    fn control<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let State::Control { head, payload, bytes: length } = &mut self.state else { return bytes };
        let (now, rest) = bytes.split_at((*length - payload.len()).min(bytes.len()));
        payload.extend_from_slice(now);
        if payload.len() < *length {
            return rest;
        }
        let mut frame = std::mem::take(head);
        let mut alone = self.scrubber.another();
        frame.extend(alone.feed(payload));
        frame.extend(alone.finish());
        self.waiting.push_back((self.taken, frame));
        self.state = State::Head(Vec::new());
        self.put_waiting(out);
        rest
    }

    /// Gives bytes of messages, each head before the byte that it stands before.
    fn put(&mut self, mut clean: &[u8], out: &mut Vec<u8>) {
        while !clean.is_empty() {
            self.put_waiting(out);
            let until = self.waiting.front().map_or(u64::MAX, |(at, _)| *at - self.given);
            let (now, rest) = clean.split_at(usize::try_from(until).unwrap_or(usize::MAX).min(clean.len()));
            out.extend_from_slice(now);
            self.given += now.len() as u64;
            clean = rest;
        }
        self.put_waiting(out);
    }

    fn put_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some((_, ready)) = self.waiting.pop_front_if(|(at, _)| *at <= self.given) {
            out.extend_from_slice(&ready);
        }
    }
}

/// How long a head is, as far as what is there of it says.
fn head_bytes(head: &[u8]) -> usize {
    let Some(second) = head.get(1) else { return 2 };
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    mask + match second & LENGTH {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

fn length_of(head: &[u8]) -> Result<u64, FrameError> {
    let big_endian = |bytes: &[u8]| bytes.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    match head[1] & LENGTH {
        126 => Ok(big_endian(&head[2..4])),
        127 => Some(big_endian(&head[2..10])).filter(|length| length >> 63 == 0).ok_or(FrameError::Length),
        length => Ok(u64::from(length)),
    }
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
/// The bit of opcodes that control (section 5.5).
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const CONTROL_BYTES_MAX: usize = 125;
/// What waits takes two hundred kilobytes at most. A host that splits a word into so many frames says nothing that anybody waits for.
const WAITING_MAX: usize = 1024;

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
