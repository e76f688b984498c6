//! Looking at a data folder that no server serves: with its lock, in this process, and without changing anything.

use std::io;
use std::path::Path;

use link::cli::{Finding, Verified};
use service::verify::{ApiFiles, LEDGER, STORE, Subject, Tell, VerifyError};
use store::{FileFault, Ledger, Mode, Store, StoreError};
use vault::{KeyringError, LockError};

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
    let settings = config.trusted();
    let keys = match setup::open_keys(folder, &root) {
        Ok(keys) => keys,
        Err(error) => {
            let finding = keyring_finding(folder, &error).ok_or(error)?;
            return Ok(Verified { findings: vec![finding], settings, ..Verified::default() });
        }
    };
    let (signing_key, manifest, manifest_pin) = (folder.signing_key(), folder.manifest(), folder.manifest_pin());
    let mut findings = ApiFiles { signing_key: &signing_key, manifest: &manifest, manifest_pin: &manifest_pin }.check(&keys);
    if !setup::has_own_admin_key(folder, &keys).unwrap_or(false) {
        let what = "it is gone, was changed outside tightlip, or is of an earlier build; the next start makes another one";
        findings.push(finding("gateway/admin-key", what, "tightlip up"));
    }
    let store = opened((STORE, "store/tightlip.db"), Store::open(&folder.store_db(), Mode::Reader), &mut findings)?;
    let ledger = opened((LEDGER, "gateway/gateway.db"), Ledger::open_to_read(&folder.ledger()), &mut findings)?;
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

/// What is wrong with the keyring, where that follows from what stands in its place, and not from the system that reads it.
fn keyring_finding(folder: &DataFolder, error: &SetupError) -> Option<Finding> {
    let what = match error {
        SetupError::Keyring { source: KeyringError::Malformed, .. } => "it is damaged, or was written by another version",
        SetupError::WrongRootKey(_) => "it is not the keyring of gateway/root.key: one of the two was changed or replaced",
        SetupError::Io { path, source, .. } if *path == folder.keyring() && is_none_of_ours(source) => {
            "it is gone, or no file of tightlip's"
        }
        SetupError::Keyring { .. }
        | SetupError::Io { .. }
        | SetupError::Missing(_)
        | SetupError::RootKey { .. }
        | SetupError::WrongPassphrase
        | SetupError::Passphrase(_)
        | SetupError::Meanwhile
        | SetupError::Newer(_)
        | SetupError::Schema { .. }
        | SetupError::Foreign(_)
        | SetupError::Store { .. }
        | SetupError::Random => return None,
    };
    Some(finding("gateway/keyring.json", &format!("{what}; nothing opens without it, so nothing else was looked at"), RESTORE))
}

/// Whether a small file cannot be read for what it is, as `service::small` tells; not for want of a right, or because the disk fails.
fn is_none_of_ours(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput, io::ErrorKind::FileTooLarge].contains(&error.kind())
}

/// A database, or a finding where it is not there or is none.
fn opened<T>((table, file): (&str, &str), opened: Result<T, StoreError>, findings: &mut Vec<Finding>) -> Result<Option<T>, VerifyError> {
    let error = match opened {
        Ok(database) => return Ok(Some(database)),
        Err(error) => error,
    };
    findings.push(match (&error, error.file_fault()) {
        (StoreError::Schema(_), _) => {
            findings.append(&mut service::verify::schema_findings(table, &Err(error)));
            return Ok(None);
        }
        (StoreError::Missing, _) => finding(file, "the database is gone", RESTORE),
        (_, Some(FileFault::NotRegular(path))) => {
            let name = path.file_name().unwrap_or_default();
            let id = Path::new(file).with_file_name(name).display().to_string();
            finding(&id, "it is no regular file (a pipe, a link, a folder or a device), so nothing was opened", MOVE_ASIDE)
        }
        (_, Some(FileFault::Misnumbered { found, .. })) => {
            let what = format!("its header says {found}, another version than its schema is of: the header was changed outside tightlip");
            finding(file, &what, RESTORE)
        }
        (StoreError::NotADatabase | StoreError::Damaged(_), Some(FileFault::TooLarge) | None) => {
            finding(file, "it is no database of ours, or damaged", RESTORE)
        }
        (_, None | Some(FileFault::TooLarge)) => return Err(error.into()),
    });
    Ok(None)
}

fn finding(id: &str, what: &str, next: &str) -> Finding {
    Finding { table: "files".to_owned(), id: Some(id.to_owned()), name: None, what: what.to_owned(), next: next.to_owned(), more: 0 }
}

const RESTORE: &str = "tightlip restore FILE --force --accept-rollback";
const MOVE_ASIDE: &str = "move it aside, then tightlip verify";
