//! How text is coded, as a `Content-Type` says (RFC 9110, section 8.3.2). Values are looked for and written as ASCII: text in which ASCII characters are other
//! bytes would carry them past.

/// The name of the text's coding in lower case, without quotes; none where the type does not say, or says nothing.
pub(crate) fn charset(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named.next().map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_ascii_lowercase()).filter(|name| !name.is_empty())
}

/// Whether ASCII characters are their own bytes in text of this coding. A coding that is not known here is taken for one where they are not.
pub(crate) fn keeps_ascii(name: &str) -> bool {
    KEEPING.contains(&name) || KEEPING_FAMILIES.iter().any(|start| name.starts_with(start))
}

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
        for (said, name) in [
            ("text/plain", None),
            ("text/plain; charset=UTF-16", Some("utf-16")),
            ("text/plain;a=b; Charset = \"utf-16LE\"", Some("utf-16le")),
            ("text/plain; charset='IBM037'", Some("ibm037")),
            ("text/plain; charset=", None),
        ] {
            assert_eq!(charset(said).as_deref(), name, "{said}");
        }
    }

    #[test]
    fn codings_that_move_ascii_and_unknown_ones_are_told_apart() {
        for name in ["utf-8", "utf-8,text/html", "iso-8859-1", "iso8859_1", "windows-1252", "cp1252", "gbk"] {
            assert!(keeps_ascii(name), "{name}");
        }
        for name in ["utf-16", "utf-16le", "utf-32", "utf-7", "ibm037", "cp037", "iso-2022-jp", "hz-gb-2312", "x-unknown"] {
            assert!(!keeps_ascii(name), "{name}");
        }
    }
}
