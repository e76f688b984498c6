//! Grants, and the one pure decision whether a value may leave.

use serde::{Deserialize, Serialize};

use crate::binding::{Binding, Form, Spot};
use crate::gateway::form_is_covered;
use crate::host::Host;
use crate::id::{AccountId, DevboxId, SecretId};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::token::TokenHash;

/// Ties a token to a secret and a devbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The token, hashed.
    pub token: TokenHash,
    /// The only devbox that may use it.
    pub devbox: DevboxId,
    /// Whose secret it is.
    pub account: AccountId,
    /// The secret it stands for.
    pub secret: SecretId,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended, if it did: with its devbox.
    pub ended: Option<Timestamp>,
}

/// What a request asks for, in canonical form.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The devbox whose socket the request came from.
    pub devbox: &'a DevboxId,
    /// The one canonical host.
    pub host: &'a Host,
    /// The port that was dialled.
    pub port: u16,
    /// The request's method.
    pub method: &'a str,
    /// The request's normalised path, without query.
    pub path: &'a str,
}

/// Proof that a value may be written into one request, and how. Made by [`permits`] and [`permits_at`] only.
#[derive(Debug)]
pub struct Permit {
    form: Form,
}

impl Permit {
    /// How the value is to be written.
    #[must_use]
    pub const fn form(&self) -> &Form {
        &self.form
    }
}

/// Decides whether the grant's secret, with these bindings, may be written into the request that asks, in place of a token that stands at `spot`.
///
/// # Errors
/// The refusal, where it may not; [`Refusal::FormNotBound`] where its bindings for the host open other spots only.
pub fn permits(grant: &Grant, bindings: &[Binding], asked: Asked<'_>, spot: Spot<'_>) -> Result<Permit, Refusal> {
    let at_host = at_host(grant, bindings, asked)?;
    let mut at_spot = at_host.filter(|binding| binding.form.spot() == spot).peekable();
    if at_spot.peek().is_none() {
        return Err(Refusal::FormNotBound);
    }
    let mut covering = at_spot.filter(|binding| covers(binding, asked));
    covering.next().map(|binding| Permit { form: binding.form.clone() }).ok_or(Refusal::RequestNotBound)
}

/// As [`permits`], where the destination says in which form the value is written: one of the bindings that cover the request must cover that form as well.
///
/// # Errors
/// The refusal, where it may not; [`Refusal::FormNotBound`] where it may, but in another form only.
pub fn permits_at(grant: &Grant, bindings: &[Binding], asked: Asked<'_>, wanted: &Form) -> Result<Permit, Refusal> {
    let mut covering = at_host(grant, bindings, asked)?.filter(|binding| covers(binding, asked)).peekable();
    if covering.peek().is_none() {
        return Err(Refusal::RequestNotBound);
    }
    let covered = covering.any(|binding| form_is_covered(&binding.form, wanted));
    if covered { Ok(Permit { form: wanted.clone() }) } else { Err(Refusal::FormNotBound) }
}

/// The bindings that name the request's host and port; an error where none does.
fn at_host<'a>(grant: &Grant, bindings: &'a [Binding], asked: Asked<'a>) -> Result<impl Iterator<Item = &'a Binding>, Refusal> {
    if grant.devbox != *asked.devbox {
        return Err(Refusal::TokenForeign);
    }
    if grant.ended.is_some() {
        return Err(Refusal::TokenEnded);
    }
    if bindings.is_empty() {
        return Err(Refusal::SecretUnbound);
    }
    let mut at_host = bindings.iter().filter(move |binding| binding.covers_host(asked.host, asked.port)).peekable();
    if at_host.peek().is_some() { Ok(at_host) } else { Err(Refusal::HostNotBound) }
}

/// Whether a binding at the request's host covers its method and path as well.
fn covers(binding: &Binding, asked: Asked<'_>) -> bool {
    binding.methods.cover(asked.method) && binding.path.covers(asked.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Timestamp = Timestamp::from_unix_ms(0);

    fn grant() -> Grant {
        Grant {
            token: TokenHash([0; 32]),
            devbox: DevboxId::from_parts(ZERO, 1),
            account: AccountId::from_parts(ZERO, 1),
            secret: SecretId::from_parts(ZERO, 1),
            created: ZERO,
            ended: None,
        }
    }

    fn binding(host: &str, methods: &str, path: &str) -> Binding {
        let host = host.parse().expect("a pattern");
        Binding { methods: methods.parse().expect("methods"), path: path.parse().expect("a path"), ..Binding::to_host(host) }
    }

    fn decide(grant: &Grant, bindings: &[Binding], host: &str, port: u16, method: &str, path: &str) -> Result<(), Refusal> {
        let devbox = DevboxId::from_parts(ZERO, 1);
        let host = host.parse().expect("a host");
        permits(grant, bindings, Asked { devbox: &devbox, host: &host, port, method, path }, Spot::Header).map(|_| ())
    }

    #[test]
    fn each_way_to_be_wrong_is_refused_by_its_own_name() {
        let bindings = [binding("api.example.com", "GET", "/v1")];
        let foreign = Grant { devbox: DevboxId::from_parts(ZERO, 2), ..grant() };
        let ended = Grant { ended: Some(ZERO), ..grant() };
        assert_eq!(decide(&foreign, &bindings, "api.example.com", 443, "GET", "/v1"), Err(Refusal::TokenForeign));
        assert_eq!(decide(&ended, &bindings, "api.example.com", 443, "GET", "/v1"), Err(Refusal::TokenEnded));
        assert_eq!(decide(&grant(), &[], "api.example.com", 443, "GET", "/v1"), Err(Refusal::SecretUnbound));
        assert_eq!(decide(&grant(), &bindings, "evil.example.com", 443, "GET", "/v1"), Err(Refusal::HostNotBound));
        assert_eq!(decide(&grant(), &bindings, "api.example.com", 8443, "GET", "/v1"), Err(Refusal::HostNotBound));
        assert_eq!(decide(&grant(), &bindings, "api.example.com", 443, "POST", "/v1"), Err(Refusal::RequestNotBound));
        assert_eq!(decide(&grant(), &bindings, "api.example.com", 443, "GET", "/v2"), Err(Refusal::RequestNotBound));
    }

    #[test]
    fn what_a_binding_names_is_permitted() {
        let bindings = [binding("other.example.com", "GET", "/"), binding("api.example.com", "GET,POST", "/v1")];
        assert_eq!(decide(&grant(), &bindings, "api.example.com", 443, "POST", "/v1/x"), Ok(()));
    }

    #[test]
    fn each_spot_of_a_request_is_opened_by_its_own_forms_only() {
        let at = |path: &str, form: &str| Binding { form: form.parse().expect("a form"), ..binding("api.example.com", "POST", path) };
        let decide = |bindings: &[Binding], path: &str, spot: Spot<'_>| {
            let (devbox, host) = (DevboxId::from_parts(ZERO, 1), "api.example.com".parse().expect("a host"));
            let asked = Asked { devbox: &devbox, host: &host, port: 443, method: "POST", path };
            permits(&grant(), bindings, asked, spot).map(|permit| permit.form.to_string())
        };
        let bindings = [at("/a", "query:key"), at("/b", "body"), at("/c", "bearer")];
        assert_eq!(decide(&bindings[..2], "/a", Spot::Header), Err(Refusal::FormNotBound));
        assert_eq!(decide(&bindings[1..], "/a", Spot::Query("key")), Err(Refusal::FormNotBound));
        assert_eq!(decide(&bindings[..1], "/a", Spot::Body), Err(Refusal::FormNotBound));
        for other in ["Key", "keys", ""] {
            assert_eq!(decide(&bindings, "/a", Spot::Query(other)), Err(Refusal::FormNotBound), "{other}");
        }
        for (path, spot) in [("/b", Spot::Query("key")), ("/a", Spot::Body), ("/a", Spot::Header)] {
            assert_eq!(decide(&bindings, path, spot), Err(Refusal::RequestNotBound), "{path}");
        }
        for (path, spot, form) in [("/a", Spot::Query("key"), "query:key"), ("/b", Spot::Body, "body"), ("/c", Spot::Header, "bearer")] {
            assert_eq!(decide(&bindings, path, spot), Ok(form.to_owned()));
        }
    }

    #[test]
    fn a_destinations_form_is_refused_unless_a_binding_of_the_same_request_covers_it() {
        let bearer = Binding { form: Form::Bearer, ..binding("api.example.com", "POST", "/v1") };
        let bindings = [binding("api.example.com", "GET", "/v1"), bearer];
        let decide = |bindings: &[Binding], host: &str, method: &str, wanted: &str| {
            let (devbox, host) = (DevboxId::from_parts(ZERO, 1), host.parse().expect("a host"));
            let asked = Asked { devbox: &devbox, host: &host, port: 443, method, path: "/v1/x" };
            permits_at(&grant(), bindings, asked, &wanted.parse().expect("a form")).map(|permit| permit.form.to_string())
        };
        assert_eq!(decide(&[], "api.example.com", "GET", "bearer"), Err(Refusal::SecretUnbound));
        assert_eq!(decide(&bindings, "evil.example.com", "GET", "bearer"), Err(Refusal::HostNotBound));
        assert_eq!(decide(&bindings, "api.example.com", "PUT", "bearer"), Err(Refusal::RequestNotBound));
        assert_eq!(decide(&bindings, "api.example.com", "POST", "header:x-api-key"), Err(Refusal::FormNotBound));
        assert_eq!(decide(&bindings, "api.example.com", "GET", "header:x-amz-meta-x"), Err(Refusal::FormNotBound));
        for (method, wanted) in [("POST", "bearer"), ("GET", "header:x-api-key"), ("GET", "basic")] {
            assert_eq!(decide(&bindings, "api.example.com", method, wanted), Ok(wanted.to_owned()));
        }
    }
}
