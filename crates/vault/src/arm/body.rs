//! Writing values into a request's body, which is held whole: each in place of its token wherever that stands, escaped for the body's media type, so that no
//! value ends the string or the field in which it stands. What is not replaced stays byte for byte.
//!
//! A token counts where a word begins. Directly behind a letter, a digit, `%`, `\` or `#` it is inert: there the beginning of an escape could stand, of this
//! text or of one within it (`%4`, `\u004`), which would take the value's first characters and leave a rest that nobody knows any more.

use model::limits::ARMED_BODY_BYTES_MAX;
use model::token::Token;
use zeroize::Zeroizing;

use super::ArmError;
use crate::scrub::{json_escaped, percent_encoded};
use crate::value::SecretValue;

/// How a body's text is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// As in a string of JSON (RFC 8259, section 7).
    Json,
    /// As in `application/x-www-form-urlencoded` (URL standard, section 5).
    Form,
}

/// A body with values in it; wiped when it is dropped.
pub struct ArmedBody(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for ArmedBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Those of the tokens that stand in the body.
#[must_use]
pub fn tokens_in(media: Media, body: &[u8], tokens: &[Token]) -> Vec<Token> {
    let mut stand = vec![false; tokens.len()];
    for spot in (Spots { media, body, tokens: tokens.iter().collect(), at: 0, is_open: true }) {
        stand[spot.number] = true;
    }
    tokens.iter().zip(stand).filter(|(_, stands)| *stands).map(|(token, _)| token.clone()).collect()
}

/// Writes the values into the body in place of their tokens. What was written is not looked at again.
///
/// # Errors
/// [`ArmError::TokenAbsent`] where a token does not stand there, [`ArmError::TooLarge`] where the outcome would be larger than twice
/// [`ARMED_BODY_BYTES_MAX`].
pub fn arm_body(media: Media, body: &[u8], armed: &[(Token, SecretValue)]) -> Result<ArmedBody, ArmError> {
    let texts: Vec<Zeroizing<Vec<u8>>> = armed.iter().map(|(_, value)| media.escaped(value.bytes())).collect();
    let tokens = armed.iter().map(|(token, _)| token).collect();
    let spots: Vec<Spot> = Spots { media, body, tokens, at: 0, is_open: true }.collect();
    let mut written = vec![false; armed.len()];
    let mut bytes = body.len();
    for spot in &spots {
        written[spot.number] = true;
        bytes += texts[spot.number].len();
        if bytes > 2 * ARMED_BODY_BYTES_MAX {
            return Err(ArmError::TooLarge);
        }
    }
    if !written.into_iter().all(|was_written| was_written) {
        return Err(ArmError::TokenAbsent);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(bytes));
    let mut done = 0;
    for Spot { at, length, number } in spots {
        out.extend_from_slice(&body[done..at]);
        out.extend_from_slice(&texts[number]);
        done = at + length;
    }
    out.extend_from_slice(&body[done..]);
    Ok(ArmedBody(out))
}

/// Where a token stands.
struct Spot {
    at: usize,
    length: usize,
    /// Which of the tokens.
    number: usize,
}

/// The places of tokens in a body, from its beginning on.
struct Spots<'a> {
    media: Media,
    body: &'a [u8],
    tokens: Vec<&'a Token>,
    at: usize,
    /// Whether a word may begin here.
    is_open: bool,
}

impl Iterator for Spots<'_> {
    type Item = Spot;

    fn next(&mut self) -> Option<Spot> {
        while self.at < self.body.len() {
            let (at, rest) = (self.at, &self.body[self.at..]);
            let find = |(number, token): (usize, &&Token)| Some((number, self.media.length_at(rest, token)?));
            let here = if self.is_open { self.tokens.iter().enumerate().find_map(find) } else { None };
            if let Some((number, length)) = here {
                self.at += length;
                return Some(Spot { at, length, number });
            }
            let (length, byte) = self.media.unit(rest);
            self.at += length;
            self.is_open = !byte.is_ascii_alphanumeric() && !matches!(byte, b'%' | b'\\' | b'#');
        }
        None
    }
}

impl Media {
    /// One character of the text, or one byte of it: how long it is written, and what it stands for. The beginning of an escape that is none stands for itself.
    fn unit(self, text: &[u8]) -> (usize, u8) {
        match (self, text) {
            (Self::Json, [b'\\', b'u', digits @ ..]) if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => {
                // Beyond Latin-1 it is no letter of an escape.
                (6, if digits.starts_with(b"00") { super::hex_pair(&digits[2..4]).unwrap_or(NO_LETTER) } else { NO_LETTER })
            }
            (Self::Json, [b'\\', b'b' | b'f' | b'n' | b'r' | b't', ..]) => (2, b'\n'),
            (Self::Json, [b'\\', escaped @ (b'"' | b'\\' | b'/'), ..]) => (2, *escaped),
            (Self::Form, [b'%', digits @ ..]) if super::hex_pair(digits).is_some() => (3, super::hex_pair(digits).unwrap_or(NO_LETTER)),
            (_, [byte, ..]) => (1, *byte),
            (_, []) => (1, NO_LETTER),
        }
    }

    /// How many bytes the token takes where the text begins with it, raw or with characters escaped as clients may.
    fn length_at(self, text: &[u8], token: &Token) -> Option<usize> {
        let mut rest = text;
        for byte in token.as_str().bytes() {
            rest = match rest.strip_prefix(&[byte]) {
                Some(after) => after,
                None => self.escaped_byte(rest).filter(|(read, _)| *read == byte)?.1,
            };
        }
        Some(text.len() - rest.len())
    }

    /// The byte that an escape at the text's beginning stands for, and what follows it.
    fn escaped_byte(self, text: &[u8]) -> Option<(u8, &[u8])> {
        let (before, length): (&[u8], usize) = match self {
            Self::Json => (br"\u00", 6),
            Self::Form => (b"%", 3),
        };
        let digits = text.strip_prefix(before)?.get(..2)?;
        Some((super::hex_pair(digits)?, &text[length..]))
    }

    fn escaped(self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Json => json_escaped(value),
            Self::Form => percent_encoded(value),
        }
    }
}

/// Stands for characters behind which a word may begin.
const NO_LETTER: u8 = b' ';
