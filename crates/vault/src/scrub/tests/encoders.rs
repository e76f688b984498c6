//! Encoders of others, and small ones written for the tests: the scrubber's own are what is tested.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A text and where in it an encoded value stands.
pub struct Occurrence {
    pub encoder: &'static str,
    pub text: Vec<u8>,
    pub value: Range<usize>,
    /// The same without the characters at its edges that its neighbours share.
    pub inner: Range<usize>,
}

pub type Encode = fn(&str) -> String;

/// Every listed encoding that stands alone.
pub const ENCODERS: [(&str, Encode); 26] = [
    ("raw", |text| text.to_owned()),
    ("base64", base64),
    ("base64 unpadded", |text| STANDARD_NO_PAD.encode(text)),
    ("base64url", |text| URL_SAFE.encode(text)),
    ("base64url unpadded", |text| URL_SAFE_NO_PAD.encode(text)),
    ("basic", |text| STANDARD.encode(format!("x-access-token:{text}"))),
    ("hex", |text| hex::encode(text)),
    ("HEX", |text| hex::encode_upper(text)),
    ("percent in full", |text| text.bytes().map(|byte| format!("%{byte:02x}")).collect()),
    ("PERCENT in full", |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
    ("percent", |text| percent(text, "-._~").to_ascii_lowercase_escapes()),
    ("PERCENT", |text| percent(text, "-._~")),
    ("form", |text| percent(text, "-._* ").replace(' ', "+")),
    ("encodeURIComponent", |text| percent(text, "-_.!~*'()")),
    ("json", |text| json(text)),
    ("json ascii", |text| json(text).chars().map(ascii).collect()),
    ("html", |text| html(text)),
    ("json in full", |text| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()),
    ("JSON in full", |text| text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()),
    ("decimal entities", |text| text.chars().map(|character| format!("&#{};", u32::from(character))).collect()),
    ("hex entities", |text| text.chars().map(|character| format!("&#x{:x};", u32::from(character))).collect()),
    ("HEX entities", |text| text.chars().map(|character| format!("&#x{:X};", u32::from(character))).collect()),
    ("hex entities of signs", |text| signs(text, |sign| format!("&#x{:x};", u32::from(sign)))),
    ("HEX entities of signs", |text| signs(text, |sign| format!("&#x{:X};", u32::from(sign)))),
    ("decimal entities of signs", |text| signs(text, |sign| format!("&#{};", u32::from(sign)))),
    ("quoted-printable", quoted_printable),
];

trait LowercaseEscapes {
    fn to_ascii_lowercase_escapes(&self) -> String;
}

impl LowercaseEscapes for String {
    fn to_ascii_lowercase_escapes(&self) -> String {
        let mut parts = self.split('%');
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            out.push('%');
            out.push_str(&part[..2].to_ascii_lowercase());
            out.push_str(&part[2..]);
        }
        out
    }
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn percent(text: &str, kept: &str) -> String {
    let one = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn ascii(character: char) -> String {
    let coded = |unit: &u16| format!("\\u{unit:04x}");
    if (' '..='~').contains(&character) { character.to_string() } else { character.encode_utf16(&mut [0; 2]).iter().map(coded).collect() }
}

fn signs(text: &str, escape: impl Fn(char) -> String) -> String {
    text.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_string() } else { escape(one) }).collect()
}

fn quoted_printable(text: &str) -> String {
    let one = |byte: u8| if (b' '..=b'~').contains(&byte) && byte != b'=' { char::from(byte).to_string() } else { format!("={byte:02X}") };
    if text.contains('=') { text.bytes().map(one).collect() } else { text.to_owned() }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The value in every encoding between neighbours, and in base64 and hex together with its neighbours.
pub fn occurrences(value: &str, before: &[u8], after: &[u8]) -> Vec<Occurrence> {
    let alone = ENCODERS.iter().map(|(encoder, encode)| {
        let encoded = encode(value);
        let text = [before, encoded.as_bytes(), after].concat();
        // The part of Basic that is the value's begins after `x-access-token:`, which is 15 bytes or 20 characters.
        let own = if *encoder == "basic" { 20 } else { 0 };
        let value = before.len() + own..before.len() + encoded.len();
        Occurrence { encoder, text, inner: value.clone(), value }
    });
    let whole = [before, value.as_bytes(), after].concat();
    let engines = [("inner base64", &STANDARD), ("inner base64url", &URL_SAFE)];
    let inner = engines.into_iter().map(|(encoder, engine)| {
        let (first_bit, end_bit) = (before.len() * 8, (before.len() + value.len()) * 8);
        let text = engine.encode(&whole).into_bytes();
        Occurrence { encoder, text, value: first_bit / 6..end_bit.div_ceil(6), inner: first_bit.div_ceil(6)..end_bit / 6 }
    });
    let digits = before.len() * 2..(before.len() + value.len()) * 2;
    let hex = Occurrence { encoder: "inner hex", text: hex::encode(&whole).into_bytes(), inner: digits.clone(), value: digits };
    alone.chain(inner).chain([hex]).collect()
}

/// The text with the value's place taken by the placeholder, in each encoding.
pub fn with_placeholder(occurrence: &Occurrence, placeholder: &str) -> Vec<u8> {
    let (before, after) = (&occurrence.text[..occurrence.inner.start], &occurrence.text[occurrence.inner.end..]);
    ENCODERS.iter().flat_map(|(_, encode)| [before, encode(placeholder).as_bytes(), after].concat()).collect()
}
