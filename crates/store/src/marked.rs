//! What the ledger's rows say of a secret or a devbox together, and the gateway's marks on it.

use model::{DevboxId, Hosted, SecretId, StoredBinding};

use crate::error::Result;
use crate::hosted::ExposureRow;
use crate::ledger::Ledger;
use crate::rows::{DevboxRow, GrantRow};
use crate::sqlite::marks::{self, MarkedRows, Marker, NewMark};
use crate::sqlite::{bindings, devboxes, exposures, grants, hosted};

/// A devbox as it was kept, to be taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDevbox {
    /// Its row.
    pub devbox: DevboxRow,
    /// What is shown of it, where it is the API's.
    pub hosted: Option<Hosted>,
    /// Its grants.
    pub granted: Vec<GrantRow>,
    /// What all of these rows say together.
    pub rows: MarkedRows,
}

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

    /// The exposure of a secret, and what all rows say of it, of one moment.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn exposure(&self, secret: &SecretId) -> Result<(Option<ExposureRow>, MarkedRows)> {
        self.database.read_snapshot(|conn| Ok((exposures::find(conn, secret)?, marks::of_secret(conn, secret.as_str())?)))
    }

    /// A devbox with all that it has, and what all rows say of it, of one moment.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn kept_devbox(&self, id: &DevboxId) -> Result<Option<KeptDevbox>> {
        self.database.read_snapshot(|conn| {
            let Some(devbox) = devboxes::find(conn, id)? else { return Ok(None) };
            let (hosted, granted) = (hosted::find(conn, id)?, grants::of_devbox(conn, id)?);
            Ok(Some(KeptDevbox { devbox, hosted, granted, rows: marks::of_devbox(conn, id)? }))
        })
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
