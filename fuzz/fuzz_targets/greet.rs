//! One name for one connection: TLS hellos in pieces, and heads of requests as they are sent.
//!
//! Input: a byte that says which; a hello; or a method, a target, and header lines.
#![no_main]

use gateway::fuzzing;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Version};
use libfuzzer_sys::fuzz_target;
use model::Host;

const NAME: &str = "api.example.com";

fuzz_target!(|data: &[u8]| {
    match data {
        [first, rest @ ..] if first & 1 == 0 => hello(rest, usize::from(first >> 1).max(1)),
        [first, rest @ ..] => {
            if let Some(parts) = parts(rest, first >> 1) {
                head(&parts);
                proxied(&parts);
            }
        }
        [] => {}
    }
});

fn hello(bytes: &[u8], piece: usize) {
    let whole = fuzzing::hello(bytes, usize::MAX);
    let pieces = fuzzing::hello(bytes, piece);
    if let Some((read, name)) = &pieces {
        assert!(bytes.starts_with(read), "what is passed on is what was said");
        // A whole hello is one in pieces too, unless what follows it is no TLS.
        if let Some((_, other)) = &whole {
            assert_eq!(name, other, "the same name, whatever the pieces");
        }
    }
    let Some((read, name)) = whole else { return };
    assert!(bytes.starts_with(&read) && pieces.is_some(), "a hello is one in pieces too");
    if let Some(name) = name {
        assert_eq!(name.as_str().parse::<Host>().as_ref(), Ok(&name));
    }
}

fn parts(data: &[u8], version: u8) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let version = [Version::HTTP_11, Version::HTTP_2, Version::HTTP_10, Version::HTTP_09][usize::from(version) % 4];
    let mut request = Request::builder().method(method).uri(target).version(version);
    for line in lines.take(20) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// What passes is for this host and no other, and has one reading.
fn head(parts: &Parts) {
    let host: Host = NAME.parse().expect("a host");
    let Ok(reading) = fuzzing::greet(parts, host.clone(), 443) else { return };
    for method in ["CONNECT", "TRACE", "TRACK"] {
        assert!(!parts.method.as_str().eq_ignore_ascii_case(method), "{method} passed");
    }
    let lengths = parts.headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = parts.headers.get_all(TRANSFER_ENCODING).iter().count();
    assert!(lengths + codings <= 1, "a body has one length");
    assert!(parts.version != Version::HTTP_2 || codings == 0, "HTTP/2 frames by itself");
    assert!(parts.version != Version::HTTP_09);
    let named: Vec<&str> = parts.headers.get_all(HOST).iter().map(|line| line.to_str().expect("a host is text")).collect();
    assert!(named.len() <= 1 && (named.len() == 1 || parts.version == Version::HTTP_2), "one name, and no less");
    for authority in named.into_iter().chain(parts.uri.authority().map(http::uri::Authority::as_str)) {
        let is_it = Host::from_authority(authority).is_ok_and(|(other, port)| other == host && port.is_none_or(|port| port == 443));
        assert!(is_it && !authority.contains('@'), "{authority:?} passed for {NAME}");
    }
    assert!(parts.uri.scheme_str().is_none_or(|scheme| scheme == "https"));
    assert_eq!(reading, fuzzing::judge(parts.uri.path()));
}

/// Whom the proxy takes it for is a host, written once.
fn proxied(parts: &Parts) {
    if let Ok((host, port)) = fuzzing::of_connect(parts) {
        assert!(port > 0 && host.as_str().parse::<Host>().as_ref() == Ok(&host));
        assert!(parts.uri.authority().is_some_and(|authority| !authority.as_str().contains('@')));
        assert!(parts.headers.get_all(HOST).iter().count() <= 1);
    }
    if let Ok((host, _)) = fuzzing::of_plain(&parts.uri) {
        assert_eq!((parts.uri.scheme_str(), host.as_str().parse::<Host>().as_ref()), (Some("http"), Ok(&host)));
    }
}
