//! Writing values into a request's query: each in place of a token that is the whole value of the parameter its binding names. What is not replaced stays
//! byte for byte.

use std::ops::Range;

use model::token::Token;
use zeroize::Zeroizing;

use super::ArmError;
use crate::scrub::percent_encoded;
use crate::value::SecretValue;

/// Where the gateway found a token in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInQuery {
    /// The parameter, as its name reads when it is decoded.
    pub name: String,
    /// The token.
    pub token: Token,
}

/// One parameter of a query, decoded (URL standard, section 5.1). None of its halves is ever part of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// The value; empty where there is no `=`.
    pub value: String,
    /// Where the value stands.
    at: Range<usize>,
}

/// A query with values in it; wiped when it is dropped.
pub struct ArmedQuery(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for ArmedQuery {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The parameters of a query, as most servers read them: between `&`, the name up to the first `=`, `+` for a space, percent-encoding undone. Those that are
/// not text then are left out.
pub fn parameters(query: &str) -> impl Iterator<Item = Parameter> {
    let mut begin = 0;
    query.split('&').filter_map(move |piece| {
        let start = begin;
        begin += piece.len() + 1;
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let end = start + piece.len();
        Some(Parameter { name: decoded(name)?, value: decoded(value)?, at: end - value.len()..end })
    })
}

/// Writes the values into the query in place of their tokens, percent-encoded. What was written is not looked at again.
///
/// # Errors
/// [`ArmError::TokenAbsent`] where a token does not stand where it was found.
pub fn arm_query(query: &str, armed: &[(FoundInQuery, SecretValue)]) -> Result<ArmedQuery, ArmError> {
    let mut written = vec![false; armed.len()];
    let mut spots: Vec<(Range<usize>, Zeroizing<Vec<u8>>)> = Vec::new();
    for parameter in parameters(query) {
        let is_it = |(found, _): &(FoundInQuery, SecretValue)| found.name == parameter.name && found.token.as_str() == parameter.value;
        if let Some(number) = armed.iter().position(is_it) {
            written[number] = true;
            spots.push((parameter.at, percent_encoded(armed[number].1.bytes())));
        }
    }
    if !written.into_iter().all(|was_written| was_written) {
        return Err(ArmError::TokenAbsent);
    }
    let room = query.len() + spots.iter().map(|(_, text)| text.len()).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    let mut done = 0;
    for (at, text) in spots {
        out.extend_from_slice(&query.as_bytes()[done..at.start]);
        out.extend_from_slice(&text);
        done = at.end;
    }
    out.extend_from_slice(&query.as_bytes()[done..]);
    Ok(ArmedQuery(out))
}

/// None where it is not text. A `%` that begins no pair of digits stays one, as the URL standard has it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%').and_then(super::hex_pair);
        bytes.push(pair.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if pair.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}
