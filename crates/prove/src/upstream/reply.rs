//! What the loopback upstream answers, by path: an ordinary API, and every kind of echo.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Record, UpstreamSpec};

/// The parts of the answer, each written to the network on its own.
pub fn reply(record: &Record, spec: &UpstreamSpec, stored: &mut String) -> Vec<Vec<u8>> {
    let target = record.line.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/");
    let credential = credential(record);
    let text = credential.as_str();
    match path {
        "/echo" => plain(&record.bytes),
        "/echo/base64" => plain(STANDARD.encode(text).as_bytes()),
        "/echo/hex" => plain(text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes()),
        "/echo/percent" => plain(text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>().as_bytes()),
        "/echo/json" => plain(format!("{{\"error\":\"bad token \\\"{text}\\\"\"}}").as_bytes()),
        "/echo/head" => {
            vec![format!("HTTP/1.1 200 {text}\r\nX-Echo: {text}\r\nSet-Cookie: t={text}\r\nContent-Length: 2\r\n\r\nok").into_bytes()]
        }
        "/echo/location" => {
            vec![format!("HTTP/1.1 302 Found\r\nLocation: https://evil.example.net/?t={text}\r\nContent-Length: 0\r\n\r\n").into_bytes()]
        }
        "/echo/bytewise" => bytewise(text, ""),
        "/echo/trailer" => bytewise("ok", &format!("X-Echo: {text}\r\n")),
        "/echo/gzip" => encoded(&gzip_stored(text.as_bytes())),
        "/echo/big" => plain(format!("{}{text}{}", "x".repeat(BIG_BYTES), "y".repeat(BIG_BYTES)).as_bytes()),
        "/store" => {
            stored.clone_from(&credential);
            plain(b"stored")
        }
        "/recall" => plain(stored.as_bytes()),
        _ if path.starts_with("/repo.git/") => repo_file(path, &credential, spec),
        _ => ordinary(&credential, spec),
    }
}

/// The credential of a request: the Authorization header without its scheme, Basic decoded to its password, or x-api-key.
fn credential(record: &Record) -> String {
    let head = String::from_utf8_lossy(&record.bytes).into_owned();
    for line in head.lines().take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => {
                let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
                let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                return match decoded.filter(|_| scheme.eq_ignore_ascii_case("basic")) {
                    Some(pair) => pair.split_once(':').map_or(String::new(), |(_, password)| password.to_owned()),
                    None => rest.to_owned(),
                };
            }
            "x-api-key" => return value.to_owned(),
            _ => {}
        }
    }
    String::new()
}

fn ordinary(credential: &str, spec: &UpstreamSpec) -> Vec<Vec<u8>> {
    let right = spec.expected.as_deref().is_none_or(|expected| expected == credential);
    let status = if right { "200 OK" } else { "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"upstream\"" };
    let body = format!("{{\"authorized\":{right}}}");
    vec![format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()]
}

fn repo_file(path: &str, credential: &str, spec: &UpstreamSpec) -> Vec<Vec<u8>> {
    if spec.expected.as_deref().is_some_and(|expected| expected != credential) {
        return ordinary(credential, spec);
    }
    let name = path.trim_start_matches("/repo.git/");
    let file = spec.repo.as_ref().filter(|_| !name.contains("..")).and_then(|repo| std::fs::read(repo.join(name)).ok());
    match file {
        Some(bytes) => plain(&bytes),
        None => vec![b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()],
    }
}

fn plain(body: &[u8]) -> Vec<Vec<u8>> {
    let mut out = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    vec![out]
}

fn encoded(body: &[u8]) -> Vec<Vec<u8>> {
    let mut out = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    vec![out]
}

/// Chunked, one byte a chunk and a write each, with trailer lines.
fn bytewise(text: &str, trailer: &str) -> Vec<Vec<u8>> {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Echo\r\n\r\n".to_vec();
    let chunks = text.bytes().map(|byte| [b"1\r\n", [byte].as_slice(), b"\r\n"].concat());
    std::iter::once(head).chain(chunks).chain([format!("0\r\n{trailer}\r\n").into_bytes()]).collect()
}

/// A gzip file (RFC 1952) of one stored block (RFC 1951, section 3.2.4).
fn gzip_stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(0);
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    out.extend_from_slice(&u32::from(length).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

const BIG_BYTES: usize = 2_500_000;
