//! The backup file: a header in the clear, then named parts as one sealed stream.
//!
//! The header holds the keyring as it rests, wrapped by the root key, and a salt; the stream's key comes from the keyring and that salt. So a backup opens with
//! the root key and with nothing else, and the root key itself is never in it. Where the root key comes from a passphrase, the recipe (salt and costs, nothing
//! secret) is in the header too. Memory stays flat: parts are streamed, a chunk at a time.
//!
//! What never lives here: which parts there are, where they come from, where they go.

mod open;
mod seal;

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256, digest};

pub use open::Opener;

use crate::envelope::SALT_BYTES;
use crate::envelope::stream::TAG_BYTES;
use crate::keyring::KeyringError;
use crate::token::RandomError;

/// What stands in the clear before the parts.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The keyring as it rests, wrapped by the root key.
    pub keyring: &'a [u8],
    /// How the root key follows from a passphrase; empty where it does not.
    pub recipe: &'a [u8],
}

/// A part that is to be sealed.
pub struct Part<'a> {
    /// Its name, 1 to 255 bytes.
    pub name: &'a str,
    /// How many bytes `from` gives.
    pub bytes: u64,
    /// Its content.
    pub from: &'a mut dyn Read,
}

/// A part that was sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

/// Why a backup could not be written or does not open. Never contains anything of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another kind of file.
    #[error("this is not a backup of tightlip")]
    NotABackup,
    /// Another version of this format.
    #[error("this backup was written by a newer tightlip (format {0}): restore it with that one")]
    Newer(u16),
    /// It ends before its end.
    #[error("this backup is cut off: its end is missing; use another copy of it, or an older backup")]
    Truncated,
    /// It goes on after its end.
    #[error("this backup goes on after its end: something was added to it; use another copy of it, or an older backup")]
    Trailing,
    /// Something in it is not what was written.
    #[error("this backup was changed: what begins at byte {0} is not what was written there; use another copy of it, or an older backup")]
    Changed(u64),
    /// Its keyring is wrapped by another root key.
    #[error("this backup was made under another root key: name the right one with --root-key PATH")]
    WrongRootKey,
    /// The keyring in it.
    #[error("the keyring in this backup does not open")]
    Keyring(#[source] KeyringError),
    /// A part that was not as long as it was said to be.
    #[error("a file changed its length while it was backed up: try again")]
    PartChanged,
    /// A name or a keyring over the limit.
    #[error("a part's name, the keyring or the root key's recipe is too long for a backup")]
    TooLong,
    /// A part cannot be read.
    #[error("failed to read what is to be backed up")]
    Source(#[source] io::Error),
    /// The backup cannot be read.
    #[error("failed to read the backup")]
    Read(#[source] io::Error),
    /// The backup, or what comes out of it, cannot be written.
    #[error("failed to write")]
    Write(#[source] io::Error),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// What stands in the clear.
struct Header {
    /// The stream's length before sealing.
    stream_bytes: u64,
    salt: [u8; SALT_BYTES],
    recipe: Vec<u8>,
    keyring: Vec<u8>,
}

impl Header {
    /// As it stands in the file, its own SHA-256 last: damage is then told from a wrong key. Each chunk is bound to that hash.
    fn to_bytes(&self) -> Result<Vec<u8>, BackupError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(&self.stream_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        for (text, most) in [(&self.recipe, RECIPE_BYTES_MAX), (&self.keyring, KEYRING_BYTES_MAX)] {
            let length = u32::try_from(text.len()).ok().filter(|length| *length <= most).ok_or(BackupError::TooLong)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text);
        }
        let hash = digest(&SHA256, &bytes);
        bytes.extend_from_slice(hash.as_ref());
        Ok(bytes)
    }

    /// The header, its hash, and its length.
    fn read(from: &mut impl Read) -> Result<(Self, [u8; 32], u64), BackupError> {
        let magic: [u8; MAGIC.len()] = take(from)?;
        if magic != *MAGIC {
            return Err(BackupError::NotABackup);
        }
        let format = u16::from_be_bytes(take(from)?);
        if format > FORMAT {
            return Err(BackupError::Newer(format));
        }
        if format < FORMAT {
            return Err(BackupError::Changed(0));
        }
        let stream_bytes = u64::from_be_bytes(take(from)?);
        let salt = take(from)?;
        let (recipe, keyring) = (take_text(from, RECIPE_BYTES_MAX)?, take_text(from, KEYRING_BYTES_MAX)?);
        let hash: [u8; 32] = take(from)?;
        let header = Self { stream_bytes, salt, recipe, keyring };
        let bytes = header.to_bytes()?;
        if bytes.ends_with(&hash) { Ok((header, hash, bytes.len() as u64)) } else { Err(BackupError::Changed(0)) }
    }
}

/// What stands before a part's content: its name's length, its name, its length.
fn part_head(name: &str, bytes: u64) -> Result<Vec<u8>, BackupError> {
    let length = u8::try_from(name.len()).ok().filter(|length| *length > 0).ok_or(BackupError::TooLong)?;
    let mut head = vec![length];
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(&bytes.to_be_bytes());
    Ok(head)
}

fn take<const N: usize>(from: &mut impl Read) -> Result<[u8; N], BackupError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(ended)?;
    Ok(bytes)
}

/// A text with its length before it.
fn take_text(from: &mut impl Read, most: u32) -> Result<Vec<u8>, BackupError> {
    let length = u32::from_be_bytes(take(from)?);
    if length > most {
        return Err(BackupError::Changed(0));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(ended)?;
    Ok(text)
}

fn ended(error: io::Error) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof { BackupError::Truncated } else { BackupError::Read(error) }
}

fn finish(hash: Context) -> [u8; 32] {
    hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

const MAGIC: &[u8; 16] = b"tightlip backup\n";
const FORMAT: u16 = 1;
/// A keyring of thousands of keys; more is damage, and no memory is taken for it.
const KEYRING_BYTES_MAX: u32 = 1024 * 1024;
/// As much as its own reader takes.
const RECIPE_BYTES_MAX: u32 = 4096;
/// A chunk before sealing: large enough that its tag costs nothing, small enough to hold in memory twice.
const CHUNK_BYTES: usize = 64 * 1024;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// The length of a name that stands for "no more parts".
const END: u8 = 0;
