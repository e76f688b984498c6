//! What the loopback upstream answers, by path: an ordinary API, and every kind of echo.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Part, Record, UpstreamSpec, echo};

/// The parts of the answer.
pub(super) fn reply(record: &Record, spec: &UpstreamSpec, stored: &mut HashMap<String, String>) -> Vec<Part> {
    let target = record.line.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/");
    let path = path.find("/echo").map_or(path, |at| &path[at..]);
    let credential = credential(record);
    let text = credential.as_str();
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match words.as_slice() {
        _ if record.line.starts_with("CONNECT ") => plain(&record.bytes),
        ["say", place, form] => echo::say(place, form, text),
        ["show", form] => echo::say("body", form, &String::from_utf8_lossy(&record.bytes)),
        ["echo", "base64"] => echo::say("body", "base64", text),
        ["echo", "hex"] => echo::say("body", "hex", text),
        ["echo", "percent"] => echo::say("body", "percent", text),
        ["echo", "json"] => echo::say("json", "raw", text),
        ["echo", "head"] => {
            let head = format!("HTTP/1.1 200 {text}\r\nX-Echo: {text}\r\nSet-Cookie: t={text}\r\nContent-Length: 2\r\n\r\nok");
            vec![Part::Say(head.into_bytes())]
        }
        ["echo", "location"] => echo::say("location", "raw", text),
        ["echo", "bytewise"] => echo::say("bytewise", "raw", text),
        ["echo", "trailer"] => echo::say("trailer", "raw", text),
        ["echo", "gzip"] => echo::say("gzip", "raw", text),
        ["echo", "big"] => echo::say("big", "raw", text),
        ["echo", ..] => plain(&record.bytes),
        ["store", rest @ ..] => {
            stored.insert(rest.concat(), credential);
            plain(b"stored")
        }
        ["recall"] => echo::say("body", "raw", stored.get("").map_or("", String::as_str)),
        ["recall", slot, form] => echo::say("body", form, stored.get(*slot).map_or("", String::as_str)),
        ["go"] => {
            let to = target.split_once("?to=").map_or("/", |(_, to)| to);
            vec![Part::Say(format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes())]
        }
        ["repo.git", ..] => repo_file(path, &credential, spec),
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

fn ordinary(credential: &str, spec: &UpstreamSpec) -> Vec<Part> {
    let right = spec.expected.as_deref().is_none_or(|expected| expected == credential);
    let status = if right { "200 OK" } else { "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"upstream\"" };
    let body = format!("{{\"authorized\":{right}}}");
    let answer = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    vec![Part::Say(answer.into_bytes())]
}

fn repo_file(path: &str, credential: &str, spec: &UpstreamSpec) -> Vec<Part> {
    if spec.expected.as_deref().is_some_and(|expected| expected != credential) {
        return ordinary(credential, spec);
    }
    let name = path.trim_start_matches("/repo.git/");
    let file = spec.repo.as_ref().filter(|_| !name.contains("..")).and_then(|repo| std::fs::read(repo.join(name)).ok());
    match file {
        Some(bytes) => plain(&bytes),
        None => vec![Part::Say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec())],
    }
}

/// The bytes as they are.
pub(super) fn plain(body: &[u8]) -> Vec<Part> {
    let mut out = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    vec![Part::Say(out)]
}
