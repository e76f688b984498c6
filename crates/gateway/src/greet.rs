//! One name for one connection and every request on it: the dialled address's name, the TLS server name, `Host` and the request target agree, or the
//! request is refused.

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Uri, Version};

use model::binding::{HTTP_PORT, HTTPS_PORT};
use model::{Host, Refusal};

use crate::path::Path;

/// Whom a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) scheme: Scheme,
}

/// What is spoken on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// What the TLS client hello says of the server's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerName {
    /// Nothing.
    Absent,
    /// A host.
    Named(Host),
    /// Something that is no host.
    Illegible,
}

impl Destination {
    /// The host, and the port where it is not the scheme's own (RFC 9110, section 7.2).
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl ServerName {
    pub(crate) fn read(name: Option<&str>) -> Self {
        match name.map(str::parse) {
            None => Self::Absent,
            Some(Ok(host)) => Self::Named(host),
            Some(Err(_)) => Self::Illegible,
        }
    }
}

/// The name that a connection is for, from what the dialled address was given out for and what the client hello says.
pub(crate) fn one_name(looked_up: Option<Host>, said: &ServerName) -> Result<Host, Refusal> {
    let host = looked_up.ok_or(Refusal::AddressUnmapped)?;
    match said {
        ServerName::Absent => Ok(host),
        ServerName::Named(name) if *name == host => Ok(host),
        ServerName::Named(_) | ServerName::Illegible => Err(Refusal::NameMismatch),
    }
}

/// Checks that a request is for its connection's host, can be read in one way only, and is of a sort that passes. Gives its path.
pub(crate) fn greet(parts: &Parts, to: &Destination) -> Result<Path, Refusal> {
    if FORBIDDEN_METHODS.iter().any(|method| parts.method.as_str().eq_ignore_ascii_case(method)) {
        return Err(Refusal::MethodForbidden);
    }
    check_framing(&parts.headers, parts.version)?;
    let names = u8::from(check_host(&parts.headers, to)?) + u8::from(check_target(&parts.uri, to)?);
    // Over HTTP/2 either says it (RFC 9113, section 8.3.1); before, there is always a `Host` (RFC 9112, section 3.2).
    if names == 0 || (parts.version != Version::HTTP_2 && !parts.headers.contains_key(HOST)) {
        return Err(Refusal::RequestMalformed);
    }
    Ok(Path::judge(parts.uri.path()))
}

/// One length and one coding at most; hyper has already refused contradicting lengths, and framed by the coding where both are given.
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        (Some(_), _) => return Err(Refusal::RequestMalformed),
    };
    // HTTP/2 frames bodies itself.
    let known = version == Version::HTTP_11 || (matches!(version, Version::HTTP_10 | Version::HTTP_2) && !chunked);
    if known && lengths <= 1 && !(chunked && lengths > 0) { Ok(()) } else { Err(Refusal::RequestMalformed) }
}

/// One `Host` at most, for the same authority. Gives whether there is one.
pub(crate) fn check_host(headers: &HeaderMap, to: &Destination) -> Result<bool, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(false),
        (Some(host), None) => same_authority(host.to_str().map_err(|_| Refusal::RequestMalformed)?, to).map(|()| true),
        (Some(_), Some(_)) => Err(Refusal::RequestMalformed),
    }
}

/// Origin form, or absolute form with the same authority (RFC 9112, section 3.2). Gives whether it names one.
fn check_target(uri: &Uri, to: &Destination) -> Result<bool, Refusal> {
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => Ok(false),
        (Some(scheme), Some(authority)) if scheme == to.scheme.as_str() => same_authority(authority.as_str(), to).map(|()| true),
        (Some(_), Some(_)) => Err(Refusal::NameMismatch),
        (None, Some(_)) | (Some(_), None) => Err(Refusal::RequestMalformed),
    }
}

fn same_authority(text: &str, to: &Destination) -> Result<(), Refusal> {
    if text.contains('@') {
        return Err(Refusal::RequestMalformed);
    }
    let is_address = text.parse::<IpAddr>().is_ok() || text.starts_with('[');
    match Host::from_authority(text) {
        Ok((host, port)) if host == to.host && port.unwrap_or(to.scheme.port()) == to.port => Ok(()),
        Ok(_) | Err(model::host::HostError::Address) => Err(Refusal::NameMismatch),
        Err(_) if is_address => Err(Refusal::NameMismatch),
        Err(_) => Err(Refusal::RequestMalformed),
    }
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => HTTP_PORT,
            Self::Https => HTTPS_PORT,
        }
    }
}

/// They tunnel, or echo the request. In any case, since some servers do not look at it.
const FORBIDDEN_METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

#[cfg(test)]
#[path = "greet/tests.rs"]
mod tests;
