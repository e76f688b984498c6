//! What a client shows to the proxy: Basic (RFC 7617), of which the password counts, or Bearer (RFC 6750).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;
use zeroize::Zeroizing;

/// The credential; none where nothing, or nothing that can be read, is shown.
pub(super) fn shown(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut all = headers.get_all(PROXY_AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, rest) = one.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then(|| Zeroizing::new(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest).ok()?);
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PROXY_AUTHORIZATION, HeaderValue::from_str(line).expect("a header"));
        }
        shown(&headers).map(|shown| shown.to_string())
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for lines in
            [&[][..], &["Basic"], &["Basic !"], &["Digest x"], &["Bearer "], &[&basic("no colon")], &[&basic("u:a"), &basic("u:a")]]
        {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_password_counts_whoever_the_user_is() {
        for (line, expected) in [
            (format!("Basic {}", STANDARD.encode("devbox:tlg_a")), "tlg_a"),
            (format!("basic {}", STANDARD.encode(":tlg_a:b")), "tlg_a:b"),
            ("bearer tlg_a".to_owned(), "tlg_a"),
        ] {
            assert_eq!(of(&[&line]).as_deref(), Some(expected));
        }
    }
}
