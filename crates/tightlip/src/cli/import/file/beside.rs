//! The new file while it is not yet in the old one's place, and what killed imports left there.
//!
//! It holds the old file's other values, so it stays for as short as can be: signals wait for as long as it is there, and whoever makes it holds a lock on it,
//! by which one that nobody makes any more is known.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags};

/// The new file. Dropping it removes it, unless it was put in place.
pub(super) struct Beside {
    path: PathBuf,
    pub(super) file: File,
    done: bool,
    /// The last to go.
    _waiting: Waiting,
}

/// While it is there, no signal ends or stops this thread that can wait. A process of one thread: others would take the signals.
struct Waiting {
    before: Option<SigSet>,
    /// A mask is a thread's own.
    _here: PhantomData<*const ()>,
}

/// What a killed import left.
pub(super) struct Left {
    pub(super) name: OsString,
    folder: OwnedFd,
}

impl Beside {
    /// A new file beside this one, for its owner alone. Its name begins so that devboxes hide it where they hide the file.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        let waiting = Waiting::begin();
        let mut name = beginning(path);
        name.push(std::process::id().to_string());
        let path = path.with_file_name(name);
        let mut tries = 0;
        let file = loop {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            // Another import that looks for what was left may hold it for a moment. Where a file system has no locks, nobody takes this one for left: it cannot be
            // locked there either.
            let _or_never_taken_for_left = rustix::fs::flock(&file, FlockOperation::LockExclusive);
            // Until it was locked it could be taken for left.
            tries += 1;
            if file.metadata()?.nlink() > 0 || tries == TRIES_MAX {
                break file;
            }
        };
        Ok(Self { path, file, done: false, _waiting: waiting })
    }

    /// Puts it in the place of this one.
    pub(super) fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.done {
            // It holds none of the values that were stored; a person may remove it as well.
            let _removed = fs::remove_file(&self.path);
        }
    }
}

impl Waiting {
    fn begin() -> Self {
        // Where that fails, signals end this process as they ever did.
        Self { before: SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok(), _here: PhantomData }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _or_they_wait_on = before.thread_set_mask();
        }
    }
}

impl Left {
    /// What lies beside this file of which nobody is the maker any more: ordinary files with our names, ours or the owner's of the file.
    pub(super) fn beside(path: &Path, owner: u32) -> io::Result<Vec<Self>> {
        let folder = rustix::fs::openat(CWD, path.parent().unwrap_or_else(|| Path::new("/")), FOLDER, Mode::empty())?;
        let mut left = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if is_ours(path, name) && is_left(&folder, name, owner) {
                left.push(Self { name: name.to_owned(), folder: folder.try_clone()? });
            }
        }
        left.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(left)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty())?)
    }
}

/// Whether it is an ordinary file of one of these owners that nobody holds a lock on.
fn is_left(folder: impl AsFd, name: &OsStr, owner: u32) -> bool {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(folder, name, flags, Mode::empty()).map(File::from) else { return false };
    let me = rustix::process::geteuid().as_raw();
    file.metadata().is_ok_and(|about| about.is_file() && [me, owner].contains(&about.uid()))
        && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether a file beside this one is named as [`Beside::make`] names it.
fn is_ours(path: &Path, name: &OsStr) -> bool {
    let number = name.as_bytes().strip_prefix(beginning(path).as_bytes());
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

/// What the name begins with; the number of the process follows.
fn beginning(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tightlip-");
    name
}

/// Of which each may meet another import at the same moment.
const TRIES_MAX: u32 = 8;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
