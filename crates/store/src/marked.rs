//! What the ledger's rows say of a secret or a devbox together, and the gateway's marks on it.

use model::{DevboxId, SecretId, StoredBinding};

use crate::error::Result;
use crate::ledger::Ledger;
use crate::sqlite::bindings;
use crate::sqlite::marks::{self, MarkedRows, Marker, NewMark};

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

    /// Whether the rows of this ledger are marked together ever since the first, or since those of an earlier build were.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn marks_rows(&self) -> Result<bool> {
        self.database.read(|conn| Ok(conn.prepare_cached("SELECT 1 FROM meta WHERE key = 'rows marked'")?.exists([])?))
    }

    /// The marks that the rows of an earlier build lack.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn lacking_marks(&self) -> Result<Vec<NewMark>> {
        self.database.read_snapshot(marks::lacking)
    }

    /// Writes these marks, each with its MAC, and that rows without one are none of ours from now on.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Unavailable`.
    pub fn put_marks(&self, made: &[(NewMark, Vec<u8>)]) -> Result<()> {
        let made = made.to_vec();
        self.database.write(Box::new(move |conn, _| {
            made.iter().try_for_each(|(new, mac)| marks::put(conn, new.noun, &new.id, new.generation, mac))?;
            conn.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('rows marked', 'yes')", [])?;
            Ok(())
        }))
    }
}
