//! Pairings: a secret that is bound nowhere and the destination that a gateway config names for it. A person says whether it may go there.
//!
//! A pairing gives no permission, whatever its row says: letting one through makes an explicit binding, and that is what requests are decided by.

use std::sync::atomic::Ordering;

use link::cli::{BindingView, PairingView};
use model::limits::{BINDINGS_PER_SECRET_MAX, PAIRINGS_WAITING_MAX};
use model::{Binding, DevboxId, Event, EventKind, GatewayConfigId, PairingId, Refusal, Scope, Secret, SecretId, StoredBinding};
use store::{PairingRow, PairingStatus};

use crate::authenticate::Caller;
use crate::bindings::{BINDING_JSON_BYTES_MAX, BindingsError, json_bytes};
use crate::denial::DevboxDenial;
use crate::gate::{Gate, lock};

/// A destination that a secret is wanted at, and that none of its bindings covers, since it has none.
pub(crate) struct Asking {
    pub(crate) secret: Secret,
    pub(crate) binding: Binding,
    pub(crate) config: GatewayConfigId,
}

/// What asking comes to: rows and events of one devbox's transaction.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) pairings: Vec<PairingRow>,
    pub(crate) bindings: Vec<StoredBinding>,
    pub(crate) events: Vec<Event>,
}

impl Gate {
    /// The pairings of the caller's account that wait for a person, oldest first.
    ///
    /// # Errors
    /// When the caller may not, or the databases do not answer.
    pub fn requests(&self, caller: &Caller) -> Result<Vec<PairingView>, BindingsError> {
        caller.require(Scope::Read)?;
        let account = &caller.account.id;
        let mut views = Vec::new();
        for row in self.ledger.waiting_pairings(account)?.into_iter().filter(|row| self.pairing_holds(row)).take(PAIRINGS_WAITING_MAX) {
            let Some(sealed) = self.store.sealed(&row.secret)? else { continue };
            // The name by which a person decides must be the secret's own, and only a row that opens has it.
            let secret = match self.open_row(&sealed.secret) {
                Ok(opened) if opened.secret.account == *account => opened.secret,
                Err(Refusal::SecretGone) => continue,
                Err(Refusal::Undecided) => return Err(BindingsError::Undecided),
                Ok(_) | Err(_) => {
                    self.tally.count_refusal(account.clone(), None, Refusal::SecretTampered, None);
                    continue;
                }
            };
            let gateway = self.store.gateway_config(account, &row.config)?.map(|config| config.name);
            let PairingRow { id, binding, devbox, created, .. } = row;
            views.push(PairingView { id, secret: secret.name, binding, gateway, devbox, created });
        }
        Ok(views)
    }

    /// Lets a pairing through: makes the explicit binding that it stands for. Gives the secret's bindings as they are now.
    ///
    /// # Errors
    /// Without the admin key; [`BindingsError::NoPairing`] where none of this id waits; or where the secret cannot be bound.
    pub fn approve(&self, admin_key: &str, caller: &Caller, id: &PairingId) -> Result<Vec<BindingView>, BindingsError> {
        let _turn = lock(&self.turn);
        let pairing = self.waiting_pairing(admin_key, caller, id)?;
        let row = self.store.sealed(&pairing.secret)?.ok_or(BindingsError::NotFound)?;
        if row.secret.account != caller.account.id {
            return Err(BindingsError::Tampered);
        }
        let opened = self.bindable(&row.secret)?;
        self.not_passed_through(&pairing.binding)?;
        let existing = self.explicit_bindings(&opened.secret)?;
        let is_bound = existing.iter().any(|old| old.binding == pairing.binding);
        if !is_bound && existing.len() >= BINDINGS_PER_SECRET_MAX {
            return Err(BindingsError::TooMany);
        }
        let made = if is_bound { None } else { Some(self.make_binding(&opened.secret, pairing.binding.clone())?) };
        let host = pairing.binding.host.clone();
        let event = |kind| self.binding_event(kind, caller, &opened.secret, Some(&host));
        let (devbox, gateway) = (Some(pairing.devbox.clone()), Some(pairing.config.clone()));
        let approved = Event { devbox, gateway, ..event(EventKind::PairingApproved) };
        let mut events = vec![approved];
        events.extend(made.as_ref().map(|_| event(EventKind::BindingCreated)));
        self.ledger.decide_pairing(&self.decided(pairing, PairingStatus::Approved), made.as_ref(), &events)?;
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.views_of(&opened.secret.id)
    }

    /// Refuses a pairing: it is not asked again.
    ///
    /// # Errors
    /// Without the admin key; [`BindingsError::NoPairing`] where none of this id waits.
    pub fn refuse(&self, admin_key: &str, caller: &Caller, id: &PairingId) -> Result<(), BindingsError> {
        let _turn = lock(&self.turn);
        let pairing = self.waiting_pairing(admin_key, caller, id)?;
        let bare = Event {
            key: Some(caller.key.id.clone()),
            secret: Some(pairing.secret.clone()),
            devbox: Some(pairing.devbox.clone()),
            gateway: Some(pairing.config.clone()),
            host: pairing.binding.host.exact().cloned(),
            ..Event::bare(EventKind::PairingRefused, self.clock.now(), caller.account.id.clone())
        };
        // What was changed outside is not marked anew.
        let (_, rows) = self.ledger.decided(&pairing.secret)?;
        if !crate::marks::decisions_hold(&self.keys, &rows) {
            return Err(BindingsError::Tampered);
        }
        let secret = self.store.secret_by_id(&caller.account.id, &pairing.secret)?;
        // What may not go to one host is not given to be sent to any.
        self.keep_brokered(caller, &pairing.secret, secret.as_ref())?;
        let event = match secret {
            Some(secret) => bare.about(&secret),
            None => bare,
        };
        self.ledger.decide_pairing(&self.decided(pairing, PairingStatus::Refused), None, &[event])?;
        Ok(())
    }

    /// What asking for these destinations comes to: a binding at once where the operator wants it so, otherwise a pairing that waits, once for each.
    pub(crate) fn ask(&self, caller: &Caller, devbox: &DevboxId, askings: Vec<(usize, Asking)>) -> Result<Asked, DevboxDenial> {
        let mut asked = Asked::default();
        let waiting = self.ledger.waiting_pairings(&caller.account.id)?.len();
        for (which, asking) in askings {
            if json_bytes(&asking.binding) > BINDING_JSON_BYTES_MAX {
                return Err(DevboxDenial::EndpointTooLong(which));
            }
            let event = |kind| {
                let event = self.binding_event(kind, caller, &asking.secret, Some(&asking.binding.host));
                Event { devbox: Some(devbox.clone()), gateway: Some(asking.config.clone()), ..event }
            };
            let is_same = |secret: &SecretId, binding: &Binding| *secret == asking.secret.id && *binding == asking.binding;
            // What a person took away, refused or kept back, a person is asked about.
            let is_decided = self.pairing_status(&asking.secret, &asking.binding)? == Some(PairingStatus::Refused);
            // Nothing may be bound where connections pass unseen; who approves is told so.
            let may_be_bound = !is_decided && self.not_passed_through(&asking.binding).is_ok();
            let denial = |refusal| if refusal == Refusal::Undecided { DevboxDenial::Internal } else { DevboxDenial::Tampered };
            if self.policy.accept_pairings && may_be_bound && !self.is_kept_back(&asking.secret).map_err(denial)? {
                if !asked.bindings.iter().any(|made| is_same(&made.secret, &made.binding)) {
                    asked.bindings.push(self.make_binding(&asking.secret, asking.binding.clone())?);
                    asked.events.extend([event(EventKind::PairingApproved), event(EventKind::BindingCreated)]);
                }
                continue;
            }
            let is_asked = asked.pairings.iter().any(|row| is_same(&row.secret, &row.binding));
            if is_asked || self.pairing_status(&asking.secret, &asking.binding)?.is_some_and(|status| status != PairingStatus::Approved) {
                continue;
            }
            if waiting + asked.pairings.len() >= PAIRINGS_WAITING_MAX {
                return Err(DevboxDenial::TooManyPairings);
            }
            asked.events.push(event(EventKind::PairingRequested));
            asked.pairings.push(self.make_pairing(asking, devbox)?);
        }
        Ok(asked)
    }

    /// Why a secret that is bound nowhere may not go to this destination: it was not asked, or not answered, or answered with no.
    pub(crate) fn why_unbound(&self, secret: &Secret, binding: &Binding) -> Refusal {
        match self.pairing_status(secret, binding) {
            Ok(Some(PairingStatus::Waiting)) => Refusal::PairingPending,
            Ok(Some(PairingStatus::Refused)) => Refusal::PairingRefused,
            // The binding that it made was removed since.
            Ok(Some(PairingStatus::Approved) | None) => Refusal::SecretUnbound,
            Err(_) => Refusal::Undecided,
        }
    }

    /// What was decided last about a secret and a destination. A row without our MAC says nothing.
    fn pairing_status(&self, secret: &Secret, binding: &Binding) -> Result<Option<PairingStatus>, store::StoreError> {
        let rows = self.ledger.pairings_of(&secret.id)?;
        let same = |row: &&PairingRow| row.account == secret.account && row.binding == *binding && self.pairing_holds(row);
        Ok(rows.iter().rev().find(same).map(|row| row.status))
    }

    fn waiting_pairing(&self, admin_key: &str, caller: &Caller, id: &PairingId) -> Result<PairingRow, BindingsError> {
        if !self.is_admin(admin_key) {
            return Err(BindingsError::NotAdmin);
        }
        let waits = |row: &PairingRow| {
            row.id == *id && row.account == caller.account.id && row.status == PairingStatus::Waiting && self.pairing_holds(row)
        };
        self.ledger.pairing(id)?.filter(waits).ok_or(BindingsError::NoPairing)
    }

    fn make_pairing(&self, asking: Asking, devbox: &DevboxId) -> Result<PairingRow, DevboxDenial> {
        let (created, number) = self.ids.next(self.clock.now())?;
        let Asking { secret, binding, config } = asking;
        Ok(self.signed(PairingRow {
            id: PairingId::from_parts(created, number),
            account: secret.account,
            secret: secret.id,
            binding,
            devbox: devbox.clone(),
            config,
            status: PairingStatus::Waiting,
            created,
            decided: None,
            mac: Vec::new(),
        }))
    }

    fn decided(&self, waiting: PairingRow, status: PairingStatus) -> PairingRow {
        self.signed(PairingRow { status, decided: Some(self.clock.now()), ..waiting })
    }

    fn signed(&self, row: PairingRow) -> PairingRow {
        PairingRow { mac: self.keys.mac(PAIRING_MAC, &row.mac_input()), ..row }
    }

    fn pairing_holds(&self, row: &PairingRow) -> bool {
        self.keys.mac_holds(PAIRING_MAC, &row.mac_input(), &row.mac)
    }
}

/// What the MAC of pairings is for; no other MAC can be taken for it.
pub(crate) const PAIRING_MAC: &str = "tightlip pairing v1";
