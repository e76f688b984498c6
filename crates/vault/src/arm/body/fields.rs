//! Reading a body strictly, by its grammar: where its strings and fields are, and what stands in them.

use std::ops::Range;

use super::Media;
use crate::arm::hex_pair;

/// Where the values of strings or fields stand in the body, without quotes, in their order. None at all where the body does not read whole as its type says.
pub(super) fn fields(media: Media, body: &[u8]) -> Vec<Range<usize>> {
    match media {
        Media::Json => Json { body, at: 0, values: Vec::new() }.document().unwrap_or_default(),
        Media::Form => form(body),
    }
}

/// The values of `name=value` between `&` (URL standard, section 5.1).
fn form(body: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let pieces = body.split(|byte| *byte == b'&').filter_map(|piece| {
        let begins = start;
        start += piece.len() + 1;
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        Some(begins + equals + 1..begins + piece.len())
    });
    pieces.collect()
}

/// A field's text with its escapes undone: ASCII all through.
pub(super) struct Text {
    bytes: Vec<u8>,
    /// Where each byte is written in the body, and where the last one ends.
    at: Vec<usize>,
}

impl Text {
    /// Reads a field; none where it holds anything but ASCII, or an escape that is none.
    pub(super) fn read(media: Media, body: &[u8], field: Range<usize>) -> Option<Self> {
        let mut text = Self { bytes: Vec::with_capacity(field.len()), at: Vec::with_capacity(field.len() + 1) };
        let mut at = field.start;
        while at < field.end {
            let (length, byte) = unit(media, &body[at..field.end])?;
            if !byte.is_ascii() {
                return None;
            }
            text.bytes.push(byte);
            text.at.push(at);
            at += length;
        }
        text.at.push(at);
        Some(text)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where these bytes of the text are written in the body.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        self.at[range.start]..self.at[range.end]
    }

    /// Whether the token stands here as a word of its own.
    pub(super) fn holds_at(&self, at: usize, token: &[u8]) -> bool {
        let end = at + token.len();
        self.bytes[at..].starts_with(token)
            && self.bytes[..at].last().is_none_or(|before| Self::separates(*before))
            && self.bytes.get(end).is_none_or(|after| Self::separates(*after))
    }

    /// Whether this separates words, and begins or ends nothing else: no escape or entity (`%`, `\`, `#`, `&`), no placeholder of a template, no second half
    /// of a character in a coding of two bytes that a letter could be taken for.
    const fn separates(byte: u8) -> bool {
        matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b',' | b':' | b';' | b'=' | b'/' | b'?' | b'@' | b'(' | b')' | b'[' | b']' | b'|'
        )
    }
}

/// One character of a field: how long it is written, and what it is. None for an escape that is none, or that is no character of ASCII.
fn unit(media: Media, text: &[u8]) -> Option<(usize, u8)> {
    match (media, text) {
        (Media::Json, [b'\\', b'u', b'0', b'0', digits @ ..]) => Some((6, hex_pair(digits)?)),
        (Media::Json, [b'\\', escape, ..]) => Some((2, json_escape(*escape)?)),
        (Media::Form, [b'%', digits @ ..]) => Some((3, hex_pair(digits)?)),
        (Media::Form, [b'+', ..]) => Some((1, b' ')),
        (Media::Json | Media::Form, [byte, ..]) => Some((1, *byte)),
        (Media::Json | Media::Form, []) => None,
    }
}

const fn json_escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

/// A reader of JSON (RFC 8259) that takes nothing which the grammar does not, since hosts differ in what they make of the rest, and quote it in their errors.
/// Half a surrogate pair is no text (section 8.2).
struct Json<'a> {
    body: &'a [u8],
    at: usize,
    values: Vec<Range<usize>>,
}

/// What is being read.
enum Open {
    Array,
    Object,
}

impl Json<'_> {
    /// The places of all strings that are values.
    fn document(mut self) -> Option<Vec<Range<usize>>> {
        let mut open = Vec::new();
        loop {
            self.blank();
            if self.begin(&mut open)? {
                continue;
            }
            // A value has ended; so may what it stands in.
            loop {
                self.blank();
                match (open.last(), self.peek()) {
                    (None, None) => return Some(self.values),
                    (Some(Open::Array), Some(b']')) | (Some(Open::Object), Some(b'}')) => {
                        self.at += 1;
                        open.pop();
                    }
                    (Some(inside), Some(b',')) => {
                        let is_object = matches!(inside, Open::Object);
                        self.at += 1;
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (None, Some(_)) | (Some(_), _) => return None,
                }
            }
        }
    }

    /// Reads a value, or the beginning of one that holds others. Whether a value within it comes next.
    fn begin(&mut self, open: &mut Vec<Open>) -> Option<bool> {
        let (kind, end) = match self.peek()? {
            b'[' => (Open::Array, b']'),
            b'{' => (Open::Object, b'}'),
            b'"' => {
                let value = self.string()?;
                self.values.push(value);
                return Some(false);
            }
            b't' => return self.word(b"true"),
            b'f' => return self.word(b"false"),
            b'n' => return self.word(b"null"),
            _ => return self.number(),
        };
        self.at += 1;
        self.blank();
        if self.peek() == Some(end) {
            self.at += 1;
            return Some(false);
        }
        if open.len() == DEPTH_MAX {
            return None;
        }
        if matches!(kind, Open::Object) {
            self.name()?;
        }
        open.push(kind);
        Some(true)
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Option<()> {
        self.blank();
        self.string()?;
        self.blank();
        self.take(b':')
    }

    /// A string; gives where it stands between its quotes.
    fn string(&mut self) -> Option<Range<usize>> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(start..self.at - 1);
                }
                b'\\' => self.escape()?,
                0x00..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let byte = *self.body.get(self.at + 1)?;
        if byte != b'u' {
            self.at += 2;
            return json_escape(byte).map(|_| ());
        }
        match self.code_unit()? {
            0xd800..=0xdbff => matches!(self.code_unit()?, 0xdc00..=0xdfff).then_some(()),
            0xdc00..=0xdfff => None,
            _ => Some(()),
        }
    }

    /// `\uXXXX`.
    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.body.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        self.at += 6;
        Some(u16::from(hex_pair(digits)?) << 8 | u16::from(hex_pair(&digits[2..])?))
    }

    fn word(&mut self, word: &[u8]) -> Option<bool> {
        self.body[self.at..].starts_with(word).then(|| self.at += word.len()).map(|()| false)
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Option<bool> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(false)
    }

    /// One digit at least.
    fn digits(&mut self) -> Option<()> {
        let count = self.body[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }
}

/// Values within values; what is deeper is not looked at.
const DEPTH_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strings(text: &str) -> Option<Vec<&str>> {
        let read = Json { body: text.as_bytes(), at: 0, values: Vec::new() }.document()?;
        Some(read.into_iter().map(|range| &text[range]).collect())
    }

    #[test]
    fn the_strings_of_a_document_are_its_values_and_not_its_names() {
        assert_eq!(strings(r#" {"a": ["b", 1, {"c":"d\"e"}], "f":"", "g":null} "#), Some(vec!["b", r#"d\"e"#, ""]));
        assert_eq!(strings(r#""alone""#), Some(vec!["alone"]));
        assert_eq!(strings("[]"), Some(vec![]));
        assert_eq!(strings("-0.5e+7"), Some(vec![]));
    }

    #[test]
    fn what_the_grammar_does_not_take_is_not_read() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "[01]",
            "[1.]",
            "[.5]",
            "[+1]",
            "[1e]",
            "[--1]",
            "tru",
            "[1]2",
            "[1] [2]",
            "\"a",
            "\"\\x\"",
            "\"\\u00g0\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\t\"",
            "\u{feff}[]",
            "/**/[]",
            "[1 2]",
            "{\"a\" 1}",
            "{\"a\":}",
            "[,]",
            "NaN",
            "]",
            "[}",
        ] {
            assert_eq!(strings(text), None, "{text}");
        }
        assert!(strings(&format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX))).is_some());
        assert_eq!(strings(&format!("{}{}", "[".repeat(DEPTH_MAX + 2), "]".repeat(DEPTH_MAX + 2))), None);
    }

    proptest! {
        /// Against a reader of the grammar that others keep.
        #[test]
        fn a_text_is_read_exactly_where_it_is_json(text in "[\\[\\]{}:,\"\\\\/ \nabtrufn0-9eE.+-]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // It has no number too large, and refuses half a pair, as we do.
            let is_number_out_of_range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            if !is_number_out_of_range {
                prop_assert_eq!(strings(&text).is_some(), theirs.is_ok(), "{}", text);
            }
        }

        #[test]
        fn what_a_writer_of_json_writes_is_read(strings_in in proptest::collection::vec("\\PC{0,12}|[\\x00-\\x7f]{0,12}", 0..5)) {
            let text = serde_json::json!({ "name": strings_in, "n": 1.5 }).to_string();
            let read = strings(&text).map(|all| all.into_iter().map(|one| serde_json::from_str(&format!("\"{one}\"")).unwrap()).collect::<Vec<String>>());
            prop_assert_eq!(read, Some(strings_in));
        }
    }
}
