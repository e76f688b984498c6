//! What bytes hold when they are read as a client might read them: chunks joined, escapes undone, lines joined, archives unpacked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

mod inflate;

/// Every other reading of the bytes. The bytes themselves are none.
pub(crate) fn readings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    let mut take = |reading: Vec<u8>| {
        if !reading.is_empty() && reading.len() != bytes.len() {
            readings.push(reading);
        }
    };
    // UTF-16 and UTF-32 of ASCII; separators of environments.
    take(without(bytes, &[0]));
    // Base64 in lines, messages one after the other.
    take(without(bytes, b"\r\n"));
    take(unescaped(bytes));
    take(dechunked(bytes));
    // A credential is in base64 already where Basic is, and whoever shows it writes that in a form of its own.
    for shift in 0..4 {
        take(decoded(bytes, shift));
    }
    take(unhexed(bytes));
    for at in starts_of(bytes, &[0x1f, 0x8b, 8]) {
        take(inflate::gzip(&bytes[at..]).unwrap_or_default());
    }
    for at in starts_of(bytes, b"\r\n\r\n") {
        let body = &bytes[at + 4..];
        take(inflate::inflate(body).unwrap_or_default());
        take(inflate::inflate(body.get(2..).unwrap_or_default()).unwrap_or_default());
    }
    let joined = dechunked(bytes);
    for at in starts_of(&joined, &[0x1f, 0x8b, 8]) {
        take(inflate::gzip(&joined[at..]).unwrap_or_default());
    }
    readings
}

fn without(bytes: &[u8], dropped: &[u8]) -> Vec<u8> {
    if bytes.iter().any(|byte| dropped.contains(byte)) {
        bytes.iter().copied().filter(|byte| !dropped.contains(byte)).collect()
    } else {
        Vec::new()
    }
}

fn starts_of(bytes: &[u8], word: &[u8]) -> Vec<usize> {
    let found = bytes.windows(word.len()).enumerate().filter(|(_, window)| *window == word);
    found.map(|(at, _)| at).take(PLACES_MAX).collect()
}

/// Percent signs (RFC 3986), quoted-printable (RFC 2045), JSON's escapes (RFC 8259) and HTML's numeric references undone.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let (read, used) = escape(&bytes[at..]).unwrap_or((*byte, 1));
        out.push(read);
        at += used;
    }
    out
}

/// The byte that an escape stands for, and the escape's length.
fn escape(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes {
        [b'%' | b'=', high, low, ..] => Some((number(&[*high, *low], 16)?, 3)),
        [b'\\', b'u' | b'U', b'0', b'0', high, low, ..] => Some((number(&[*high, *low], 16)?, 6)),
        [b'\\', b'x', high, low, ..] => Some((number(&[*high, *low], 16)?, 4)),
        [b'&', b'#', rest @ ..] => {
            let end = rest.iter().take(8).position(|byte| *byte == b';')?;
            let digits = &rest[..end];
            let read = match digits {
                [b'x' | b'X', digits @ ..] => number(digits, 16)?,
                digits => number(digits, 10)?,
            };
            Some((read, end + 3))
        }
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Long runs of base64's letters decoded, each from its `shift`th letter on.
fn decoded(bytes: &[u8], shift: usize) -> Vec<u8> {
    let runs = bytes.split(|byte| !byte.is_ascii_alphanumeric() && !b"+/-_".contains(byte)).filter(|run| run.len() >= RUN_CHARS);
    let mut out = Vec::new();
    for run in runs {
        let letters: Vec<u8> = run[shift..]
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        let whole = letters.len() - letters.len() % 4;
        out.extend(STANDARD.decode(&letters[..whole]).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// Long runs of hexadecimal digits decoded.
fn unhexed(bytes: &[u8]) -> Vec<u8> {
    let runs = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= RUN_CHARS);
    runs.flat_map(|run| run.chunks_exact(2).filter_map(|pair| number(pair, 16)).chain([b'\n'])).collect()
}

/// Chunks (RFC 9112, section 7.1) joined, whatever stands around them: lines that are a number, and what follows.
fn dechunked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        let size = line.split(|byte| *byte == b';').next().filter(|size| (1..6).contains(&size.len()));
        let size = size.and_then(|size| usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok());
        match size.filter(|size| after.get(*size..size + 2) == Some(b"\r\n")) {
            Some(size) => {
                out.extend_from_slice(&after[..size]);
                rest = &after[size + 2..];
            }
            None => rest = after,
        }
    }
    out
}

/// A shorter run holds too little of a credential.
const RUN_CHARS: usize = 16;
/// Places in one answer at which something may begin.
const PLACES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(bytes: &[u8]) -> bool {
        readings(bytes).iter().any(|reading| reading.windows(5).any(|window| window == b"value"))
    }

    #[test]
    fn what_a_client_would_read_is_read() {
        let chunks = b"HTTP/1.1 200 OK\r\n\r\n2\r\nva\r\n1;x=1\r\nl\r\n2\r\nue\r\n0\r\n\r\n";
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 43, 75, 204, 41, 77, 5, 0, 24, 37, 119, 29, 5, 0, 0, 0];
        for bytes in [&b"v\0a\0l\0u\0e\0"[..], b"val\r\nue", b"%76%61lue", b"\\u0076alue", b"&#118;&#x61;lue", b"=76alue", chunks, &gzip] {
            assert!(is_read(bytes), "{bytes:?}");
        }
        assert!(!is_read(b"nothing of it"));
    }
}
