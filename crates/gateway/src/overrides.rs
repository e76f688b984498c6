//! Headers by which some servers take another path, method or host than the request names. Where a binding covers part of a host only, the first two would lead a
//! value past it; and every binding covers named hosts only.

use http::header::{HeaderMap, HeaderName};
use model::gateway::{is_host_override_header, is_override_header, is_second_path_header};

/// Takes those that name another path or method off a request, and those that name another host.
pub(crate) fn drop_overrides(headers: &mut HeaderMap) {
    drop_those(headers, is_override_header);
    drop_host_overrides(headers);
}

/// Takes those that name another host off a request.
pub(crate) fn drop_host_overrides(headers: &mut HeaderMap) {
    drop_those(headers, is_host_override_header);
}

/// Takes all of them off a request's trailers, where no client has any, and some servers put what they find there into its head.
pub(crate) fn drop_from_trailers(trailers: &mut HeaderMap) {
    drop_overrides(trailers);
    drop_those(trailers, is_second_path_header);
}

/// Whether a header names a path beside the request's own.
pub(crate) fn names_second_path(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_second_path_header(name.as_str()))
}

fn drop_those(headers: &mut HeaderMap, is_one: fn(&str) -> bool) {
    let those: Vec<HeaderName> = headers.keys().filter(|name| is_one(name.as_str())).cloned().collect();
    for name in those {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::header::HeaderValue;

    use super::*;

    fn headers(names: &[&'static str]) -> HeaderMap {
        names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("/x"))).collect()
    }

    fn names(headers: &HeaderMap) -> HashSet<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_names_another_path_method_or_host_is_taken_off_however_it_is_spelled() {
        let paths = ["x-original-url", "x_rewrite_url", "x-forwarded-path", "x-http_method-override", "script-name", "path_info"];
        let hosts = ["x-forwarded-host", "x_host", "forwarded"];
        let mut map = headers(&[&paths[..], &hosts, &["x-kept", "x-forwarded-for"]].concat());
        drop_host_overrides(&mut map);
        assert_eq!(names(&map), paths.into_iter().chain(["x-kept", "x-forwarded-for"]).collect());
        map.extend(headers(&hosts));
        drop_overrides(&mut map);
        assert_eq!(names(&map), HashSet::from(["x-kept", "x-forwarded-for"]));
    }

    #[test]
    fn a_second_path_is_known_by_whatever_store_its_header_is() {
        for name in [
            "destination",
            "x-goog-copy-source",
            "x_amz_copy_source",
            "x-ms-rename-source",
            "x-oss-copy-source",
            "x-copy-from",
            "x-symlink-target",
            "x-oss-symlink-target",
            "x-versions-location",
        ] {
            assert!(names_second_path(&headers(&["x-kept", name])), "{name}");
        }
        let mut trailers = headers(&["x-kept", "destination", "x-forwarded-host", "x-original-url"]);
        drop_from_trailers(&mut trailers);
        assert_eq!(names(&trailers), HashSet::from(["x-kept"]));
        assert!(!names_second_path(&headers(&["x-kept", "x-destination", "copy-source", "x-amz-copy-source-if-match", "source"])));
    }
}
