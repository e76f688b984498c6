//! Headers by which some servers take another path, method or host than the request names. Where a binding covers part of a host only, they would lead a value
//! past it.

use http::header::{HeaderMap, HeaderName};

/// Takes them off a request. Servers that hand headers on in variables do not tell `_` from `-`.
pub(crate) fn drop_overrides(headers: &mut HeaderMap) {
    let is_override = |name: &HeaderName| OVERRIDES.contains(&name.as_str().replace('_', "-").as_str());
    let overrides: Vec<HeaderName> = headers.keys().filter(|name| is_override(name)).cloned().collect();
    for name in overrides {
        headers.remove(name);
    }
}

/// IIS and what took after it (Symfony, Zend, Envoy, nginx's and Traefik's customs); Google, OData and Rails for methods.
const OVERRIDES: [&str; 18] = [
    "x-original-url",
    "x-original-uri",
    "x-original-path",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-rewrite-path",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-envoy-original-path",
    "x-replaced-path",
    "x-forwarded-host",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-forwarded-method",
    "x-request-method",
];

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
