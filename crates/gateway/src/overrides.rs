//! Headers by which some servers take another path, method or host than the request names. Where a binding covers part of a host only, they would lead a value
//! past it.

use http::header::{HeaderMap, HeaderName};
use model::gateway::is_override_header;

/// Takes them off a request.
pub(crate) fn drop_overrides(headers: &mut HeaderMap) {
    let overrides: Vec<HeaderName> = headers.keys().filter(|name| is_override_header(name.as_str())).cloned().collect();
    for name in overrides {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_names_another_path_method_or_host_is_taken_off_however_it_is_spelled() {
        let names = ["x-original-url", "x_rewrite_url", "x-forwarded-path", "x-http_method-override", "x-forwarded-host"];
        let mut map: HeaderMap =
            names.into_iter().chain(["x-kept"]).map(|name| (HeaderName::from_static(name), HeaderValue::from_static("/x"))).collect();
        drop_overrides(&mut map);
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
