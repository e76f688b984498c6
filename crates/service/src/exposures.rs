//! Exposure: whether devboxes of the API are given a secret's value as it is, said by a person with the admin key, or by the operator for all that is bound nowhere. Off unless said.

use link::cli::Exposure;
use model::limits::EXPOSURES_MAX;
use model::{AccountId, Event, EventKind, Refusal, Secret, SecretId, SecretName};
use store::ExposureRow;

use crate::authenticate::Caller;
use crate::bindings::BindingsError;
use crate::gate::{Gate, lock};

impl Gate {
    /// Says whether devboxes of the API that are made from now on are given a secret's value as it is. Said already is done.
    ///
    /// # Errors
    /// Without the admin key, or where there is no such secret.
    pub fn expose(&self, admin_key: &str, caller: &Caller, name: &SecretName, exposure: Exposure) -> Result<(), BindingsError> {
        let _turn = lock(&self.turn);
        let (secret, _bindings) = self.explicit_of(admin_key, caller, name)?;
        let secret = self.open_row(&secret)?.secret;
        let plain = exposure == Exposure::Plain;
        if self.exposure_of(&secret.id, &secret.account)? == Some(plain) {
            return Ok(());
        }
        if plain && self.ledger.plain_exposures(&secret.account)?.len() >= EXPOSURES_MAX {
            return Err(BindingsError::TooManyExposed);
        }
        self.put_exposure(caller, &secret.id, Some(&secret), plain)
    }

    /// Whether devboxes of the API are given this value as it is: as a person said, or, where none did and it is bound nowhere, as the operator said.
    pub(crate) fn is_given_plain(&self, secret: &Secret, is_bound: bool) -> Result<bool, Refusal> {
        Ok(self.exposure_of(&secret.id, &secret.account)?.unwrap_or(self.policy.plain_env_for_unbound && !is_bound))
    }

    /// A person took the secret's way to a host away, or did not let it through. That it is bound nowhere now is no reason to give its value, unless a person
    /// says so.
    pub(crate) fn keep_brokered(&self, caller: &Caller, id: &SecretId, secret: Option<&Secret>) -> Result<(), BindingsError> {
        if self.exposure_of(id, &caller.account.id)?.is_none() { self.put_exposure(caller, id, secret, false) } else { Ok(()) }
    }

    /// Whether a person kept the secret back.
    pub(crate) fn is_kept_back(&self, secret: &Secret) -> Result<bool, Refusal> {
        Ok(self.exposure_of(&secret.id, &secret.account)? == Some(false))
    }

    /// Writes down what was said of a secret. Its row is for the event alone: an api that hides it does not undo what a person says.
    fn put_exposure(&self, caller: &Caller, id: &SecretId, secret: Option<&Secret>, plain: bool) -> Result<(), BindingsError> {
        let now = self.clock.now();
        let kind = if plain { EventKind::SecretExposed } else { EventKind::SecretBrokered };
        let account = caller.account.id.clone();
        let bare = Event { key: Some(caller.key.id.clone()), secret: Some(id.clone()), ..Event::bare(kind, now, account.clone()) };
        let event = match secret {
            Some(secret) => bare.about(secret),
            None => bare,
        };
        let unsigned = ExposureRow { secret: id.clone(), account, plain, created: now, mac: Vec::new() };
        let mac = self.keys.mac(EXPOSURE_MAC, &unsigned.mac_input());
        Ok(self.ledger.put_exposure(&ExposureRow { mac, ..unsigned }, &event)?)
    }

    /// What a person said of this secret, if anything. Asked each time, with all that was decided of the secret: a row that was put back has a mark of its own
    /// that holds.
    fn exposure_of(&self, id: &SecretId, account: &AccountId) -> Result<Option<bool>, Refusal> {
        let (row, rows) = self.ledger.exposure(id).map_err(|error| self.undecided(error))?;
        let is_ours = |row: &ExposureRow| row.secret == *id && row.account == *account && self.exposure_holds(row);
        if !crate::marks::decisions_hold(&self.keys, &rows) || !row.as_ref().is_none_or(is_ours) {
            return Err(Refusal::SecretTampered);
        }
        Ok(row.map(|row| row.plain))
    }

    fn exposure_holds(&self, row: &ExposureRow) -> bool {
        self.keys.mac_holds(EXPOSURE_MAC, &row.mac_input(), &row.mac)
    }
}

/// What the MAC of exposures is for; no other MAC can be taken for it.
pub(crate) const EXPOSURE_MAC: &str = "tightlip exposure v1";
