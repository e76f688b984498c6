//! Writing a value into a request's headers: strip what carried the token, then set what the binding's form names. Below: [`query`] and [`body`].
//!
//! The value is consumed. What is written is a [`HeaderValue`] marked sensitive; its memory belongs to the `http` crate and is freed without being wiped,
//! while every buffer made here is wiped.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use model::binding::Form;
use model::limits::BROKERED_VALUE_BYTES_MIN;
use model::token::Token;

use crate::recognise::fits_header;
use crate::value::SecretValue;

pub mod body;
pub mod query;

/// Where the gateway found a token in a request's head.
pub struct Found {
    /// The header in which it stands.
    pub header: HeaderName,
    /// The token.
    pub token: Token,
}

/// Why a value was not written. The headers are as they were.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArmError {
    /// The value cannot be written in this form: control characters (line breaks among them), or in a plain header anything but visible ASCII, or a colon in
    /// the user's half of Basic, or a password in it that is too short to be scrubbed.
    #[error("the value cannot be written in this form")]
    Unfit,
    /// The header does not hold the token.
    #[error("the token does not stand where it was found")]
    TokenAbsent,
    /// Too much would be written.
    #[error("the body would be too large with the value in it")]
    TooLarge,
}

/// Writes `value` into `headers` in place of `found`'s token.
///
/// `Auto` replaces the token wherever it stands in its header as a part of its own: after any scheme (`Bearer T`, `token T`), alone (`x-api-key: T`), or inside Basic (RFC 7617),
/// which is decoded and encoded again. The other forms strip that header and set their own. Either way no other line of the header the token stood in, and
/// of the header that is set, survives. Headers that did not carry the token are not touched.
///
/// # Errors
/// [`ArmError`], also for a form that writes no header; the headers are then untouched.
pub fn arm(value: SecretValue, form: &Form, found: &Found, headers: &mut HeaderMap) -> Result<(), ArmError> {
    let token = found.token.as_str().as_bytes();
    if !headers.get_all(&found.header).iter().any(|line| carries(line.as_bytes(), token)) {
        return Err(ArmError::TokenAbsent);
    }
    let (name, lines) = match form {
        Form::Auto => (found.header.clone(), in_place(&value, token, headers.get_all(&found.header).iter())?),
        Form::Bearer => (AUTHORIZATION, vec![plain_line(b"Bearer ", &value)?]),
        Form::Basic { user } => (AUTHORIZATION, vec![basic_line(user, &value)?]),
        Form::UserPass => (AUTHORIZATION, vec![user_pass_line(&value)?]),
        Form::Header { name } => (HeaderName::from_bytes(name.as_bytes()).map_err(|_| ArmError::Unfit)?, vec![plain_line(b"", &value)?]),
        Form::Query { .. } | Form::Body => return Err(ArmError::Unfit),
    };
    headers.remove(&found.header);
    headers.remove(&name);
    for line in lines {
        headers.append(&name, line);
    }
    Ok(())
}

/// Writes `value` into `headers` in the form that a destination names, where no token stands. No other line of that header survives. Other headers are not
/// touched.
///
/// # Errors
/// [`ArmError::Unfit`], also for a form that names no header; the headers are then untouched.
pub fn write(value: SecretValue, form: &Form, headers: &mut HeaderMap) -> Result<(), ArmError> {
    let (name, line) = match form {
        Form::Auto | Form::Query { .. } | Form::Body => return Err(ArmError::Unfit),
        Form::Bearer => (AUTHORIZATION, plain_line(b"Bearer ", &value)?),
        Form::Basic { user } => (AUTHORIZATION, basic_line(user, &value)?),
        Form::UserPass => (AUTHORIZATION, user_pass_line(&value)?),
        Form::Header { name } => (HeaderName::from_bytes(name.as_bytes()).map_err(|_| ArmError::Unfit)?, plain_line(b"", &value)?),
    };
    headers.insert(name, line);
    Ok(())
}

/// The lines that carry the token, with the value in its place.
fn in_place<'h>(value: &SecretValue, token: &[u8], lines: impl Iterator<Item = &'h HeaderValue>) -> Result<Vec<HeaderValue>, ArmError> {
    let carriers = lines.filter(|line| carries(line.as_bytes(), token));
    carriers.map(|line| armed_line(line.as_bytes(), token, value)).collect()
}

fn armed_line(line: &[u8], token: &[u8], value: &SecretValue) -> Result<HeaderValue, ArmError> {
    let Some(credentials) = decode_basic(line).filter(|credentials| holds(credentials, token, Edges::InBasic)) else {
        return if fits_header(value) { to_line(&replaced(line, token, value.bytes(), Edges::Plain)) } else { Err(ArmError::Unfit) };
    };
    let user_bytes = credentials.iter().position(|byte| *byte == b':').unwrap_or(0);
    let is_user = holds(&credentials[..user_bytes], token, Edges::InBasic);
    if !fits_basic(value) || (is_user && value.bytes().contains(&b':')) {
        return Err(ArmError::Unfit);
    }
    to_basic_line(&line[..SCHEME_BYTES], &replaced(&credentials, token, value.bytes(), Edges::InBasic))
}

fn plain_line(scheme: &[u8], value: &SecretValue) -> Result<HeaderValue, ArmError> {
    if !fits_header(value) {
        return Err(ArmError::Unfit);
    }
    to_line(&Zeroizing::new([scheme, value.bytes()].concat()))
}

fn basic_line(user: &str, value: &SecretValue) -> Result<HeaderValue, ArmError> {
    if !fits_basic(value) {
        return Err(ArmError::Unfit);
    }
    to_basic_line(b"Basic", &Zeroizing::new([user.as_bytes(), b":", value.bytes()].concat()))
}

/// The value holds both halves (RFC 7617, section 2). A password that is too short to be scrubbed by itself does not leave.
fn user_pass_line(value: &SecretValue) -> Result<HeaderValue, ArmError> {
    let password = value.bytes().iter().position(|byte| *byte == b':').map(|colon| &value.bytes()[colon + 1..]);
    if !fits_basic(value) || password.is_none_or(|password| password.len() < BROKERED_VALUE_BYTES_MIN) {
        return Err(ArmError::Unfit);
    }
    to_basic_line(b"Basic", value.bytes())
}

fn to_basic_line(scheme: &[u8], credentials: &[u8]) -> Result<HeaderValue, ArmError> {
    let encoded = Zeroizing::new(STANDARD.encode(credentials));
    to_line(&Zeroizing::new([scheme, b" ", encoded.as_bytes()].concat()))
}

fn to_line(bytes: &[u8]) -> Result<HeaderValue, ArmError> {
    let mut line = HeaderValue::from_bytes(bytes).map_err(|_| ArmError::Unfit)?;
    line.set_sensitive(true);
    Ok(line)
}

fn carries(line: &[u8], token: &[u8]) -> bool {
    holds(line, token, Edges::Plain) || decode_basic(line).is_some_and(|credentials| holds(&credentials, token, Edges::InBasic))
}

/// What a Basic line holds (RFC 7617), if it is one. Missing padding and the URL alphabet are accepted, since clients write them.
fn decode_basic(line: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = line.split_at_checked(SCHEME_BYTES)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !rest.first().is_some_and(u8::is_ascii_whitespace) {
        return None;
    }
    let encoded = rest.trim_ascii();
    LENIENT.decode(encoded).or_else(|_| LENIENT_URL.decode(encoded)).ok()
}

/// Whether a value can stand inside Basic: UTF-8 text without control characters (RFC 7617 section 2).
fn fits_basic(value: &SecretValue) -> bool {
    !value.bytes().iter().any(u8::is_ascii_control)
}

/// What may stand beside a token that counts. Beside anything else (`%4`, say) a host could take the value's first characters for the rest of an escape, and
/// say back what nobody knows any more.
#[derive(Clone, Copy)]
enum Edges {
    /// What separates the parts of a header's value.
    Plain,
    /// The same inside Basic, and the colon between its halves.
    InBasic,
}

impl Edges {
    fn allow(self, neighbour: Option<&u8>) -> bool {
        match neighbour {
            None | Some(b' ' | b'\t' | b',' | b';' | b'=' | b'"' | b'\'') => true,
            Some(b':') => matches!(self, Self::InBasic),
            Some(_) => false,
        }
    }

    /// What follows the token, if it stands at `at` and counts.
    fn after<'t>(self, text: &'t [u8], at: usize, token: &[u8]) -> Option<&'t [u8]> {
        let (before, rest) = text.split_at_checked(at)?;
        let after = rest.strip_prefix(token)?;
        (self.allow(before.last()) && self.allow(after.first())).then_some(after)
    }
}

fn holds(text: &[u8], token: &[u8], edges: Edges) -> bool {
    (0..text.len()).any(|at| edges.after(text, at, token).is_some())
}

/// `text` with each `token` that counts replaced by `value`; what was written is not looked at again. The buffer never moves, so no copy stays behind.
fn replaced(text: &[u8], token: &[u8], value: &[u8], edges: Edges) -> Zeroizing<Vec<u8>> {
    let occurrences = text.len() / token.len();
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + occurrences * value.len()));
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if edges.after(text, at, token).is_some() {
            out.extend_from_slice(value);
            at += token.len();
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

/// The byte that two hexadecimal digits stand for.
fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

const LENIENCE: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENCE);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENCE);
const SCHEME_BYTES: usize = b"basic".len();

#[cfg(test)]
mod spots;
#[cfg(test)]
mod tests;
