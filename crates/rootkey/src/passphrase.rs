//! The root key out of a passphrase: Argon2id (RFC 9106) with a salt of its own. The file beside it says how, and holds nothing secret; the passphrase and the
//! key rest nowhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use vault::{LockError, RootKey};
use zeroize::{Zeroize, Zeroizing};

use crate::file::{OTHERS, OWNER_ONLY, read_up_to};

/// A passphrase: at least 12 characters of UTF-8, taken as they stand. Wiped when dropped, and shown by nothing.
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// Why there is no passphrase, or no root key from it. Never contains any of either.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Too short to stand against guessing.
    #[error("a passphrase has at least {CHARS_MIN} characters; take several words")]
    TooShort,
    /// Not a text that somebody types.
    #[error("a passphrase is text of at most {BYTES_MAX} bytes")]
    NotText,
    /// Somebody else could read the file that it stands in.
    #[error("the passphrase file can be read by others or is not yours; check who read it, then `chown` it to yourself and `chmod 600` it")]
    Readable,
    /// The file that it stands in could not be read.
    #[error("failed to read the passphrase file")]
    File(#[source] io::Error),
    /// The file that says how the key is derived is missing.
    #[error("root.passphrase.json is missing; bring it back from your backup: without it the passphrase gives no key")]
    Missing,
    /// That file was changed or cut off.
    #[error("root.passphrase.json is damaged or was written by another version; bring it back from your backup")]
    Malformed,
    /// [`make`] found one already.
    #[error("there is a root.passphrase.json already; it is never overwritten")]
    Exists,
    /// That file could not be read or written.
    #[error("failed to read or write root.passphrase.json")]
    Io(#[source] io::Error),
    /// No room for the derivation.
    #[error("failed to derive the root key: it needs {} MiB of memory for a moment", MEMORY_KIB / 1024)]
    NoMemory,
    /// No randomness for the salt.
    #[error("failed to make a salt: the system gave no randomness")]
    Random,
    /// No locked memory.
    #[error(transparent)]
    Locked(#[from] LockError),
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    format: u32,
    kdf: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// In hexadecimal digits.
    salt: String,
}

impl Passphrase {
    /// What somebody typed; one line's end at its end is dropped.
    ///
    /// # Errors
    /// [`PassphraseError::TooShort`], [`PassphraseError::NotText`].
    pub fn from_input(mut input: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        for end in [b"\n", b"\r"] {
            if input.ends_with(end) {
                let kept = input.len() - 1;
                input.truncate(kept);
            }
        }
        let text = std::str::from_utf8(&input).map_err(|_| PassphraseError::NotText)?;
        if text.len() > BYTES_MAX {
            return Err(PassphraseError::NotText);
        }
        if text.chars().count() < CHARS_MIN {
            return Err(PassphraseError::TooShort);
        }
        Ok(Self(input))
    }

    /// The passphrase in a file that only its owner can read, or in a pipe.
    ///
    /// # Errors
    /// [`PassphraseError::Readable`], [`PassphraseError::File`], and those of [`Passphrase::from_input`].
    pub fn read(path: &Path) -> Result<Self, PassphraseError> {
        let file = File::open(path).map_err(PassphraseError::File)?;
        let facts = file.metadata().map_err(PassphraseError::File)?;
        if facts.is_file() && (facts.mode() & OTHERS != 0 || facts.uid() != rustix::process::geteuid().as_raw()) {
            return Err(PassphraseError::Readable);
        }
        let mut input = Zeroizing::new(vec![0; BYTES_MAX + ROOM]);
        let filled = read_up_to(&file, &mut input).map_err(PassphraseError::File)?;
        input.truncate(filled);
        Self::from_input(input)
    }

    /// Whether this is the same passphrase.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        vault::same(&self.0, &other.0)
    }
}

/// Makes the file that says how the root key follows from a passphrase, with a new salt, and derives the key. The file is on disk when this returns.
///
/// # Errors
/// [`PassphraseError::Exists`], [`PassphraseError::Io`], [`PassphraseError::Random`], [`PassphraseError::NoMemory`], [`PassphraseError::Locked`].
pub fn make(path: &Path, passphrase: &Passphrase) -> Result<RootKey, PassphraseError> {
    let salt = vault::random_u128().map_err(|_| PassphraseError::Random)?;
    let recipe =
        Recipe { format: FORMAT, kdf: KDF.to_owned(), memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt: format!("{salt:032x}") };
    let text = serde_json::to_string_pretty(&recipe).expect("text and numbers are always JSON") + "\n";
    let file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    let mut file = file.map_err(refusal(io::ErrorKind::AlreadyExists, PassphraseError::Exists))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(PassphraseError::Io)?;
    recipe.derive(passphrase)
}

/// The root key that follows from a passphrase, as the file at `path` says. Whether the passphrase is right, only what the key opens can tell.
///
/// # Errors
/// [`PassphraseError::Missing`], [`PassphraseError::Malformed`], [`PassphraseError::Io`], [`PassphraseError::NoMemory`], [`PassphraseError::Locked`].
pub fn derive(path: &Path, passphrase: &Passphrase) -> Result<RootKey, PassphraseError> {
    let file = File::open(path).map_err(refusal(io::ErrorKind::NotFound, PassphraseError::Missing))?;
    let mut text = String::new();
    file.take(RECIPE_BYTES_MAX).read_to_string(&mut text).map_err(refusal(io::ErrorKind::InvalidData, PassphraseError::Malformed))?;
    serde_json::from_str::<Recipe>(&text).map_err(|_| PassphraseError::Malformed)?.derive(passphrase)
}

/// What an error of this kind means; any other is the system's.
fn refusal(kind: io::ErrorKind, meaning: PassphraseError) -> impl FnOnce(io::Error) -> PassphraseError {
    move |error| if error.kind() == kind { meaning } else { PassphraseError::Io(error) }
}

impl Recipe {
    fn derive(&self, passphrase: &Passphrase) -> Result<RootKey, PassphraseError> {
        // Weaker than any version has written, or so strong that it would fill the machine: somebody else wrote it.
        let sound = self.format == FORMAT
            && self.kdf == KDF
            && (MEMORY_KIB..=MEMORY_KIB * 16).contains(&self.memory_kib)
            && (PASSES..=PASSES * 16).contains(&self.passes)
            && (LANES..=LANES * 16).contains(&self.lanes);
        let salt = u128::from_str_radix(&self.salt, 16).ok().filter(|_| sound && self.salt.len() == SALT_BYTES * 2);
        let salt = salt.ok_or(PassphraseError::Malformed)?.to_be_bytes();
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES)).map_err(|_| PassphraseError::Malformed)?;
        // Our own blocks, so that they can be wiped: the last of them give the key.
        let mut blocks: Vec<Block> = Vec::new();
        blocks.try_reserve_exact(params.block_count()).map_err(|_| PassphraseError::NoMemory)?;
        blocks.resize(params.block_count(), Block::default());
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let derived = argon2.hash_password_into_with_memory(&passphrase.0, &salt, key.as_mut_slice(), &mut blocks);
        blocks.iter_mut().for_each(Zeroize::zeroize);
        derived.map_err(|_| PassphraseError::Malformed)?;
        Ok(RootKey::from_bytes(key)?)
    }
}

/// Shorter ones are guessed by machines that derive thousands of keys a second.
pub const CHARS_MIN: usize = 12;
/// Longer than anybody types.
const BYTES_MAX: usize = 1024;
/// A line's end, and one byte more to notice that there is too much.
const ROOM: usize = 3;
const FORMAT: u32 = 1;
const KDF: &str = "argon2id";
/// RFC 9106, section 4, the second recommended choice: 64 MiB and three passes. With one lane: the derivation runs on one thread (about a quarter of a second).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const RECIPE_BYTES_MAX: u64 = 4096;
