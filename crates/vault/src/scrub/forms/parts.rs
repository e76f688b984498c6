//! The parts of a value that hosts read by themselves, and may show by themselves: user and password, what stands behind a scheme, what a cookie or a parameter
//! has behind its name. Names are not looked for: replies are full of them.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// All parts, some of them perhaps twice. `by_use`: it is written as `USER:PASSWORD`, whatever it looks like.
pub(super) fn parts(value: &[u8], by_use: bool) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all = Vec::new();
    add_halves(&mut all, value, by_use);
    if let Some((is_basic, credentials)) = behind_scheme(value) {
        all.push(Zeroizing::new(credentials.to_vec()));
        add_halves(&mut all, credentials, false);
        add_pairs(&mut all, credentials);
        if is_basic && let Ok(decoded) = ANY_BASE64.decode(credentials) {
            let decoded = Zeroizing::new(decoded);
            // What is not text stands nowhere as it is.
            if std::str::from_utf8(&decoded).is_ok() {
                add_halves(&mut all, &decoded, true);
            }
        }
    }
    add_pairs(&mut all, value);
    all
}

/// The user and the password, where the value is used as such, or looks like credentials: visible ASCII without quotes, and a colon that does not belong to a
/// URL or an object.
fn add_halves(all: &mut Vec<Zeroizing<Vec<u8>>>, value: &[u8], by_use: bool) {
    let Some(colon) = value.iter().position(|byte| *byte == b':') else { return };
    let (user, password) = (&value[..colon], &value[colon + 1..]);
    let plain = value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'{'));
    if by_use || (plain && !password.starts_with(b"//")) {
        all.extend([user, password].map(|half| Zeroizing::new(half.to_vec())));
    }
}

/// What stands behind a scheme of `Authorization` (RFC 9110, section 11.4), and whether that is Basic.
fn behind_scheme(value: &[u8]) -> Option<(bool, &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = (&value[..space], value[space..].trim_ascii());
    let is = |known: &&str| scheme.eq_ignore_ascii_case(known.as_bytes());
    SCHEMES.iter().any(is).then(|| (is(&"basic"), credentials))
}

/// The values of `name=value; name=value`, as in cookies and in parameters.
fn add_pairs(all: &mut Vec<Zeroizing<Vec<u8>>>, value: &[u8]) {
    for pair in value.split(|byte| b";&,".contains(byte)) {
        // Of a URL, what stands in its query.
        let pair = pair.rsplit(|byte| *byte == b'?').next().unwrap_or(pair).trim_ascii();
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        let (name, text) = (&pair[..equals], pair[equals + 1..].trim_ascii());
        let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        // The padding of base64 has no text behind it.
        let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        if is_name && text.iter().any(|byte| *byte != b'=') && !is_everyday(text) {
            all.push(Zeroizing::new(text.to_vec()));
        }
    }
}

/// Whether a pair's text is what ordinary replies are full of: a media type, a time zone, the name of a folder. It has no digit, is short, and its words are
/// short ones in capitals, without, or with the first letter as one; what is drawn at random has digits, or letters of both sorts between each other.
fn is_everyday(text: &[u8]) -> bool {
    let is_media_type = MEDIA_TYPES.iter().any(|kind| text.strip_prefix(*kind).is_some_and(|rest| rest.starts_with(b"/")));
    let is_short = text.len() < RANDOM_BYTES_MIN || is_media_type;
    let has_signs_alone = text.iter().all(|byte| byte.is_ascii_alphabetic() || b"/+-_. ".contains(byte));
    is_short && has_signs_alone && text.split(|byte| !byte.is_ascii_alphabetic()).all(is_word)
}

fn is_word(letters: &[u8]) -> bool {
    let Some((first, rest)) = letters.split_first() else { return true };
    let one_sort = rest.iter().all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase);
    letters.len() <= WORD_BYTES_MAX && one_sort && first.is_ascii_alphabetic()
}

/// The top-level types (IANA).
const MEDIA_TYPES: [&[u8]; 9] = [b"application", b"audio", b"font", b"image", b"message", b"model", b"multipart", b"text", b"video"];
/// `Australia/Broken_Hill` is shorter; passphrases of four words are not.
const RANDOM_BYTES_MIN: usize = 24;
/// `application`, `development`; passwords of sixteen small letters are longer.
const WORD_BYTES_MAX: usize = 12;
/// Those that people store with what they belong to.
const SCHEMES: [&str; 8] = ["basic", "bearer", "token", "apikey", "api-key", "key", "bot", "oauth"];
/// Either alphabet is seen, the standard one is what Basic has; padded or not.
const ANY_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
