//! Devboxes that are asked for over the API: made once for each request, shown, taken up again after a restart of the gateway, and ended.

use std::fs::File;
use std::sync::atomic::Ordering;

use link::front::{MadeToken, Named, NewDevbox};
use model::limits::{HOSTED_DEVBOXES_MAX, HOSTED_DEVBOXES_PER_ACCOUNT_MAX, LINK_MESSAGE_BYTES_MAX, LINK_PAGE_ITEMS_MAX};
use model::{
    AccountId, DevboxId, DevboxStatus, Event, EventKind, GatewayConfigId, Hosted, Scope, SecretId, ShutdownReason, Timestamp, Transition,
};
use store::{HostedPage, NewGateway, StoreError};

use crate::authenticate::Caller;
use crate::bindings::json_bytes;
use crate::denial::DevboxDenial;
use crate::devboxes::{DevboxCard, NewCa, ResumedDevbox};
use crate::gate::{Gate, lock};

mod draft;

pub(crate) use draft::Draft;

/// What asking for a devbox gave.
pub enum CreatedHosted {
    /// The same request made this one before.
    Before(Hosted),
    /// A new one, queued.
    New(Box<NewHosted>),
}

/// A new devbox of the API's, and what it is started with.
pub struct NewHosted {
    /// What is shown of it.
    pub hosted: Hosted,
    /// What the gateway keeps.
    pub card: DevboxCard,
    /// Its variables: those that were asked for, and placeholders.
    pub env: Vec<(String, String)>,
    /// Variables that hold values as they are, as in environ(7), in memory without a name, to be read from its beginning.
    pub plain: Option<File>,
    /// The TCP ports to listen on.
    pub ports: Vec<u16>,
    /// What runs as long as it lives.
    pub entrypoint: Option<String>,
}

impl Gate {
    /// Makes a devbox with tokens for its secrets and gateways. The same request of the same key gives the devbox that it made before.
    ///
    /// # Errors
    /// When the caller may not, or what is asked for does not exist, cannot be used, or goes where its secret is not bound.
    pub fn create_hosted(&self, caller: &Caller, wanted: NewDevbox, ca: NewCa) -> Result<CreatedHosted, DevboxDenial> {
        caller.require(Scope::Devbox)?;
        let _turn = lock(&self.turn);
        if let Some(request) = &wanted.request
            && let Some(before) =
                self.ledger.requested_hosted(&caller.key.id, request)?.filter(|before| before.account == caller.account.id)
        {
            return Ok(CreatedHosted::Before(before));
        }
        let of_account = self.ledger.count_open_hosted_of(&caller.account.id)?;
        if of_account >= HOSTED_DEVBOXES_PER_ACCOUNT_MAX || self.ledger.open_hosted_devboxes()?.len() >= HOSTED_DEVBOXES_MAX {
            return Err(DevboxDenial::TooManyDevboxes);
        }
        let mut draft = Draft::new(self, caller, &ca.devbox);
        draft.add_variables(wanted.env)?;
        draft.add_secrets(wanted.secrets)?;
        draft.add_gateways(wanted.gateways)?;
        let (rows, events, mut made) = draft.finish(wanted.about, ca, wanted.request)?;
        self.ledger.open_hosted(&rows, &events)?;
        if !rows.bindings.is_empty() {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        made.entrypoint = wanted.entrypoint;
        Ok(CreatedHosted::New(Box::new(made)))
    }

    /// The devbox of the API's of this id.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where there is none, or it is another account's, or `tightlip run`'s.
    pub fn hosted(&self, account: &AccountId, id: &DevboxId) -> Result<Hosted, DevboxDenial> {
        let is_theirs = |of: &AccountId| of == account;
        let hosted = self.ledger.hosted(id)?.filter(|hosted| is_theirs(&hosted.account)).ok_or(DevboxDenial::NotFound)?;
        // The account stands in both rows: one that was moved to another account is shown to neither.
        if self.ledger.devbox(id)?.is_some_and(|row| is_theirs(&row.account)) { Ok(hosted) } else { Err(DevboxDenial::NotFound) }
    }

    /// A page of an account's devboxes of the API's, newest first, below `after`; as many as fit into one message.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn hosted_page(
        &self,
        account: &AccountId,
        after: Option<&DevboxId>,
        limit: usize,
        status: Option<DevboxStatus>,
    ) -> Result<(Vec<Hosted>, bool, u64), DevboxDenial> {
        let page = self.ledger.hosted_page(account, after, limit.clamp(1, LINK_PAGE_ITEMS_MAX), status)?;
        let HostedPage { mut devboxes, has_more, total } = page;
        let mut bytes = 0;
        let fits = |hosted: &Hosted| {
            bytes += json_bytes(hosted) + 1;
            bytes <= PAGE_JSON_BYTES_MAX
        };
        let (all, count) = (devboxes.len(), devboxes.iter().map(fits).take_while(|fit| *fit).count().max(1));
        devboxes.truncate(count);
        Ok((devboxes, has_more || count < all, total))
    }

    /// Writes that a devbox has come to another state at a time. A final state ends it, its grants and its keys; nothing comes after one.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where there is none.
    pub fn transition(
        &self,
        id: &DevboxId,
        status: DevboxStatus,
        failure: Option<String>,
        reason: Option<ShutdownReason>,
        at: Timestamp,
    ) -> Result<Hosted, DevboxDenial> {
        let _turn = lock(&self.turn);
        let mut hosted = self.ledger.hosted(id)?.ok_or(DevboxDenial::NotFound)?;
        if hosted.status().is_final() || hosted.status() == status {
            return Ok(hosted);
        }
        hosted.transitions.push(Transition { status, at, failure });
        if status.is_final() {
            hosted.reason = reason;
            self.end_hosted(&hosted, at)?;
        } else {
            self.ledger.note_transitions(id, &hosted.transitions)?;
        }
        Ok(hosted)
    }

    /// The devboxes of the API's on this machine that have not ended, oldest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn open_hosted(&self) -> Result<Vec<DevboxId>, DevboxDenial> {
        let remotes = self.open_remotes()?;
        let mut open = self.ledger.open_hosted_devboxes()?;
        open.retain(|id| !remotes.contains(id));
        Ok(open)
    }

    /// Takes up a devbox of the API's that was open when the gateway ended, with what is shown of it.
    ///
    /// # Errors
    /// [`DevboxDenial::NotFound`] where there is none, or it has ended.
    pub fn take_up(&self, id: &DevboxId) -> Result<(ResumedDevbox, Hosted), DevboxDenial> {
        let _turn = lock(&self.turn);
        let mut kept = self.open_devbox(id)?;
        let hosted = kept.hosted.take().ok_or(DevboxDenial::NotFound)?;
        Ok((self.taken_up(kept)?, hosted))
    }

    /// Gives a devbox that runs one more gateway. `card` knows it when this returns.
    ///
    /// # Errors
    /// As [`Gate::create_hosted`]; [`DevboxDenial::NotFound`] where the devbox is another account's or has ended.
    pub fn add_gateway(
        &self,
        caller: &Caller,
        card: &DevboxCard,
        gateway: &Named<GatewayConfigId>,
        secret: &Named<SecretId>,
    ) -> Result<MadeToken, DevboxDenial> {
        caller.require(Scope::Devbox)?;
        let _turn = lock(&self.turn);
        let hosted = self.hosted(&caller.account.id, &card.devbox)?;
        if hosted.status().is_final() || card.account != caller.account.id {
            return Err(DevboxDenial::NotFound);
        }
        let mut draft = Draft::new(self, caller, &card.devbox);
        let (made, token) = draft.add_nameless_gateway(card, gateway, secret)?;
        let (granted, asked) = draft.finish_gateway()?;
        let event = Event {
            key: Some(caller.key.id.clone()),
            devbox: Some(card.devbox.clone()),
            gateway: Some(made.config.clone()),
            secret: Some(made.credential.grant.secret.clone()),
            name: Some(made.credential.name.clone()),
            ..Event::bare(EventKind::GatewayTokenCreated, self.clock.now(), caller.account.id.clone())
        };
        let events: Vec<Event> = std::iter::once(event).chain(asked.events).collect();
        let new = NewGateway { devbox: card.devbox.clone(), granted, pairings: asked.pairings, bindings: asked.bindings };
        self.ledger
            .add_gateway(&new, &events)
            .map_err(|error| if matches!(error, StoreError::Conflict) { DevboxDenial::NotFound } else { error.into() })?;
        card.add_gateway(made);
        // Plans that were made before do not know the new secret.
        self.changes.fetch_add(1, Ordering::SeqCst);
        Ok(token)
    }

    fn end_hosted(&self, ended: &Hosted, at: Timestamp) -> Result<(), DevboxDenial> {
        self.forget_devbox(&ended.id);
        let row = self.ledger.devbox(&ended.id)?.ok_or(DevboxDenial::NotFound)?;
        let written = self.ledger.end_hosted(ended, at, &self.end_event(&row, at)?);
        self.changes.fetch_add(1, Ordering::SeqCst);
        Ok(written?)
    }
}

/// A page, with room for the message around it.
const PAGE_JSON_BYTES_MAX: usize = LINK_MESSAGE_BYTES_MAX - 4 * 1024;
