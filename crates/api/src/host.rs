//! Which names this server answers to: a page in somebody's browser that points its own name at us is not served.
//!
//! Browsers cannot be made to send another `Host` than the name they looked up, so a list of names is enough against DNS rebinding; ports say nothing. Other
//! pages have no business here at all, so a request with an `Origin` is refused, but for the entry page's own form, which must come with ours.

use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderName, Method};

use crate::bodies;
use crate::connection::Scheme;
use crate::desk::Desk;
use crate::limits::HEADERS_MAX;
use crate::problem::ApiError;
use crate::ui::entry::ENTRY_PATH;

/// The names this server answers to.
#[derive(Debug)]
pub struct Hosts {
    listen: Vec<IpAddr>,
    configured: Vec<String>,
    /// Those of the TLS port's certificate, which may be replaced.
    certified: RwLock<Vec<String>>,
}

impl Hosts {
    /// The listen address, `localhost` on loopback, and the configured names (with or without a port, which is not compared).
    #[must_use]
    pub fn new(listen: SocketAddr, configured: &[String]) -> Self {
        let configured = configured.iter().map(|name| bare(name)).collect();
        Self { listen: vec![listen.ip()], configured, certified: RwLock::default() }
    }

    /// The same names and one more listen address.
    #[must_use]
    pub fn and_at(mut self, listen: SocketAddr) -> Self {
        self.listen.push(listen.ip());
        self
    }

    /// From now on also the names of a certificate, and no longer those of the one before; `*.` stands for one label.
    pub fn certify(&self, names: &[String]) {
        *self.certified.write().unwrap_or_else(PoisonError::into_inner) = names.iter().map(|name| bare(name)).collect();
    }

    /// Whether `authority` (`host` or `host:port`, RFC 9110 section 7.2) is one of the names.
    #[must_use]
    pub fn allow(&self, authority: &str) -> bool {
        let name = bare(authority);
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        match address {
            // An address cannot be rebound. On every address of the machine we answer to each.
            Some(address) => {
                let listens = self.listen.iter().any(|listen| *listen == address || listen.is_unspecified());
                listens || address.is_loopback() || self.is_named(&name)
            }
            None => name == "localhost" || self.is_named(&name),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let certified = self.certified.read().unwrap_or_else(PoisonError::into_inner);
        self.configured.iter().any(|configured| configured == name) || certified.iter().any(|certified| covers(certified, name))
    }
}

/// Whether a certificate's name is `name`, or stands for it (RFC 9525, section 6.3).
fn covers(certified: &str, name: &str) -> bool {
    let wild = certified.strip_prefix("*.").zip(name.split_once('.'));
    certified == name || wild.is_some_and(|(parent, (label, rest))| !label.is_empty() && parent == rest)
}

/// The host without port, in lower case, without a trailing dot.
fn bare(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) => host,
        Some(_) | None => authority,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Lets a request through that names us and comes from no page.
pub(crate) async fn guard(desk: &Desk, request: Request, next: Next) -> Response {
    match check(&desk.hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            bodies::discard(request.into_body()).await;
            error.into_response()
        }
    }
}

fn check(hosts: &Hosts, request: &Request) -> Result<(), ApiError> {
    let mut named = request.headers().get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let header = first.map(|value| value.to_str().unwrap_or_default());
    let known = match (authority, header, second) {
        (Some(authority), None, None) => hosts.allow(authority),
        (None, Some(header), None) => hosts.allow(header),
        (Some(authority), Some(header), None) => bare(authority) == bare(header) && hosts.allow(header),
        (_, _, Some(_)) | (None, None, None) => false,
    };
    if !known {
        return Err(ApiError::HostUnknown);
    }
    check_origin(request, header.or(authority).unwrap_or_default())?;
    if request.headers().len() > HEADERS_MAX { Err(ApiError::TooManyHeaders) } else { Ok(()) }
}

/// Programs name no origin. The form's page names us, as the browser knows us; where the browser tells how the page stands to us, that it is ours too.
fn check_origin(request: &Request, named: &str) -> Result<(), ApiError> {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let (origin, more) = (origins.next(), origins.next());
    if request.method() != Method::POST || request.uri().path() != ENTRY_PATH {
        return if origin.is_none() { Ok(()) } else { Err(ApiError::OriginRefused) };
    }
    let scheme = request.extensions().get::<Scheme>().copied().unwrap_or(Scheme::HTTP);
    let origin = origin.filter(|_| more.is_none()).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let is_near = request.headers().get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin");
    if is_near && is_own(origin, named, scheme) { Ok(()) } else { Err(ApiError::FormForeign) }
}

/// Whether an origin (RFC 6454, section 6.2) is that of the authority that a request names. Without TLS here, there may be TLS in front of us.
fn is_own(origin: &str, named: &str, scheme: Scheme) -> bool {
    let Some((said, authority)) = origin.split_once("://") else { return false };
    let is_scheme = said == Scheme::HTTPS.0 || said == scheme.0;
    is_scheme && !named.is_empty() && authority.eq_ignore_ascii_case(named)
}

/// How the page that asks stands to us (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_ours_with_scheme_host_and_port_and_not_otherwise() {
        let own = |origin: &str, scheme| is_own(origin, "api.example.com:7080", scheme);
        assert!(own("http://api.example.com:7080", Scheme::HTTP) && own("https://API.example.com:7080", Scheme::HTTPS));
        assert!(!own("http://api.example.com:7080", Scheme::HTTPS), "what is read on the way writes nothing into what is not");
        for origin in
            ["", "null", "api.example.com:7080", "http://api.example.com", "http://api.example.com:7081", "http://a.api.example.com:7080"]
        {
            assert!(!own(origin, Scheme::HTTP), "{origin}");
        }
        for origin in [
            "ftp://api.example.com:7080",
            "http://api.example.com:7080/",
            "http://user@api.example.com:7080",
            "HTTP://api.example.com:7080",
        ] {
            assert!(!own(origin, Scheme::HTTP), "{origin}");
        }
        assert!(!is_own("http://", "", Scheme::HTTP));
    }

    fn hosts(listen: &str) -> Hosts {
        Hosts::new(listen.parse().expect("an address"), &["Api.Example.com:443".to_owned()])
    }

    #[test]
    fn a_foreign_name_is_refused() {
        for name in
            ["", "evil.com", "evil.com:7080", "localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.1", "api.example.com.evil.com", "[::2]"]
        {
            assert!(!hosts("127.0.0.1:7080").allow(name), "{name}");
        }
    }

    #[test]
    fn a_certificates_names_are_known_until_it_is_replaced() {
        let hosts = hosts("127.0.0.1:7080").and_at("192.0.2.7:443".parse().expect("an address"));
        hosts.certify(&["secrets.example.org".to_owned(), "*.Wild.example.org".to_owned(), "192.0.2.9".to_owned()]);
        for name in ["secrets.example.org:443", "api.wild.example.org", "192.0.2.7", "192.0.2.9"] {
            assert!(hosts.allow(name), "{name}");
        }
        for name in ["wild.example.org", "a.b.wild.example.org", ".wild.example.org", "x.secrets.example.org", "192.0.2.8"] {
            assert!(!hosts.allow(name), "{name}");
        }
        hosts.certify(&["other.example.org".to_owned()]);
        assert!(hosts.allow("other.example.org") && !hosts.allow("secrets.example.org") && hosts.allow("api.example.com"));
    }

    #[test]
    fn our_own_names_are_known_in_any_writing() {
        for name in ["localhost", "LOCALHOST:7080", "127.0.0.1:7080", "127.0.0.1", "[::1]:7080", "api.example.com", "API.example.com.:8443"]
        {
            assert!(hosts("127.0.0.1:7080").allow(name), "{name}");
        }
        assert!(hosts("0.0.0.0:7080").allow("10.0.0.1:7080"));
    }
}
