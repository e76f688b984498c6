//! The root key of a start: in its file, which the gateway reads itself, or from a passphrase, which is asked for before anything is changed.
//!
//! A passphrase and the key from it are in this process's memory only. The key stays, in a locked page, so that a gateway that died is started again without
//! asking anybody.

use std::io;
use std::path::PathBuf;

use rootkey::passphrase::{self, Passphrase, PassphraseError};
use vault::{KeyringError, LockError, OpenKeys, RootKey};
use zeroize::Zeroizing;

use crate::folder::DataFolder;
use crate::setup;

/// What `up` was told about a passphrase.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A new folder's root key is to come from one.
    pub wanted: bool,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// How a person is asked; gives nothing where there is none.
    pub ask: Option<Ask>,
}

/// Asks a person, without showing what is typed.
pub type Ask = fn(&str) -> io::Result<Option<Zeroizing<Vec<u8>>>>;

/// Where the root key is.
pub enum Root {
    /// In `root.key`, or to be made there.
    File,
    /// Derived from the folder's passphrase, which is right.
    Derived(RootKey),
    /// To be derived from this passphrase, which a new folder is to have.
    New(Passphrase),
}

/// Why there is no root key. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The folder's root key is a file.
    #[error(
        "--passphrase is for a new data folder: the root key of this one is the file {}; start it without --passphrase and --passphrase-file, \
         or name another folder with --data DIR", .0.display()
    )]
    HasFile(PathBuf),
    /// Nobody can be asked.
    #[error(
        "this data folder's root key comes from a passphrase, and there is no terminal to ask at: name a file that holds the passphrase, with \
         --passphrase-file FILE or {VARIABLE}, or start `tightlip up` in a terminal"
    )]
    Needed,
    /// Typed twice, differently.
    #[error("the two differ, and nothing was made: start again")]
    Differ,
    /// It is another folder's, or mistyped.
    #[error("the passphrase is wrong, and nothing was changed")]
    Wrong,
    /// The terminal.
    #[error("failed to ask for the passphrase")]
    Ask(#[source] io::Error),
    /// The keyring.
    #[error("failed to read {}", path.display())]
    Keyring {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The passphrase, or what follows from it.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// This process could not be closed to its neighbours.
    #[error(transparent)]
    Seclude(#[from] LockError),
}

/// Finds out where the root key of `folder` is. Derives it where it comes from a passphrase, and holds it against the keyring.
///
/// # Errors
/// When there is no passphrase where one is needed, or it is wrong.
pub fn find(folder: &DataFolder, source: &Source) -> Result<Root, RootError> {
    if !setup::is_set_up(folder) {
        return if source.wants_one() { source.new_one().map(Root::New) } else { Ok(Root::File) };
    }
    let places = setup::places(folder);
    let asked_for = source.wanted || source.file.is_some();
    if let Some(path) = places.iter().map(DataFolder::root_key).find(|path| path.exists()) {
        return if asked_for { Err(RootError::HasFile(path)) } else { Ok(Root::File) };
    }
    match places.iter().find(|place| place.root_passphrase().exists()) {
        Some(place) => unlock(place, &source.known_one()?).map(Root::Derived),
        None if asked_for => Err(PassphraseError::Missing.into()),
        // The set-up says what is missing.
        None => Ok(Root::File),
    }
}

fn unlock(place: &DataFolder, passphrase: &Passphrase) -> Result<RootKey, RootError> {
    let key = passphrase::derive(&place.root_passphrase(), passphrase)?;
    let path = place.keyring();
    let wrapped = service::small::read(&path, service::small::Links::Refuse).map_err(|source| RootError::Keyring { path, source })?;
    // Whatever else is wrong with the keyring is for the set-up to say.
    if matches!(OpenKeys::unwrap(&wrapped, &key), Err(KeyringError::WrongRootKey)) { Err(RootError::Wrong) } else { Ok(key) }
}

impl Source {
    /// Whether a new folder's root key comes from a passphrase.
    fn wants_one(&self) -> bool {
        self.wanted || self.path().is_some()
    }

    /// The file that holds it.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.file.clone().or_else(named_file)
    }

    /// The passphrase of something that has one already.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn known_one(&self) -> Result<Passphrase, RootError> {
        vault::seclude()?;
        match self.path() {
            Some(path) => Ok(Passphrase::read(&path)?),
            None => Ok(Passphrase::from_input(self.ask("Passphrase of the data folder (hidden): ")?)?),
        }
    }

    fn new_one(&self) -> Result<Passphrase, RootError> {
        vault::seclude()?;
        if let Some(path) = self.path() {
            return Ok(Passphrase::read(&path)?);
        }
        let first = Passphrase::from_input(self.ask("New passphrase (hidden, at least 12 characters): ")?)?;
        let again = Passphrase::from_input(self.ask("The same again: ")?).map_err(|_| RootError::Differ)?;
        if first.is(&again) { Ok(first) } else { Err(RootError::Differ) }
    }

    fn ask(&self, question: &str) -> Result<Zeroizing<Vec<u8>>, RootError> {
        let ask = self.ask.ok_or(RootError::Needed)?;
        ask(question).map_err(RootError::Ask)?.ok_or(RootError::Needed)
    }
}

impl RootError {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::HasFile(_) | Self::Differ | Self::Passphrase(PassphraseError::TooShort | PassphraseError::NotText) => 2,
            Self::Needed | Self::Wrong => 4,
            Self::Ask(_)
            | Self::Keyring { .. }
            | Self::Seclude(_)
            | Self::Passphrase(
                PassphraseError::Readable
                | PassphraseError::File(_)
                | PassphraseError::Missing
                | PassphraseError::Malformed
                | PassphraseError::Exists
                | PassphraseError::Io(_)
                | PassphraseError::NoMemory
                | PassphraseError::Random
                | PassphraseError::Locked(_),
            ) => 1,
        }
    }
}

/// The file that the environment names.
#[must_use]
pub fn named_file() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The variable that names a file with the passphrase. No child is given it.
pub const VARIABLE: &str = "TIGHTLIP_PASSPHRASE_FILE";
