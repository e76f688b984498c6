//! How somebody else's sandbox reaches the forward proxy.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::token::Token;

/// `http://HOST:PORT`: a name or an address, since a sandbox may know neither the other's DNS nor its routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProxyUrl(String);

/// Why a text is no such URL. Never contains the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the forward proxy is reached as http://HOST:PORT, without user, path or TLS, such as http://172.17.0.1:7081")]
pub struct ProxyUrlError;

impl ProxyUrl {
    /// The proxy at an address; none for "every address", which leads nowhere.
    #[must_use]
    pub fn at(address: SocketAddr) -> Option<Self> {
        (!address.ip().is_unspecified()).then(|| Self(format!("{SCHEME}{address}")))
    }

    /// The URL with its credential as the password, as proxy variables take it.
    #[must_use]
    pub fn with_credential(&self, credential: &Token) -> String {
        let authority = self.0.strip_prefix(SCHEME).unwrap_or(&self.0);
        format!("{SCHEME}{USER}:{}@{authority}", credential.as_str())
    }
}

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let authority = text.strip_prefix(SCHEME).ok_or(ProxyUrlError)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = authority.rsplit_once(':').ok_or(ProxyUrlError)?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| is_port && *port > 0).ok_or(ProxyUrlError)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => format!("[{}]", inside.parse::<Ipv6Addr>().map_err(|_| ProxyUrlError)?),
            None => match host.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => address.to_string(),
                Ok(IpAddr::V6(_)) => return Err(ProxyUrlError),
                Err(_) => host.parse::<Host>().map_err(|_| ProxyUrlError)?.to_string(),
            },
        };
        Ok(Self(format!("{SCHEME}{host}:{port}")))
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = ProxyUrlError;

    fn try_from(text: String) -> Result<Self, ProxyUrlError> {
        text.parse()
    }
}

impl From<ProxyUrl> for String {
    fn from(url: ProxyUrl) -> Self {
        url.0
    }
}

/// The leg to the proxy has no TLS; what goes through it has.
const SCHEME: &str = "http://";
/// The proxy looks at the password alone; clients want a user before it.
const USER: &str = "devbox";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_no_proxy_is_refused() {
        for text in [
            "",
            "http://",
            "http://host",
            "https://host:1",
            "http://u@host:1",
            "http://host:0",
            "http://host:65536",
            "http://host:+1",
            "http://host:1/path",
            "http://fd00::1:1",
            "http://[fd00::1]",
            "http://a b:1",
            "host:1",
            "http://host:1//",
            "http://h\n:1",
        ] {
            assert_eq!(text.parse::<ProxyUrl>(), Err(ProxyUrlError), "{text}");
        }
        assert_eq!(ProxyUrl::at("0.0.0.0:1".parse().expect("an address")), None);
    }

    #[test]
    fn a_name_and_an_address_are_taken_and_carry_the_credential() {
        let credential: Token = "tlg_0123456789abcdef".parse().expect("a token");
        for (text, expected) in [
            ("http://172.17.0.1:7081", "http://devbox:tlg_0123456789abcdef@172.17.0.1:7081"),
            ("http://Gateway.Example.test:80/", "http://devbox:tlg_0123456789abcdef@gateway.example.test:80"),
            ("http://[fd00::1]:7081", "http://devbox:tlg_0123456789abcdef@[fd00::1]:7081"),
        ] {
            assert_eq!(text.parse::<ProxyUrl>().expect("a URL").with_credential(&credential), expected);
        }
        let at = ProxyUrl::at("[fd00::1]:7081".parse().expect("an address")).expect("a URL");
        assert_eq!(at.to_string(), "http://[fd00::1]:7081");
    }
}
