//! `deflate` as HTTP means it (zlib, RFC 1950), and as many hosts have it (RFC 1951 alone): the first two bytes tell which.

use flate2::{Decompress, FlushDecompress, Status};

use super::{DecodeError, Step};

/// A body in deflate.
#[derive(Default)]
pub(super) struct Deflate {
    /// The first two bytes, as far as they came, and how many of them were decoded.
    head: Vec<u8>,
    decoded: usize,
    inflate: Option<Decompress>,
    is_over: bool,
}

impl Deflate {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        let (now, rest) = input.split_at(input.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(now);
        let head = <[u8; HEAD_BYTES]>::try_from(self.head.as_slice());
        let Ok(head) = head else { return Ok(Step { taken: now.len(), given: 0 }) };
        if self.is_over {
            return if rest.is_empty() { Ok(Step::default()) } else { Err(DecodeError::Followed) };
        }
        let inflating = self.inflate.get_or_insert_with(|| Decompress::new(is_zlib(head)));
        let is_in_head = self.decoded < HEAD_BYTES;
        let (step, is_over) = inflate(inflating, if is_in_head { &head[self.decoded..] } else { rest }, output)?;
        self.is_over = is_over;
        if !is_in_head {
            return Ok(Step { taken: now.len() + step.taken, given: step.given });
        }
        self.decoded += step.taken;
        // Whether it ended within its head, of which the rest is none of it.
        if is_over && self.decoded < HEAD_BYTES {
            return Err(DecodeError::Followed);
        }
        let after = if is_over || step == Step::default() { Step::default() } else { self.step(rest, &mut output[step.given..])? };
        Ok(Step { taken: now.len() + after.taken, given: step.given + after.given })
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_over
    }
}

/// Inflates as much of `input` as fits into `output`; and whether that was all of it.
pub(super) fn inflate(inflating: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), DecodeError> {
    let before = (inflating.total_in(), inflating.total_out());
    let status = inflating.decompress(input, output, FlushDecompress::None).map_err(|_| DecodeError::Broken)?;
    let moved = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| DecodeError::Broken);
    let step = Step { taken: moved(inflating.total_in(), before.0)?, given: moved(inflating.total_out(), before.1)? };
    Ok((step, status == Status::StreamEnd))
}

/// Whether these are a head of zlib: its method, its window, and a check of both bytes (section 2.2).
fn is_zlib(head: [u8; HEAD_BYTES]) -> bool {
    head[0] & 0xf == 8 && head[0] >> 4 <= 7 && u16::from_be_bytes(head).is_multiple_of(31)
}

const HEAD_BYTES: usize = 2;
