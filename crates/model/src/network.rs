//! Networks: where the connections of somebody else's sandbox may come from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The addresses of one prefix (RFC 4632, RFC 4291), such as `10.0.0.0/8` or `fd00::/64`. One address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no network. Never contains the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetworkError {
    /// Not an address with a prefix.
    #[error("a network is an address and the length of its prefix, such as 172.17.0.0/16 or fd00::/64; an address alone is itself")]
    Malformed,
    /// An address inside a network instead of the network's own.
    #[error("the address has bits beyond its prefix: name the network by its first address, such as 172.17.0.0/16")]
    BeyondPrefix,
    /// IPv4 written as IPv6.
    #[error("IPv4 addresses are compared as such: write the network in IPv4")]
    Mapped,
}

impl Network {
    /// Whether an address is of this network. An IPv4 address that came as an IPv6 one is looked at as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => (first.to_bits() ^ address.to_bits()) & mask_v4(self.prefix) == 0,
            (IpAddr::V6(first), IpAddr::V6(address)) => (first.to_bits() ^ address.to_bits()) & mask_v6(self.prefix) == 0,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let first: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        let longest = if first.is_ipv4() { V4_BITS } else { V6_BITS };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u8>().ok().filter(|prefix| *prefix <= longest).ok_or(NetworkError::Malformed)?
            }
            Some(_) => return Err(NetworkError::Malformed),
        };
        if first.to_canonical() != first {
            return Err(NetworkError::Mapped);
        }
        let is_first = match first {
            IpAddr::V4(first) => first.to_bits() & !mask_v4(prefix) == 0,
            IpAddr::V6(first) => first.to_bits() & !mask_v6(prefix) == 0,
        };
        if is_first { Ok(Self { first, prefix }) } else { Err(NetworkError::BeyondPrefix) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(u32::from(V4_BITS.saturating_sub(prefix))).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(V6_BITS.saturating_sub(prefix))).unwrap_or(0)
}

const V4_BITS: u8 = 32;
const V6_BITS: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08.",
            "10.0.0/8",
            "fd00::/129",
            "a/8",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
        for text in ["10.0.0.1/8", "fd00::1/64", "0.0.0.1/0"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::BeyondPrefix), "{text}");
        }
        assert_eq!("::ffff:10.0.0.0/104".parse::<Network>(), Err(NetworkError::Mapped));
    }

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().expect("a network").contains(address.parse().expect("an address"));
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("172.17.0.0/30", "172.17.0.3", "172.17.0.4"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("fd00::/64", "fd00::ffff", "fd00:0:0:1::"),
            ("fd00::1", "fd00::1", "fd00::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "fd00::1", "127.0.0.1"),
        ] {
            assert!(holds(network, inside), "{network} {inside}");
            assert!(!holds(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for text in ["10.0.0.0/8", "fd00::/64", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().expect("a network").to_string(), text);
        }
        assert_eq!("10.0.0.1".parse::<Network>().expect("a network").to_string(), "10.0.0.1/32");
    }
}
