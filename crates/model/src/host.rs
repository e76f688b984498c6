//! Hosts: one canonical form, and the patterns that are compared with it.
//!
//! A host is parsed once, at the door; afterwards two hosts are the same exactly when their texts are. Patterns are whole labels, so nothing can match
//! by accident of a missing anchor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A DNS name in canonical form: lower case, IDNA to ASCII (UTS 46), no trailing dot, no port, not an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

/// What a binding or `--allow` names: one host, or every host one label below a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// Exactly this host.
    Exact(Host),
    /// `*.example.com`: one label, then this domain.
    OneLabel(Host),
}

/// Why a text is no host or no pattern. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    /// Not a DNS name.
    #[error("not a host name: give a name like api.example.com, without scheme, port, path or user")]
    Name,
    /// An IPv4 or IPv6 address, in any notation.
    #[error("an address is not a host name: name the host, and the address in [gateway] resolve if it needs one")]
    Address,
    /// A star anywhere but as the whole first label.
    #[error("a wildcard stands for one whole first label, as in *.example.com")]
    Wildcard,
    /// A star directly under a public suffix.
    #[error("a wildcard under a public suffix would match hosts of unrelated owners: name the domain too")]
    PublicSuffix,
}

impl Host {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name alone says that it leads inside: this machine, its network, or nothing that the public tree of names has (RFC 6761, RFC 6762, RFC 8375;
    /// `internal` is kept for private use by ICANN). A name of one label is completed by whoever resolves it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let below = |domain: &&str| self.0.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !self.0.contains('.') || LOCAL_DOMAINS.iter().any(below)
    }

    /// The name as people of its script write it (UTS 46 to Unicode), where that differs. Two names may look alike there: it is for showing beside the name,
    /// never for comparing.
    #[must_use]
    pub fn readable(&self) -> Option<String> {
        let (readable, _) = idna::domain_to_unicode(&self.0);
        Some(readable).filter(|readable| *readable != self.0)
    }

    /// The host in an HTTP authority (`host` or `host:port`, RFC 9110 section 7.2) and its port where one is written.
    ///
    /// # Errors
    /// Where the host is not a DNS name, the port is not a number, or there is user information.
    pub fn from_authority(text: &str) -> Result<(Self, Option<u16>), HostError> {
        match text.rsplit_once(':') {
            None => Ok((text.parse()?, None)),
            Some(_) if text.starts_with('[') => Err(HostError::Address),
            Some((host, port)) => {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = port.parse().ok().filter(|_| digits).ok_or(HostError::Name)?;
                Ok((host.parse()?, Some(port)))
            }
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text.parse::<std::net::IpAddr>().is_ok() || text.starts_with('[') {
            return Err(HostError::Address);
        }
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() || trimmed.bytes().any(|b| b.is_ascii_control() || b == b' ') {
            return Err(HostError::Name);
        }
        let ascii = idna::domain_to_ascii_cow(trimmed.as_bytes(), idna::AsciiDenyList::URL).map_err(|_| HostError::Name)?.into_owned();
        if ends_in_number(&ascii) {
            return Err(HostError::Address);
        }
        if ascii.len() <= NAME_BYTES_MAX && ascii.split('.').all(is_label) { Ok(Self(ascii)) } else { Err(HostError::Name) }
    }
}

impl HostPattern {
    /// Whether the pattern names `host`.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::OneLabel(domain) => host.0.split_once('.').is_some_and(|(_, rest)| rest == domain.0),
        }
    }

    /// Whether some host is named by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(host), pattern) | (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::OneLabel(one), Self::OneLabel(another)) => one == another,
        }
    }

    /// The one host that the pattern names, where it names one.
    #[must_use]
    pub const fn exact(&self) -> Option<&Host> {
        match self {
            Self::Exact(host) => Some(host),
            Self::OneLabel(_) => None,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let Some(domain) = text.strip_prefix("*.") else {
            return if text.contains('*') { Err(HostError::Wildcard) } else { Ok(Self::Exact(text.parse()?)) };
        };
        if domain.contains('*') {
            return Err(HostError::Wildcard);
        }
        let domain: Host = domain.parse()?;
        if psl::domain_str(domain.as_str()).is_none() { Err(HostError::PublicSuffix) } else { Ok(Self::OneLabel(domain)) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::OneLabel(domain) => write!(f, "*.{domain}"),
        }
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = HostError;

            fn try_from(text: String) -> Result<Self, HostError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}

text_conversions!(Host);
text_conversions!(HostPattern);

/// Whether the last label would be read as a number by URL parsers (WHATWG URL, "ends in a number"): then the whole is an IPv4 address to them.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
}

/// RFC 1035, section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
const LOCAL_DOMAINS: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "in-addr.arpa", "ip6.arpa"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_in_any_notation_are_refused() {
        for text in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "127.1",
            "1.2.3.4.",
            "::1",
            "[::1]",
            "example.0x",
            "１２７.0.0.1",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn texts_with_anything_but_a_name_are_refused() {
        for text in
            ["", ".", "a..b", "a b", "a\0b", "user@a.com", "a.com:443", "a.com/x", "-a.com", "a.com..", "*.com", "a\r\n.com", "http://a"]
        {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_host_has_one_form() {
        for text in ["API.GitHub.com", "api.github.com.", "api.github.com", "ａpi.github.com"] {
            assert_eq!(text.parse::<Host>().expect("a host").as_str(), "api.github.com");
        }
        assert_eq!("bücher.example".parse::<Host>().expect("a host").as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        assert_eq!(Host::from_authority("A.com:8443").map(|(h, p)| (h.to_string(), p)), Ok(("a.com".into(), Some(8443))));
        for text in ["a.com:", "a.com:+1", "a.com:99999", "a:b@c.com", "[::1]:443", "a.com:1:2"] {
            assert!(Host::from_authority(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_wildcard_is_one_whole_label_of_one_owner() {
        for text in ["*", "*.", "*.com", "*.co.uk", "*.github.io", "a*.example.com", "a.*.example.com", "*.*.example.com", "*example.com"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
        let pattern: HostPattern = "*.example.com".parse().expect("a pattern");
        let host = |text: &str| text.parse::<Host>().expect("a host");
        assert!(pattern.matches(&host("a.example.com")));
        for text in ["example.com", "a.b.example.com", "a.example.com.evil.net", "aexample.com", "evilexample.com"] {
            assert!(!pattern.matches(&host(text)), "{text}");
        }
    }

    #[test]
    fn names_that_lead_inside_by_their_form_are_told() {
        for text in
            ["localhost", "a.localhost", "intranet", "printer.local", "metadata.google.internal", "nas.home.arpa", "1.0.0.127.in-addr.arpa"]
        {
            assert!(text.parse::<Host>().expect("a host").is_local(), "{text}");
        }
        for text in ["api.example.com", "local.example.com", "notlocal.example", "thelocal.com", "mylocalhost.net"] {
            assert!(!text.parse::<Host>().expect("a host").is_local(), "{text}");
        }
    }

    #[test]
    fn patterns_overlap_where_one_host_is_named_by_both() {
        let overlap = |one: &str, another: &str| {
            let (one, another): (HostPattern, HostPattern) = (one.parse().expect("a pattern"), another.parse().expect("a pattern"));
            assert_eq!(one.overlaps(&another), another.overlaps(&one));
            one.overlaps(&another)
        };
        assert!(overlap("a.example.com", "a.example.com") && overlap("*.example.com", "a.example.com"));
        assert!(overlap("*.example.com", "*.example.com"));
        for (one, another) in [("a.example.com", "b.example.com"), ("*.example.com", "example.com"), ("*.example.com", "*.a.example.com")] {
            assert!(!overlap(one, another), "{one} {another}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.as_str().parse::<Host>(), Ok(host.clone()));
            }
        }
    }
}
