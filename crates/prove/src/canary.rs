//! Canaries: values planted only to be searched for, in every form in which a value could come back.

use std::collections::{BTreeMap, HashSet};

use crate::unpack;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A planted value and the search for it.
pub struct Canary {
    value: String,
    /// For each length, the pieces of that length that must not be found.
    pieces: BTreeMap<usize, HashSet<Vec<u8>>>,
    /// The same of the value in small letters, as a header's name comes.
    small: BTreeMap<usize, HashSet<Vec<u8>>>,
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

    fn behind(prefix: &str, tail: &str) -> Self {
        let small = tail.to_ascii_lowercase().into_bytes();
        let small = BTreeMap::from([(WINDOW_CHARS, small.windows(WINDOW_CHARS).map(<[u8]>::to_vec).collect())]);
        Self { pieces: pieces(tail.as_bytes()), small, value: format!("{prefix}{tail}") }
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
        are_in(&self.pieces, bytes) || are_in(&self.small, &bytes.to_ascii_lowercase())
    }
}

/// Whether one of these pieces is in `bytes`.
fn are_in(pieces: &BTreeMap<usize, HashSet<Vec<u8>>>, bytes: &[u8]) -> bool {
    pieces.iter().any(|(length, pieces)| {
        let mut starts = [false; 1 << 16];
        pieces.iter().for_each(|piece| starts[pair(piece)] = true);
        bytes.windows(*length).any(|window| starts[pair(window)] && pieces.contains(window))
    })
}

/// The first two bytes, as one number: most windows are told from every piece by them.
fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
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
    fn a_beginning_before_a_placeholder_is_no_more_than_a_beginning() {
        for _ in 0..1000 {
            let canary = Canary::make("ghp_").expect("randomness");
            assert!(!canary.is_in(format!("{}ghp_", &canary.value()[..11]).as_bytes()));
        }
    }
}
