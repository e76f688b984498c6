//! Opening a stored row: what it holds, whether it is what it claims to be, and what follows from the value for its bindings.
//!
//! Nothing is taken from the row that its seal does not cover: the kind is recognised from the opened value and the authenticated name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::kind::Brokering;
use model::{AccountId, Binding, Kind, Place, Refusal, Secret, SecretId, SecretName, StoredBinding};
use store::SealedSecret;
use vault::SecretValue;

use crate::gate::{Gate, lock};

/// A row that was opened.
pub(crate) struct OpenedRow {
    pub(crate) secret: Secret,
    pub(crate) value: SecretValue,
    pub(crate) known: Known,
}

/// A row as it stands in the store, and what follows from it.
pub(crate) struct KeptRow {
    pub(crate) row: SealedSecret,
    known: Known,
}

/// What follows from an opened row, without the value. Holds for one state of the store and of the explicit bindings.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) stamp: Stamp,
    pub(crate) kind: Option<&'static Kind>,
    pub(crate) bindings: Arc<[Binding]>,
    pub(crate) explicit: bool,
    pub(crate) fitness: Fitness,
}

/// For how long a derived fact holds: until the store changes, or explicit bindings, devboxes or their grants do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) store: u64,
    pub(crate) changes: u64,
}

/// Whether a value can be swapped at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// It can.
    Fit,
    /// Too short to be told from chance in a reply.
    TooShort,
    /// It has line breaks or other bytes that no header takes.
    Unheaderly,
}

impl Stamp {
    /// For tests of what holds for one state.
    #[cfg(test)]
    pub(crate) const fn of(store: u64, changes: u64) -> Self {
        Self { store, changes }
    }
}

impl Gate {
    pub(crate) fn stamp(&self) -> Result<Stamp, Refusal> {
        let store = self.data_version()?;
        Ok(Stamp { store, changes: self.changes.load(Ordering::SeqCst) })
    }

    /// Opens the row of a granted secret.
    pub(crate) fn open_secret(&self, account: &AccountId, id: &SecretId, name: &SecretName) -> Result<OpenedRow, Refusal> {
        let is_at_place = |secret: &Secret| secret.id == *id && secret.account == *account && secret.name == *name;
        // Taken before the reads that follow: what is derived can then only be fresher than its stamp.
        let stamp = self.stamp()?;
        if let Some(kept) = self.rows.get(stamp, id).filter(|kept| is_at_place(&kept.row.secret)) {
            let value = self.open_value(&kept.row)?;
            return Ok(OpenedRow { secret: kept.row.secret.clone(), value, known: kept.known.clone() });
        }
        let row = self.present(account, id, name)?;
        let opened = self.derive(stamp, &row)?;
        self.remember(&row.secret.id, opened.known.clone());
        if row.sealed.ciphertext.len() <= KEPT_ROW_BYTES_MAX {
            self.rows.put(stamp, &opened.secret.id, Arc::new(KeptRow { row, known: opened.known.clone() }));
        }
        Ok(opened)
    }

    /// Opens the row of a secret that somebody has read of, as it stands now.
    pub(crate) fn open_row(&self, secret: &Secret) -> Result<OpenedRow, Refusal> {
        // As above.
        let stamp = self.stamp()?;
        self.derive(stamp, &self.present(&secret.account, &secret.id, &secret.name)?)
    }

    fn derive(&self, stamp: Stamp, row: &SealedSecret) -> Result<OpenedRow, Refusal> {
        let value = self.open_value(row)?;
        let secret = row.secret.clone();
        let kind = vault::recognise(&secret.name, &value);
        let explicit = self.explicit_bindings(&secret)?;
        let fitness = fitness(&value);
        let bindings: Arc<[Binding]> = if explicit.is_empty() {
            kind.map_or_else(Vec::new, default_bindings).into()
        } else {
            explicit.iter().map(|stored| stored.binding.clone()).collect()
        };
        let known = Known { stamp, kind, bindings, explicit: !explicit.is_empty(), fitness };
        Ok(OpenedRow { secret, value, known })
    }

    fn open_value(&self, row: &SealedSecret) -> Result<SecretValue, Refusal> {
        let SealedSecret { secret, sealed, data_key } = row;
        let place = Place {
            deployment: self.keys.deployment().to_owned(),
            account: secret.account.clone(),
            secret: secret.id.clone(),
            name: secret.name.clone(),
            version: secret.version,
        };
        self.keys.open(data_key, sealed, &place).map_err(|_| Refusal::SecretTampered)
    }

    /// What is known of a granted secret: from memory while nothing changed, otherwise from its row.
    pub(crate) fn known(&self, stamp: Stamp, account: &AccountId, id: &SecretId, name: &SecretName) -> Result<Known, Refusal> {
        let remembered = lock(&self.known).get(id).filter(|known| known.stamp == stamp).cloned();
        match remembered {
            Some(known) => Ok(known),
            None => Ok(self.open_secret(account, id, name)?.known),
        }
    }

    fn remember(&self, id: &SecretId, fact: Known) {
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX && !known.contains_key(id) {
            known.clear();
        }
        known.insert(id.clone(), fact);
    }

    /// The explicit bindings of a secret, each with a MAC that holds, and none that was removed or put back.
    pub(crate) fn explicit_bindings(&self, secret: &Secret) -> Result<Vec<StoredBinding>, Refusal> {
        self.explicit_of_id(&secret.account, &secret.id)
    }

    /// The same of a secret whose row is not asked.
    pub(crate) fn explicit_of_id(&self, account: &AccountId, secret: &SecretId) -> Result<Vec<StoredBinding>, Refusal> {
        let (stored, rows) = self.ledger.decided(secret).map_err(|error| self.undecided(error))?;
        let holds = |binding: &StoredBinding| {
            binding.secret == *secret && binding.account == *account && self.keys.mac_holds(BINDING_MAC, &binding.mac_input(), &binding.mac)
        };
        if stored.iter().all(holds) && crate::marks::decisions_hold(&self.keys, &rows) { Ok(stored) } else { Err(Refusal::SecretTampered) }
    }
}

impl Fitness {
    /// Why the value cannot be swapped, and what to do; none where it can.
    #[must_use]
    pub const fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Fit => None,
            Self::TooShort => Some("its value is shorter than 8 bytes, too short to be kept out of replies; store a longer one"),
            Self::Unheaderly => {
                Some("its value has line breaks, blanks at an end or other bytes that cannot stand in a header; store it without them")
            }
        }
    }
}

/// Why a value cannot be sent anywhere, whatever it is bound to: its kind is not swapped, or the value itself cannot be. None where it can.
#[must_use]
pub fn why_not_sent(kind: Option<&'static Kind>, fitness: Fitness) -> Option<&'static str> {
    not_brokered(kind).or_else(|| fitness.why_not())
}

/// Whether a value can be swapped.
#[must_use]
pub fn fitness(value: &SecretValue) -> Fitness {
    if vault::too_short(value) {
        Fitness::TooShort
    } else if vault::fits_header(value) {
        Fitness::Fit
    } else {
        Fitness::Unheaderly
    }
}

/// Why a kind cannot be swapped; none where it can.
pub(crate) const fn not_brokered(kind: Option<&'static Kind>) -> Option<&'static str> {
    match kind {
        Some(Kind { brokering: Brokering::NotBrokered(why), .. }) => Some(why),
        Some(Kind { brokering: Brokering::Hosts(_) | Brokering::BindFirst(_), .. }) | None => None,
    }
}

fn default_bindings(kind: &Kind) -> Vec<Binding> {
    match kind.brokering {
        Brokering::Hosts(hosts) => hosts.iter().filter_map(|host| host.parse().ok()).map(Binding::to_host).collect(),
        Brokering::BindFirst(_) | Brokering::NotBrokered(_) => Vec::new(),
    }
}

/// What the MAC of explicit bindings is for; no other MAC can be taken for it.
pub(crate) const BINDING_MAC: &str = "tightlip explicit binding v1";
/// Longer rows are read each time: keys and tokens are short.
const KEPT_ROW_BYTES_MAX: usize = 4096;
/// Secrets whose facts are kept; beyond that they are derived anew.
const KNOWN_MAX: usize = 10_000;
