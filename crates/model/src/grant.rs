//! Grants, and the one pure decision whether a value may leave.

use serde::{Deserialize, Serialize};

use crate::binding::{Binding, Form};
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

/// Proof that a value may be written into one request, and how. Made by [`permits`] only.
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

/// Decides whether the grant's secret, with these bindings, may be written into the request that asks.
///
/// # Errors
/// The refusal, where it may not.
pub fn permits(grant: &Grant, bindings: &[Binding], asked: Asked<'_>) -> Result<Permit, Refusal> {
    if grant.devbox != *asked.devbox {
        return Err(Refusal::TokenForeign);
    }
    if grant.ended.is_some() {
        return Err(Refusal::TokenEnded);
    }
    if bindings.is_empty() {
        return Err(Refusal::SecretUnbound);
    }
    let mut at_host = bindings.iter().filter(|binding| binding.covers_host(asked.host, asked.port)).peekable();
    if at_host.peek().is_none() {
        return Err(Refusal::HostNotBound);
    }
    let covers = |binding: &&Binding| binding.methods.cover(asked.method) && binding.path.covers(asked.path);
    at_host.find(covers).map(|binding| Permit { form: binding.form.clone() }).ok_or(Refusal::RequestNotBound)
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
        permits(grant, bindings, Asked { devbox: &devbox, host: &host, port, method, path }).map(|_| ())
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
}
