//! Which version of a secret stands: its row is read together with what the api's events say of it, and held against what this gateway and earlier ones know.
//!
//! The store is the api's to write, also between two looks. So nothing is taken together that was not read at one moment, and what the row must not be older
//! than is known before it is read: an older row is then a rolled-back one, whatever is written meanwhile.

use model::{AccountId, Refusal, SecretId, SecretName};
use store::{SealedSecret, Standing};

use crate::gate::{Gate, lock};

/// What is known of a secret's versions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Versions {
    /// The greatest of which anything told; [`DELETED`] where it was deleted.
    newest: u32,
    /// Up to which number the api's events were read for it.
    events: u64,
}

impl Gate {
    /// The secret's row as it stands now.
    ///
    /// # Errors
    /// [`Refusal::SecretGone`] where there is none; [`Refusal::SecretTampered`] where it is another's, or not of the version that events tell of;
    /// [`Refusal::Undecided`] where it does not stand still, or the databases do not answer.
    pub(crate) fn present(&self, account: &AccountId, id: &SecretId, name: &SecretName) -> Result<SealedSecret, Refusal> {
        for _ in 0..LOOKS {
            if let Some(row) = self.look(account, id, name)? {
                return Ok(row);
            }
        }
        Err(Refusal::Undecided)
    }

    /// Whether this version of the secret is still the current one. False also when the store does not answer, and for a secret that was never opened here.
    #[must_use]
    pub fn stands(&self, secret: &SecretId, version: u32) -> bool {
        let now = self.stamp().and_then(|stamp| match self.rows.get(stamp, secret) {
            Some(kept) => Ok(Some(kept.row.secret.version)),
            None => self.read_on(secret, self.known_versions(secret).unwrap_or_default()).map(|row| row.map(|row| row.secret.version)),
        });
        now == Ok(Some(version))
    }

    /// One look. None where others found the secret changed since.
    fn look(&self, account: &AccountId, id: &SecretId, name: &SecretName) -> Result<Option<SealedSecret>, Refusal> {
        let known = match self.known_versions(id) {
            Some(known) => known,
            // What an earlier gateway used stands in its events, which an api that was taken over cannot write.
            None => {
                let used = self.ledger.newest_version(id).map_err(|error| self.undecided(error))?;
                Versions { newest: used.unwrap_or_default(), events: 0 }
            }
        };
        let row = self.read_on(id, known)?;
        match &row {
            Some(row) if row.secret.account != *account || row.secret.name != *name => Err(Refusal::SecretTampered),
            Some(_) | None => Ok(row),
        }
    }

    /// Reads the row and the events that came since, and holds it against them and what was known before. None where others know more by now.
    fn read_on(&self, id: &SecretId, known: Versions) -> Result<Option<SealedSecret>, Refusal> {
        let standing = self.store.standing(id, known.events).map_err(|error| self.undecided(error))?;
        let Some(Standing { row, told, events }) = standing else {
            self.remember_gone(id);
            return Err(Refusal::SecretGone);
        };
        #[cfg(feature = "faults")]
        if crate::faults::is_seeded(crate::faults::Fault::StaleRow) {
            return Ok(Some(row));
        }
        // A chain only grows.
        if events < known.events {
            return Err(Refusal::SecretTampered);
        }
        let newest = if told.deleted { DELETED } else { known.newest.max(told.version.unwrap_or_default()) };
        let now = self.remember_versions(id, Versions { newest, events });
        if newest == DELETED || row.secret.version != newest {
            return Err(Refusal::SecretTampered);
        }
        Ok(Some(row).filter(|_| now.newest == newest))
    }

    fn known_versions(&self, id: &SecretId) -> Option<Versions> {
        lock(&self.seen).get(id).copied()
    }

    /// Adds to what is known, and gives all of it.
    fn remember_versions(&self, id: &SecretId, more: Versions) -> Versions {
        let mut seen = lock(&self.seen);
        let known = seen.entry(id.clone()).or_default();
        *known = Versions { newest: known.newest.max(more.newest), events: known.events.max(more.events) };
        *known
    }

    /// A deleted secret never comes back under its id: a row that does was rolled back.
    fn remember_gone(&self, id: &SecretId) {
        lock(&self.known).remove(id);
        self.remember_versions(id, Versions { newest: DELETED, events: 0 });
    }
}

/// Greater than every version that a row may have.
const DELETED: u32 = u32::MAX;
/// Looks at a row that others found changed meanwhile. Somebody who makes it change without pause gets nothing.
const LOOKS: usize = 2;
