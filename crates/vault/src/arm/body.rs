//! Writing values into a request's body, which is held whole: each in place of its token wherever that stands, escaped for the body's media type, so that no
//! value ends the string or the field in which it stands. What is not replaced stays byte for byte.

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
    let stands = |token: &&Token| (0..body.len()).any(|at| media.length_at(&body[at..], token).is_some());
    tokens.iter().filter(stands).cloned().collect()
}

/// Writes the values into the body in place of their tokens. What was written is not looked at again.
///
/// # Errors
/// [`ArmError::TokenAbsent`] where a token does not stand there, [`ArmError::TooLarge`] where the outcome would be larger than twice
/// [`ARMED_BODY_BYTES_MAX`].
pub fn arm_body(media: Media, body: &[u8], armed: &[(Token, SecretValue)]) -> Result<ArmedBody, ArmError> {
    let texts: Vec<Zeroizing<Vec<u8>>> = armed.iter().map(|(_, value)| media.escaped(value.bytes())).collect();
    let (mut spots, mut bytes, mut at) = (Vec::new(), body.len(), 0);
    let mut written = vec![false; armed.len()];
    while at < body.len() {
        let here = armed.iter().enumerate().find_map(|(number, (token, _))| Some((number, media.length_at(&body[at..], token)?)));
        let Some((number, length)) = here else {
            at += 1;
            continue;
        };
        written[number] = true;
        bytes += texts[number].len();
        if bytes > 2 * ARMED_BODY_BYTES_MAX {
            return Err(ArmError::TooLarge);
        }
        spots.push((at, length, number));
        at += length;
    }
    if !written.into_iter().all(|was_written| was_written) {
        return Err(ArmError::TokenAbsent);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(bytes));
    let mut done = 0;
    for (at, length, number) in spots {
        out.extend_from_slice(&body[done..at]);
        out.extend_from_slice(&texts[number]);
        done = at + length;
    }
    out.extend_from_slice(&body[done..]);
    Ok(ArmedBody(out))
}

impl Media {
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
