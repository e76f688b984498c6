//! Whom a request to the proxy is for: one name, read once.

use std::net::IpAddr;

use http::Uri;
use http::request::Parts;

use model::binding::HTTP_PORT;
use model::host::HostError;
use model::{Host, Refusal};

use super::has_content;
use crate::greet::{Destination, Scheme, check_host};

/// The host and port of a CONNECT (RFC 9110, section 9.3.6), which its `Host` repeats where there is one.
pub(crate) fn of_connect(parts: &Parts) -> Result<(Host, u16), Refusal> {
    if has_content(parts) || parts.uri.scheme().is_some() || parts.uri.path_and_query().is_some() {
        return Err(Refusal::RequestMalformed);
    }
    let authority = parts.uri.authority().ok_or(Refusal::RequestMalformed)?;
    let (host, port) = named(authority.as_str())?;
    let port = port.filter(|port| *port > 0).ok_or(Refusal::RequestMalformed)?;
    let to = Destination { host, port, scheme: Scheme::Https };
    check_host(&parts.headers, &to)?;
    Ok((to.host, to.port))
}

/// The host and port of a request in absolute form with plain http. All other requests are of no form that a proxy takes.
pub(crate) fn of_plain(uri: &Uri) -> Result<(Host, u16), Refusal> {
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => {
            let (host, port) = named(authority.as_str())?;
            Ok((host, port.unwrap_or(HTTP_PORT)))
        }
        (_, _) => Err(Refusal::ProxyFormUnknown),
    }
}

fn named(authority: &str) -> Result<(Host, Option<u16>), Refusal> {
    if authority.contains('@') {
        return Err(Refusal::RequestMalformed);
    }
    // An address without a port is no authority of CONNECT, and an address all the same.
    let is_address = authority.parse::<IpAddr>().is_ok();
    Host::from_authority(authority).map_err(|error| match error {
        HostError::Address => Refusal::AddressUnmapped,
        HostError::Name | HostError::Wildcard | HostError::PublicSuffix if is_address => Refusal::AddressUnmapped,
        HostError::Name | HostError::Wildcard | HostError::PublicSuffix => Refusal::RequestMalformed,
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn connect(target: &str, headers: &[(&str, &str)]) -> Result<(String, u16), Refusal> {
        let mut request = Request::builder().method("CONNECT").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        of_connect(&parts).map(|(host, port)| (host.to_string(), port))
    }

    #[test]
    fn a_target_that_is_no_one_name_is_refused() {
        for target in ["10.0.0.1:443", "[::1]:443", "169.254.169.254:80", "2130706433:443", "0x7f.1:443", "[::ffff:10.0.0.1]:443"] {
            assert_eq!(connect(target, &[]), Err(Refusal::AddressUnmapped), "{target}");
        }
        for target in ["api.example.com", "api.example.com:0", "user@api.example.com:443", "http://api.example.com:443/", "a_b..c:443"] {
            assert_eq!(connect(target, &[]), Err(Refusal::RequestMalformed), "{target}");
        }
        let host = |value| connect("api.example.com:443", &[("host", value)]);
        assert_eq!(host("other.example.com:443"), Err(Refusal::NameMismatch));
        assert_eq!(host("api.example.com:8443"), Err(Refusal::NameMismatch));
        assert_eq!(
            connect("api.example.com:443", &[("host", "api.example.com"), ("host", "api.example.com")]),
            Err(Refusal::RequestMalformed)
        );
        for content in [("content-length", "5"), ("transfer-encoding", "chunked")] {
            assert_eq!(connect("api.example.com:443", &[content]), Err(Refusal::RequestMalformed));
        }
        for uri in ["/", "*", "https://api.example.com/", "ftp://api.example.com/", "api.example.com:80"] {
            assert_eq!(of_plain(&uri.parse().expect("a target")), Err(Refusal::ProxyFormUnknown), "{uri}");
        }
    }

    #[test]
    fn a_name_is_canonical_and_its_host_header_may_leave_out_the_port() {
        for (target, host) in [("API.example.com.:443", "api.example.com:443"), ("api.example.com:443", "API.EXAMPLE.COM")] {
            assert_eq!(connect(target, &[("host", host), ("content-length", "0")]), Ok(("api.example.com".to_owned(), 443)));
        }
        assert_eq!(connect("api.example.com:8443", &[]), Ok(("api.example.com".to_owned(), 8443)));
        let (host, port) = of_plain(&"http://api.example.com/x?y".parse().expect("a target")).expect("a host");
        assert_eq!((host.as_str(), port), ("api.example.com", 80));
    }
}
