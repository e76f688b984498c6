//! Where the devbox's tokens stand in a request. Only credential headers are looked into; a token anywhere else is inert.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{HeaderMap, HeaderName};
use service::Candidate;
use vault::Found;

use model::Refusal;
use model::kind::CREDENTIAL_HEADERS;

/// The tokens in a request's credential headers and in the headers that bindings add, each with the header in which it stands.
///
/// `lookup` says of a text whether it is a token of this devbox.
///
/// # Errors
/// What `lookup` refuses (a token of another devbox), and more candidates than any honest request has.
pub(crate) fn find(
    headers: &HeaderMap,
    extra: &[String],
    lookup: impl Fn(&str) -> Result<Candidate, Refusal>,
) -> Result<Vec<Found>, Refusal> {
    let mut found: Vec<Found> = Vec::new();
    let mut asked = 0;
    let is_place = |name: &HeaderName| CREDENTIAL_HEADERS.contains(&name.as_str()) || extra.iter().any(|extra| extra == name.as_str());
    for name in headers.keys().filter(|name| is_place(name)) {
        for value in headers.get_all(name) {
            for candidate in candidates(value.as_bytes()) {
                asked += 1;
                if asked > CANDIDATES_MAX {
                    return Err(Refusal::LimitReached);
                }
                match lookup(&candidate)? {
                    Candidate::Ours(token) if found.iter().any(|known| known.header == *name && known.token == token) => {}
                    Candidate::Ours(token) => found.push(Found { header: name.clone(), token }),
                    Candidate::NotOurs => {}
                }
            }
        }
    }
    Ok(found)
}

/// The pieces of a header's value that could be a token: the whole, its parts between separators, and what Basic (RFC 7617) hides.
fn candidates(value: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(value) else { return Vec::new() };
    let mut texts = pieces(text);
    if let Some(decoded) = basic(text) {
        let halves = decoded.split_once(':').map_or(vec![decoded.as_str()], |(user, password)| vec![user, password]);
        texts.extend(halves.into_iter().flat_map(pieces));
    }
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn pieces(text: &str) -> Vec<String> {
    let separator = |c: char| matches!(c, ' ' | '\t' | ',' | ';' | '=' | '"' | '\'');
    let whole = std::iter::once(text.trim_matches(BLANKS));
    whole.chain(text.split(separator)).filter(|piece| piece.len() >= TOKEN_BYTES_MIN).map(str::to_owned).collect()
}

/// The user and password of Basic credentials, joined by a colon. Where the vault reads a line as such, this does, and nowhere else.
fn basic(text: &str) -> Option<String> {
    let (scheme, credentials) = text.split_once(BLANKS)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = credentials.trim_matches(BLANKS);
    let bytes = LENIENT.decode(credentials).or_else(|_| LENIENT_URL.decode(credentials)).ok()?;
    String::from_utf8(bytes).ok()
}

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
/// What HTTP has for white space (RFC 9110, section 5.6.3). Another blank is a character like any other.
const BLANKS: [char; 2] = [' ', '\t'];
/// A token is never shorter.
pub(crate) const TOKEN_BYTES_MIN: usize = 16;
/// Pieces that are looked up for one request: far more than any client's credentials have.
pub(crate) const CANDIDATES_MAX: usize = 200;

#[cfg(test)]
#[path = "find/tests.rs"]
mod tests;
