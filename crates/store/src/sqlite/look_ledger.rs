//! The ledger, looked through: its rows, and what its events say of them.

use model::{DevboxId, RequestId, SecretId, StoredBinding, Writer};

use crate::error::{Result, StoreError};
use crate::hosted::{ExposureRow, PairingRow};
use crate::ledger::Ledger;
use crate::requests::RequestRow;
use crate::rows::{DevboxRow, GrantRow};
use crate::sqlite::look::{Held, Looked, PAGE_BYTES_MAX};
use crate::sqlite::marks::{self, MarkedRows};
use crate::sqlite::snapshot::Snapshot;
use crate::sqlite::{bindings, devboxes, exposures, grants, pairings, requests};

/// The ledger, held still.
pub struct LedgerLook(Held);

impl LedgerLook {
    /// The ledger as `snapshot` holds it.
    #[must_use]
    pub fn of(snapshot: Snapshot, deployment: String) -> Self {
        Self(Held::new(snapshot, Writer::Gateway, deployment))
    }

    /// The database and its chain.
    #[must_use]
    pub const fn held(&self) -> &Held {
        &self.0
    }

    /// How many rows there are to look at.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn rows(&self) -> Result<u64> {
        self.0.count(
            "SELECT (SELECT count(*) FROM bindings) + (SELECT count(*) FROM exposures) + (SELECT count(*) FROM pairings)
                  + (SELECT count(*) FROM requests) + (SELECT count(*) FROM devboxes)",
            &[],
        )
    }

    /// Explicit bindings in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn bindings(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<StoredBinding>>> {
        let sql = "SELECT id, account, secret, binding, created, mac FROM bindings WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.0.page(sql, after, limit, bindings::from_row)
    }

    /// Exposures in the order of their secrets.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn exposures(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<ExposureRow>>> {
        let sql = "SELECT secret, account, plain, created, mac FROM exposures WHERE secret > ?1 ORDER BY secret LIMIT ?2";
        self.0.page(sql, after, limit, exposures::from_row)
    }

    /// Pairings in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn pairings(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<PairingRow>>> {
        let sql = "SELECT id, account, secret, binding, devbox, config, status, created, decided, mac FROM pairings
            WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.0.page(sql, after, limit, pairings::from_row)
    }

    /// Requests of agents in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn requests(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<RequestRow>>> {
        self.0.page(requests::select!("WHERE id > ?1 ORDER BY id LIMIT ?2"), after, limit, requests::from_row)
    }

    /// The request of this id, where its row makes sense.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn request(&self, id: &RequestId) -> Result<Option<RequestRow>> {
        requests::find(self.0.conn(), id)
    }

    /// Devboxes in the order of their ids, open and closed.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn devboxes(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<DevboxRow>>> {
        let sql = "SELECT id, account, key, allow, resume, ca_pem, ca_key, opened, closed FROM devboxes WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.0.page(sql, after, limit, devboxes::from_row)
    }

    /// The grants of a devbox.
    ///
    /// # Errors
    /// Where they cannot be read, one makes no sense, or they are more than a devbox has.
    pub fn grants_of(&self, devbox: &DevboxId) -> Result<Vec<GrantRow>> {
        let sql = "SELECT coalesce(sum(64 + octet_length(account) + octet_length(secret) + octet_length(env) + octet_length(name)
                + coalesce(octet_length(token), 0) + coalesce(octet_length(label), 0)), 0) FROM grants WHERE devbox = ?1";
        if self.0.count(sql, &[&devbox.as_str()])? > marks::INPUT_BYTES_MAX as u64 {
            return Err(StoreError::Damaged(None));
        }
        grants::of_devbox(self.0.conn(), devbox)
    }

    /// What the rows say together of each secret of which a mark tells, in the order of their ids.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn decided(&self, after: Option<&str>, limit: usize) -> Result<Vec<Looked<MarkedRows>>> {
        let sql = "SELECT id FROM marks WHERE noun = 'secret' AND id > ?1 ORDER BY id LIMIT ?2";
        let ids = self.0.page(sql, after, limit, |_| Ok(()))?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for Looked { key, .. } in ids {
            let row = marks::of_secret(self.0.conn(), &key).ok();
            bytes += row.as_ref().map_or(0, |rows| rows.input.len());
            found.push(Looked { key, row });
            if bytes >= PAGE_BYTES_MAX {
                break;
            }
        }
        Ok(found)
    }

    /// Whether there is a mark on what the rows say of this secret.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn is_decided(&self, secret: &SecretId) -> Result<bool> {
        marks::has_secret(self.0.conn(), secret)
    }

    /// What the rows say together of a devbox.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn marked_devbox(&self, devbox: &DevboxId) -> Result<MarkedRows> {
        marks::of_devbox(self.0.conn(), devbox)
    }

    /// What the rows say together of a devbox that has ended.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn ended_devbox(&self, devbox: &DevboxId) -> Result<MarkedRows> {
        marks::of_ended(self.0.conn(), devbox)
    }

    /// Whether a devbox is open, and whose it is, as its row says; none where it has no row.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn state_of(&self, id: &DevboxId) -> Result<Option<(bool, String)>> {
        let mut statement = self.0.conn().prepare_cached("SELECT closed IS NULL, account FROM devboxes WHERE id = ?1")?;
        Ok(statement.query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.next().transpose()?)
    }

    /// Whether what is shown of this devbox is of another account than the devbox.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn is_shown_to_another(&self, id: &DevboxId) -> Result<bool> {
        let sql = "SELECT 1 FROM hosted JOIN devboxes ON devboxes.id = hosted.devbox WHERE hosted.devbox = ?1 AND hosted.account <> devboxes.account";
        self.0.exists(sql, &[&id.as_str()])
    }
}

impl Ledger {
    /// The ledger as it is now, held still for as long as what this gives lives.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn look(&self) -> Result<LedgerLook> {
        let snapshot = self.snapshot()?;
        snapshot.begin()?;
        Ok(LedgerLook::of(snapshot, self.deployment().to_owned()))
    }
}
