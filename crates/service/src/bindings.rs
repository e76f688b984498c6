//! Bindings: made and removed at the gateway with the admin key, shown to whoever may read.

use std::sync::atomic::Ordering;

use link::cli::{BindingView, Denial};
use model::limits::{BINDINGS_PER_SECRET_MAX, EXPOSURES_MAX, LINK_MESSAGE_BYTES_MAX, LINK_PAGE_ITEMS_MAX};
use model::{
    AccountId, Binding, BindingId, BindingSource, Event, EventKind, HostPattern, Refusal, Scope, Secret, SecretId, SecretName,
    StoredBinding,
};
use store::StoreError;

use crate::authenticate::{AuthError, Caller};
use crate::gate::{Gate, lock};
use crate::ids::IdsError;
use crate::rows::{BINDING_MAC, OpenedRow, not_brokered, why_not_sent};

/// Why a verb on bindings failed. Never contains what the caller sent.
#[derive(Debug, thiserror::Error)]
pub enum BindingsError {
    /// The caller may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The admin key is missing or wrong.
    #[error("this changes with the admin key only: it is in the file gateway/admin-key of the data folder")]
    NotAdmin,
    /// No such secret.
    #[error("no secret has this name: see `tightlip secret list`")]
    NotFound,
    /// The secret has no explicit binding that could be removed.
    #[error("the secret has no such explicit binding: see `tightlip bindings`; a kind's default binding is replaced with `tightlip bind`")]
    NoBinding,
    /// No pairing of this id waits.
    #[error("no request of this id waits to be decided: see `tightlip requests`")]
    NoPairing,
    /// As many secrets are given as they are as may be.
    #[error("an account has at most {EXPOSURES_MAX} exposed secrets: take one back with `tightlip expose NAME --brokered`")]
    TooManyExposed,
    /// The secret's kind cannot be swapped.
    #[error("this secret cannot be bound: {0}")]
    NotBrokered(&'static str),
    /// The secret's value cannot be swapped.
    #[error("this secret cannot be bound: {0}")]
    Unfit(&'static str),
    /// Values never go to hosts whose connections pass unseen.
    #[error(
        "the host is one of `[gateway] pass_through` in tightlip.toml, where nothing is swapped or scrubbed: take it off that list, start the server anew, and bind it then"
    )]
    PassedThrough,
    /// The secret has as many bindings as it may.
    #[error("a secret has at most {BINDINGS_PER_SECRET_MAX} explicit bindings: remove one with `tightlip unbind NAME --host HOST`")]
    TooMany,
    /// The binding is too long.
    #[error("the binding is too long: give fewer methods or a shorter path")]
    TooLong,
    /// The stored secret does not open, or a stored binding is not the gateway's.
    #[error(
        "the stored secret or one of its bindings was changed outside tightlip: delete it and store it again, and look at `tightlip events`"
    )]
    Tampered,
    /// The databases do not answer.
    #[error("failed to use the gateway's databases, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Unavailable(#[source] StoreError),
    /// The gateway cannot decide now.
    #[error("failed to decide, and nothing was changed: try again, and look at the output of `tightlip up`")]
    Undecided,
    /// No id could be made.
    #[error(transparent)]
    Id(#[from] IdsError),
}

impl Gate {
    /// Makes an explicit binding; one of the same host, port, methods and path for the same spot of requests is replaced. Gives the secret's bindings as they are now.
    ///
    /// # Errors
    /// Without the admin key, or where the value cannot be swapped.
    pub fn bind(&self, admin_key: &str, caller: &Caller, name: &SecretName, binding: Binding) -> Result<Vec<BindingView>, BindingsError> {
        let _turn = lock(&self.turn);
        let (secret, existing) = self.explicit_of(admin_key, caller, name)?;
        let opened = self.bindable(&secret)?;
        self.not_passed_through(&binding)?;
        if json_bytes(&binding) > BINDING_JSON_BYTES_MAX {
            return Err(BindingsError::TooLong);
        }
        let same_scope = |old: &&StoredBinding| {
            let old = &old.binding;
            let same_requests =
                old.host == binding.host && old.port == binding.port && old.methods == binding.methods && old.path == binding.path;
            same_requests && old.form.spot() == binding.form.spot()
        };
        let replaced: Vec<BindingId> = existing.iter().filter(same_scope).map(|old| old.id.clone()).collect();
        let unchanged = existing.iter().any(|old| old.binding == binding);
        if !unchanged {
            if existing.len() - replaced.len() >= BINDINGS_PER_SECRET_MAX {
                return Err(BindingsError::TooMany);
            }
            let stored = self.make_binding(&opened.secret, binding)?;
            let host = Some(&stored.binding.host);
            // The new one first: without any explicit binding, even for a moment, the kind's default would be in force.
            self.ledger.insert_binding(&stored, &self.binding_event(EventKind::BindingCreated, caller, &opened.secret, host))?;
            if !replaced.is_empty() {
                self.ledger.delete_bindings(&replaced, &self.binding_event(EventKind::BindingDeleted, caller, &opened.secret, host))?;
            }
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        self.views_of(&opened.secret.id)
    }

    /// Removes explicit bindings: those of one host, or all. Gives the secret's bindings as they are now.
    ///
    /// # Errors
    /// Without the admin key, or where there is nothing to remove.
    pub fn unbind(
        &self,
        admin_key: &str,
        caller: &Caller,
        name: &SecretName,
        host: Option<&HostPattern>,
    ) -> Result<Vec<BindingView>, BindingsError> {
        let _turn = lock(&self.turn);
        let (secret, existing) = self.explicit_of(admin_key, caller, name)?;
        // The name is the row's own only where the row opens: another secret's bindings may stand beside it.
        let secret = self.open_row(&secret)?.secret;
        let named = |old: &&StoredBinding| host.is_none_or(|host| old.binding.host == *host);
        let removed: Vec<BindingId> = existing.iter().filter(named).map(|old| old.id.clone()).collect();
        if removed.is_empty() {
            return Err(BindingsError::NoBinding);
        }
        if removed.len() == existing.len() {
            // Before they are gone: what a person takes away is not given as it is for that.
            self.keep_brokered(caller, &secret.id, Some(&secret))?;
        }
        self.ledger.delete_bindings(&removed, &self.binding_event(EventKind::BindingDeleted, caller, &secret, host))?;
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.views_of(&secret.id)
    }

    /// A page of an account's bindings, an unbound secret as one view without binding; and where the next page begins. Newest secrets first.
    ///
    /// # Errors
    /// When the databases do not answer; [`BindingsError::NotFound`] where `name` names none.
    pub fn views(
        &self,
        account: &AccountId,
        name: Option<&SecretName>,
        after: Option<&SecretId>,
    ) -> Result<(Vec<BindingView>, Option<SecretId>), BindingsError> {
        if let Some(name) = name {
            let secret = self.store.secret(account, name)?.ok_or(BindingsError::NotFound)?;
            return Ok((self.views_of(&secret.id)?, None));
        }
        let page = self.store.secrets(account, after, LINK_PAGE_ITEMS_MAX)?;
        let (mut views, mut bytes, mut last) = (Vec::new(), 0, None);
        for secret in page.secrets {
            let more = self.views_of(&secret.id)?;
            bytes += json_bytes(&more);
            if last.is_some() && (bytes > VIEWS_JSON_BYTES_MAX || views.len() + more.len() > LINK_PAGE_ITEMS_MAX) {
                return Ok((views, last));
            }
            views.extend(more);
            last = Some(secret.id);
        }
        Ok((views, last.filter(|_| page.has_more)))
    }

    /// The bindings of a caller who may read them.
    ///
    /// # Errors
    /// As [`Gate::views`], and when the caller may not.
    pub fn views_for(
        &self,
        caller: &Caller,
        name: Option<&SecretName>,
        after: Option<&SecretId>,
    ) -> Result<(Vec<BindingView>, Option<SecretId>), BindingsError> {
        caller.require(Scope::Read)?;
        self.views(&caller.account.id, name, after)
    }

    /// Opens the row of a secret that is to be bound.
    pub(crate) fn bindable(&self, secret: &Secret) -> Result<OpenedRow, BindingsError> {
        let opened = self.open_row(secret)?;
        if let Some(why) = not_brokered(opened.known.kind) {
            return Err(BindingsError::NotBrokered(why));
        }
        match opened.known.fitness.why_not() {
            Some(why) => Err(BindingsError::Unfit(why)),
            None => Ok(opened),
        }
    }

    /// What all changes need first: the admin key, the secret as its row says, and its explicit bindings.
    pub(crate) fn explicit_of(
        &self,
        admin_key: &str,
        caller: &Caller,
        name: &SecretName,
    ) -> Result<(Secret, Vec<StoredBinding>), BindingsError> {
        if !self.is_admin(admin_key) {
            return Err(BindingsError::NotAdmin);
        }
        let secret = self.store.secret(&caller.account.id, name)?.ok_or(BindingsError::NotFound)?;
        let existing = self.explicit_bindings(&secret)?;
        Ok((secret, existing))
    }

    /// The views of one secret; none where it was deleted meanwhile. A row that does not open is shown without kind and binding: nothing of it is in force.
    pub(crate) fn views_of(&self, id: &SecretId) -> Result<Vec<BindingView>, BindingsError> {
        let Some(row) = self.store.sealed(id)? else { return Ok(Vec::new()) };
        let secret = row.secret;
        // What was changed outside gives nothing.
        let is_given_plain = |is_bound| match self.is_given_plain(&secret, is_bound) {
            Err(Refusal::SecretTampered) => Ok(false),
            other => other,
        };
        let view = |kind, binding, source, cannot_be_sent: Option<&str>, given_plain| BindingView {
            account: secret.account.clone(),
            secret_id: secret.id.clone(),
            secret_name: secret.name.clone(),
            kind,
            binding,
            source,
            cannot_be_sent: cannot_be_sent.map(str::to_owned),
            given_plain,
        };
        let known = match self.open_row(&secret) {
            Ok(opened) => opened.known,
            Err(Refusal::SecretGone) => return Ok(Vec::new()),
            Err(Refusal::Undecided) => return Err(BindingsError::Undecided),
            Err(refusal) => {
                self.tally.count_refusal(secret.account.clone(), None, refusal, None);
                return Ok(vec![view(None, None, None, None, false)]);
            }
        };
        let kind = known.kind.map(model::Kind::id);
        let why_not = why_not_sent(known.kind, known.fitness);
        if known.bindings.is_empty() {
            return Ok(vec![view(kind, None, None, why_not, is_given_plain(false)?)]);
        }
        let plain = is_given_plain(true)?;
        let source = if known.explicit { BindingSource::Explicit } else { BindingSource::Kind };
        Ok(known.bindings.iter().map(|binding| view(kind, Some(binding.clone()), Some(source), why_not, plain)).collect())
    }

    pub(crate) fn make_binding(&self, secret: &Secret, binding: Binding) -> Result<StoredBinding, IdsError> {
        let (now, number) = self.ids.next(self.clock.now())?;
        let id = BindingId::from_parts(now, number);
        let (account, secret) = (secret.account.clone(), secret.id.clone());
        let unsigned = StoredBinding { id, account, secret, binding, created: now, mac: Vec::new() };
        Ok(StoredBinding { mac: self.keys.mac(BINDING_MAC, &unsigned.mac_input()), ..unsigned })
    }

    pub(crate) fn binding_event(&self, kind: EventKind, caller: &Caller, secret: &Secret, host: Option<&HostPattern>) -> Event {
        let bare = Event::bare(kind, self.clock.now(), caller.account.id.clone()).about(secret);
        Event { key: Some(caller.key.id.clone()), ..bare.towards(host) }
    }
}

impl BindingsError {
    /// Which kind of denial this is to the command line.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::Auth(error) => auth_denial(error),
            Self::NotAdmin => Denial::NotAuthenticated,
            Self::NotFound | Self::NoBinding | Self::NoPairing => Denial::NotFound,
            Self::NotBrokered(_) | Self::Unfit(_) | Self::PassedThrough | Self::Tampered => Denial::Forbidden,
            Self::TooMany | Self::TooManyExposed | Self::TooLong => Denial::Invalid,
            Self::Unavailable(_) | Self::Undecided | Self::Id(_) => Denial::Unavailable,
        }
    }
}

impl From<StoreError> for BindingsError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Unmarked) { Self::Tampered } else { Self::Unavailable(error) }
    }
}

impl From<Refusal> for BindingsError {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::Undecided {
            Self::Undecided
        } else if refusal == Refusal::SecretGone {
            Self::NotFound
        } else {
            Self::Tampered
        }
    }
}

/// Which kind of denial an authentication error is to the command line.
#[must_use]
pub const fn auth_denial(error: &AuthError) -> Denial {
    match error {
        AuthError::Missing | AuthError::AdminKey | AuthError::Unknown | AuthError::Revoked | AuthError::Expired | AuthError::Unmarked => {
            Denial::NotAuthenticated
        }
        AuthError::NoCapability | AuthError::Forbidden { .. } | AuthError::NotOwner => Denial::Forbidden,
        AuthError::Unavailable(_) => Denial::Unavailable,
    }
}

/// The size that a message part takes on the link.
pub(crate) fn json_bytes<T: serde::Serialize>(part: &T) -> usize {
    serde_json::to_vec(part).map_or(usize::MAX / 2, |bytes| bytes.len())
}

/// One binding: the longest path, host and form with room, so that all bindings of one secret fit into one message.
pub(crate) const BINDING_JSON_BYTES_MAX: usize = 2_500;
/// A page of views, with room for the message around it.
const VIEWS_JSON_BYTES_MAX: usize = LINK_MESSAGE_BYTES_MAX - 4 * 1024;
