//! The root key's file: 64 hexadecimal digits and a line's end, owned by whoever runs the gateway and readable by nobody else.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vault::{KeyringError, LockError, RootKey};
use zeroize::Zeroizing;

/// Why there is no root key. Never contains any of it; the caller, who knows the path, says which file.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// There is no such file.
    #[error("the root key file is missing; put your backup of root.key back, without it no stored value can be opened")]
    Missing,
    /// Somebody else could read or replace it.
    #[error("the root key file can be read by others or is not yours; check who read it, then `chown` it to yourself and `chmod 600` it")]
    Readable,
    /// It is not a key.
    #[error("the root key file is damaged; put your backup of root.key back")]
    Malformed,
    /// [`make`] found one already.
    #[error("there is a root key file already; it is never overwritten, move it away yourself if it is not needed any more")]
    Exists,
    /// The file could not be read or written.
    #[error("failed to read or write the root key file")]
    Io(#[source] io::Error),
    /// No random bytes or no locked memory.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// No locked memory.
    #[error(transparent)]
    Locked(#[from] LockError),
}

/// Makes a new root key and its file. The key is on disk, folder entry included, when this returns.
///
/// # Errors
/// [`RootKeyError::Exists`] where there is anything at `path`, a dangling link included; [`RootKeyError::Io`], and then no file is left behind.
pub fn make(path: &Path) -> Result<RootKey, RootKeyError> {
    let key = RootKey::make()?;
    write(path, &key)?;
    Ok(key)
}

/// Writes a root key to a new file. It is on disk, folder entry included, when this returns.
///
/// # Errors
/// As [`make`].
pub fn write(path: &Path, key: &RootKey) -> Result<(), RootKeyError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    let file =
        file.map_err(|error| if error.kind() == io::ErrorKind::AlreadyExists { RootKeyError::Exists } else { RootKeyError::Io(error) })?;
    if let Err(error) = write_durably(&file, path, key) {
        // Best effort: half a key must not be taken for damage of a whole one.
        let _removed = std::fs::remove_file(path);
        return Err(RootKeyError::Io(error));
    }
    Ok(())
}

/// Reads the root key from its file.
///
/// # Errors
/// [`RootKeyError::Missing`], [`RootKeyError::Readable`] (group or others have any right, or the owner is somebody else), [`RootKeyError::Malformed`],
/// [`RootKeyError::Io`].
pub fn load(path: &Path) -> Result<RootKey, RootKeyError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(refusal)?);
    // Of the opened file, so that nothing can be put in its place in between.
    let facts = file.metadata().map_err(RootKeyError::Io)?;
    if !facts.is_file() {
        return Err(RootKeyError::Malformed);
    }
    if facts.mode() & OTHERS != 0 || facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(RootKeyError::Readable);
    }
    let mut digits = Zeroizing::new([0; FILE_BYTES_MAX]);
    let bytes = read_up_to(&file, digits.as_mut_slice()).map_err(RootKeyError::Io)?;
    let key = parse(&digits[..bytes]).ok_or(RootKeyError::Malformed)?;
    Ok(RootKey::from_bytes(key)?)
}

fn refusal(error: Errno) -> RootKeyError {
    match error {
        Errno::NOENT => RootKeyError::Missing,
        Errno::LOOP => RootKeyError::Malformed,
        other => RootKeyError::Io(other.into()),
    }
}

fn write_durably(mut file: &File, path: &Path, key: &RootKey) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    text.push_str(&key.to_hex());
    text.push('\n');
    // Whatever the umask took away or a mount option added.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

pub(crate) fn read_up_to(mut file: &File, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read(&mut out[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// 64 hexadecimal digits, and at most one line's end.
fn parse(text: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    if digits.len() != KEY_BYTES * 2 {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

const KEY_BYTES: usize = 32;
/// One more than the longest file that is right, so that a longer one is seen.
const FILE_BYTES_MAX: usize = KEY_BYTES * 2 + 2;
pub(crate) const OWNER_ONLY: u32 = 0o600;
pub(crate) const OTHERS: u32 = 0o077;
