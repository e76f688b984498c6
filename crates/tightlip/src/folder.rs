//! The data folder: where each file of it lies, who may own it, and the lock that one server holds on it.
//!
//! Nothing here reads a key or a database. A folder that is not ours is never changed.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

/// The data folder of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

/// What stands at the data folder's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing yet.
    Absent,
    /// A folder that is empty or ours.
    Present,
}

/// Held by the one server of a data folder until it ends.
#[derive(Debug)]
pub struct Lock {
    /// Held by its children as well, until the last of them ends.
    file: File,
    /// The folder itself, for whoever removes the file.
    _folder: File,
}

/// Why a data folder cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Neither an option nor the environment says where it is.
    #[error("no data folder: HOME is not set; name one with --data DIR or TIGHTLIP_DATA")]
    NoHome,
    /// The path is not text.
    #[error("the data folder's path is not UTF-8; name another with --data DIR")]
    NotText,
    /// A Unix socket's path has an end (unix(7)).
    #[error("the data folder's path is too long for the socket in it (at most {PATH_BYTES_MAX} bytes); name a shorter one with --data DIR")]
    TooLong,
    /// Something else is there.
    #[error("{} is not a folder; name another with --data DIR", .0.display())]
    NotAFolder(PathBuf),
    /// Another user's folder.
    #[error("{} belongs to the user with id {owner}; run tightlip as that user, or name another folder with --data DIR", path.display())]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// A folder with something else in it.
    #[error("{} is neither empty nor a data folder of tightlip; nothing was changed; name another with --data DIR", .0.display())]
    NotOurs(PathBuf),
    /// Another server holds it.
    #[error("{} is served by another tightlip{}; use that one, stop it with `tightlip down`, or name another folder with --data DIR", path.display(), with_pid(*.pid))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other server, where it said so.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DataFolder {
    /// The folder at `option`, else at `TIGHTLIP_DATA`, else `$XDG_DATA_HOME/tightlip`, else `~/.local/share/tightlip`. It need not exist.
    ///
    /// # Errors
    /// When nothing says where, or the path is of no use.
    pub fn locate(option: Option<&Path>) -> Result<Self, FolderError> {
        let path = option.map(PathBuf::from).or_else(|| set("TIGHTLIP_DATA")).or_else(default_path).ok_or(FolderError::NoHome)?;
        let path = std::path::absolute(&path).map_err(failed("find", &path))?;
        if path.to_str().is_none() {
            return Err(FolderError::NotText);
        }
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(FolderError::TooLong);
        }
        Ok(Self(path))
    }

    /// A folder of the same layout that is never served, so that nothing limits its path.
    #[must_use]
    pub const fn aside(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Looks at the path without changing it.
    ///
    /// # Errors
    /// When what stands there is not a folder, not ours, or another user's.
    pub fn look(&self) -> Result<Presence, FolderError> {
        let metadata = match std::fs::metadata(&self.0) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Presence::Absent),
            Err(error) => return Err(failed("read", &self.0)(error)),
        };
        if !metadata.is_dir() {
            return Err(FolderError::NotAFolder(self.0.clone()));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(FolderError::ForeignOwner { path: self.0.clone(), owner: metadata.uid() });
        }
        // Another server may set the folder up between the two looks, so that what is strange at first is asked about again.
        if !self.is_ours() && !self.holds_only_our_names()? && !self.is_ours() {
            return Err(FolderError::NotOurs(self.0.clone()));
        }
        Ok(Presence::Present)
    }

    fn is_ours(&self) -> bool {
        [self.gateway(), self.set_up(), self.restoring(), self.config()].iter().any(|path| path.exists())
    }

    /// Makes the folder where it is absent, and closes it to other users (0700).
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self) -> Result<(), FolderError> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.0).map_err(failed("make", &self.0))?;
        let mode = std::fs::metadata(&self.0).map_err(failed("read", &self.0))?.mode();
        if mode & OTHERS != 0 {
            tracing::warn!("{} was open to other users and is closed now", self.0.display());
        }
        std::fs::set_permissions(&self.0, Permissions::from_mode(FOLDER_MODE)).map_err(failed("close to other users", &self.0))
    }

    /// Takes the lock, which one server at a time holds. Waits a moment for the children of a server that was killed.
    ///
    /// # Errors
    /// When another server holds it, or the system refuses.
    pub fn lock(&self) -> Result<Lock, FolderError> {
        let path = self.lock_file();
        let mut file = open_own(&path, OFlags::RDWR | OFlags::CREATE).map_err(failed("open", &path))?;
        let itself = File::open(&self.0).map_err(failed("open", &self.0))?;
        let started = Instant::now();
        loop {
            let by_file = file.try_lock();
            // The number in a file that is free is that of a server which has ended.
            let is_named = by_file.is_err();
            match by_file.and_then(|()| itself.try_lock()) {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT => std::thread::park_timeout(LOCK_LOOK),
                Err(TryLockError::WouldBlock) => {
                    let pid = if is_named { pid_in(&mut file) } else { None };
                    return Err(FolderError::Locked { path: self.0.clone(), pid });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed("write", &path))?;
        Ok(Lock { file, _folder: itself })
    }

    /// Whether a server holds the folder, also where somebody removed the lock's file.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let is_locked = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        self.holder().is_some() || File::open(&self.0).is_ok_and(is_locked)
    }

    /// The process id of the server that holds the lock now; none where nobody does.
    #[must_use]
    pub fn holder(&self) -> Option<u32> {
        let mut file = open_own(&self.lock_file(), OFlags::RDONLY).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => pid_in(&mut file),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Whether nothing lies in the folder but what may lie there before the set-up.
    fn holds_only_our_names(&self) -> Result<bool, FolderError> {
        let read = failed("read", &self.0);
        for entry in std::fs::read_dir(&self.0).map_err(&read)? {
            if !BEFORE_SET_UP.contains(&entry.map_err(&read)?.file_name().to_string_lossy().as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where each file lies.
impl DataFolder {
    /// The api's database and its folder's other files.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The store's database.
    #[must_use]
    pub fn store_db(&self) -> PathBuf {
        self.store().join("tightlip.db")
    }

    /// What only the gateway reads.
    #[must_use]
    pub fn gateway(&self) -> PathBuf {
        self.0.join("gateway")
    }

    /// The root key, where it is a file.
    #[must_use]
    pub fn root_key(&self) -> PathBuf {
        self.gateway().join("root.key")
    }

    /// How the root key is derived, where it comes from a passphrase.
    #[must_use]
    pub fn root_passphrase(&self) -> PathBuf {
        self.gateway().join("root.passphrase.json")
    }

    /// The gateway's private keys, wrapped by the root key.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.gateway().join("keyring.json")
    }

    /// The admin key.
    #[must_use]
    pub fn admin_key(&self) -> PathBuf {
        self.gateway().join("admin-key")
    }

    /// The gateway's own database.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.gateway().join("gateway.db")
    }

    /// What the api reads.
    #[must_use]
    pub fn api(&self) -> PathBuf {
        self.0.join("api")
    }

    /// The api's signing key.
    #[must_use]
    pub fn signing_key(&self) -> PathBuf {
        self.api().join("signing.key")
    }

    /// The gateway's public keys, signed.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.api().join("manifest.json")
    }

    /// The key that the manifest's signature is held against.
    #[must_use]
    pub fn manifest_pin(&self) -> PathBuf {
        self.api().join("manifest.pin")
    }

    /// The owner's API key.
    #[must_use]
    pub fn api_key(&self) -> PathBuf {
        self.0.join("api-key")
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("tightlip.toml")
    }

    /// Where the command line reaches the gateway.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("gateway.sock")
    }

    /// Where whoever runs the server reaches the api.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The API address of the running server, as text. Removed when it stops.
    #[must_use]
    pub fn address(&self) -> PathBuf {
        self.0.join("address")
    }

    /// What a detached server says.
    #[must_use]
    pub fn up_log(&self) -> PathBuf {
        self.0.join("up.log")
    }

    /// The lock.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Where the gateway copies the databases for a backup.
    #[must_use]
    pub fn backup_scratch(&self) -> PathBuf {
        self.gateway().join(".backup")
    }

    /// Where a restore builds everything before it is moved into its place.
    #[must_use]
    pub fn restoring(&self) -> PathBuf {
        self.0.join(".restore")
    }

    /// Where the first run builds everything before it is moved into its place.
    #[must_use]
    pub fn set_up(&self) -> PathBuf {
        self.0.join(".setup")
    }
}

impl Lock {
    /// Whether this is still the lock of the folder at that path: not where the folder was deleted, or made anew by another server.
    #[must_use]
    pub fn guards(&self, folder: &DataFolder) -> bool {
        let identity = |about: std::fs::Metadata| (about.dev(), about.ino());
        match (std::fs::metadata(folder.lock_file()), self.file.metadata()) {
            (Ok(there), Ok(ours)) => identity(there) == identity(ours),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// The lock's file, to be handed to a child so that the lock outlives a killed supervisor until its children are gone.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}

/// Opens a file that tightlip writes into the data folder itself. What somebody else put in its place, a link or a pipe, is neither followed nor waited for.
///
/// # Errors
/// When the system refuses, and `InvalidInput` where it is no regular file.
pub fn open_own(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(FILE_MODE))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR)) }
}

/// An error's maker for `what` was tried on `path`.
pub fn failed<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { what, path: path.to_owned(), source }
}

fn default_path() -> Option<PathBuf> {
    let home = || set("HOME").map(|home| home.join(".local/share"));
    // The XDG base directory specification says that a relative path is to be ignored.
    set("XDG_DATA_HOME").filter(|path| path.is_absolute()).or_else(home).map(|base| base.join("tightlip"))
}

/// What a variable says, where it says something.
#[must_use]
pub fn set(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from)
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The folder's mode: its owner's alone.
pub const FOLDER_MODE: u32 = 0o700;
/// What group and others may do.
const OTHERS: u32 = 0o077;
/// A file's mode: its owner's alone.
pub const FILE_MODE: u32 = 0o600;
/// The longest path of a Unix socket is 107 bytes (unix(7)); a socket's own name takes 13 of them.
const PATH_BYTES_MAX: usize = 107 - "/gateway.sock".len();
const _: () = assert!("/control.sock".len() <= "/gateway.sock".len());
/// What may lie in a folder before its first run: what an interrupted start left. With an operator's configuration beside it, anything may.
const BEFORE_SET_UP: [&str; 5] = ["lock", "up.log", "address", "gateway.sock", "control.sock"];
const LOCK_WAIT: Duration = Duration::from_millis(300);
const LOCK_LOOK: Duration = Duration::from_millis(10);
const PID_BYTES_MAX: u64 = 16;

const NOT_REGULAR: &str = "it is no regular file: remove what stands in its place";

#[cfg(test)]
#[path = "folder/tests.rs"]
mod tests;
