//! Request paths: what can be said of one without doubt, whatever the server behind it does with it.

/// A request's path, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// One reading only: the path with needless percent-encoding undone (RFC 3986, section 6.2.2.2).
    Plain(String),
    /// Servers differ on where its segments end (`//`, `%2F`): certain is only that it begins with `/`.
    Loose,
    /// It could leave the place it seems to name: dot segments in any disguise, backslashes, control characters, double encoding.
    Devious,
}

impl Path {
    /// Judges the path of a request target in origin form, without query.
    pub(crate) fn judge(path: &str) -> Self {
        let Some(decoded) = path.starts_with('/').then(|| decode(path)).flatten() else { return Self::Devious };
        let devious_char = |c: char| c.is_control() || LIKE_DOTS_AND_SLASHES.contains(&c);
        if decoded.text.contains(devious_char) || still_encoded(&decoded.text) || decoded.text.split('/').any(is_dot_segment) {
            return Self::Devious;
        }
        if decoded.hid_slash || decoded.text.contains("//") { Self::Loose } else { Self::Plain(decoded.text) }
    }
}

/// Backslashes, and what text becomes a dot, a slash or a backslash in compatible forms of Unicode, or in older codings (best fits of Windows' code pages; the
/// places of the backslash in Japanese and Korean ones).
const LIKE_DOTS_AND_SLASHES: [char; 15] = [
    '\\', '\u{a5}', '\u{2024}', '\u{2025}', '\u{2044}', '\u{20a9}', '\u{2215}', '\u{2216}', '\u{fe30}', '\u{fe52}', '\u{fe68}', '\u{ff0e}',
    '\u{ff0f}', '\u{ff3c}', '\u{29f8}',
];

struct Decoded {
    text: String,
    hid_slash: bool,
}

/// Undoes percent-encoding once. None for what is not percent-encoded UTF-8.
fn decode(path: &str) -> Option<Decoded> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut hid_slash = false;
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
        let decoded = high << 4 | low;
        hid_slash |= decoded == b'/';
        bytes.push(decoded);
    }
    Some(Decoded { text: String::from_utf8(bytes).ok()?, hid_slash })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether what was decoded once could be decoded again.
fn still_encoded(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// `.` or `..`, with or without what some servers cut off before they look: path parameters (`..;x`), and a query or a fragment that were encoded.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.split([';', '?', '#']).next().unwrap_or(segment).trim(), "." | "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_climb_is_devious() {
        for path in [
            "",
            "a",
            "*",
            "/..",
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/%2E./a",
            "/.%2e/a",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/%2e%2e;/b",
            "/a/..%3fb",
            "/a/%2e%2E%3Fb=c/d",
            "/a/..%23b",
            "/a/.%23",
            "/a/..%20%23;b",
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a\\b",
            "/a%5c..%5cb",
            "/a%00",
            "/a%0d%0ab",
            "/%252e%252e/a",
            "/a%252fb",
            "/a%c0%ae",
            "/a%ff",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a/%20..%20/b",
            "/a/%ef%bc%8e%ef%bc%8e/b",
            "/a/%e2%80%a5/b",
            "/a/%ef%b8%b0/b",
            "/a/%ef%b9%92%ef%b9%92/b",
            "/a%ef%b9%a8b",
        ] {
            assert_eq!(Path::judge(path), Path::Devious, "{path}");
        }
    }

    #[test]
    fn segments_that_servers_cut_differently_are_loose() {
        for path in ["//", "//a", "/a//b", "/group%2Fproject", "/a%2fb"] {
            assert_eq!(Path::judge(path), Path::Loose, "{path}");
        }
    }

    #[test]
    fn ordinary_paths_have_one_reading() {
        for (path, plain) in [
            ("/", "/"),
            ("/v1/messages", "/v1/messages"),
            ("/%76%31/x", "/v1/x"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a..b/.git/...", "/a..b/.git/..."),
            ("/a%3Fb/..c%23d", "/a?b/..c#d"),
            ("/100%25", "/100%"),
            ("/b%C3%BCcher", "/bücher"),
            ("/@scope/name", "/@scope/name"),
        ] {
            assert_eq!(Path::judge(path), Path::Plain(plain.to_owned()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_has_nothing_left_to_read(path in "/[%./;a2eEfF5cC\\\\]{0,24}") {
            if let Path::Plain(plain) = Path::judge(&path) {
                prop_assert!(!plain.contains("//") && !plain.contains('\\'));
                prop_assert!(plain.split('/').all(|segment| !matches!(segment, "." | "..")));
            }
        }
    }
}
