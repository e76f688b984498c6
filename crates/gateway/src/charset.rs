//! How text is coded, as a `Content-Type` says (RFC 9110, section 8.3.2). Values are looked for and written as ASCII: text in which ASCII characters are other
//! bytes would carry them past.

/// Every name that this type gives to its text's coding, in lower case, without quotes: two readers may each believe another one, wherever it stands. One that
/// is not written as a parameter is (`charset*=`) counts as a name that nobody knows.
pub(crate) fn charsets(content_type: &str) -> Vec<String> {
    let lower = content_type.to_ascii_lowercase();
    let after_each = lower.match_indices(CHARSET).map(|(at, _)| lower[at + CHARSET.len()..].trim_start());
    let named = after_each.filter_map(|rest| match rest.strip_prefix('=') {
        Some(value) => {
            let value = value.trim_start().trim_start_matches(['"', '\'', ' ', '\t']);
            Some(value.split([';', ',', '"', '\'', ' ', '\t']).next().unwrap_or_default().to_owned())
        }
        None => rest.starts_with('*').then(|| rest.to_owned()),
    });
    named.filter(|name| !name.is_empty()).collect()
}

/// Whether ASCII characters are their own bytes in text of this coding. A coding that is not known here is taken for one where they are not.
pub(crate) fn keeps_ascii(name: &str) -> bool {
    KEEPING.contains(&name) || KEEPING_FAMILIES.iter().any(|start| name.starts_with(start))
}

const CHARSET: &str = "charset";
/// From the Encoding standard's names and labels, section 4.2, less UTF-16 and ISO-2022-JP.
const KEEPING: [&str; 20] = [
    "utf8",
    "us-ascii",
    "ascii",
    "binary",
    "latin1",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "big5-hkscs",
    "shift_jis",
    "shift-jis",
    "sjis",
    "x-sjis",
    "windows-31j",
    "euc-jp",
    "euc-kr",
    "macintosh",
    "tis-620",
    "ks_c_5601-1987",
];
const KEEPING_FAMILIES: [&str; 8] = ["utf-8", "iso-8859-", "iso8859", "iso_8859-", "windows-125", "windows-874", "cp125", "koi8-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_read_as_clients_write_it() {
        for (said, names) in [
            ("text/plain", &[][..]),
            ("text/plain; charset=UTF-16", &["utf-16"]),
            ("text/plain;a=b; Charset = \"utf-16LE\"", &["utf-16le"]),
            ("text/plain; charset='IBM037'", &["ibm037"]),
            ("text/plain; charset=", &[]),
            ("text/plain; charset=\" utf-16\"", &["utf-16"]),
            ("text/plain; charset=utf-8; charset=utf-16", &["utf-8", "utf-16"]),
            ("text/plain; charset=utf-8,text/html; charset=\"UTF-7\"", &["utf-8", "utf-7"]),
            ("text/plain; charset=utf-8 charset=utf-16", &["utf-8", "utf-16"]),
            ("text/plain; x=\"a; charset=utf-16\"; charset=utf-8", &["utf-16", "utf-8"]),
            ("text/plain; charset*=utf-8''x", &["*=utf-8''x"]),
            ("text/x-charset", &[]),
        ] {
            assert_eq!(charsets(said), names, "{said}");
        }
    }

    #[test]
    fn codings_that_move_ascii_and_unknown_ones_are_told_apart() {
        for name in ["utf-8", "iso-8859-1", "iso8859_1", "windows-1252", "cp1252", "gbk"] {
            assert!(keeps_ascii(name), "{name}");
        }
        for name in ["utf-16", "utf-16le", "utf-32", "utf-7", "ibm037", "cp037", "iso-2022-jp", "hz-gb-2312", "x-unknown"] {
            assert!(!keeps_ascii(name), "{name}");
        }
    }
}
