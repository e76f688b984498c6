//! What the ledger's rows say of a secret or a devbox together, and the gateway's marks on it.

use model::{DevboxId, SecretId, StoredBinding};

use crate::error::Result;
use crate::ledger::Ledger;
use crate::sqlite::bindings;
use crate::sqlite::marks::{self, MarkedRows, Marker};

impl Ledger {
    /// From now on, what changes is marked. The first marker stays.
    pub fn mark_with(&self, marker: Marker) {
        drop(self.marker.set(marker));
    }

    /// The explicit bindings of a secret, oldest first, and what all rows say of it, of one moment.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn decided(&self, secret: &SecretId) -> Result<(Vec<StoredBinding>, MarkedRows)> {
        self.database.read_snapshot(|conn| Ok((bindings::of_secret(conn, secret)?, marks::of_secret(conn, secret.as_str())?)))
    }

    /// What all rows say of a devbox.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn marked_devbox(&self, devbox: &DevboxId) -> Result<MarkedRows> {
        self.database.read_snapshot(|conn| marks::of_devbox(conn, devbox))
    }
}
