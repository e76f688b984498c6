//! The entry page's cookie: which request a browser has opened. It says nothing else, and alone lets nobody store anything.
//!
//! Strict, so that no other site's page sends it; for one path, so that nothing else of this server or its neighbours on other ports is sent it; and short.
//! `__Host-` would want the path `/`: `__Secure-` is what a narrower one can have (RFC 6265bis, section 4.1.3).

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::connection::Scheme;
use crate::limits::{CREDENTIAL_BYTES_MAX, SESSION_LIFE};

/// The session that a browser shows; none where it shows several, of which one must be somebody else's.
pub(crate) fn shown(headers: &HeaderMap, scheme: Scheme) -> Option<Zeroizing<String>> {
    let named = name(scheme);
    let pairs = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok()).flat_map(|header| header.split(';'));
    let mut ours = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == named);
    let (session, more) = (ours.next(), ours.next());
    session
        .filter(|_| more.is_none())
        .map(|(_, session)| session)
        .filter(|session| is_word(session))
        .map(|session| Zeroizing::new(session.to_owned()))
}

/// The cookie of a session that has begun.
pub(crate) fn begun(session: &str, scheme: Scheme) -> Option<HeaderValue> {
    written(session, scheme, SESSION_LIFE.as_secs())
}

/// What takes the cookie away.
pub(crate) fn ended(scheme: Scheme) -> Option<HeaderValue> {
    written("", scheme, 0)
}

/// Whether a text can be a session or a link: letters and digits, `-` and `_`, not too many.
pub(crate) fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=CREDENTIAL_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal)
}

fn written(session: &str, scheme: Scheme, seconds: u64) -> Option<HeaderValue> {
    let name = name(scheme);
    let secure = if is_tls(scheme) { "; Secure" } else { "" };
    let cookie = format!("{name}={session}; Path=/ui/entry; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::try_from(cookie).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

fn name(scheme: Scheme) -> &'static str {
    if is_tls(scheme) { "__Secure-tightlip-entry" } else { "tightlip-entry" }
}

fn is_tls(scheme: Scheme) -> bool {
    scheme.0 == Scheme::HTTPS.0
}
