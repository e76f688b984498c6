//! The reader of a dotenv file's lines: a cursor that never goes back.

use model::SecretName;
use model::limits::{DOTENV_ENTRIES_MAX, DOTENV_WRONG_LINES_MAX};
use zeroize::Zeroizing;

use super::{Doubt, Entry, Quotes, Spot, Why, Wrong};
use crate::sort::{has_shape, looks_random};
use crate::value::{SecretValue, ValueError};

/// The entries, and the lines of suspicious comments.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Entry>, Vec<usize>), Vec<Wrong>> {
    let text = checked(bytes).map_err(|wrong| vec![wrong])?;
    let mut reader = Reader { text, at: if text.starts_with(BOM) { BOM.len() } else { 0 }, line: 1, suspects: Vec::new() };
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    while reader.at < text.len() && wrong.len() < DOTENV_WRONG_LINES_MAX {
        let line = reader.line;
        match reader.next() {
            Ok(Some(_)) if entries.len() == DOTENV_ENTRIES_MAX => {
                wrong.push(Wrong { line, why: Why::TooMany });
                break;
            }
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err(why) => {
                wrong.push(Wrong { line, why });
                // Behind a quote without an end nobody knows what is a line.
                if why == Why::Unclosed {
                    break;
                }
                reader.rest_of_line();
                reader.newline();
            }
        }
    }
    if wrong.is_empty() { Ok((entries, reader.suspects)) } else { Err(wrong) }
}

/// The text, where every byte of it may stand in such a file.
fn checked(bytes: &[u8]) -> Result<&str, Wrong> {
    let line_of = |at: usize| bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let text = std::str::from_utf8(bytes).map_err(|error| Wrong { line: line_of(error.valid_up_to()), why: Why::NotText })?;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Wrong { line: line_of(at), why: Why::Nul });
    }
    let stray = bytes.iter().enumerate().position(|(at, byte)| *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    match stray {
        Some(at) => Err(Wrong { line: line_of(at), why: Why::CarriageReturn }),
        None => Ok(text),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    suspects: Vec<usize>,
}

/// A value as it was read, and where it ends.
struct Read<'a> {
    bytes: Zeroizing<Vec<u8>>,
    /// The same as it stands there, without its quotes.
    text: &'a str,
    end: usize,
    doubts: Vec<Doubt>,
}

impl<'a> Reader<'a> {
    /// The next line, or the lines of the next entry.
    fn next(&mut self) -> Result<Option<Entry>, Why> {
        let line = self.line;
        self.blanks();
        let start = self.at;
        if !self.is_at_end_of_line() && !self.rest().starts_with('#') {
            let name = self.name()?;
            self.blanks();
            if self.rest().starts_with('=') {
                self.at += 1;
                let entry = self.entry(name, line, start)?;
                return self.end_of_line(Why::AfterQuote).map(|()| Some(entry));
            }
            // `export NAME`, and docker's NAME: they set nothing here.
            if !is_variable(name) {
                return Err(Why::NotAnEntry);
            }
        }
        self.end_of_line(Why::NotAnEntry).map(|()| None)
    }

    /// A name, behind `export` where that is no name itself.
    fn name(&mut self) -> Result<&'a str, Why> {
        let first = self.word();
        let behind = self.at;
        if first == "export" {
            self.blanks();
            if self.at > behind && self.rest().starts_with(is_in_name) {
                return self.checked_word();
            }
        }
        self.at = behind;
        checked_name(first)
    }

    fn checked_word(&mut self) -> Result<&'a str, Why> {
        let word = self.word();
        checked_name(word)
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let word = rest.get(..rest.find(|c| !is_in_name(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    /// The entry, from its value on.
    fn entry(&mut self, name: &str, line: usize, start: usize) -> Result<Entry, Why> {
        let name: SecretName = name.parse().map_err(|_| Why::NotAnEntry)?;
        let before = self.at;
        self.blanks();
        let read = match self.rest().chars().next() {
            Some('\'') => Some(self.quoted('\'')?),
            Some('"') => Some(self.quoted('"')?),
            Some('`') => Some(self.quoted('`')?),
            Some('#') if self.at > before => None,
            Some(_) if !self.is_at_end_of_line() => Some(self.bare()),
            Some(_) | None => None,
        };
        let Some(Read { bytes, text, end, doubts }) = read else {
            return Ok(Entry {
                spot: Spot { range: start..before, name: name.clone() },
                name,
                line,
                value: None,
                doubts: Vec::new(),
                quotes: None,
                overruled_by: None,
            });
        };
        let quotes = settling(text, &bytes);
        let value = match SecretValue::from_opened(bytes) {
            Ok(value) => Some(value),
            Err(ValueError::Empty) => None,
            Err(ValueError::TooLarge) => return Err(Why::TooLarge),
            Err(ValueError::NotText) => return Err(Why::NotText),
        };
        Ok(Entry { spot: Spot { range: start..end, name: name.clone() }, name, line, value, doubts, quotes, overruled_by: None })
    }

    /// A value without quotes: to the end of the line, or to a `#` behind a blank.
    fn bare(&mut self) -> Read<'a> {
        let rest = self.rest();
        let line = rest.get(..end_of(rest)).unwrap_or_default();
        let comment = line.match_indices('#').map(|(at, _)| at).find(|at| line.get(..*at).is_some_and(|before| before.ends_with(is_blank)));
        let value = line.get(..comment.unwrap_or(line.len())).unwrap_or_default().trim_end_matches(is_blank);
        self.at += value.len();
        let mut doubts = Vec::new();
        if value.contains('#') {
            doubts.push(Doubt::Hash);
        }
        if value.contains(['\\', '\'', '"', '`']) {
            doubts.push(Doubt::Loose);
        }
        doubts.extend(substituted(None, value));
        Read { bytes: Zeroizing::new(value.as_bytes().to_vec()), text: value, end: self.at, doubts }
    }

    /// A value in quotes, over as many lines as it has. A backslash before the quote keeps it open.
    fn quoted(&mut self, quote: char) -> Result<Read<'a>, Why> {
        self.at += quote.len_utf8();
        let rest = self.rest();
        // No value is longer than what it is written with.
        let mut bytes = Zeroizing::new(Vec::with_capacity(closing(rest, quote).ok_or(Why::Unclosed)?));
        let mut doubts = Vec::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if quote == '`' {
                    doubts.push(Doubt::Backquoted);
                }
                let text = rest.get(..at).unwrap_or_default();
                doubts.extend(substituted(Some(quote), text));
                self.line += text.matches('\n').count();
                self.at += at + quote.len_utf8();
                return Ok(Read { bytes, text, end: self.at, doubts });
            }
            let next = chars.peek().map(|(_, next)| *next);
            let written = match (c, next) {
                // In backquotes nothing is an escape, but for what does not close them.
                ('\\', Some(next @ ('`' | '\\'))) if quote == '`' => {
                    push(&mut bytes, c);
                    Some(next)
                }
                ('\\', Some(next)) => escaped(quote, next),
                // Lines end alike, whatever ends them in the file.
                ('\r', Some('\n')) => continue,
                (_, _) => None,
            };
            let is_escape = c == '\\' && (quote == '"' || written.is_some());
            if quote != '`' && is_escape && !is_agreed(quote, next) && !doubts.contains(&Doubt::Escaped) {
                doubts.push(Doubt::Escaped);
            }
            match written {
                Some(written) => {
                    push(&mut bytes, written);
                    chars.next();
                }
                None => push(&mut bytes, c),
            }
        }
        Err(Why::Unclosed)
    }

    /// Blanks, perhaps a comment, and the line's end; `otherwise` is what is wrong where something else stands there.
    fn end_of_line(&mut self, otherwise: Why) -> Result<(), Why> {
        self.blanks();
        let rest = self.rest();
        if rest.starts_with('#') {
            let comment = rest.get(..end_of(rest)).unwrap_or_default();
            if comment.split(|c: char| !c.is_ascii_graphic() || "=\"'`#,;()<>".contains(c)).any(has_shape) {
                self.suspects.push(self.line);
            }
            self.at += comment.len();
        }
        if !self.is_at_end_of_line() {
            return Err(otherwise);
        }
        self.newline();
        Ok(())
    }

    fn newline(&mut self) {
        let rest = self.rest();
        if let Some(end) = ["\r\n", "\n"].into_iter().find(|end| rest.starts_with(end)) {
            self.at += end.len();
            self.line += 1;
        }
    }

    fn rest_of_line(&mut self) {
        self.at += end_of(self.rest());
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn is_at_end_of_line(&self) -> bool {
        end_of(self.rest()) == 0
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// How long the line is with which `rest` begins, without its end.
fn end_of(rest: &str) -> usize {
    let line = rest.find('\n').map_or(rest, |at| rest.get(..at).unwrap_or_default());
    line.strip_suffix('\r').unwrap_or(line).len()
}

/// A name of a secret's that is not itself a value.
fn checked_name(word: &str) -> Result<&str, Why> {
    if word.parse::<SecretName>().is_err() {
        Err(Why::NotAnEntry)
    } else if has_shape(word) || (!word.contains('_') && looks_random(word.as_bytes())) {
        Err(Why::ValueForName)
    } else {
        Ok(word)
    }
}

/// A name as environments have them: what a name without a value must be, so that no line of a key passes for one.
fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Where the quote is closed, if it is.
fn closing(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    rest.char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// What an escape stands for; none where the backslash is one.
fn escaped(quote: char, next: char) -> Option<char> {
    match (quote, next) {
        ('"' | '\'', '\\') => Some('\\'),
        ('"', '"' | '\'') | ('\'', '\'') => Some(next),
        ('"', 'a') => Some('\u{7}'),
        ('"', 'b') => Some('\u{8}'),
        ('"', 'f') => Some('\u{c}'),
        ('"', 'n') => Some('\n'),
        ('"', 'r') => Some('\r'),
        ('"', 't') => Some('\t'),
        ('"', 'v') => Some('\u{b}'),
        (_, _) => None,
    }
}

/// Whether something else is put in the place of a part of it. python-dotenv does so with `${` in single quotes too.
fn substituted(quote: Option<char>, text: &str) -> Option<Doubt> {
    if text.contains("${") {
        Some(Doubt::Expanded)
    } else if (quote != Some('\'') && text.contains('$')) || (quote == Some('"') && text.contains('`')) {
        Some(Doubt::Substituted)
    } else {
        None
    }
}

/// The quotes between which this text is read as it stands, where it is the value itself and nothing in it is an escape.
fn settling(text: &str, value: &[u8]) -> Option<Quotes> {
    // Lines end alike in a value.
    if !text.bytes().filter(|byte| *byte != b'\r').eq(value.iter().copied()) {
        None
    } else if !text.contains('\'') && !text.contains("\\\\") && !text.ends_with('\\') && !text.contains("${") {
        Some(Quotes::Single)
    } else if !text.contains(['"', '\\', '$', '`']) {
        Some(Quotes::Double)
    } else {
        None
    }
}

/// Whether every library reads this escape alike.
fn is_agreed(quote: char, next: Option<char>) -> bool {
    quote == '"' && matches!(next, Some('n' | 'r'))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    let mut room = [0; UTF8_BYTES_MAX];
    bytes.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The mark with which some editors begin a file in UTF-8 (RFC 3629, section 6).
const BOM: &str = "\u{feff}";
/// One character (RFC 3629, section 3).
const UTF8_BYTES_MAX: usize = 4;
