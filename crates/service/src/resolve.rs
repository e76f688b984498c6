//! A devbox's request, decided: what it may reach, whose token it carries, and whether the value may be written into it.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Asked, DevboxId, Form, Host, Permit, Refusal, SecretId, Token, permits};
use vault::{ScrubError, ScrubPair, ScrubPlan, SecretValue};

use crate::devboxes::{CardGrant, DevboxCard};
use crate::gate::{Gate, lock, undecided};
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

/// Scrub plans by devbox, host and port, each for as long as its stamp holds.
#[derive(Default)]
pub(crate) struct Plans(HashMap<(DevboxId, Host, u16), (Stamp, Arc<ScrubPlan>)>);

impl Gate {
    /// Whether a devbox may reach a host and port: by an `--allow` pattern (ports 443 and 80), or because one of its secrets is bound there.
    ///
    /// # Errors
    /// [`Refusal::HostNotAllowed`], or [`Refusal::Undecided`].
    pub fn reachable(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<(), Refusal> {
        let web = port == HTTPS_PORT || port == HTTP_PORT;
        if web && card.allow.iter().any(|pattern| pattern.matches(host)) {
            return Ok(());
        }
        let stamp = self.stamp()?;
        let mut worst = Refusal::HostNotAllowed;
        for held in &card.grants {
            match self.held_known(stamp, held) {
                Ok(known) if known.bindings.iter().any(|binding| binding.covers_host(host, port)) => return Ok(()),
                Ok(_) | Err(Refusal::SecretGone) => {}
                Err(refusal) => worst = refusal,
            }
        }
        Err(worst)
    }

    /// The headers, in lower case, that `header:` bindings of the devbox's secrets name for a host: tokens are looked for there as well.
    ///
    /// # Errors
    /// Where a binding cannot be decided.
    pub fn extra_headers(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        for known in self.each_known(card)? {
            for binding in known.bindings.iter().filter(|binding| binding.covers_host(host, port)) {
                match &binding.form {
                    Form::Header { name } if !names.contains(name) => names.push(name.clone()),
                    Form::Header { .. } | Form::Auto | Form::Bearer | Form::Basic { .. } => {}
                }
            }
        }
        Ok(names)
    }

    /// Whether a text in a credential header is a token of this devbox.
    ///
    /// # Errors
    /// [`Refusal::TokenForeign`] for another devbox's, [`Refusal::TokenEnded`] for an ended one, [`Refusal::Undecided`] where the ledger does not answer.
    pub fn lookup(&self, card: &DevboxCard, candidate: &str) -> Result<Candidate, Refusal> {
        let Ok(token) = candidate.parse::<Token>() else { return Ok(Candidate::NotOurs) };
        let hash = vault::hash_token(token.as_str());
        if card.grant(&hash).is_some() {
            return Ok(Candidate::Ours(token));
        }
        match self.ledger.grant(&hash).map_err(undecided)? {
            None => Ok(Candidate::NotOurs),
            Some(grant) if grant.ended.is_some() => Err(Refusal::TokenEnded),
            Some(_) => Err(Refusal::TokenForeign),
        }
    }

    /// Decides whether the value behind a token may be written into the request that asks, and gives it. The first use of a secret by a devbox towards a host
    /// is on disk before this returns.
    ///
    /// # Errors
    /// The refusal. Anything that cannot be decided or recorded is one.
    pub fn resolve(&self, card: &DevboxCard, token: &Token, asked: Asked<'_>) -> Result<Armed, Refusal> {
        let hash = vault::hash_token(token.as_str());
        let held = card.grant(&hash).ok_or(Refusal::TokenForeign)?;
        let grant = self.ledger.grant(&hash).map_err(undecided)?.ok_or(Refusal::TokenEnded)?;
        if grant.account != card.account || grant.secret != held.grant.secret || grant.devbox != card.devbox {
            return Err(Refusal::TokenForeign);
        }
        let row = self.open_secret(&grant.account, &grant.secret, &held.name)?;
        let permit = permits(&grant, &row.known.bindings, asked)?;
        if row.known.fitness != Fitness::Fit {
            return Err(Refusal::ValueUnfit);
        }
        self.record_use(&card.devbox, &row.secret, asked.host)?;
        Ok(Armed { permit, value: row.value, secret: row.secret.id, version: row.secret.version })
    }

    /// What replies of a host to a devbox are scrubbed of: all values of the devbox that are bound there, whether or not this request carries one.
    ///
    /// # Errors
    /// Where one of the secrets cannot be decided.
    pub fn scrub_plan(&self, card: &DevboxCard, host: &Host, port: u16) -> Result<Arc<ScrubPlan>, Refusal> {
        let stamp = self.stamp()?;
        let key = (card.devbox.clone(), host.clone(), port);
        if let Some((_, plan)) = lock(&self.plans).0.get(&key).filter(|(made, _)| *made == stamp) {
            return Ok(Arc::clone(plan));
        }
        let mut pairs = Vec::new();
        for held in &card.grants {
            let row = match self.open_secret(&held.grant.account, &held.grant.secret, &held.name) {
                Err(Refusal::SecretGone) => continue,
                other => other?,
            };
            let at_host = || row.known.bindings.iter().filter(|binding| binding.covers_host(host, port));
            // A value that does not fit never leaves, so no reply can hold it because of us.
            if row.known.fitness == Fitness::Fit && at_host().next().is_some() {
                let basic_users = at_host().filter_map(|binding| basic_user(&binding.form));
                let basic_users = basic_users.chain(BASIC_USERS).map(str::to_owned).collect();
                pairs.push(ScrubPair { value: row.value, placeholder: held.token.clone(), basic_users });
            }
        }
        let plan = Arc::new(ScrubPlan::new(pairs).map_err(unscrubbable)?);
        lock(&self.plans).insert(key, stamp, Arc::clone(&plan));
        Ok(plan)
    }

    fn held_known(&self, stamp: Stamp, held: &CardGrant) -> Result<Known, Refusal> {
        self.known(stamp, &held.grant.account, &held.grant.secret, &held.name)
    }

    /// What is known of each of the devbox's secrets that still exists.
    fn each_known(&self, card: &DevboxCard) -> Result<Vec<Known>, Refusal> {
        let stamp = self.stamp()?;
        let known = card.grants.iter().map(|held| self.held_known(stamp, held));
        known.filter(|known| !matches!(known, Err(Refusal::SecretGone))).collect()
    }
}

impl Plans {
    /// Plans hold values, so a devbox's are dropped with it.
    pub(crate) fn forget(&mut self, devbox: &DevboxId) {
        self.0.retain(|(owner, _, _), _| owner != devbox);
    }

    /// Plans of an older stamp are of no more use to anybody and hold values that may have been replaced.
    fn insert(&mut self, key: (DevboxId, Host, u16), stamp: Stamp, plan: Arc<ScrubPlan>) {
        self.0.retain(|_, (made, _)| *made == stamp);
        if self.0.len() >= PLANS_MAX {
            self.0.clear();
        }
        self.0.insert(key, (stamp, plan));
    }
}

fn basic_user(form: &Form) -> Option<&str> {
    match form {
        Form::Basic { user } => Some(user),
        Form::Auto | Form::Bearer | Form::Header { .. } => None,
    }
}

/// What cannot be scrubbed does not pass.
const fn unscrubbable(error: ScrubError) -> Refusal {
    match error {
        ScrubError::TooShort => Refusal::ValueUnfit,
        ScrubError::TooLarge => Refusal::LimitReached,
    }
}

const HTTPS_PORT: u16 = model::binding::HTTPS_PORT;
/// RFC 9110, section 4.2.1.
const HTTP_PORT: u16 = 80;
/// Each plan is an automaton of some hundred kilobytes.
const PLANS_MAX: usize = 512;
/// Users under which `auto` puts a token into Basic: GitHub, GitLab, Azure DevOps, Bitbucket, npm and Python indexes.
const BASIC_USERS: [&str; 5] = ["x-access-token", "oauth2", "", "x-token-auth", "__token__"];
