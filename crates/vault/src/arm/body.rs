//! Writing values into a request's body, which is held whole: each in place of its token, escaped for the body's media type, so that no value ends the string
//! or the field in which it stands. What is not replaced stays byte for byte.
//!
//! The agent writes what is around its token, and the host may read it otherwise than we do. A host that takes a piece of the value for the end of an escape or
//! of a character, or joins it with what follows, says back what no scrubber knows. So a token counts only
//! - in a body that reads whole as its type says ([`fields`]), within a string's or a field's value, never in a name;
//! - where that value is ASCII all through, once its escapes are undone, and has no escape that was begun and not ended;
//! - and where what stands beside it, on both sides, separates words ([`Text::separates`]).
//!
//! Everywhere else it is inert.

use std::ops::Range;

use model::limits::ARMED_BODY_BYTES_MAX;
use model::token::Token;
use zeroize::Zeroizing;

use super::ArmError;
use crate::scrub::{json_escaped, percent_encoded};
use crate::value::SecretValue;

mod fields;

use fields::{Text, fields};

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
    let all: Vec<&Token> = tokens.iter().collect();
    let mut stand = vec![false; tokens.len()];
    for spot in spots(media, body, &all) {
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
    let tokens: Vec<&Token> = armed.iter().map(|(token, _)| token).collect();
    let spots = spots(media, body, &tokens);
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
    for Spot { place, number } in spots {
        out.extend_from_slice(&body[done..place.start]);
        out.extend_from_slice(&texts[number]);
        done = place.end;
    }
    out.extend_from_slice(&body[done..]);
    Ok(ArmedBody(out))
}

/// Where a token stands, as it is written in the body.
struct Spot {
    place: Range<usize>,
    /// Which of the tokens.
    number: usize,
}

/// The places of tokens in a body, in their order; none in a body that does not read as its type says.
fn spots(media: Media, body: &[u8], tokens: &[&Token]) -> Vec<Spot> {
    let mut spots = Vec::new();
    // Escaped, a token is only longer.
    let may_hold = |field: &Range<usize>| field.len() >= tokens.iter().map(|token| token.as_str().len()).min().unwrap_or(usize::MAX);
    for field in fields(media, body).into_iter().filter(may_hold) {
        if let Some(text) = Text::read(media, body, field) {
            find(&text, tokens, &mut spots);
        }
    }
    spots
}

fn find(text: &Text, tokens: &[&Token], spots: &mut Vec<Spot>) {
    let mut at = 0;
    while at < text.bytes().len() {
        let here = tokens.iter().position(|token| text.holds_at(at, token.as_str().as_bytes()));
        let Some(number) = here else {
            at += 1;
            continue;
        };
        let end = at + tokens[number].as_str().len();
        spots.push(Spot { place: text.place(at..end), number });
        at = end;
    }
}

impl Media {
    fn escaped(self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Json => json_escaped(value),
            Self::Form => percent_encoded(value),
        }
    }
}
