//! What the ledger's rows say of a secret or a devbox together, and the gateway's marks on it.

use model::{DevboxId, HostPattern, Hosted, SecretId, StoredBinding};

use crate::error::Result;
use crate::hosted::ExposureRow;
use crate::ledger::Ledger;
use crate::rows::{DevboxRow, GrantRow};
use crate::sqlite::marks::{self, MarkedRows, Marker};
use crate::sqlite::{allowed, bindings, devboxes, exposures, grants, hosted};

/// A devbox as it was kept, to be taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDevbox {
    /// Its row.
    pub devbox: DevboxRow,
    /// What is shown of it, where it is the API's.
    pub hosted: Option<Hosted>,
    /// Its grants.
    pub granted: Vec<GrantRow>,
    /// What it may reach since a person let it.
    pub allowed: Vec<HostPattern>,
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
            Ok(Some(KeptDevbox { devbox, hosted, granted, allowed: allowed::of_devbox(conn, id)?, rows: marks::of_devbox(conn, id)? }))
        })
    }

    /// What all rows say of a devbox.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn marked_devbox(&self, devbox: &DevboxId) -> Result<MarkedRows> {
        self.database.read_snapshot(|conn| marks::of_devbox(conn, devbox))
    }
}
