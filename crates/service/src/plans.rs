//! What replies are scrubbed of. A host may know a value by another name of its own, or show to one devbox what another one sent it: so every reply to a devbox
//! is scrubbed of all that the devbox holds placeholders for, and of what others of its account sent to that host.
//!
//! Where a devbox has sent nothing and nothing of its own is bound, values are masked instead, so that replies keep their length.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{AccountId, DevboxId, Form, Host, Refusal, SecretId, Token};
use vault::{Rendering, ScrubError, ScrubPair, ScrubPlan, SecretValue};

use crate::devboxes::DevboxCard;
use crate::gate::{Gate, lock};
use crate::rows::{Fitness, OpenedRow, Stamp};

/// Scrub plans by devbox and host, each for as long as its stamp holds.
#[derive(Default)]
pub(crate) struct Plans(HashMap<(DevboxId, Host), Made>);

/// How often values went to hosts to which no devbox of their account had sent them before.
pub(crate) struct Sends {
    hasher: RandomState,
    all: AtomicU64,
    /// By account and host, several in one place: whoever sends to many hosts makes few others' plans void.
    places: [AtomicU64; SEND_PLACES],
}

struct Made {
    /// With how many first sends there had been in the host's place.
    stamp: (Stamp, u64),
    of: Vec<Part>,
    plan: Arc<ScrubPlan>,
}

/// What one value adds to a plan.
#[derive(Clone, PartialEq, Eq)]
struct Part {
    secret: SecretId,
    version: u32,
    /// None where it is masked.
    placeholder: Option<Token>,
    /// The users of Basic.
    users: Vec<String>,
    /// Whether it is looked for as user and password too.
    halves: bool,
    /// How it stands in requests, where that is not as it is.
    renderings: Vec<Rendering>,
}

/// A value that replies must not hold.
struct Sought {
    part: Part,
    value: SecretValue,
    /// Whether the devbox may send it to the host, or has.
    is_at_home: bool,
}

/// How far is looked for values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Values of the devbox that are bound elsewhere, and of others that were sent to the host, among them.
    All,
    /// The devbox's own that are bound to the host or were sent there.
    Home,
}

impl Gate {
    /// What replies of a host to a devbox are scrubbed of, whether or not the request carried a value: all values of the devbox that are bound, wherever, or that
    /// were ever sent to the host; and, masked, those that other devboxes of the account sent there. Where all of these are too large together, the devbox's own
    /// that are bound to the host or were sent there.
    ///
    /// # Errors
    /// Where one of the devbox's secrets, or what was sent to the host, cannot be decided.
    pub fn scrub_plan(&self, card: &DevboxCard, host: &Host) -> Result<Arc<ScrubPlan>, Refusal> {
        #[cfg(feature = "faults")]
        if crate::faults::is_seeded(crate::faults::Fault::Unscrubbed) {
            return ScrubPlan::new(Vec::new()).map(Arc::new).map_err(unscrubbable);
        }
        let stamp = (self.stamp()?, self.sends.to(&card.account, host));
        let key = (card.devbox.clone(), host.clone());
        if let Some(made) = lock(&self.plans).0.get(&key).filter(|made| made.stamp == stamp) {
            return Ok(Arc::clone(&made.plan));
        }
        // Making one takes milliseconds.
        store::may_wait().map_err(|error| self.undecided(error))?;
        let (of, plan) = match self.make_plan(card, host, Reach::All) {
            Err(Refusal::LimitReached) => self.make_plan(card, host, Reach::Home)?,
            made => made?,
        };
        lock(&self.plans).insert(key, Made { stamp, of, plan: Arc::clone(&plan) });
        Ok(plan)
    }

    fn make_plan(&self, card: &DevboxCard, host: &Host, reach: Reach) -> Result<(Vec<Part>, Arc<ScrubPlan>), Refusal> {
        let sought = self.sought(card, host, reach)?;
        let of: Vec<Part> = sought.iter().map(|sought| sought.part.clone()).collect();
        // Hosts whose plans are the same share one: an agent that tries many of them must not fill the memory.
        let shared = lock(&self.plans).find(&card.devbox, &of);
        let plan = match shared {
            Some(plan) => plan,
            None => Arc::new(ScrubPlan::new(sought.into_iter().map(Sought::into_pair).collect()).map_err(unscrubbable)?),
        };
        Ok((of, plan))
    }

    fn sought(&self, card: &DevboxCard, host: &Host, reach: Reach) -> Result<Vec<Sought>, Refusal> {
        let sent = self.ledger.sent_to(&card.account, host, SENT_MAX).map_err(|error| self.undecided(error))?;
        let mut own = self.own(card, host, &sent)?;
        let is_home = own.iter().any(|sought| sought.is_at_home);
        match reach {
            Reach::Home => own.retain(|sought| sought.is_at_home),
            Reach::All => {
                let is_own = |secret: &&SecretId| own.iter().any(|sought| sought.part.secret == **secret);
                let others: Vec<&SecretId> = sent.iter().filter(|secret| !is_own(secret)).collect();
                self.add_others(card, &others, &mut own)?;
            }
        }
        if !is_home {
            own.iter_mut().for_each(|sought| sought.part.placeholder = None);
        }
        Ok(own)
    }

    /// The devbox's own values, those with placeholders that its agent can read first. One that is bound nowhere and was never sent to the host no host can know
    /// because of us, and neither one that does not fit.
    fn own(&self, card: &DevboxCard, host: &Host, sent: &[SecretId]) -> Result<Vec<Sought>, Refusal> {
        let mut own: Vec<Sought> = Vec::new();
        let (of_gateways, later) = (card.gateway_grants(), card.later_grants());
        for held in card.grants.iter().chain(&later).chain(&of_gateways) {
            let secret = &held.grant.secret;
            if own.iter().any(|sought| sought.part.secret == *secret) {
                continue;
            }
            let row = match self.open_secret(&held.grant.account, secret, &held.name) {
                Err(Refusal::SecretGone) => continue,
                other => other?,
            };
            let was_sent = sent.contains(secret) || self.was_used(&card.devbox, secret, host);
            let is_at_home = was_sent || row.known.bindings.iter().any(|binding| binding.host.matches(host));
            if row.known.fitness == Fitness::Fit && (is_at_home || !row.known.bindings.is_empty()) {
                let mut part = part(&row, Some(held.token.clone()));
                part.halves |= of_gateways.iter().any(|other| other.grant.secret == *secret);
                own.push(Sought { part, value: row.value, is_at_home });
            }
        }
        Ok(own)
    }

    /// Adds values of others, as many as may be. A row that is gone or does not open says nothing: whoever can spoil one can delete it as well.
    fn add_others(&self, card: &DevboxCard, others: &[&SecretId], sought: &mut Vec<Sought>) -> Result<(), Refusal> {
        let mut left = OTHERS_MAX;
        for secret in others {
            if left == 0 {
                break;
            }
            let Some(row) = self.store.sealed(secret).map_err(|error| self.undecided(error))? else { continue };
            if row.secret.account != card.account || row.secret.id != **secret {
                continue;
            }
            let row = match self.open_row(&row.secret) {
                Err(Refusal::SecretTampered | Refusal::SecretGone) => continue,
                other => other?,
            };
            if row.known.fitness == Fitness::Fit {
                sought.push(Sought { part: part(&row, None), value: row.value, is_at_home: false });
                left -= 1;
            }
        }
        Ok(())
    }
}

impl Sends {
    /// Counts one.
    pub(crate) fn count(&self, account: &AccountId, host: &Host) {
        self.place(account, host).fetch_add(1, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
    }

    /// To any host.
    pub(crate) fn all(&self) -> u64 {
        self.all.load(Ordering::SeqCst)
    }

    /// To this host, and perhaps to some others.
    fn to(&self, account: &AccountId, host: &Host) -> u64 {
        self.place(account, host).load(Ordering::SeqCst)
    }

    fn place(&self, account: &AccountId, host: &Host) -> &AtomicU64 {
        let hash = self.hasher.hash_one((account, host));
        &self.places[usize::try_from(hash % SEND_PLACES as u64).unwrap_or_default()]
    }
}

impl Default for Sends {
    fn default() -> Self {
        Self { hasher: RandomState::new(), all: AtomicU64::new(0), places: [const { AtomicU64::new(0) }; SEND_PLACES] }
    }
}

impl Plans {
    /// Plans hold values, so a devbox's are dropped with it.
    pub(crate) fn forget(&mut self, devbox: &DevboxId) {
        self.0.retain(|(owner, _), _| owner != devbox);
    }

    /// A devbox's plan for exactly these values.
    fn find(&self, devbox: &DevboxId, of: &[Part]) -> Option<Arc<ScrubPlan>> {
        self.0.iter().find(|((owner, _), made)| owner == devbox && made.of == of).map(|(_, made)| Arc::clone(&made.plan))
    }

    /// Plans of an older stamp are of no more use to anybody and hold values that may have been replaced.
    fn insert(&mut self, key: (DevboxId, Host), new: Made) {
        self.0.retain(|_, made| made.stamp.0 == new.stamp.0);
        if self.0.len() >= PLANS_MAX {
            self.0.clear();
        }
        self.0.insert(key, new);
    }
}

impl Sought {
    fn into_pair(self) -> ScrubPair {
        let Part { placeholder, users, halves, renderings, .. } = self.part;
        ScrubPair { value: self.value, placeholder, basic_users: users, halves, renderings }
    }
}

/// What a value is looked for as: in whatever form any of its bindings writes it.
fn part(row: &OpenedRow, placeholder: Option<Token>) -> Part {
    let bindings = &row.known.bindings;
    let mut users: Vec<String> = Vec::new();
    for user in bindings.iter().filter_map(|binding| basic_user(&binding.form)).chain(BASIC_USERS) {
        if !users.iter().any(|known| known == user) {
            users.push(user.to_owned());
        }
    }
    let written = |rendering: &Rendering| bindings.iter().any(|binding| renderings(&binding.form).contains(rendering));
    Part {
        secret: row.secret.id.clone(),
        version: row.secret.version,
        placeholder,
        users,
        halves: bindings.iter().any(|binding| binding.form == Form::UserPass),
        renderings: [Rendering::Percent, Rendering::Json, Rendering::Basic].into_iter().filter(written).collect(),
    }
}

fn basic_user(form: &Form) -> Option<&str> {
    match form {
        Form::Basic { user } => Some(user),
        Form::Auto | Form::Bearer | Form::UserPass | Form::Header { .. } | Form::Query { .. } | Form::Body => None,
    }
}

/// How a form writes a value where it does not write it as it is.
const fn renderings(form: &Form) -> &'static [Rendering] {
    match form {
        Form::Query { .. } => &[Rendering::Percent],
        Form::Body => &[Rendering::Percent, Rendering::Json],
        // With `Auto` whoever asks may have it written into Basic.
        Form::Auto | Form::Basic { .. } | Form::UserPass => &[Rendering::Basic],
        Form::Bearer | Form::Header { .. } => &[],
    }
}

/// What cannot be scrubbed does not pass.
const fn unscrubbable(error: ScrubError) -> Refusal {
    match error {
        ScrubError::TooShort => Refusal::ValueUnfit,
        ScrubError::TooLarge => Refusal::LimitReached,
    }
}

/// Each plan is an automaton of some hundred kilobytes.
const PLANS_MAX: usize = 512;
/// Two kilobytes.
const SEND_PLACES: usize = 256;
/// Secrets that were sent to one host, of which those made last are looked at.
const SENT_MAX: usize = 256;
/// Values of other devboxes in one plan: a megabyte of it at most, where they are tokens.
const OTHERS_MAX: usize = 32;
/// Users under which `auto` puts a token into Basic: GitHub, GitLab, Azure DevOps, Bitbucket, npm and Python indexes.
const BASIC_USERS: [&str; 5] = ["x-access-token", "oauth2", "", "x-token-auth", "__token__"];
