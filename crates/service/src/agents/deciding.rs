//! What a person decides of requests, at the gateway: looked at, let through, refused. And what letting one through makes: bindings, a grant, a host.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use link::agents::{AskedView, Decided, Meant};
use model::limits::{ALLOW_PATTERNS_MAX, BINDINGS_PER_SECRET_MAX, DEVBOX_TOKENS_MAX};
use model::{Binding, Event, EventKind, HostPattern, RequestId, Scope, Secret, SecretId, StoredBinding, Timestamp, Wish};
use store::{GrantRow, Proof, RequestChange, RequestRow, RequestState};

use super::asking::{is_askable, is_at_one_host, is_covered};
use super::papers::{is_link_fresh, is_open, wants_value};
use super::{AgentsError, TELL_JSON_BYTES_MAX};
use crate::authenticate::Caller;
use crate::bindings::{BindingsError, json_bytes};
use crate::devboxes::{CardGrant, why_unusable};
use crate::gate::{Gate, lock};
use crate::rows::OpenedRow;

/// What letting a request through makes.
pub(super) struct Made {
    bindings: Vec<StoredBinding>,
    granted: Option<(CardGrant, GrantRow)>,
    allowed: Option<HostPattern>,
}

impl Gate {
    /// The requests of the caller's account that a person may decide, oldest first, after `after`: as many as fit into one message. With the admin key each that wants a value comes with a link and
    /// a code, and the code is the caller's from then on: a value that is typed with it is stored with the caller's rights.
    ///
    /// # Errors
    /// When the caller may not, the admin key is wrong, or the databases do not answer.
    pub fn asked(&self, admin_key: Option<&str>, caller: &Caller, after: Option<&RequestId>) -> Result<Vec<AskedView>, AgentsError> {
        caller.require(Scope::Read)?;
        if admin_key.is_some_and(|key| !self.is_admin(key)) {
            return Err(BindingsError::NotAdmin.into());
        }
        let shows_codes = admin_key.is_some() && caller.require(Scope::Secrets).is_ok();
        let turn = lock(&self.turn);
        let now = self.clock.now();
        let (mut views, mut bytes) = (Vec::new(), 0);
        for row in self.ledger.open_requests(&caller.account.id, now)? {
            // One that was changed outside is nobody's to decide; `verify` names it.
            let Ok(Some(row)) = self.current_request(Some(row), &turn) else { continue };
            if !is_open(&row, now) || after.is_some_and(|after| row.id <= *after) {
                continue;
            }
            let secret_exists = row.secret.is_some();
            let stored_since = match row.wish.name() {
                Some(name) if !secret_exists => self.store.secret(&row.account, name)?.map(|secret| secret.id),
                Some(_) | None => None,
            };
            // As above: what was changed outside binds nothing.
            let Ok(lifts) = self.lifted(&row, row.secret.as_ref().or(stored_since.as_ref())) else { continue };
            let mut hindered = self.may_follow(&row).err().map(|error| error.to_string());
            let is_to_be_typed = !secret_exists && stored_since.is_none() && hindered.is_none();
            let shows_code = shows_codes && wants_value(&row.wish) && row.status == RequestState::Waiting && is_to_be_typed;
            let row = if shows_code { self.shown_to(row, caller, now)? } else { row };
            let mut entry = self.entry_of(&row)?;
            let code = shows_code.then(|| self.code_of(&entry));
            entry.request.entry_path = if shows_code { self.entry_path(&row, now) } else { None };
            let devbox_ended = self.has_ended(&row)?;
            if devbox_ended && row.wish.name().is_none() {
                // There is nothing left to let through.
                continue;
            }
            let has_use = row.devbox.is_some() && !devbox_ended && wants_value(&row.wish);
            let used = row.secret.as_ref().or(stored_since.as_ref()).filter(|_| has_use);
            let reach = used.map_or(Ok(Vec::new()), |secret| self.reach_of(&row, secret)).unwrap_or_else(|_| {
                hindered = Some(UNREADABLE.to_owned());
                Vec::new()
            });
            let given = row.token.is_some() && !devbox_ended;
            let view = AskedView { entry, code, secret_exists, stored_since, lifts, reach, given, devbox_ended, hindered };
            bytes += json_bytes(&view) + 1;
            if bytes > TELL_JSON_BYTES_MAX && !views.is_empty() {
                break;
            }
            views.push(view);
        }
        Ok(views)
    }

    /// Lets a request through: makes the bindings that it names, lets its devbox have the secret, or reach the host. A value that is wanted must be stored by then,
    /// and `meant` is that secret: whoever approves names it, so that nothing is bound that has taken the name meanwhile.
    ///
    /// # Errors
    /// Without the admin key; [`AgentsError::RequestUnknown`] and [`AgentsError::Closed`]; [`AgentsError::NameTaken`] where another secret was stored since than was
    /// seen, and [`AgentsError::NotTheOne`] where it cannot be the one; or where the secret cannot be bound.
    pub fn approve_request(&self, admin_key: &str, caller: &Caller, id: &RequestId, meant: Option<&Meant>) -> Result<Decided, AgentsError> {
        let turn = lock(&self.turn);
        let row = self.decidable(admin_key, caller, id, &turn)?;
        self.may_follow(&row)?;
        let mut made = Made { bindings: Vec::new(), granted: None, allowed: None };
        let secret = match &row.wish {
            Wish::Access { secret: None, host, .. } => {
                made.allowed = Some(self.host_for(&row, host)?);
                None
            }
            Wish::Access { secret: Some(name), .. } | Wish::Secret { name, .. } => {
                let missing = match row.secret {
                    Some(_) => AgentsError::NotTheOne,
                    None if wants_value(&row.wish) => AgentsError::ValueMissing,
                    None => AgentsError::SecretUnknown,
                };
                let secret = self.store.secret(&row.account, name)?.ok_or(missing)?;
                is_meant(&row, &secret.id, meant.map(Meant::id))?;
                let opened = self.bindable(&secret)?;
                // Typed for it: now, or at its page beside the hosts.
                let is_typed_there = row.status == RequestState::Entered && row.allowed.as_ref().is_some_and(|by| by.proof == Proof::Code);
                let is_typed = matches!(meant, Some(Meant::Typed(_))) || is_typed_there;
                made.bindings = self.wished_bindings(&row, &opened, is_typed)?;
                if wants_value(&row.wish) && row.token.is_none() {
                    made.granted = self.grant_for(&row, &opened)?;
                }
                Some(opened.secret)
            }
        };
        let decided = RequestRow { status: RequestState::Approved, session: None, ..row.clone() };
        let approved = Event { key: Some(caller.key.id.clone()), ..self.request_event(EventKind::RequestApproved, &row) };
        let row = self.write_decided(row, decided, secret.as_ref(), made, vec![approved])?;
        // It is done; where the databases do not answer now, less is told of it.
        let reach = secret.and_then(|secret| self.reach_of(&row, &secret.id).ok()).unwrap_or_default();
        Ok(Decided { given: row.token.is_some(), reach, request: self.told(&row, None) })
    }

    /// The hosts that a secret may go to.
    fn reach_of(&self, row: &RequestRow, secret: &SecretId) -> Result<Vec<HostPattern>, AgentsError> {
        let Some(name) = row.wish.name() else { return Ok(Vec::new()) };
        let known = self.known(self.stamp()?, &row.account, secret, name)?;
        let mut reach: Vec<HostPattern> = Vec::new();
        for binding in known.bindings.iter() {
            if !reach.contains(&binding.host) {
                reach.push(binding.host.clone());
            }
        }
        Ok(reach)
    }

    /// Refuses a request. Asked again, it is another one. What its devbox was given when the value was typed stays, and is told.
    ///
    /// # Errors
    /// Without the admin key; [`AgentsError::RequestUnknown`] and [`AgentsError::Closed`].
    pub fn refuse_request(&self, admin_key: &str, caller: &Caller, id: &RequestId) -> Result<Decided, AgentsError> {
        let turn = lock(&self.turn);
        let row = self.decidable(admin_key, caller, id, &turn)?;
        let decided = RequestRow { status: RequestState::Refused, session: None, ..row.clone() };
        let refused = Event { key: Some(caller.key.id.clone()), ..self.request_event(EventKind::RequestRefused, &row) };
        let made = Made { bindings: Vec::new(), granted: None, allowed: None };
        let row = self.write_decided(row, decided, None, made, vec![refused])?;
        // It is done, as above: what cannot be read now does not make it undone.
        let given = row.token.is_some() && !self.has_ended(&row).unwrap_or(false);
        let reach = row.secret.as_ref().filter(|_| given).and_then(|secret| self.reach_of(&row, secret).ok()).unwrap_or_default();
        Ok(Decided { given, reach, request: self.told(&row, None) })
    }

    fn decidable(&self, admin_key: &str, caller: &Caller, id: &RequestId, turn: &MutexGuard<'_, ()>) -> Result<RequestRow, AgentsError> {
        if !self.is_admin(admin_key) {
            return Err(BindingsError::NotAdmin.into());
        }
        let row = self.current_request(self.ledger.request(id)?, turn)?.filter(|row| row.account == caller.account.id);
        let row = row.ok_or(AgentsError::RequestUnknown)?;
        if is_open(&row, self.clock.now()) { Ok(row) } else { Err(AgentsError::Closed) }
    }

    /// The row with this caller as the one who was shown its code, and with a link that works for some minutes at least.
    fn shown_to(&self, row: RequestRow, caller: &Caller, now: Timestamp) -> Result<RequestRow, AgentsError> {
        let was = row.mac.clone();
        let mut row = row;
        let is_fresh = is_link_fresh(&row, now);
        let is_known = row.shown_to.as_ref() == Some(&caller.key.id);
        if is_fresh && is_known {
            return Ok(row);
        }
        if !is_fresh {
            self.renew_link(&mut row, now);
        }
        row.shown_to = Some(caller.key.id.clone());
        self.write_request(row, was, &[])
    }

    /// The explicit bindings that are narrower than what is asked for at the same hosts: they stay, and bind nothing any more where the request is let through.
    fn lifted(&self, row: &RequestRow, secret: Option<&SecretId>) -> Result<Vec<Binding>, AgentsError> {
        let Some(secret) = secret else { return Ok(Vec::new()) };
        let bound = self.explicit_of_id(&row.account, secret)?;
        let wished = row.wish.bindings();
        let is_lifted = |bound: &Binding| {
            let lifts = |wanted: &Binding| is_at_one_host(bound, wanted) && bound.is_narrow() && !is_covered(bound, wanted);
            wished.iter().any(lifts)
        };
        Ok(bound.into_iter().map(|stored| stored.binding).filter(is_lifted).collect())
    }

    /// Refuses, before a value is typed for it, what could not be let through then: hosts whose connections pass unseen by now, and a devbox that is full.
    pub(super) fn may_follow(&self, row: &RequestRow) -> Result<(), AgentsError> {
        is_askable(&row.wish)?;
        row.wish.bindings().iter().try_for_each(|wanted| self.not_passed_through(wanted))?;
        match (&row.wish, &row.devbox) {
            (Wish::Access { secret: None, host, .. }, _) => self.host_for(row, host).map(drop),
            (Wish::Secret { .. }, Some(devbox)) if row.token.is_none() => match self.ledger.kept_devbox(devbox)? {
                Some(kept) if kept.devbox.closed.is_none() && kept.granted.len() >= DEVBOX_TOKENS_MAX => Err(AgentsError::DevboxFull),
                Some(_) | None => Ok(()),
            },
            (Wish::Secret { .. } | Wish::Access { .. }, _) => Ok(()),
        }
    }

    /// Whether the devbox that asked is no more.
    pub(super) fn has_ended(&self, row: &RequestRow) -> Result<bool, AgentsError> {
        let Some(devbox) = &row.devbox else { return Ok(false) };
        Ok(self.ledger.kept_devbox(devbox)?.is_none_or(|kept| kept.devbox.closed.is_some()))
    }

    /// The host that a devbox is let reach.
    fn host_for(&self, row: &RequestRow, host: &HostPattern) -> Result<HostPattern, AgentsError> {
        let devbox = row.devbox.as_ref().ok_or(AgentsError::DevboxGone)?;
        let kept = self.open_devbox(devbox)?;
        if kept.devbox.account != row.account {
            return Err(AgentsError::Tampered);
        }
        if kept.devbox.allow.len() + kept.allowed.len() >= ALLOW_PATTERNS_MAX {
            return Err(AgentsError::DevboxFull);
        }
        Ok(host.clone())
    }

    /// The explicit bindings that a request lacks. A first explicit binding takes the place of its kind's own, so those are made explicit with it, but for a value
    /// that was typed for the request: that goes where a person said, also where its kind would go farther.
    pub(super) fn wished_bindings(&self, row: &RequestRow, opened: &OpenedRow, is_typed: bool) -> Result<Vec<StoredBinding>, AgentsError> {
        let in_force = &opened.known.bindings;
        let wished = row.wish.bindings();
        let made_for_it = is_typed && opened.secret.id.is_made_since(row.created);
        let is_within = wished.iter().all(|wanted| in_force.iter().any(|binding| is_covered(binding, wanted)));
        if is_within && (opened.known.explicit || !made_for_it) {
            return Ok(Vec::new());
        }
        let kept: &[Binding] = if opened.known.explicit || made_for_it { &[] } else { in_force };
        let mut each: Vec<Binding> = Vec::new();
        for binding in kept.iter().chain(&wished) {
            let is_there = opened.known.explicit && in_force.contains(binding);
            if !is_there && !each.contains(binding) {
                self.not_passed_through(binding)?;
                each.push(binding.clone());
            }
        }
        let explicit = if opened.known.explicit { in_force.len() } else { 0 };
        if explicit + each.len() > BINDINGS_PER_SECRET_MAX {
            return Err(BindingsError::TooMany.into());
        }
        let made = each.into_iter().map(|binding| self.make_binding(&opened.secret, binding));
        Ok(made.collect::<Result<_, _>>()?)
    }

    /// A grant for the devbox that asked, where it is open and has none of this secret; [`AgentsError::DevboxFull`] where it has as many as it may.
    pub(super) fn grant_for(&self, row: &RequestRow, opened: &OpenedRow) -> Result<Option<(CardGrant, GrantRow)>, AgentsError> {
        let (Some(devbox), Some(env)) = (&row.devbox, Self::env_for(row)) else { return Ok(None) };
        let Some(kept) = self.ledger.kept_devbox(devbox)?.filter(|kept| kept.devbox.closed.is_none()) else { return Ok(None) };
        if kept.devbox.account != row.account || opened.secret.account != row.account {
            return Err(AgentsError::Tampered);
        }
        let has_it = kept.granted.iter().any(|held| held.grant.secret == opened.secret.id && held.gateway.is_none());
        if has_it || why_unusable(opened).is_some() {
            return Ok(None);
        }
        if kept.granted.len() >= DEVBOX_TOKENS_MAX {
            return Err(AgentsError::DevboxFull);
        }
        let made = self.make_grant(devbox, env, opened, self.clock.now())?;
        let granted = self.grant_row(&made, None)?;
        Ok(Some((made, granted)))
    }

    /// Writes what was decided with all that it makes, then lets the running devbox know.
    pub(super) fn write_decided(
        &self,
        was: RequestRow,
        decided: RequestRow,
        secret: Option<&Secret>,
        made: Made,
        events: Vec<Event>,
    ) -> Result<RequestRow, AgentsError> {
        let Made { bindings, granted, allowed } = made;
        let token = granted.as_ref().map(|(card, _)| card.grant.token).or(decided.token);
        let secret_id = secret.map(|secret| secret.id.clone()).or_else(|| decided.secret.clone());
        let row = RequestRow { decided: Some(self.clock.now()), token, secret: secret_id, ..decided };
        let row = self.sealed_request(row);
        let actor = events.first().and_then(|event| event.key.clone());
        let about = |event: Event| match secret {
            Some(secret) => event.about(secret),
            None => event,
        };
        let mut all: Vec<Event> = events.into_iter().map(about).collect();
        for binding in &bindings {
            let bare = Event { host: None, pattern: None, ..self.request_event(EventKind::BindingCreated, &row) };
            all.push(about(Event { key: actor.clone(), ..bare.towards(Some(&binding.binding.host)) }));
        }
        if granted.is_some() || allowed.is_some() {
            let bare = Event { host: None, pattern: None, ..self.request_event(EventKind::DevboxGivenMore, &row) };
            all.push(about(Event { key: actor, ..bare.towards(allowed.as_ref()) }));
        }
        let (card, granted) = granted.map_or((None, None), |(card, row)| (Some(card), Some(row)));
        let more = allowed.clone().and_then(|host| Some((row.devbox.clone()?, host)));
        let wants_devbox = granted.is_some() || more.is_some();
        let change = RequestChange { row, was: was.mac, bindings, granted, allowed: more };
        self.ledger.change_request(&change, &all).map_err(|error| match (matches!(error, store::StoreError::Conflict), wants_devbox) {
            (true, true) => AgentsError::DevboxGone,
            // Whoever changes requests takes turns: this was somebody else.
            (true, false) => AgentsError::Tampered,
            (false, _) => error.into(),
        })?;
        if let Some(devbox) = &change.row.devbox {
            self.hand(devbox, card, allowed);
        }
        self.note_request(&change.row);
        // Plans and facts that were made before do not know of it.
        self.changes.fetch_add(1, Ordering::SeqCst);
        Ok(change.row)
    }
}

/// Whether a request is about this secret: the one that there was when it was asked, or one that was stored since and that whoever decides has seen. When it was
/// stored is in its id, which its seal covers; no other column of the store is asked.
fn is_meant(row: &RequestRow, secret: &SecretId, seen: Option<&SecretId>) -> Result<(), AgentsError> {
    let is_another = seen.is_some_and(|seen| seen != secret);
    match &row.secret {
        Some(known) if known != secret || is_another => Err(AgentsError::NotTheOne),
        Some(_) => Ok(()),
        None if !secret.is_made_since(row.created) => Err(AgentsError::NotTheOne),
        None if seen.is_none() || is_another => Err(AgentsError::NameTaken),
        None => Ok(()),
    }
}

impl Made {
    /// What a value that was typed makes.
    pub(super) const fn of(bindings: Vec<StoredBinding>, granted: Option<(CardGrant, GrantRow)>) -> Self {
        Self { bindings, granted, allowed: None }
    }
}

/// Nobody lets a secret through without having seen where it may go.
const UNREADABLE: &str = "the secret that it is about cannot be read now, so where it may go is not known: look with `tightlip verify`";
