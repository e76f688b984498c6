//! Both databases at one and the same moment.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Result, StoreError};
use crate::ledger::Ledger;
use crate::sqlite::snapshot::Snapshot;
use crate::store::Store;

/// The store and the ledger as they were at one moment: what was acknowledged before it is in, what was asked for after it is not, and nothing that the ledger
/// tells of is missing from the store.
pub struct Cut {
    /// The store.
    pub store: Snapshot,
    /// The ledger.
    pub ledger: Snapshot,
}

impl Ledger {
    /// Holds both databases still, each in a transaction of its own. The ledger's writer stands still only while both begin.
    ///
    /// # Errors
    /// Where one of them cannot be read, or the ledger cannot be written.
    pub fn cut(&self, store: &Store) -> Result<Cut> {
        let cut = Arc::new(Mutex::new(Some(Cut { store: store.snapshot()?, ledger: self.snapshot()? })));
        let within = Arc::clone(&cut);
        self.hold(move || match &*within.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(cut) => cut.ledger.begin().and_then(|()| cut.store.begin()),
            None => Ok(()),
        })?;
        // The writer answers before it lets go of its work, so the cut is taken out of what is shared.
        let begun = cut.lock().unwrap_or_else(PoisonError::into_inner).take();
        begun.ok_or(StoreError::Unavailable)
    }
}
