//! Backups: made by the gateway while everybody goes on working, and read back before anybody is told that there is one.
//!
//! Both databases are held still at one moment, copied aside, looked at whole, and sealed by the vault with the keyring and the small files that a restore
//! needs. The root key is not among them.

use std::fs::{DirBuilder, File};
use std::io::{self, Seek};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};

use link::cli::{BackedUp, ChainCounts, Denial};
use model::{Event, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Head, Ledger, Mode, Store, StoreError};
use vault::KeyringError;
use vault::backup::{BackupError as FormatError, Opener, Part, Passed};
use zeroize::Zeroizing;

use crate::authenticate::Caller;
use crate::gate::Gate;
use crate::small::{self, Links};

/// What a backup is made of beside the databases, and where it may be worked on.
pub struct Sources {
    /// The keyring as it rests, wrapped by the root key: the bytes that the gateway itself opened at its start.
    pub keyring: Vec<u8>,
    /// How the root key follows from a passphrase, as it was at the gateway's start; empty where it does not.
    pub recipe: Vec<u8>,
    /// What the parts are called that are not files as they lie.
    pub names: Names,
    /// The api's signing key.
    pub signing_key: PathBuf,
    /// The manifest of public keys, as it lies in the api's folder.
    pub manifest: PathBuf,
    /// Its pin.
    pub manifest_pin: PathBuf,
    /// The other small files.
    pub files: Vec<SmallFile>,
    /// Reads the keys as they rest on the disk now.
    pub resting: Box<dyn Fn() -> Resting + Send + Sync>,
    /// A folder for copies, made and removed here.
    pub scratch: PathBuf,
    /// One backup at a time.
    pub turn: Mutex<()>,
}

/// The gateway's keys as they rest on the disk: what the next start will find. Empty where there is none or it cannot be read.
#[derive(Default)]
pub struct Resting {
    /// The wrapped keyring.
    pub keyring: Vec<u8>,
    /// How the root key follows from a passphrase.
    pub recipe: Vec<u8>,
    /// Whether there is a file with a root key that opens the keyring of this process.
    pub root_opens: bool,
}

/// What parts are called.
pub struct Names {
    /// The store.
    pub store: &'static str,
    /// The ledger.
    pub ledger: &'static str,
    /// The manifest of public keys.
    pub manifest: &'static str,
    /// The manifest's pin.
    pub manifest_pin: &'static str,
    /// The api's signing key.
    pub signing_key: &'static str,
}

/// A small file that belongs to a backup.
pub struct SmallFile {
    /// Its part.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Whether a backup without it would be of no use.
    pub need: Need,
}

/// Whether a file must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it there is no backup.
    Always,
    /// An owner may have removed it.
    IfThere,
}

/// What a backup says of itself: its first part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The moment that it shows.
    pub made: Timestamp,
    /// The tightlip that made it.
    pub version: String,
    /// The installation.
    pub deployment: String,
    /// How many secrets it holds.
    pub secrets: u64,
    /// The api's chain of events.
    pub api: ChainEnd,
    /// The gateway's chain of events.
    pub gateway: ChainEnd,
}

/// The last link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// How many events there are.
    pub seq: u64,
    /// The last one's hash, in hexadecimal.
    pub hash: String,
}

/// Why there is no backup. Nothing of what was begun is left, and nothing else was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The admin key is missing or wrong.
    #[error("backups are made with the admin key only: it is in the file gateway/admin-key of the data folder")]
    NotAdmin,
    /// Another one is being made.
    #[error("another backup is being made: wait for it, then try again")]
    Another,
    /// The descriptor is not one to write a backup to.
    #[error("a backup goes into a new, empty file: use `tightlip backup FILE`")]
    NotAFile,
    /// The disk of the data folder is full.
    #[error("the data folder's disk is full: a backup needs as much room there as both databases take, for as long as it is made")]
    FolderFull,
    /// The disk of the backup is full.
    #[error("the backup's disk is full: make room, or name a file on another one")]
    FileFull,
    /// What is to be backed up is damaged; a backup of it would not restore.
    #[error(
        "{0} is damaged, was changed outside tightlip or is of another installation, so there is no backup of it: look with `tightlip verify`, and restore the data folder from an older backup"
    )]
    Damaged(&'static str),
    /// A file that belongs to every backup cannot be read.
    #[error("failed to read a file of the data folder that belongs to every backup; look at the output of `tightlip up`")]
    Part {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What was written reads back as something else.
    #[error("the backup does not read back as it was written: its disk may be failing; name a file on another one")]
    Unverified(#[source] Option<FormatError>),
    /// The databases do not answer.
    #[error("failed to copy the databases: try again, and look at the output of `tightlip up`")]
    Store(#[source] StoreError),
    /// The backup could not be sealed or written.
    #[error("failed to write the backup: try again, and look at the output of `tightlip up`")]
    Write(#[source] FormatError),
    /// The system refused.
    #[error("failed to make a backup: try again, and look at the output of `tightlip up`")]
    Io(#[source] io::Error),
    /// The manifest could not be signed.
    #[error("failed to sign the manifest of public keys for the backup")]
    Keyring(#[from] KeyringError),
}

impl Gate {
    /// Writes a backup into `file`, reads it back, and records that it was made. `file` is new and empty, and empty again where this fails.
    ///
    /// # Errors
    /// [`BackupError`]; without the admin key nothing is looked at.
    pub fn back_up(&self, admin_key: &str, caller: &Caller, sources: &Sources, mut file: File) -> Result<BackedUp, BackupError> {
        if !self.is_admin(admin_key) {
            return Err(BackupError::NotAdmin);
        }
        let _turn = sources.take_turn()?;
        check_file(&file)?;
        let made = self.write_backup(caller, sources, &mut file);
        if made.is_err() {
            // Best effort: what is left is sealed, and no backup.
            let _emptied = file.set_len(0);
        }
        made
    }

    fn write_backup(&self, caller: &Caller, sources: &Sources, file: &mut File) -> Result<BackedUp, BackupError> {
        let scratch = Scratch::make(&sources.scratch).map_err(folder_failed)?;
        let (store, ledger) = (scratch.path("store"), scratch.path("ledger"));
        let about = self.copy(&store, &ledger)?;
        let mut opened = self.open_parts(sources, &about, &store, &ledger)?;
        let mut parts: Vec<Part<'_>> =
            opened.iter_mut().map(|part| Part { name: part.name, bytes: part.bytes, from: part.from.as_mut() }).collect();
        let sealed = self.keys.seal_backup(sources.head(), &mut parts, file).map_err(not_written)?;
        file.sync_all().map_err(|error| not_written(FormatError::Write(error)))?;
        drop(scratch);
        self.read_back(sources, file, &sealed)?;

        // It holds every account's secrets, so it is the owner's to know of, with whichever account's key it was made.
        let owner = self.store.owner().map_err(store_failed)?.map_or_else(|| caller.account.id.clone(), |owner| owner.id);
        let event = Event { key: Some(caller.key.id.clone()), ..Event::bare(EventKind::BackedUp, self.clock.now(), owner) };
        self.ledger.record(&[event]).map_err(store_failed)?;
        let bytes = file.metadata().map_err(BackupError::Io)?.len();
        let events = ChainCounts { api: about.api.seq, gateway: about.gateway.seq };
        Ok(BackedUp { made: about.made, bytes, secrets: about.secrets, events })
    }

    /// Copies both databases as they are at one moment, and looks at every page and event of the copies.
    fn copy(&self, store: &Path, ledger: &Path) -> Result<About, BackupError> {
        let cut = self.ledger.cut(&self.store).map_err(store_failed)?;
        let made = self.clock.now();
        // Each is let go as soon as it is copied, since its log cannot be folded before.
        cut.ledger.copy_to(ledger).map_err(store_failed)?;
        drop(cut.ledger);
        cut.store.copy_to(store).map_err(store_failed)?;
        drop(cut.store);
        let store = Store::open(store, Mode::Reader).map_err(damaged("the store"))?;
        let ledger = Ledger::open_to_read(ledger).map_err(damaged("the gateway's database"))?;
        let about = About::of(&store, &ledger, made)?;
        if ledger.deployment() != self.keys.deployment() {
            return Err(BackupError::Damaged("the gateway's database"));
        }
        if about.deployment != self.keys.deployment() {
            return Err(BackupError::Damaged("the store"));
        }
        Ok(about)
    }

    /// Everything that goes in, in its order: what it says of itself, the databases, the small files. The manifest and its pin are the gateway's own, and the
    /// signing key is one that it trusts: whatever was done to the api's folder, it is not restored.
    fn open_parts(&self, sources: &Sources, about: &About, store: &Path, ledger: &Path) -> Result<Vec<OpenPart>, BackupError> {
        let about = serde_json::to_vec(about).expect("text and numbers are always JSON");
        let names = &sources.names;
        let failed = |source| BackupError::Part { path: sources.signing_key.clone(), source };
        let signing_key = small::read(&sources.signing_key, Links::Refuse).map_err(failed)?;
        if !self.keys.trusts_seed(&signing_key) {
            return Err(BackupError::Damaged("the api's signing key"));
        }
        let mut parts = vec![
            OpenPart::of_bytes(ABOUT, about),
            OpenPart::of_file(names.store, store)?,
            OpenPart::of_file(names.ledger, ledger)?,
            OpenPart::of_bytes(names.manifest, self.keys.manifest()?),
            OpenPart::of_bytes(names.manifest_pin, self.keys.manifest_pin()),
            OpenPart::of_bytes(names.signing_key, signing_key.to_vec()),
        ];
        for file in &sources.files {
            match small::read(&file.path, Links::Follow) {
                Err(source) if file.need == Need::IfThere && source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(BackupError::Part { path: file.path.clone(), source }),
                Ok(bytes) => parts.push(OpenPart::of_bytes(file.name, bytes.to_vec())),
            }
        }
        Ok(parts)
    }

    /// Opens what stands in the file from its beginning, and compares every part with what was put in.
    fn read_back(&self, sources: &Sources, file: &mut File, sealed: &[Passed]) -> Result<(), BackupError> {
        file.rewind().map_err(BackupError::Io)?;
        let opener = Opener::begin(io::BufReader::new(&*file)).map_err(|error| BackupError::Unverified(Some(error)))?;
        let same_head = opener.keyring() == sources.keyring && opener.recipe() == sources.recipe;
        let opened = opener.open(&self.keys, |_| Ok(io::sink())).map_err(|error| BackupError::Unverified(Some(error)))?;
        if same_head && opened == sealed { Ok(()) } else { Err(BackupError::Unverified(None)) }
    }
}

impl Sources {
    /// Removes what a backup that was cut short by a crash left behind. Called before the gateway serves.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sweep(&self) -> io::Result<()> {
        remove(&self.scratch)
    }

    fn head(&self) -> vault::backup::Head<'_> {
        vault::backup::Head { keyring: &self.keyring, recipe: &self.recipe }
    }

    fn take_turn(&self) -> Result<MutexGuard<'_, ()>, BackupError> {
        match self.turn.try_lock() {
            Ok(turn) => Ok(turn),
            Err(TryLockError::Poisoned(turn)) => Ok(turn.into_inner()),
            Err(TryLockError::WouldBlock) => Err(BackupError::Another),
        }
    }
}

impl About {
    /// What two databases hold together, once every page and event of both was looked at.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] or [`BackupError::Store`].
    pub fn of(store: &Store, ledger: &Ledger, made: Timestamp) -> Result<Self, BackupError> {
        // Before anything is counted: pages that lead in a circle let no count end.
        let api = ChainEnd::of(&store.inspect().map_err(damaged("the store"))?);
        let gateway = ChainEnd::of(&ledger.inspect().map_err(damaged("the gateway's database"))?);
        Ok(Self {
            made,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            deployment: store.deployment().map_err(store_failed)?,
            secrets: store.count_secrets().map_err(store_failed)?,
            api,
            gateway,
        })
    }

    /// Reads the first part.
    #[must_use]
    pub fn read(part: &[u8]) -> Option<Self> {
        serde_json::from_slice(part).ok()
    }

    /// Whether both tell of the same content, whenever and by whichever version it was looked at.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        (&self.deployment, self.secrets, &self.api, &self.gateway) == (&other.deployment, other.secrets, &other.api, &other.gateway)
    }
}

impl ChainEnd {
    pub(crate) fn of(head: &Head) -> Self {
        Self { seq: head.seq, hash: hex(&head.hash) }
    }

    /// Whether this is the hash.
    pub(crate) fn is_hash(&self, hash: &[u8; 32]) -> bool {
        self.hash == hex(hash)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl BackupError {
    /// Which kind of denial this is to the command line.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        match self {
            Self::NotAdmin => Denial::NotAuthenticated,
            Self::NotAFile => Denial::Invalid,
            Self::Another => Denial::Unavailable,
            Self::FolderFull
            | Self::FileFull
            | Self::Damaged(_)
            | Self::Part { .. }
            | Self::Unverified(_)
            | Self::Store(_)
            | Self::Write(_)
            | Self::Io(_)
            | Self::Keyring(_) => Denial::Failed,
        }
    }
}

/// A part that can be read.
struct OpenPart {
    name: &'static str,
    bytes: u64,
    from: Box<dyn io::Read>,
}

impl OpenPart {
    fn of_bytes(name: &'static str, bytes: Vec<u8>) -> Self {
        Self { name, bytes: bytes.len() as u64, from: Box::new(io::Cursor::new(Zeroizing::new(bytes))) }
    }

    fn of_file(name: &'static str, path: &Path) -> Result<Self, BackupError> {
        let failed = |source| BackupError::Part { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Self { name, bytes, from: Box::new(file) })
    }
}

/// A folder for copies; it goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: &Path) -> io::Result<Self> {
        remove(path)?;
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept at the next start.
        let _left = remove(&self.0);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whoever shows the admin key may still hand over any descriptor: one of a database's own file, when closed, would drop SQLite's locks on it.
fn check_file(file: &File) -> Result<(), BackupError> {
    let facts = file.metadata().map_err(BackupError::Io)?;
    if facts.is_file() && facts.len() == 0 { Ok(()) } else { Err(BackupError::NotAFile) }
}

fn folder_failed(error: io::Error) -> BackupError {
    if is_full(&error) { BackupError::FolderFull } else { BackupError::Io(error) }
}

fn store_failed(error: StoreError) -> BackupError {
    if matches!(error, StoreError::Full) { BackupError::FolderFull } else { BackupError::Store(error) }
}

fn damaged(what: &'static str) -> impl Fn(StoreError) -> BackupError {
    move |error| {
        if matches!(error, StoreError::Damaged(_) | StoreError::ChainBroken { .. } | StoreError::NotADatabase | StoreError::Schema(_)) {
            BackupError::Damaged(what)
        } else {
            store_failed(error)
        }
    }
}

fn not_written(error: FormatError) -> BackupError {
    if matches!(&error, FormatError::Write(cause) if is_full(cause)) { BackupError::FileFull } else { BackupError::Write(error) }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The part in which a backup says what it is; no file of the data folder is called so.
pub const ABOUT: &str = "about.json";
