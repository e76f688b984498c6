//! Looking at a data folder that no server serves: with its lock, in this process, and without changing anything.

use link::cli::{Finding, Verified};
use service::verify::{ApiFiles, LEDGER, STORE, Subject, Tell, VerifyError};
use store::{Ledger, Mode, Store, StoreError};
use vault::LockError;

use crate::anchor;
use crate::config::{Config, ConfigError};
use crate::folder::{DataFolder, FolderError};
use crate::root::{self, RootError, Source};
use crate::setup::{self, SetupError};

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no root key.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The keyring cannot be opened.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The databases cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// This process could not be closed to its neighbours.
    #[error(transparent)]
    Seclude(#[from] LockError),
}

/// Looks at everything in `folder`, which nobody serves.
///
/// # Errors
/// [`OfflineError`]; what is wrong with what can be read is among the findings.
pub fn verify(folder: &DataFolder, passphrase: &Source, tell: Tell<'_>) -> Result<Verified, OfflineError> {
    // Keys pass through this process.
    vault::seclude()?;
    let _lock = folder.lock()?;
    let config = Config::load(&folder.config())?;
    let root = root::find(folder, passphrase)?;
    let keys = setup::open_keys(folder, &root)?;
    let (signing_key, manifest, manifest_pin) = (folder.signing_key(), folder.manifest(), folder.manifest_pin());
    let mut findings = ApiFiles { signing_key: &signing_key, manifest: &manifest, manifest_pin: &manifest_pin }.check(&keys);
    let store = opened((STORE, "store/tightlip.db"), Store::open(&folder.store_db(), Mode::Reader), &mut findings)?;
    let ledger = opened((LEDGER, "gateway/gateway.db"), Ledger::open_to_read(&folder.ledger()), &mut findings)?;
    let settings = config.trusted();
    let (Some(store), Some(ledger)) = (store, ledger) else { return Ok(Verified { findings, settings, ..Verified::default() }) };
    let anchors = anchor::places_of(folder, &config, keys.deployment());
    // Nobody writes, so the two are of one moment.
    let subject = Subject {
        store: store.look().map_err(VerifyError::from)?,
        ledger: ledger.look().map_err(VerifyError::from)?,
        keys: &keys,
        anchors: &anchors,
    };
    let mut verified = service::verify::verify(&subject, tell)?;
    findings.append(&mut verified.findings);
    Ok(Verified { findings, settings, ..verified })
}

/// A database, or a finding where it is not there or is none.
fn opened<T>((table, file): (&str, &str), opened: Result<T, StoreError>, findings: &mut Vec<Finding>) -> Result<Option<T>, VerifyError> {
    let what = match opened {
        Err(StoreError::Schema(_)) => {
            findings.append(&mut service::verify::schema_findings(table, &opened.map(drop)));
            return Ok(None);
        }
        Ok(database) => return Ok(Some(database)),
        Err(StoreError::Missing) => "the database is gone",
        Err(StoreError::NotADatabase | StoreError::Damaged(_)) => "it is no database of ours, or damaged",
        Err(error) => return Err(error.into()),
    };
    findings.push(Finding {
        table: "files".to_owned(),
        id: Some(file.to_owned()),
        name: None,
        what: what.to_owned(),
        next: "tightlip restore FILE --force --accept-rollback".to_owned(),
        more: 0,
    });
    Ok(None)
}
