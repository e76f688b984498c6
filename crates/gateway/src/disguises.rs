//! Codings of replies by other names than HTTP's own, and sums over their bodies: what a host must not be asked for, since no value could be found in it or
//! a value could be told by it.

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Takes out of a request whatever asks for a coding that is not undone here, or for sums. Lists of codings are kept, and name none.
pub(crate) fn ask_for_plain(headers: &mut HeaderMap) {
    for name in ASKING {
        headers.remove(name);
    }
    // Connect's and gRPC's, for each message alone, and what servers behind others read in the place of HTTP's.
    let lists: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().ends_with("accept-encoding")).cloned().collect();
    for name in lists {
        headers.insert(name, HeaderValue::from_static("identity"));
    }
}

/// Whether a reply says that its body, or the messages in it, are coded otherwise than by `Content-Encoding`.
pub(crate) fn is_disguised(status: StatusCode, headers: &HeaderMap) -> bool {
    let identity = |value: &HeaderValue| value.as_bytes().is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    let is_coded = |name: &HeaderName| !headers.get_all(name).iter().all(identity);
    status == StatusCode::IM_USED || CODED.iter().any(is_coded)
}

/// Whether a header of a reply is a sum over its body. Where a value stands in the body, guesses could be held against the sum without asking anybody, and sums of
/// the shorter sorts tell the value's bits one by one.
///
/// Every store has names of its own, so a sum is known by the algorithm in its name: what is said of a key (`x-amz-server-side-encryption-customer-key-md5`) or
/// was given by whoever stored it (`x-amz-meta-md5`) is none.
pub(crate) fn is_sum(name: &HeaderName) -> bool {
    let words: Vec<&str> = name.as_str().split('-').collect();
    let is_algorithm = |word: &&str| SUM_ALGORITHMS.iter().any(|algorithm| word.starts_with(algorithm));
    let names_hash = words.first() == Some(&"x") && words.contains(&"hash");
    let is_of_another = words.iter().any(|word| ["key", "meta"].contains(word));
    SUMS.contains(name)
        || SUM_FAMILIES.iter().any(|start| name.as_str().starts_with(start))
        || (!is_of_another && (names_hash || words.iter().any(is_algorithm)))
}

/// Instance manipulations (RFC 3229), dictionaries (RFC 9842, and SDCH before it), and sums (RFC 9530, RFC 3230).
const ASKING: [HeaderName; 7] = [
    HeaderName::from_static("a-im"),
    HeaderName::from_static("available-dictionary"),
    HeaderName::from_static("avail-dictionary"),
    HeaderName::from_static("dictionary-id"),
    HeaderName::from_static("want-content-digest"),
    HeaderName::from_static("want-repr-digest"),
    HeaderName::from_static("want-digest"),
];

/// How replies say it: RFC 3229, gRPC over HTTP/2 ("Responses"), the Connect protocol ("Streaming RPCs"), and by custom.
const CODED: [HeaderName; 4] = [
    HeaderName::from_static("im"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("connect-content-encoding"),
    HeaderName::from_static("x-content-encoding"),
];

/// Takes the sums over a body off, where it is no longer the body that they are of.
pub(crate) fn drop_sums(headers: &mut HeaderMap) {
    let sums: Vec<HeaderName> = headers.keys().filter(|name| is_sum(name)).cloned().collect();
    for name in sums {
        headers.remove(name);
    }
}

/// RFC 9530 and what was before it. What names a file by its contents (`docker-content-digest`) is what clients ask for it by, and stays.
const SUMS: [HeaderName; 3] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("repr-digest"), HeaderName::from_static("digest")];
/// How words of a sum's name begin: `x-cos-hash-crc64ecma`, `x-bz-content-sha1`, `content-md5`.
const SUM_ALGORITHMS: [&str; 9] = ["md5", "sha1", "sha2", "sha3", "sha512", "crc32", "crc64", "xxh", "blake"];
/// Amazon's and Artifactory's, one for each algorithm.
const SUM_FAMILIES: [&str; 2] = ["x-amz-checksum-", "x-checksum-"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn no_request_asks_for_a_coding_or_a_sum_by_any_name() {
        let mut map = headers(&[
            ("a-im", "gzip"),
            ("available-dictionary", ":x:"),
            ("want-content-digest", "sha-256=1"),
            ("want-digest", "md5"),
            ("connect-accept-encoding", "gzip"),
            ("connect-accept-encoding", "br"),
            ("x-accept-encoding", "gzip"),
            ("x-kept", "gzip"),
        ]);
        ask_for_plain(&mut map);
        let wanted = [("connect-accept-encoding", "identity"), ("x-accept-encoding", "identity"), ("x-kept", "gzip")];
        assert_eq!(map, headers(&wanted));
    }

    #[test]
    fn a_coding_is_known_by_any_name_and_none_is_no_coding() {
        for line in [("im", "gzip"), ("grpc-encoding", "gzip"), ("connect-content-encoding", "zstd"), ("x-content-encoding", "br")] {
            assert!(is_disguised(StatusCode::OK, &headers(&[line])), "{line:?}");
            assert!(!is_disguised(StatusCode::OK, &headers(&[(line.0, "Identity")])), "{line:?}");
        }
        assert!(is_disguised(StatusCode::IM_USED, &HeaderMap::new()));
        assert!(is_disguised(StatusCode::OK, &headers(&[("im", "identity"), ("im", "gzip")])));
    }

    #[test]
    fn sums_are_known_and_names_that_only_look_like_one_are_not() {
        for name in [
            "content-digest",
            "content-md5",
            "x-goog-hash",
            "x-amz-checksum-crc32",
            "x-checksum-sha1",
            "x-ms-content-crc64",
            "x-ms-blob-content-md5",
            "x-content-sha256",
            "x-oss-hash-crc64ecma",
            "x-cos-hash-crc64ecma",
            "x-obs-hash-crc64ecma",
            "x-bz-content-sha1",
            "x-gitlab-content-sha256",
            "x-other-hash",
        ] {
            assert!(is_sum(&HeaderName::from_static(name)), "{name}");
        }
        for name in [
            "docker-content-digest",
            "x-checksum",
            "etag",
            "x-repo-commit",
            "x-shard",
            "x-amz-meta-md5chksum",
            "x-amz-server-side-encryption-customer-key-md5",
            "x-goog-encryption-key-sha256",
        ] {
            assert!(!is_sum(&HeaderName::from_static(name)), "{name}");
        }
    }
}
