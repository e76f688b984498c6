//! Which headers pass: those between two neighbours do not (RFC 9110, section 7.6.1), nor do ours, nor what would make a reply unreadable.

use http::header::{
    ACCEPT_CHARSET, ACCEPT_ENCODING, CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, IF_RANGE, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::disguises::ask_for_plain;
use crate::greet::Destination;

/// Removes the headers that are between two neighbours only, those named by `Connection` among them.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<HeaderName> = listed.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in HOP_BY_HOP.into_iter().chain(listed) {
        headers.remove(name);
    }
}

/// Turns a request's headers into those that go to the upstream, but for its credentials.
pub(crate) fn prepare_request(headers: &mut HeaderMap, to: &Destination) -> Result<(), http::header::InvalidHeaderValue> {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    let takes_trailers = headers.get_all(TE).iter().any(names_trailers);
    strip_hop_by_hop(headers);
    let ours = headers.keys().filter(|name| name.as_str().starts_with(OUR_PREFIX)).cloned().collect::<Vec<_>>();
    for name in [RANGE, REQUEST_RANGE, X_MS_RANGE, IF_RANGE, EXPECT, ACCEPT_CHARSET].into_iter().chain(ours) {
        headers.remove(name);
    }
    ask_for_plain(headers);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(HOST, HeaderValue::try_from(to.authority())?);
    if is_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

/// Whether this asks for trailers, among other things (RFC 9110, section 10.1.4).
fn names_trailers(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|list| list.split(',').any(|word| word.trim().eq_ignore_ascii_case("trailers")))
}

const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// What Apache takes for `Range` as well.
const REQUEST_RANGE: HeaderName = HeaderName::from_static("request-range");
/// What Azure's storage takes before `Range`.
const X_MS_RANGE: HeaderName = HeaderName::from_static("x-ms-range");
const OUR_PREFIX: &str = "x-tightlip-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::greet::Scheme;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_is_between_neighbours_does_not_pass() {
        let mut map = headers(&[
            ("connection", "x-one, close"),
            ("connection", "X-Two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("keep-alive", "x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("proxy-authorization", "Basic x"),
            ("x-three", "3"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("x-three", "3")]));
    }

    #[test]
    fn an_upstream_is_asked_for_plain_and_whole_replies_and_told_nothing_of_us() {
        let to = Destination { host: "a.example".parse().expect("a host"), port: 8443, scheme: Scheme::Https };
        let mut map = headers(&[
            ("host", "a.example:8443"),
            ("accept-encoding", "gzip"),
            ("range", "bytes=1-2"),
            ("if-range", "x"),
            ("request-range", "bytes=1-2"),
            ("x-ms-range", "bytes=1-2"),
            ("expect", "100-continue"),
            ("x-tightlip-devbox", "x"),
            ("a-im", "gzip"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=b"),
        ]);
        prepare_request(&mut map, &to).expect("prepared");
        let wanted = [("host", "a.example:8443"), ("accept-encoding", "identity"), ("transfer-encoding", "chunked"), ("cookie", "a=b")];
        assert_eq!(map, headers(&wanted));
    }
}
