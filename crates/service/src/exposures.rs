//! Exposure: whether devboxes of the API are given a secret's value as it is, said by a person with the admin key. Off unless said.

use link::cli::Exposure;
use model::limits::EXPOSURES_MAX;
use model::{Event, EventKind, Refusal, Scope, Secret, SecretName};
use store::ExposureRow;

use crate::authenticate::Caller;
use crate::bindings::BindingsError;
use crate::gate::{Gate, undecided};

/// The secrets of an account that devboxes of the API are given as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposures {
    /// By name, as a person said.
    pub plain: Vec<SecretName>,
    /// Whether those that are bound nowhere are given so too, as the operator said.
    pub unbound_are_plain: bool,
}

impl Gate {
    /// Says whether devboxes of the API that are made from now on are given a secret's value as it is. Said already is done.
    ///
    /// # Errors
    /// Without the admin key, or where there is no such secret.
    pub fn expose(&self, admin_key: &str, caller: &Caller, name: &SecretName, exposure: Exposure) -> Result<(), BindingsError> {
        let (row, _bindings) = self.explicit_of(admin_key, caller, name)?;
        let secret = self.open_row(row)?.secret;
        let plain = exposure == Exposure::Plain;
        if self.is_exposed(&secret)? == plain {
            return Ok(());
        }
        if plain && self.ledger.plain_exposures(&secret.account)?.len() >= EXPOSURES_MAX {
            return Err(BindingsError::TooManyExposed);
        }
        let now = self.clock.now();
        let kind = if plain { EventKind::SecretExposed } else { EventKind::SecretBrokered };
        let event = Event { key: Some(caller.key.id.clone()), ..Event::bare(kind, now, caller.account.id.clone()).about(&secret) };
        let unsigned = ExposureRow { secret: secret.id, account: secret.account, plain, created: now, mac: Vec::new() };
        let mac = self.keys.mac(EXPOSURE_MAC, &unsigned.mac_input());
        Ok(self.ledger.put_exposure(&ExposureRow { mac, ..unsigned }, &event)?)
    }

    /// What the caller's account has exposed.
    ///
    /// # Errors
    /// When the caller may not, or the databases do not answer.
    pub fn exposures(&self, caller: &Caller) -> Result<Exposures, BindingsError> {
        caller.require(Scope::Read)?;
        let mut plain = Vec::new();
        for row in self.ledger.plain_exposures(&caller.account.id)?.into_iter().filter(|row| self.exposure_holds(row)) {
            plain.extend(self.store.secret_by_id(&caller.account.id, &row.secret)?.map(|secret| secret.name));
        }
        Ok(Exposures { plain, unbound_are_plain: self.policy.plain_env_for_unbound })
    }

    /// Whether a person said that this secret is given as it is. A row without our MAC says nothing.
    pub(crate) fn is_exposed(&self, secret: &Secret) -> Result<bool, Refusal> {
        let row = self.ledger.exposure(&secret.id).map_err(undecided)?;
        Ok(row.is_some_and(|row| row.plain && row.secret == secret.id && row.account == secret.account && self.exposure_holds(&row)))
    }

    fn exposure_holds(&self, row: &ExposureRow) -> bool {
        self.keys.mac_holds(EXPOSURE_MAC, &row.mac_input(), &row.mac)
    }
}

/// What the MAC of exposures is for; no other MAC can be taken for it.
const EXPOSURE_MAC: &str = "tightlip exposure v1";
