//! Hosts, patterns, authorities and paths: one canonical form, and none that a second look would read differently.
#![no_main]

use gateway::fuzzing;
use libfuzzer_sys::fuzz_target;
use model::{Host, HostPattern, Network, ProxyUrl};

fuzz_target!(|text: &str| {
    host(text);
    pattern(text);
    authority(text);
    path(text);
    again::<Network>(text);
    again::<ProxyUrl>(text);
});

fn host(text: &str) {
    let Ok(host) = text.parse::<Host>() else { return };
    let canonical = host.as_str();
    assert_eq!(canonical.parse::<Host>().as_ref(), Ok(&host), "canonical twice is canonical once");
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    assert!(canonical.bytes().all(legal), "{canonical:?}");
    assert!((1..=253).contains(&canonical.len()) && !canonical.contains("..") && !canonical.starts_with('.') && !canonical.ends_with('.'));
    assert!(canonical.parse::<std::net::IpAddr>().is_err(), "an address is no host");
    assert!(!canonical.rsplit('.').next().unwrap_or_default().bytes().all(|b| b.is_ascii_digit()), "some read this as an address");
    // However its ASCII letters are written, and with the root's dot, it is the same host.
    assert_eq!(canonical.to_ascii_uppercase().parse::<Host>().as_ref(), Ok(&host));
    assert_eq!(format!("{canonical}.").parse::<Host>().as_ref(), Ok(&host));
    for added in ["..", "/", "@", ":1", "\0", " ", "\r\n", "%2e", "*", "\\", "#", "?"] {
        assert!(format!("{canonical}{added}").parse::<Host>().is_err(), "{canonical}{added:?} is a host");
        assert!(format!("{added}{canonical}").parse::<Host>().is_err(), "{added:?}{canonical} is a host");
    }
    assert_eq!(Host::from_authority(canonical), Ok((host.clone(), None)));
    assert_eq!(Host::from_authority(&format!("{canonical}:8443")), Ok((host, Some(8443))));
}

fn pattern(text: &str) {
    let Ok(pattern) = text.parse::<HostPattern>() else { return };
    assert_eq!(pattern.to_string().parse::<HostPattern>().as_ref(), Ok(&pattern));
    assert!(pattern.overlaps(&pattern));
    let HostPattern::OneLabel(domain) = &pattern else {
        assert!(pattern.exact().is_some_and(|host| pattern.matches(host)));
        return;
    };
    let below = |labels: &str| format!("{labels}.{domain}").parse::<Host>();
    assert!(domain.as_str().contains('.'), "a star under a suffix");
    assert!(!pattern.matches(domain), "the domain itself is not one label below it");
    assert!(below("a").map_or(true, |host| pattern.matches(&host)));
    assert!(below("b.a").map_or(true, |host| !pattern.matches(&host)));
    assert!(format!("x{domain}").parse::<Host>().map_or(true, |host| !pattern.matches(&host)));
}

fn authority(text: &str) {
    let Ok((host, port)) = Host::from_authority(text) else { return };
    let written = port.map_or(host.to_string(), |port| format!("{host}:{port}"));
    assert_eq!(Host::from_authority(&written), Ok((host, port)));
    assert!(!text.contains(['@', '/', '?', '#', '\\', ' ']), "{text:?} is an authority");
}

fn path(text: &str) {
    let Ok(reading) = fuzzing::judge(text) else { return };
    assert!(text.starts_with('/'));
    let decoded = decoded(text);
    assert!(!decoded.contains(['\\', '\0', '\r', '\n']), "{text:?}");
    for segment in decoded.split('/') {
        let bare = segment.split(';').next().unwrap_or_default().trim();
        assert!(bare != "." && bare != "..", "{text:?} climbs");
    }
    let Some(plain) = reading else { return };
    assert_eq!(plain, decoded, "the one reading is the decoded path");
    assert!(!plain.contains("//"));
    // What is left has nothing to decode, so it reads the same again, but for a bare `%`.
    if !plain.contains('%') {
        assert_eq!(fuzzing::judge(&plain), Ok(Some(plain.clone())));
    }
    assert_ne!(fuzzing::judge(&plain.replace('%', "%25")), Err(fuzzing::Devious), "written anew it is as good");
}

/// Percent-decoded as often as anything changes.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..4 {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()).filter(|_| *first == b'%');
            let pair = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            out.push(pair.unwrap_or(*first));
            rest = if pair.is_some() { &after[2..] } else { after };
        }
        text = String::from_utf8_lossy(&out).into_owned();
    }
    text
}

/// What was read and written again reads the same.
fn again<T: std::str::FromStr + std::fmt::Display + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{text:?}");
}
