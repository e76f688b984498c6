//! A devbox's request, decided: what it may reach, whose token it carries, and whether the value may be written into it.

use model::binding::{HTTP_PORT, HTTPS_PORT};
use model::{Asked, Form, Grant, Host, Permit, Refusal, SecretId, Spot, Token, permits};
use vault::SecretValue;

use crate::devboxes::{CardGrant, DevboxCard};
use crate::gate::Gate;
use crate::rows::{Fitness, Known, Stamp};

/// What a text in a credential header is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// No token of ours: it passes untouched.
    NotOurs,
    /// A token of this devbox.
    Ours(Token),
}

/// A value that may be written into one request.
pub struct Armed {
    /// The proof, with the form.
    pub permit: Permit,
    /// The value.
    pub value: SecretValue,
    /// Whose value it is.
    pub secret: SecretId,
    /// The secret's version.
    pub version: u32,
}

/// Where in requests to a host tokens are looked for, beside the headers that carry credentials by custom: what the bindings of a devbox's secrets name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Headers, in lower case.
    pub headers: Vec<String>,
    /// Parameters of the query.
    pub parameters: Vec<String>,
    /// Whether bodies, of some requests at least.
    pub bodies: bool,
    /// Whether a binding there covers some methods or paths only.
    pub is_narrow: bool,
}

impl Gate {
    /// Whether a devbox may reach a host and port: by an `--allow` pattern (ports 443 and 80), or because one of its secrets is bound there.
    ///
    /// # Errors
    /// [`Refusal::HostNotAllowed`], or [`Refusal::Undecided`].
    pub fn reachable(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<(), Refusal> {
        let web = port == HTTPS_PORT || port == HTTP_PORT;
        if web && card.allows(host) {
            return Ok(());
        }
        let stamp = self.stamp()?;
        let mut worst = Refusal::HostNotAllowed;
        let (of_gateways, later) = (card.gateway_grants(), card.later_grants());
        for held in card.grants.iter().chain(&later).chain(&of_gateways) {
            match self.held_known(stamp, held) {
                Ok(known) if known.bindings.iter().any(|binding| binding.covers_host(host, port)) => return Ok(()),
                Ok(_) | Err(Refusal::SecretGone) => {}
                Err(refusal) => worst = refusal,
            }
        }
        Err(worst)
    }

    /// Whether a devbox may speak to a host and port without TLS: because one of its secrets is bound to the host's port of http, and for no other reason.
    ///
    /// # Errors
    /// [`Refusal::HostNotAllowed`], or why it cannot be decided.
    pub fn reachable_plainly(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<(), Refusal> {
        let known = self.each_known(card)?;
        let mut bindings = known.iter().flat_map(|known| known.bindings.iter());
        let is_said = bindings.any(|binding| binding.is_plain() && binding.covers_host(host, port));
        if is_said { Ok(()) } else { Err(Refusal::HostNotAllowed) }
    }

    /// Where tokens are looked for in requests of the devbox to a host.
    ///
    /// # Errors
    /// Where a binding cannot be decided.
    pub fn places(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<Places, Refusal> {
        let mut places = Places::default();
        for known in self.each_known(card)? {
            for binding in known.bindings.iter().filter(|binding| binding.covers_host(host, port)) {
                places.is_narrow |= binding.is_narrow();
                match &binding.form {
                    Form::Header { name } if !places.headers.contains(name) => places.headers.push(name.clone()),
                    Form::Query { name } if !places.parameters.contains(name) => places.parameters.push(name.clone()),
                    Form::Body => places.bodies = true,
                    Form::Header { .. } | Form::Query { .. } | Form::Auto | Form::Bearer | Form::Basic { .. } | Form::UserPass => {}
                }
            }
        }
        Ok(places)
    }

    /// The devbox's tokens that are looked for in the body of the request that asks: those of secrets with a binding for bodies that covers all of it.
    ///
    /// # Errors
    /// Where a binding cannot be decided.
    pub fn tokens_for_body(&self, card: &DevboxCard, asked: Asked<'_>) -> Result<Vec<Token>, Refusal> {
        let stamp = self.stamp()?;
        let mut tokens = Vec::new();
        for held in card.grants.iter().chain(&card.later_grants()) {
            match self.held_known(stamp, held) {
                Ok(known) if permits(&held.grant, &known.bindings, asked, Spot::Body).is_ok() => tokens.push(held.token.clone()),
                Ok(_) | Err(Refusal::SecretGone) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(tokens)
    }

    /// Whether a text in a credential header is a token of this devbox.
    ///
    /// # Errors
    /// [`Refusal::TokenForeign`] for another devbox's, [`Refusal::TokenEnded`] for an ended one, [`Refusal::Undecided`] where the ledger does not answer.
    pub fn lookup(&self, card: &DevboxCard, candidate: &str) -> Result<Candidate, Refusal> {
        let Ok(token) = candidate.parse::<Token>() else { return Ok(Candidate::NotOurs) };
        let hash = vault::hash_token(token.as_str());
        if card.grant(&hash).is_some() || card.is_of_gateway(&hash) {
            return Ok(Candidate::Ours(token));
        }
        match self.ledger.grant(&hash).map_err(|error| self.undecided(error))? {
            None => Ok(Candidate::NotOurs),
            Some(grant) if grant.ended.is_some() => Err(Refusal::TokenEnded),
            Some(_) => Err(Refusal::TokenForeign),
        }
    }

    /// Decides whether the value behind a token that stands at `spot` may be written into the request that asks, and gives it. The first use of a secret by a devbox towards a host
    /// is on disk before this returns.
    ///
    /// # Errors
    /// The refusal. Anything that cannot be decided or recorded is one.
    pub fn resolve(&self, card: &DevboxCard, token: &Token, asked: Asked<'_>, spot: Spot<'_>) -> Result<Armed, Refusal> {
        let hash = vault::hash_token(token.as_str());
        let Some(held) = card.grant(&hash) else {
            // A gateway's token leads to its gateway and nowhere else.
            return Err(if card.is_of_gateway(&hash) { Refusal::HostNotBound } else { Refusal::TokenForeign });
        };
        let grant = self.fresh_grant(card, &held)?;
        self.key_stands(card)?;
        let row = self.open_secret(&grant.account, &grant.secret, &held.name)?;
        #[cfg(feature = "faults")]
        let permit = permits_at_any_host(&grant, &row.known.bindings, asked, spot)?;
        #[cfg(not(feature = "faults"))]
        let permit = permits(&grant, &row.known.bindings, asked, spot)?;
        if row.known.fitness != Fitness::Fit {
            return Err(Refusal::ValueUnfit);
        }
        self.record_use(&card.devbox, &row.secret, asked.host)?;
        Ok(Armed { permit, value: row.value, secret: row.secret.id, version: row.secret.version })
    }

    /// A grant that the devbox holds, as it stands in the ledger now.
    pub(crate) fn fresh_grant(&self, card: &DevboxCard, held: &CardGrant) -> Result<Grant, Refusal> {
        let read = || self.ledger.grant(&held.grant.token).map_err(|error| self.undecided(error))?.ok_or(Refusal::TokenEnded);
        let grant = self.grants.get_or(self.stamp()?, &held.grant.token, read)?;
        let is_same = grant.account == card.account && grant.secret == held.grant.secret && grant.devbox == card.devbox;
        if is_same { Ok(grant) } else { Err(Refusal::TokenForeign) }
    }

    /// Whether the API key with which the devbox was opened is still good: what it opened ends with it.
    ///
    /// # Errors
    /// [`Refusal::TokenEnded`] where it is not, [`Refusal::Undecided`] where the store does not answer.
    pub fn key_stands(&self, card: &DevboxCard) -> Result<(), Refusal> {
        let read = || {
            let key = self.store.api_key_of(&card.account, &card.key).map_err(|error| self.undecided(error))?;
            Ok(key.filter(|key| self.require_mark(key).is_ok()))
        };
        let key = self.marked_keys.get_or(self.stamp()?, &(card.account.clone(), card.key.clone()), read)?;
        if key.is_some_and(|key| key.is_good(self.clock.now())) { Ok(()) } else { Err(Refusal::TokenEnded) }
    }

    /// Whether a secret of the devbox is bound to this host and port now, and the devbox's key is still good. False also where that cannot be decided.
    #[must_use]
    pub fn is_bound(&self, card: &DevboxCard, secret: &SecretId, host: &Host, port: u16) -> bool {
        #[cfg(feature = "faults")]
        if crate::faults::is_seeded(crate::faults::Fault::HostUnchecked) {
            return true;
        }
        let (of_gateways, later) = (card.gateway_grants(), card.later_grants());
        let Some(held) = card.grants.iter().chain(&later).chain(&of_gateways).find(|held| held.grant.secret == *secret) else {
            return false;
        };
        let known = self.stamp().and_then(|stamp| self.held_known(stamp, held));
        known.is_ok_and(|known| known.bindings.iter().any(|binding| binding.covers_host(host, port))) && self.key_stands(card).is_ok()
    }

    pub(crate) fn held_known(&self, stamp: Stamp, held: &CardGrant) -> Result<Known, Refusal> {
        self.known(stamp, &held.grant.account, &held.grant.secret, &held.name)
    }

    /// What is known of each of the devbox's secrets that still exists.
    fn each_known(&self, card: &DevboxCard) -> Result<Vec<Known>, Refusal> {
        let stamp = self.stamp()?;
        let later = card.later_grants();
        let known = card.grants.iter().chain(&later).map(|held| self.held_known(stamp, held));
        known.filter(|known| !matches!(known, Err(Refusal::SecretGone))).collect()
    }
}

/// The decision without its host, where that fault is seeded.
#[cfg(feature = "faults")]
fn permits_at_any_host(grant: &Grant, bindings: &[model::Binding], asked: Asked<'_>, spot: Spot<'_>) -> Result<Permit, Refusal> {
    let bound = bindings.first().and_then(|binding| binding.host.to_string().parse::<Host>().ok());
    match bound {
        Some(host) if crate::faults::is_seeded(crate::faults::Fault::HostUnchecked) => {
            permits(grant, bindings, Asked { host: &host, ..asked }, spot)
        }
        _ => permits(grant, bindings, asked, spot),
    }
}
