//! Canaries: values planted only to be searched for, in every form in which a value could come back.

use std::collections::{BTreeMap, HashSet};

use crate::unpack;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A planted value and the search for it.
#[derive(Clone)]
pub struct Canary {
    value: String,
    /// The pieces that must not be found.
    pieces: Pieces,
    /// The same of the value in small letters, as a header's name comes.
    small: Pieces,
}

/// Pieces by their lengths, and how most places that hold none are told at once.
#[derive(Clone)]
struct Pieces {
    of: BTreeMap<usize, HashSet<Vec<u8>>>,
    starts: Vec<bool>,
}

impl Canary {
    /// A canary of random letters and digits behind `prefix`, 40 characters in all. None of the prefix's own are among them: where a beginning of the value is cut
    /// off and the prefix follows, as a placeholder's does, it must not go on as the value would.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make(prefix: &str) -> anyhow::Result<Self> {
        let mut random = [0_u8; 96];
        getrandom::fill(&mut random)?;
        let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let letters: Vec<u8> = all.iter().copied().filter(|letter| !prefix.bytes().any(|own| own.eq_ignore_ascii_case(letter))).collect();
        let even = random.iter().filter(|byte| usize::from(**byte) < letters.len() * 4);
        let tail: String =
            even.map(|byte| char::from(letters[usize::from(*byte) % letters.len()])).take(CANARY_CHARS - prefix.len()).collect();
        Ok(Self::behind(prefix, &tail))
    }

    /// Something that is there already and must not be found any more than a planted value.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::behind("", text)
    }

    /// A canary as long as the tokens that some providers sign: three parts in base64's letters. It is searched for like the others.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn long() -> anyhow::Result<Self> {
        let part = |bytes: usize| -> anyhow::Result<String> {
            let mut random = vec![0; bytes];
            getrandom::fill(&mut random)?;
            Ok(URL_SAFE_NO_PAD.encode(random))
        };
        Ok(Self::behind("eyJhbGciOiJSUzI1NiJ9.", &format!("{}.{}", part(LONG_BODY_BYTES)?, part(LONG_SIGNATURE_BYTES)?)))
    }

    fn behind(prefix: &str, tail: &str) -> Self {
        let small = tail.to_ascii_lowercase().into_bytes();
        let small = BTreeMap::from([(WINDOW_CHARS, small.windows(WINDOW_CHARS).map(<[u8]>::to_vec).collect())]);
        Self { pieces: Pieces::new(pieces(tail.as_bytes())), small: Pieces::new(small), value: format!("{prefix}{tail}") }
    }

    /// The planted value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether `bytes` hold eight characters in a row of the value's random part: raw, encoded, packed, or cut into chunks. The prefix is no secret:
    /// placeholders have it too.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.stands_in(bytes) || unpack::readings(bytes).iter().any(|reading| self.stands_in(reading))
    }

    /// The same of the bytes as they are.
    fn stands_in(&self, bytes: &[u8]) -> bool {
        self.pieces.are_in(bytes) || self.small.are_in(&bytes.to_ascii_lowercase())
    }
}

impl Pieces {
    fn new(of: BTreeMap<usize, HashSet<Vec<u8>>>) -> Self {
        let mut starts = vec![false; STARTS];
        of.values().flatten().for_each(|piece| starts[start(piece)] = true);
        Self { of, starts }
    }

    /// Whether one of them is in `bytes`.
    fn are_in(&self, bytes: &[u8]) -> bool {
        let is_one =
            |at: usize, length: usize, pieces: &HashSet<Vec<u8>>| bytes.get(at..at + length).is_some_and(|piece| pieces.contains(piece));
        let places = bytes.windows(START_BYTES).enumerate().filter(|(_, window)| self.starts[start(window)]);
        places.into_iter().any(|(at, _)| self.of.iter().any(|(length, pieces)| is_one(at, *length, pieces)))
    }
}

/// The first bytes, as one number: most windows are told from every piece by them.
fn start(bytes: &[u8]) -> usize {
    let word = bytes[..START_BYTES].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    (word.wrapping_mul(SPREAD) >> (u32::BITS - STARTS.ilog2())) as usize
}

/// The value's windows of eight characters, raw, in hexadecimal, percent-encoded, and in base64 at three offsets and in both alphabets.
fn pieces(value: &[u8]) -> BTreeMap<usize, HashSet<Vec<u8>>> {
    let lower: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![
        (WINDOW_CHARS, value.to_vec()),
        (WINDOW_CHARS * 2, lower.to_uppercase().into_bytes()),
        (WINDOW_CHARS * 2, lower.into_bytes()),
        (WINDOW_CHARS * 3, percent.to_lowercase().into_bytes()),
        (WINDOW_CHARS * 3, percent.into_bytes()),
    ];

    for offset in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(b'\0', offset).chain(value.iter().copied()).collect();
        for text in [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            // The first and last characters depend on the neighbours; what lies between is the value's alone.
            let (from, to) = (usize::from(offset > 0) * 4, text.len().saturating_sub(4));
            forms.push((WINDOW_CHARS, text.as_bytes().get(from..to).unwrap_or_default().to_vec()));
        }
    }
    let mut pieces: BTreeMap<usize, HashSet<Vec<u8>>> = BTreeMap::new();
    for (length, form) in forms {
        pieces.entry(length).or_default().extend(form.windows(length).map(<[u8]>::to_vec));
    }
    pieces
}

const WINDOW_CHARS: usize = 8;
const CANARY_CHARS: usize = 40;
/// No piece is shorter.
const START_BYTES: usize = 4;
/// A power of two, many times as many as there are pieces.
const STARTS: usize = 1 << 20;
/// Knuth's multiplier: neighbours are spread over the whole.
const SPREAD: u32 = 0x9E37_79B1;
const LONG_BODY_BYTES: usize = 900;
const LONG_SIGNATURE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form_and_in_nothing_else() {
        let canary = Canary::make("ghp_").expect("randomness");
        let value = canary.value().to_owned();
        assert_eq!(value.len(), CANARY_CHARS);
        let basic = STANDARD.encode(format!("x-access-token:{value}"));
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("x-{}", value.to_ascii_lowercase());
        for text in [value.clone(), format!("a{value}b"), basic, hex, name, value[10..18].to_owned(), URL_SAFE_NO_PAD.encode(&value)] {
            assert!(canary.is_in(text.as_bytes()));
        }
        let other = Canary::make("ghp_").expect("randomness");
        assert!(!canary.is_in(other.value().as_bytes()) && !canary.is_in(b"") && !canary.is_in(&value.as_bytes()[..11]));
    }

    #[test]
    fn a_long_canary_is_found_wherever_a_piece_of_it_stands() {
        let canary = Canary::long().expect("randomness");
        let value = canary.value().to_owned();
        assert!(value.len() > 1500);
        for at in (21..value.len() - 8).step_by(97) {
            assert!(canary.is_in(&value.as_bytes()[at..at + 8]), "{at}");
        }
        let twice = STANDARD.encode(format!("Authorization: Basic {}", STANDARD.encode(format!("u:{value}"))));
        let hex: String = STANDARD.encode(format!("u:{value}")).bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(canary.is_in(twice.as_bytes()) && canary.is_in(hex.as_bytes()));
        assert!(!canary.is_in(Canary::long().expect("randomness").value().as_bytes()));
    }

    #[test]
    fn a_beginning_before_a_placeholder_is_no_more_than_a_beginning() {
        for _ in 0..1000 {
            let canary = Canary::make("ghp_").expect("randomness");
            assert!(!canary.is_in(format!("{}ghp_", &canary.value()[..11]).as_bytes()));
        }
    }
}
