//! The forms in which a value is looked for, and what replaces each.
//!
//! Raw; base64 (RFC 4648, both alphabets) whole, with and without padding, and inside a longer text at each of three offsets, without the characters at the
//! edges that neighbours share; hex in both cases; percent-encoded (RFC 3986) in full and as the common encoders do, in both cases, with `+` for a space
//! where they write that; JSON- and HTML-escaped as the common encoders do, and character for character or sign for sign;
//! quoted-printable (RFC 2045) within a line; whole Basic credentials (RFC 7617). A value of parts that hosts read by themselves ([`parts`]) is looked for in
//! parts as well. A value that is written into a query, a body or Basic is looked for as it stands there, too, in every encoding: an upstream may show the whole
//! request in base64. Of Basic that is the value's own part at each of three offsets, whoever is the user.
//!
//! Beyond [`WHOLE_BYTES_MAX`] forms of the last two sorts, escapes throughout and encodings of Basic, are *openings*: how they begin, and all that follows of the
//! characters that such encodings are made of.
//!
//! A form is replaced by the placeholder in the same encoding, except base64 inside a longer text, where the placeholder's own text stands: the bytes around
//! it would have to shift.

mod parts;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use model::limits::BROKERED_VALUE_BYTES_MIN;
use model::token::Token;

use super::{HEADER_NAME_BYTES_MAX, MASK, Rendering, ScrubPair};

/// One form and what replaces it.
pub(super) struct ScrubForm {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) replacement: Vec<u8>,
    /// Whether it is only how a longer text begins: what follows is replaced with it, for as long as it is of the characters of such texts.
    pub(super) is_opening: bool,
}

impl ScrubForm {
    /// How many bytes of the form tell that it is the value's: eight beyond those that its replacement shares, or three quarters of them, where there are few.
    pub(super) fn telling_bytes(&self) -> usize {
        let shared = self.bytes.iter().zip(&self.replacement).take_while(|(own, placed)| own == placed).count();
        let own = self.bytes.len() - shared;
        shared + (own * 3 / 4).clamp(usize::from(own > 0), BROKERED_VALUE_BYTES_MIN)
    }
}

/// Adds all forms of one value, each once.
pub(super) fn add_forms(forms: &mut Vec<ScrubForm>, pair: &ScrubPair) {
    let ScrubPair { value, placeholder, basic_users, halves: by_use, renderings } = pair;
    let (value, token) = (value.bytes(), placeholder);
    let placeholder = token.as_ref().map_or("", Token::as_str);
    let mut of_value = Forms { list: forms, first: 0, placeholder: placeholder.as_bytes(), extent: Extent::Whole };
    of_value.first = of_value.list.len();
    of_value.add_encodings(value);
    for rendering in renderings {
        match rendering {
            Rendering::Percent => of_value.add_encodings(&percent_encoded(value)),
            Rendering::Json => of_value.add_encodings(&json_escaped(value)),
            Rendering::Basic => {
                of_value.extent = if value.len() <= WHOLE_BYTES_MAX { Extent::Whole } else { Extent::Opening };
                (0..3).for_each(|offset| of_value.add_encodings(&to_inner_base64(&STANDARD_NO_PAD, value, offset)));
                of_value.extent = Extent::Whole;
            }
        }
    }
    for user in basic_users {
        of_value.add_basic(user, value);
    }
    let parts = parts::parts(value, *by_use);
    for part in parts.iter().filter(|part| part.len() >= BROKERED_VALUE_BYTES_MIN).take(PARTS_MAX) {
        of_value.add_encodings(part);
    }
    if token.is_none() {
        let first = of_value.first;
        forms[first..].iter_mut().for_each(|form| form.replacement = vec![MASK; form.bytes.len()]);
    }
}

/// As it is written into queries and forms: RFC 3986's unreserved characters as they are, all else with capital digits.
pub(crate) fn percent_encoded(value: &[u8]) -> Zeroizing<Vec<u8>> {
    to_percent(value, Some(&PERCENT_KEPT[0]), UPPER)
}

/// As it is written into a string of JSON: no more is escaped than has to be.
pub(crate) fn json_escaped(value: &[u8]) -> Zeroizing<Vec<u8>> {
    to_json(value, &JSON_STYLES[0])
}

/// The forms as they would stand in a header's name, in lower case and in order; without those that are too long, or hold what no name does (RFC 9110, section 5.6.2).
pub(super) fn in_names(forms: &[ScrubForm]) -> Vec<ScrubForm> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let fits = |form: &&ScrubForm| !form.is_opening && form.bytes.len() <= HEADER_NAME_BYTES_MAX && form.bytes.iter().all(legal);
    let lowered =
        |form: &ScrubForm| ScrubForm { bytes: Zeroizing::new(form.bytes.to_ascii_lowercase()), replacement: Vec::new(), is_opening: false };
    let mut lower: Vec<ScrubForm> = forms.iter().filter(fits).map(lowered).collect();
    lower.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    lower
}

struct Forms<'a> {
    list: &'a mut Vec<ScrubForm>,
    /// Where this value's forms begin.
    first: usize,
    placeholder: &'a [u8],
    /// How much is added of what is encoded.
    extent: Extent,
}

impl Forms<'_> {
    fn add_encodings(&mut self, value: &[u8]) {
        if self.extent == Extent::Whole {
            self.add(Zeroizing::new(value.to_vec()), self.placeholder.to_vec());
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                self.add_encoded(value, |bytes| to_base64(&engine, bytes));
            }
        }
        let inner = if self.extent == Extent::Whole { value } else { &value[..OPENING_BYTES_MIN.min(value.len())] };
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            for offset in 0..3 {
                self.add(to_inner_base64(&engine, inner, offset), self.placeholder.to_vec());
            }
        }
        for digits in [LOWER, UPPER] {
            self.add_encoded(value, |bytes| to_hex(bytes, digits));
        }
        if !value.iter().all(|byte| byte.is_ascii_alphanumeric()) {
            self.add_escaped(value);
        }
        if value.contains(&b'=') {
            self.add_encoded(value, to_quoted_printable);
        }
        let extent = self.extent;
        if value.len() > WHOLE_BYTES_MAX {
            self.extent = Extent::Opening;
        }
        self.add_escaped_throughout(value);
        self.extent = extent;
        // A value of nothing that the common encoders keep looks the same in theirs, which is the likelier one and goes before.
        for digits in [LOWER, UPPER] {
            self.add_encoded(value, |bytes| to_percent(bytes, None, digits));
        }
    }

    /// The encodings that leave letters and digits as they are.
    fn add_escaped(&mut self, value: &[u8]) {
        for kept in &PERCENT_KEPT {
            for digits in [LOWER, UPPER] {
                self.add_encoded(value, |bytes| to_percent(bytes, Some(kept), digits));
            }
        }
        for style in &JSON_STYLES {
            self.add_encoded(value, |bytes| to_json(bytes, style));
        }
        for entities in HTML_ENTITIES {
            self.add_encoded(value, |bytes| to_html(bytes, entities));
        }
    }

    /// Every character escaped, and every one but letters and digits.
    fn add_escaped_throughout(&mut self, value: &[u8]) {
        let has_signs = !value.iter().all(u8::is_ascii_alphanumeric);
        for reach in [Reach::All, Reach::Signs].into_iter().filter(|reach| *reach == Reach::All || has_signs) {
            for digits in [LOWER, UPPER] {
                self.add_encoded(value, |bytes| to_each(bytes, reach, |out, character| push_json_unit(out, character, digits)));
                self.add_encoded(value, |bytes| to_each(bytes, reach, |out, character| push_hex_entity(out, character, digits)));
            }
            self.add_encoded(value, |bytes| to_each(bytes, reach, push_decimal_entity));
        }
    }

    fn add_basic(&mut self, user: &str, value: &[u8]) {
        let credentials = |password: &[u8]| Zeroizing::new([user.as_bytes(), b":", password].concat());
        for engine in [STANDARD, STANDARD_NO_PAD] {
            self.add_encoded(value, |bytes| to_base64(&engine, &credentials(bytes)));
        }
    }

    fn add_encoded(&mut self, value: &[u8], encode: impl Fn(&[u8]) -> Zeroizing<Vec<u8>>) {
        let encoded = match self.extent {
            Extent::Whole => Some(encode(value)),
            Extent::Opening => opening(value, &encode),
        };
        if let Some(encoded) = encoded {
            self.add(encoded, encode(self.placeholder).to_vec());
        }
    }

    fn add(&mut self, bytes: Zeroizing<Vec<u8>>, replacement: Vec<u8>) {
        let is_opening = self.extent == Extent::Opening;
        match self.list[self.first..].iter_mut().find(|form| *form.bytes == *bytes) {
            Some(form) => form.is_opening |= is_opening,
            None => self.list.push(ScrubForm { bytes, replacement, is_opening }),
        }
    }
}

/// How an encoded value begins, as far as is needed to tell it from the value as it is. None where the encoding changes nothing.
fn opening(value: &[u8], encode: impl Fn(&[u8]) -> Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(value).expect("values are text");
    let mut end = OPENING_BYTES_MIN;
    loop {
        let start = &value[..text.floor_char_boundary(end)];
        let encoded = encode(start);
        if *encoded != *start {
            return Some(encoded);
        }
        if end >= value.len() {
            return None;
        }
        end *= 2;
    }
}

fn to_base64(engine: &GeneralPurpose, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(engine.encode(bytes).into_bytes())
}

/// The characters that `value` alone decides when `offset` bytes of a group of three stand before it.
fn to_inner_base64(unpadded: &GeneralPurpose, value: &[u8], offset: usize) -> Zeroizing<Vec<u8>> {
    let group = Zeroizing::new([&[0; 3][..offset], value].concat());
    let encoded = to_base64(unpadded, &group);
    let first = (offset * 8).div_ceil(6);
    Zeroizing::new(encoded[first..group.len() * 8 / 6].to_vec())
}

fn to_hex(bytes: &[u8], digits: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
    bytes.iter().for_each(|byte| push_hex(&mut out, *byte, digits));
    out
}

fn push_hex(out: &mut Vec<u8>, byte: u8, digits: &[u8; 16]) {
    out.push(digits[usize::from(byte >> 4)]);
    out.push(digits[usize::from(byte & 0xf)]);
}

/// `kept` of `None` encodes every byte.
fn to_percent(bytes: &[u8], kept: Option<&PercentKept>, digits: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 3));
    for byte in bytes {
        match kept {
            Some(kept) if byte.is_ascii_alphanumeric() || kept.signs.contains(byte) => out.push(*byte),
            Some(PercentKept { space: Some(sign), .. }) if *byte == b' ' => out.push(*sign),
            Some(_) | None => {
                out.push(b'%');
                push_hex(&mut out, *byte, digits);
            }
        }
    }
    out
}

/// The inside of a JSON string (RFC 8259 section 7).
fn to_json(bytes: &[u8], style: &JsonStyle) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 6));
    let text = std::str::from_utf8(bytes).expect("values and placeholders are text");
    for character in text.chars() {
        let short = JSON_SHORT.iter().find(|(known, _)| *known == character);
        let coded = style.coded.contains(character) || (!character.is_ascii() && style.beyond_ascii == BeyondAscii::Coded);
        if style.backslashed.contains(character) {
            out.extend_from_slice(&[b'\\', character as u8]);
        } else if let Some((_, letter)) = short {
            out.extend_from_slice(&[b'\\', *letter]);
        } else if coded || character < ' ' {
            push_json_unit(&mut out, character, style.digits);
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    out
}

/// The characters in `reach` as `escape` writes them, the others as they are.
fn to_each(bytes: &[u8], reach: Reach, escape: impl Fn(&mut Vec<u8>, char)) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * ESCAPE_BYTES_MAX));
    let text = std::str::from_utf8(bytes).expect("values and placeholders are text");
    for character in text.chars() {
        if reach == Reach::Signs && character.is_ascii_alphanumeric() {
            out.push(character as u8);
        } else {
            escape(&mut out, character);
        }
    }
    out
}

/// `\u` and four digits, for each unit of UTF-16 (RFC 8259, section 7).
fn push_json_unit(out: &mut Vec<u8>, character: char, digits: &[u8; 16]) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        unit.to_be_bytes().iter().for_each(|byte| push_hex(out, *byte, digits));
    }
}

/// `&#x` and as few digits as there are.
fn push_hex_entity(out: &mut Vec<u8>, character: char, digits: &[u8; 16]) {
    let code = u32::from(character);
    let count = code.checked_ilog(16).unwrap_or(0) + 1;
    out.extend_from_slice(b"&#x");
    out.extend((0..count).rev().map(|place| digits[(code >> (4 * place) & 0xf) as usize]));
    out.push(b';');
}

fn push_decimal_entity(out: &mut Vec<u8>, character: char) {
    let code = u32::from(character);
    let count = code.checked_ilog10().unwrap_or(0) + 1;
    out.extend_from_slice(b"&#");
    out.extend((0..count).rev().map(|place| LOWER[(code / 10_u32.pow(place) % 10) as usize]));
    out.push(b';');
}

/// Within a line (RFC 2045, section 6.7): what is no visible ASCII, and the sign of the escape itself.
fn to_quoted_printable(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 3));
    for byte in bytes {
        if matches!(byte, b' '..=b'~') && *byte != b'=' {
            out.push(*byte);
        } else {
            out.push(b'=');
            push_hex(&mut out, *byte, UPPER);
        }
    }
    out
}

fn to_html(bytes: &[u8], entities: &[(u8, &str)]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * HTML_ENTITY_BYTES_MAX));
    for byte in bytes {
        match entities.iter().find(|(known, _)| known == byte) {
            Some((_, entity)) => out.extend_from_slice(entity.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}

/// What a percent-encoder leaves beside letters and digits.
struct PercentKept {
    signs: &'static [u8],
    /// What it writes for a space, where that is not `%20`.
    space: Option<u8>,
}

/// How much of a text a form holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// How it begins.
    Opening,
}

/// Which characters an encoder escapes that knows no better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    All,
    /// All but letters and digits.
    Signs,
}

/// How an encoder writes JSON strings.
struct JsonStyle {
    /// Characters with a backslash before them.
    backslashed: &'static str,
    /// Characters written as `\u` and four digits, beside control characters.
    coded: &'static str,
    beyond_ascii: BeyondAscii,
    digits: &'static [u8; 16],
}

#[derive(PartialEq, Eq)]
enum BeyondAscii {
    Kept,
    Coded,
}

/// Of one value. A connection string has a dozen, a jar of cookies a few.
const PARTS_MAX: usize = 32;
/// Values up to here are looked for whole also with every character escaped, and where they stand within Basic in an encoding of it. Of longer ones such forms
/// would take many times the room of all others, so their openings are looked for.
const WHOLE_BYTES_MAX: usize = 1024;
/// Of what is encoded. Nobody guesses so much of a secret; what whole families of secrets have in common is mostly shorter, and where it is not, one is found as
/// another (record 0050).
const OPENING_BYTES_MIN: usize = 128;
/// `&#x10ffff;`, or two units of UTF-16 for four bytes of a value.
const ESCAPE_BYTES_MAX: usize = 6;
const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

const PERCENT_KEPT: [PercentKept; 12] = [
    // RFC 3986's unreserved characters: Python's quote(safe=""), curl, Rust.
    PercentKept { signs: b"-._~", space: None },
    // Go's and Python's encoders of queries.
    PercentKept { signs: b"-._~", space: Some(b'+') },
    // application/x-www-form-urlencoded of the URL standard; Java.
    PercentKept { signs: b"-._*", space: Some(b'+') },
    // PHP and Ruby.
    PercentKept { signs: b"-._", space: Some(b'+') },
    PercentKept { signs: b"-._", space: None },
    // encodeURIComponent and encodeURI.
    PercentKept { signs: b"-_.!~*'()", space: None },
    PercentKept { signs: b"-_.!~*'();,/?:@&=+$#", space: None },
    // Python's quote; Go's path segments.
    PercentKept { signs: b"-._~/", space: None },
    PercentKept { signs: b"-._~$&+=:@", space: None },
    // The URL standard's queries and paths.
    PercentKept { signs: b"!$%&'()*+,-./:;=?@[\\]^_`{|}~", space: None },
    PercentKept { signs: b"!$%&'()*+,-./:;=@[\\]_|~", space: None },
    PercentKept { signs: b"", space: None },
];

/// The escapes of one letter.
const JSON_SHORT: [(char, u8); 5] = [('\u{8}', b'b'), ('\u{c}', b'f'), ('\n', b'n'), ('\r', b'r'), ('\t', b't')];

const JSON_STYLES: [JsonStyle; 12] = [
    // serde, JavaScript.
    JsonStyle { backslashed: "\"\\", coded: "", beyond_ascii: BeyondAscii::Kept, digits: LOWER },
    // Python, and the same with capitals (Jackson).
    JsonStyle { backslashed: "\"\\", coded: "\x7f", beyond_ascii: BeyondAscii::Coded, digits: LOWER },
    JsonStyle { backslashed: "\"\\", coded: "\x7f", beyond_ascii: BeyondAscii::Coded, digits: UPPER },
    // PHP, with and without its flag for Unicode.
    JsonStyle { backslashed: "\"\\/", coded: "", beyond_ascii: BeyondAscii::Coded, digits: LOWER },
    JsonStyle { backslashed: "\"\\/", coded: "", beyond_ascii: BeyondAscii::Kept, digits: LOWER },
    // Go, Rails.
    JsonStyle { backslashed: "\"\\", coded: "<>&\u{2028}\u{2029}", beyond_ascii: BeyondAscii::Kept, digits: LOWER },
    // Gson.
    JsonStyle { backslashed: "\"\\", coded: "<>&='\u{2028}\u{2029}", beyond_ascii: BeyondAscii::Kept, digits: LOWER },
    // Strings of scripts: Go's html/template, Symfony's JsonResponse, Django's escapejs, Twig.
    JsonStyle { backslashed: "\\/", coded: "\"'<>&+`\u{2028}\u{2029}", beyond_ascii: BeyondAscii::Kept, digits: LOWER },
    JsonStyle { backslashed: "\\/", coded: "\"'<>&", beyond_ascii: BeyondAscii::Coded, digits: UPPER },
    JsonStyle { backslashed: "", coded: "\\'\"><&=-;`\u{2028}\u{2029}", beyond_ascii: BeyondAscii::Kept, digits: UPPER },
    JsonStyle { backslashed: "/", coded: " !\"#$%&'()*+-:;<=>?@[\\]^`{|}~\x7f", beyond_ascii: BeyondAscii::Coded, digits: UPPER },
    // .NET.
    JsonStyle { backslashed: "\\", coded: "\"'<>&+`\x7f", beyond_ascii: BeyondAscii::Coded, digits: UPPER },
];

const HTML_ENTITY_BYTES_MAX: usize = 6;
const HTML_ENTITIES: [&[(u8, &str)]; 10] = [
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#39;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#039;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#x27;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&apos;")],
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&#34;"), (b'\'', "&#39;")],
    // Go's html/template.
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&#34;"), (b'\'', "&#39;"), (b'+', "&#43;")],
    // Mustache and its kin.
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#39;"),
        (b'/', "&#x2F;"),
        (b'`', "&#x60;"),
        (b'=', "&#x3D;"),
    ],
    // .NET.
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;"), (b'"', "&quot;"), (b'\'', "&#x27;"), (b'`', "&#x60;"), (b'+', "&#x2B;")],
];
