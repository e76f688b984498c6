//! Gzip (RFC 1952): members one after the other, each deflated, with its length and checksum behind it.

use flate2::{Crc, Decompress};

use super::deflate::inflate;
use super::{DecodeError, Step};

/// A body in gzip.
pub(super) struct Gzip {
    at: At,
    flags: u8,
    inflate: Decompress,
    crc: Crc,
    members: usize,
}

/// Where in a member the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The ten bytes that each head has (section 2.3).
    Head(u8),
    /// The length of the extra field, its lower byte first.
    ExtraLength(Option<u8>),
    /// So many bytes of the extra field.
    Extra(u16),
    /// The file's name, to a zero.
    Name,
    /// A comment, to a zero.
    Comment,
    /// The head's own checksum.
    HeadSum(u8),
    Data,
    /// What stands behind the data, of which so many bytes were read and are these.
    Tail(u8, [u8; TAIL_BYTES]),
}

impl Default for Gzip {
    fn default() -> Self {
        Self { at: At::Head(0), flags: 0, inflate: Decompress::new(false), crc: Crc::new(), members: 0 }
    }
}

impl Gzip {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        let mut taken = 0;
        while self.at != At::Data {
            let Some(byte) = input.get(taken) else { return Ok(Step { taken, given: 0 }) };
            self.at = self.after(*byte)?;
            taken += 1;
        }
        let (step, is_over) = inflate(&mut self.inflate, &input[taken..], output)?;
        self.crc.update(&output[..step.given]);
        if is_over {
            self.at = At::Tail(0, [0; TAIL_BYTES]);
            if step == Step::default() {
                return self.step(&input[taken..], output).map(|after| Step { taken: taken + after.taken, ..after });
            }
        }
        Ok(Step { taken: taken + step.taken, given: step.given })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.at == At::Head(0) && self.members > 0
    }

    /// Where the byte after this one stands.
    fn after(&mut self, byte: u8) -> Result<At, DecodeError> {
        Ok(match self.at {
            At::Head(number @ 0..=2) if byte == MAGIC[usize::from(number)] => At::Head(number + 1),
            At::Head(0) if self.members > 0 => return Err(DecodeError::Followed),
            At::Head(0..=2) => return Err(DecodeError::Broken),
            At::Head(3) if byte & RESERVED != 0 => return Err(DecodeError::Broken),
            At::Head(3) => {
                self.flags = byte;
                At::Head(4)
            }
            At::Head(9) if self.flags & EXTRA != 0 => At::ExtraLength(None),
            At::Head(9) => self.before_name(),
            At::Head(number) => At::Head(number + 1),
            At::ExtraLength(None) => At::ExtraLength(Some(byte)),
            At::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.before_name(),
                length => At::Extra(length),
            },
            At::Extra(1) => self.before_name(),
            At::Extra(left) => At::Extra(left - 1),
            At::Name if byte == 0 => self.before_comment(),
            At::Name => At::Name,
            At::Comment if byte == 0 => self.before_sum(),
            At::Comment => At::Comment,
            At::HeadSum(0) => At::HeadSum(1),
            At::HeadSum(_) | At::Data => At::Data,
            At::Tail(number, mut tail) => {
                tail[usize::from(number)] = byte;
                if usize::from(number) + 1 < TAIL_BYTES { At::Tail(number + 1, tail) } else { self.close(tail)? }
            }
        })
    }

    const fn before_name(&self) -> At {
        if self.flags & NAME == 0 { self.before_comment() } else { At::Name }
    }

    const fn before_comment(&self) -> At {
        if self.flags & COMMENT == 0 { self.before_sum() } else { At::Comment }
    }

    const fn before_sum(&self) -> At {
        if self.flags & HEAD_SUM == 0 { At::Data } else { At::HeadSum(0) }
    }

    /// Ends a member whose data add up to what stands behind them.
    fn close(&mut self, tail: [u8; TAIL_BYTES]) -> Result<At, DecodeError> {
        let said = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
        if said != tail {
            return Err(DecodeError::Broken);
        }
        self.members += 1;
        self.crc.reset();
        self.inflate.reset(false);
        Ok(At::Head(0))
    }
}

/// What each member begins with: two bytes that say gzip, and one that says deflate.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const HEAD_SUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;
const TAIL_BYTES: usize = 8;
