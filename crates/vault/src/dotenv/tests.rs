//! Dotenv files: what is written comes back, whatever is read is read or refused, and a file is written again with nothing changed but what was taken out.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn page(text: &str) -> (Page, Vec<Entry>) {
    read(Zeroizing::new(text.as_bytes().to_vec())).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"))
}

fn entries(text: &str) -> Vec<Entry> {
    page(text).1
}

fn value(entry: &Entry) -> Option<String> {
    entry.value.as_ref().map(|value| String::from_utf8(value.bytes().to_vec()).unwrap())
}

/// Names and values, as a program has them.
fn pairs(text: &str) -> Vec<(String, Option<String>)> {
    entries(text).iter().map(|entry| (entry.name.to_string(), value(entry))).collect()
}

/// The only value of a file, and its doubts.
fn one(text: &str) -> (Option<String>, Vec<Doubt>) {
    let all = entries(text);
    assert_eq!(all.len(), 1, "{text:?}");
    (value(&all[0]), all[0].doubts.clone())
}

fn wrong(bytes: &[u8]) -> Vec<(usize, Why)> {
    let Err(wrong) = read(Zeroizing::new(bytes.to_vec())) else { panic!("{}", String::from_utf8_lossy(bytes)) };
    wrong.into_iter().map(|wrong| (wrong.line, wrong.why)).collect()
}

/// A file of one entry, its value, how programs may read it otherwise, and the quotes that settle it. `tests/clients/dotenv` holds the same to some of them.
#[derive(serde::Deserialize)]
struct Case {
    file: String,
    value: String,
    doubt: Option<String>,
    quotes: Option<String>,
}

/// The value between the quotes that settle it.
fn settled(quotes: Quotes, value: &str) -> String {
    match quotes {
        Quotes::Single => format!("A='{value}'"),
        Quotes::Double => format!("A=\"{value}\""),
    }
}

#[test]
fn the_grammar_of_the_document_is_read_and_what_libraries_read_in_different_ways_is_doubted() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../tests/clients/dotenv/cases.json")).unwrap();
    assert!(cases.len() > 50);
    for Case { file, value, doubt, quotes } in cases {
        let doubts = doubt.iter().map(|doubt| match doubt.as_str() {
            "expanded" => Doubt::Expanded,
            "substituted" => Doubt::Substituted,
            "loose" => Doubt::Loose,
            "escaped" => Doubt::Escaped,
            "hash" => Doubt::Hash,
            "backquoted" => Doubt::Backquoted,
            other => panic!("{other}"),
        });
        assert_eq!(one(&file), (Some(value.clone()), doubts.collect()), "{file:?}");
        let settling = entries(&file)[0].quotes.filter(|_| doubt.is_some());
        assert_eq!(settling.map(Quotes::words), quotes.map(|quotes| format!("{quotes} quotes")).as_deref(), "{file:?}");
        if let Some(quotes) = settling {
            assert_eq!(one(&settled(quotes, &value)), (Some(value), Vec::new()), "{file:?} in {}", quotes.words());
        }
    }
    assert_eq!(one("\u{feff}A=b"), (Some("b".to_owned()), Vec::new()));
}

#[test]
fn nothing_is_no_value_and_a_name_alone_sets_nothing() {
    for text in ["A=", "A= ", "A=''", "A=\"\"", "A= # why", "export A="] {
        assert_eq!(one(text).0, None, "{text:?}");
    }
    for text in ["", "\n\n", "# A=b", "  # A=b\r\n", "A", "export A", "export A # why", "\u{feff}"] {
        assert!(entries(text).is_empty(), "{text:?}");
    }
    assert_eq!(pairs("export=1\nexport =2"), [("export".to_owned(), Some("1".to_owned())), ("export".to_owned(), Some("2".to_owned()))]);
}

#[test]
fn the_last_of_a_name_counts_and_the_earlier_say_so() {
    let all = entries("A=one\nB=x\nA=two\na=other\nA=three");
    let told: Vec<_> = all.iter().map(|entry| (entry.line, entry.overruled_by, entry.doubts.clone())).collect();
    assert_eq!(
        told,
        [
            (1, Some(3), vec![]),
            (2, None, vec![]),
            (3, Some(5), vec![Doubt::Repeated(1)]),
            (4, None, vec![]),
            (5, None, vec![Doubt::Repeated(3)])
        ]
    );
}

#[test]
fn lines_that_are_wrong_are_named_by_their_numbers() {
    for (bytes, expected) in [
        (&b"A=b\nno entry\nC=d\n=e\n"[..], vec![(2, Why::NotAnEntry), (4, Why::NotAnEntry)]),
        (b"A: b", vec![(1, Why::NotAnEntry)]),
        (b"'A'=b", vec![(1, Why::NotAnEntry)]),
        (b"..=b", vec![(1, Why::NotAnEntry)]),
        (b"word", vec![(1, Why::NotAnEntry)]),
        (b"export A b", vec![(1, Why::NotAnEntry)]),
        (b"\n\nA='b\nC=d\n", vec![(3, Why::Unclosed)]),
        (b"A=\"b\nC=d\\\"\n", vec![(1, Why::Unclosed)]),
        (b"A=`b", vec![(1, Why::Unclosed)]),
        (b"A='b' c", vec![(1, Why::AfterQuote)]),
        (b"A='b'c'\nB=d d\n E", vec![(1, Why::AfterQuote)]),
        (b"A=b\nC=\0\n", vec![(2, Why::Nul)]),
        (b"A=b\nC=\xff\n", vec![(2, Why::NotText)]),
        (b"\xff\xfeA\0=\0b\0", vec![(1, Why::NotText)]),
        (b"A=b\rC=d\n", vec![(1, Why::CarriageReturn)]),
        (b"A=b\r", vec![(1, Why::CarriageReturn)]),
        (b"ghp_0123456789abcdefghijABCDEFGHIJklmnop=", vec![(1, Why::ValueForName)]),
        (b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC=\n", vec![(1, Why::ValueForName)]),
        (b"K=-----BEGIN PRIVATE KEY-----\nMIIE/vQI\n-----END PRIVATE KEY-----\n", vec![(2, Why::NotAnEntry), (3, Why::NotAnEntry)]),
    ] {
        assert_eq!(wrong(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn too_much_is_refused() {
    let long = format!("A={}", "x".repeat(model::limits::VALUE_BYTES_MAX + 1));
    assert_eq!(wrong(long.as_bytes()), [(1, Why::TooLarge)]);
    let many: String = (0..=model::limits::DOTENV_ENTRIES_MAX).map(|number| format!("A{number}=b\n")).collect();
    assert_eq!(wrong(many.as_bytes()), [(model::limits::DOTENV_ENTRIES_MAX + 1, Why::TooMany)]);
    assert_eq!(wrong("no entry\n".repeat(100).as_bytes()).len(), model::limits::DOTENV_WRONG_LINES_MAX);
}

#[test]
fn comments_with_what_looks_like_a_credential_are_told() {
    let text = "# TOKEN=ghp_0123456789abcdefghijABCDEFGHIJklmnop\n# a word\nA=b # was \"sk-ant-api03-0123456789abcdef\"\n# postgres://localhost/a-database\n";
    assert_eq!(page(text).0.suspects(), [1, 3]);
}

#[test]
fn an_entry_becomes_a_comment_and_all_else_stays() {
    let text = "\u{feff}# first\r\n  export A='one\r\ntwo' # why\r\n\r\nB=b\r\nC=c";
    let (page, entries) = page(text);
    let without = |indices: &[usize]| {
        let spots: Vec<Spot> = indices.iter().map(|index| entries[*index].spot.clone()).collect();
        String::from_utf8(page.without(&spots).to_vec()).unwrap()
    };
    assert_eq!(without(&[]), text);
    let (a, c) = ("# A is kept by tightlip: tightlip run --secret A -- CMD", "# C is kept by tightlip: tightlip run --secret C -- CMD");
    assert_eq!(without(&[2, 0]), format!("\u{feff}# first\r\n  {a} # why\r\n\r\nB=b\r\n{c}"));
    assert!(page.is(text.as_bytes()) && !page.is(b"other"));
    assert_eq!(page.value_of(6).unwrap().bytes(), b"c");
    assert!(page.value_of(1).is_none() && page.value_of(4).is_none());
}

#[test]
fn the_comment_names_a_command_that_takes_the_name() {
    for (name, option) in [("A_b", "A_b"), ("acme-token", "ACME_TOKEN=acme-token"), ("2.key", "_2_KEY=2.key")] {
        assert!(comment(&name.parse().unwrap()).ends_with(&format!("--secret {option} -- CMD")), "{name}");
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug)]
enum Style {
    Bare,
    Single,
    Double,
    Backquotes,
}

/// A value as a line has it; none where the style cannot.
fn written(style: Style, value: &str) -> Option<String> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"'\"`#\\".contains(c);
    match style {
        Style::Bare => (value.chars().all(plain) && !value.is_empty()).then(|| value.to_owned()),
        Style::Single => (!value.contains('\r')).then(|| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))),
        Style::Double => {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r");
            Some(format!("\"{escaped}\""))
        }
        Style::Backquotes => (!value.contains(['`', '\\', '\r'])).then(|| format!("`{value}`")),
    }
}

fn styles() -> impl Strategy<Value = Style> {
    prop_oneof![Just(Style::Bare), Just(Style::Single), Just(Style::Double), Just(Style::Backquotes)]
}

/// What stands between entries.
fn between() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("\n".to_owned()), Just("\r\n".to_owned()), "# [a-z =']{0,12}\n", "[ \t]{0,3}\n"]
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,24}", "[a-z'\"`#$\\\\{}=\n\r\t ]{0,12}", any::<String>().prop_map(|text| text.replace('\0', ""))]
}

/// One entry: what is before it, its name, value, style, `export`, blanks, comment, and the line's end.
type Line = (String, String, String, Style, bool, String, Option<String>, bool);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (
        between(),
        "[A-Z][A-Z_]{0,6}",
        values(),
        styles(),
        any::<bool>(),
        "[ \t]{0,2}",
        proptest::option::of(" #[a-z ']{0,9}"),
        any::<bool>(),
    );
    vec(line, 0..8)
}

/// A file, and what it means.
fn file(lines: &[Line]) -> (String, Vec<(String, Option<String>)>) {
    let (mut text, mut meant) = (String::new(), Vec::new());
    for (before, name, value, style, export, blanks, comment, crlf) in lines {
        let (style, value_text) = match written(*style, value) {
            Some(text) => (*style, text),
            None => (Style::Double, written(Style::Double, value).unwrap()),
        };
        let _ = style;
        let export = if *export { "export " } else { "" };
        let end = if *crlf { "\r\n" } else { "\n" };
        text.push_str(&format!(
            "{before}{blanks}{export}{name}{blanks}={blanks}{value_text}{}{end}",
            comment.as_deref().unwrap_or_default()
        ));
        meant.push((name.clone(), (!value.is_empty()).then(|| value.clone())));
    }
    (text, meant)
}

proptest! {
    #[test]
    fn what_is_written_comes_back(lines in lines()) {
        let (text, meant) = file(&lines);
        prop_assert_eq!(pairs(&text), meant, "{}", text);
    }

    #[test]
    fn the_quotes_that_settle_a_value_keep_it_and_leave_no_doubt(style in styles(), value in values()) {
        let text = written(style, &value).unwrap_or_else(|| written(Style::Double, &value).unwrap());
        let entry = entries(&format!("A={text}")).remove(0);
        if let (Some(quotes), false) = (entry.quotes, value.is_empty()) {
            prop_assert_eq!(one(&settled(quotes, &value)), (Some(value), Vec::new()), "{}", text);
        }
    }

    #[test]
    fn a_value_without_quotes_is_doubted_where_a_shell_reads_it_otherwise(value in "[a-z$`'\"#\\\\{(]{1,9}") {
        let Ok((_, entries)) = read(Zeroizing::new(format!("A=x{value}").into_bytes())) else { panic!("{value}") };
        prop_assert_eq!(entries[0].doubts.is_empty(), value.chars().all(|c| c.is_ascii_lowercase() || "{(".contains(c)));
    }

    #[test]
    fn whatever_is_given_is_read_or_refused_with_a_line(bytes in vec(prop_oneof![Just(b'\n'), Just(b'='), Just(b'"'), Just(b'\''), Just(b'\\'), Just(b'#'), Just(b'A'), any::<u8>()], 0..200)) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        match read(Zeroizing::new(bytes.clone())) {
            Ok((page, entries)) => {
                prop_assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line)));
                prop_assert_eq!(&**page.without(&[]), &bytes[..]);
            }
            Err(wrong) => prop_assert!(!wrong.is_empty() && wrong.iter().all(|wrong| (1..=lines).contains(&wrong.line))),
        }
    }

    #[test]
    fn what_is_taken_out_is_gone_and_all_else_is_as_it_was(lines in lines(), chosen in vec(any::<bool>(), 8)) {
        let (text, _) = file(&lines);
        let (page, entries) = page(&text);
        let is_out = |index: usize| chosen[index];
        let spots: Vec<Spot> = entries.iter().enumerate().filter(|(index, _)| is_out(*index)).map(|(_, entry)| entry.spot.clone()).collect();
        let after = String::from_utf8(page.without(&spots).to_vec()).unwrap();
        let kept: Vec<_> = pairs(&text).into_iter().enumerate().filter(|(index, _)| !is_out(*index)).map(|(_, pair)| pair).collect();
        prop_assert_eq!(pairs(&after), kept, "{}", after);
        // Put back by hand, the entries make the file that there was.
        let mut back = after;
        for spot in spots.iter().rev() {
            let comment = comment(&spot.name);
            let at = spot.range.start + spots.iter().filter(|other| other.range.start < spot.range.start).map(|other| self::comment(&other.name).len()).sum::<usize>()
                - spots.iter().filter(|other| other.range.start < spot.range.start).map(|other| other.range.len()).sum::<usize>();
            prop_assert_eq!(&back[at..at + comment.len()], &comment);
            back.replace_range(at..at + comment.len(), &text[spot.range.clone()]);
        }
        prop_assert_eq!(back, text);
    }
}
