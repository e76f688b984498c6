//! Which names this server answers to: a page in somebody's browser that points its own name at us is not served.
//!
//! Browsers cannot be made to send another `Host` than the name they looked up, so a list of names is enough against DNS rebinding; ports say nothing. Pages
//! have no business here at all, so a request with an `Origin` is refused.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};

use std::sync::Arc;

use crate::desk::Desk;
use crate::problem::ApiError;

/// The names this server answers to.
#[derive(Clone, Debug)]
pub struct Hosts {
    listen: IpAddr,
    configured: Vec<String>,
}

impl Hosts {
    /// The listen address, `localhost` on loopback, and the configured names (with or without a port, which is not compared).
    #[must_use]
    pub fn new(listen: SocketAddr, configured: &[String]) -> Self {
        Self { listen: listen.ip(), configured: configured.iter().map(|name| bare(name)).collect() }
    }

    /// Whether `authority` (`host` or `host:port`, RFC 9110 section 7.2) is one of the names.
    #[must_use]
    pub fn allow(&self, authority: &str) -> bool {
        let name = bare(authority);
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        match address {
            // An address cannot be rebound. On every address of the machine we answer to each.
            Some(address) => {
                address == self.listen || address.is_loopback() || self.listen.is_unspecified() || self.configured.contains(&name)
            }
            None => name == "localhost" || self.configured.contains(&name),
        }
    }
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
pub(crate) async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    match check(&desk.hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
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
        Err(ApiError::HostUnknown)
    } else if request.headers().contains_key(ORIGIN) {
        Err(ApiError::OriginRefused)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn our_own_names_are_known_in_any_writing() {
        for name in ["localhost", "LOCALHOST:7080", "127.0.0.1:7080", "127.0.0.1", "[::1]:7080", "api.example.com", "API.example.com.:8443"]
        {
            assert!(hosts("127.0.0.1:7080").allow(name), "{name}");
        }
        assert!(hosts("0.0.0.0:7080").allow("10.0.0.1:7080"));
    }
}
