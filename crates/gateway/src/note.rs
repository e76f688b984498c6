//! What is said beside a host's own no: that the request held a placeholder where none is swapped, so that the host saw the placeholder instead of the value.
//! It is looked for only then, in the head, and never in a body.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use model::Token;

use crate::exchange::Ask;

/// The note that belongs to a reply with this status; none where there is nothing to say.
pub(crate) fn note(ask: &Ask, status: StatusCode) -> Option<HeaderValue> {
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || ask.door.is_some() {
        return None;
    }
    let later = ask.devbox.card.later_grants();
    let mut grants = ask.devbox.card.grants.iter().chain(&later);
    let is_unswapped = grants.any(|held| !ask.live.has_use_of(&held.grant.secret) && stands_in_head(ask, &held.token));
    is_unswapped.then(|| HeaderValue::from_static(UNSWAPPED))
}

/// Whether the request's target or one of its headers holds the token.
fn stands_in_head(ask: &Ask, token: &Token) -> bool {
    let token = token.as_str();
    let in_target = ask.uri.path_and_query().is_some_and(|target| target.as_str().contains(token));
    in_target || ask.headers.values().any(|value| value.to_str().is_ok_and(|text| text.contains(token)))
}

/// Tells what the gateway adds from what a host says: no reply of a host carries it through the gateway.
pub(crate) const NOTE_HEADER: HeaderName = HeaderName::from_static("x-tightlip-note");
const UNSWAPPED: &str = "placeholder_not_swapped";
