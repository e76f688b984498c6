//! Values in a request's query: in parameters that bindings name, and nowhere else. A query in which no token stands is not touched.

use http::Uri;
use service::{Armed, Candidate};
use vault::arm::query::{FoundInQuery, arm_query, parameters};
use zeroize::Zeroizing;

use model::{Refusal, Spot};

use crate::exchange::{Ask, resolve};

/// Writes the values of the tokens that stand in these parameters of the request's target. None where none of them may be written there.
///
/// # Errors
/// The refusal of a token that stands where its secret's binding would be.
pub(crate) fn write_query(ask: &Ask, names: &[String]) -> Result<Option<Uri>, Refusal> {
    let Some(query) = ask.uri.query().filter(|_| !names.is_empty()) else { return Ok(None) };
    let mut armed: Vec<(FoundInQuery, Armed)> = Vec::new();
    for found in find_in(query, |name| names.iter().any(|known| known == name), |text| ask.lookup(text))? {
        match resolve(ask, &found.token, Spot::Query(&found.name)) {
            Ok(value) => armed.push((found, value)),
            // A parameter that only another secret's binding names: here the token is as inert as anywhere else.
            Err(Refusal::FormNotBound) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    if armed.is_empty() {
        return Ok(None);
    }
    let values: Vec<_> = armed.into_iter().map(|(found, armed)| (found, armed.value)).collect();
    let query = arm_query(query, &values).map_err(|_| Refusal::RequestMalformed)?;
    let target = Zeroizing::new([ask.uri.path().as_bytes(), b"?", query.as_ref()].concat());
    // With the values in it, it may be longer than a target may be.
    Uri::try_from(target.as_slice()).map(Some).map_err(|_| Refusal::LimitReached)
}

/// The tokens that are the whole value of a parameter that `is_place` says is one for them.
///
/// # Errors
/// What `lookup` refuses, and more candidates than any honest request has.
pub(crate) fn find_in(
    query: &str,
    is_place: impl Fn(&str) -> bool,
    lookup: impl Fn(&str) -> Result<Candidate, Refusal>,
) -> Result<Vec<FoundInQuery>, Refusal> {
    let mut found: Vec<FoundInQuery> = Vec::new();
    let candidates =
        parameters(query).filter(|parameter| parameter.value.len() >= crate::find::TOKEN_BYTES_MIN && is_place(&parameter.name));
    for (asked, candidate) in candidates.enumerate() {
        if asked >= crate::find::CANDIDATES_MAX {
            return Err(Refusal::LimitReached);
        }
        if let Candidate::Ours(token) = lookup(&candidate.value)? {
            let new = FoundInQuery { name: candidate.name, token };
            if !found.contains(&new) {
                found.push(new);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const OURS: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";
    const FOREIGN: &str = "ghp_foreignforeignforeignforeignforeign1";

    fn search(query: &str) -> Result<usize, Refusal> {
        let lookup = |text: &str| match text {
            OURS => Ok(Candidate::Ours(text.parse().unwrap())),
            FOREIGN => Err(Refusal::TokenForeign),
            _ => Ok(Candidate::NotOurs),
        };
        find_in(query, |name| name == "key", lookup).map(|found| found.len())
    }

    #[test]
    fn a_token_of_another_devbox_is_refused_where_tokens_are_looked_for_and_only_there() {
        assert_eq!(search(&format!("key={FOREIGN}")), Err(Refusal::TokenForeign));
        assert_eq!(search(&format!("q={FOREIGN}&key={OURS}")), Ok(1));
    }

    #[test]
    fn a_query_made_of_thousands_of_candidates_is_refused_and_a_token_is_found_once() {
        let many = |count: usize| vec![format!("key={}", "x".repeat(20)); count].join("&");
        assert_eq!(search(&many(crate::find::CANDIDATES_MAX + 1)), Err(Refusal::LimitReached));
        assert_eq!(search(&many(crate::find::CANDIDATES_MAX)), Ok(0));
        assert_eq!(search(&format!("key={OURS}&key={OURS}")), Ok(1));
    }
}
