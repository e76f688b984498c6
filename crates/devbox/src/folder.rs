//! A folder by itself and not by its name: the agent of a devbox above can turn a name elsewhere, between any two looks at it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::{Errno, Result};
use rustix::path::Arg;
use serde::{Deserialize, Serialize};

use crate::error::PathProblem;

/// A work folder, held from the moment that it was asked for.
#[derive(Clone, Debug)]
pub struct WorkFolder {
    held: Arc<OwnedFd>,
    path: PathBuf,
    other_name: Option<PathBuf>,
}

/// What a folder or file is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl WorkFolder {
    /// The folder that this process is in. To be called before anything that takes time.
    ///
    /// # Errors
    /// There is none any more, or it cannot be entered.
    pub fn current() -> std::io::Result<Self> {
        let mut folder = Self::at(Path::new("."))?;
        let said = std::env::var_os("PWD").map(PathBuf::from).filter(|said| said.is_absolute() && *said != folder.path);
        folder.other_name = said.filter(|said| is(said, &folder.held));
        Ok(folder)
    }

    /// The folder that has this name now; symlinks are followed.
    ///
    /// # Errors
    /// There is none, or it cannot be entered.
    pub fn at(path: &Path) -> std::io::Result<Self> {
        let held = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: name_of(&held)?, held: held.into(), other_name: None })
    }

    /// Its path when it was asked for, without symlinks.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the caller's shell calls it, where a symlink stands in that name.
    #[must_use]
    pub fn other_name(&self) -> Option<&Path> {
        self.other_name.as_deref()
    }

    /// What it is, as long as it still has its name.
    pub(crate) fn identity(&self) -> std::result::Result<Identity, PathProblem> {
        let own = Identity::of(&self.held).map_err(|_| PathProblem::Missing)?;
        own.open(&self.path).map(|_| own).map_err(problem)
    }
}

impl Identity {
    /// What a descriptor refers to.
    pub(crate) fn of(held: &OwnedFd) -> Result<Self> {
        let about = fstat(held)?;
        Ok(Self { device: about.st_dev, inode: about.st_ino })
    }

    /// Opens a path without symlinks; [`Errno::STALE`] where something else has that name now.
    pub(crate) fn open(self, path: &Path) -> Result<OwnedFd> {
        let point = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        match point {
            Ok(point) if Self::of(&point)? == self => Ok(point),
            // Taken away, or a symlink put in its place.
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Err(Errno::STALE),
            Err(other) => Err(other),
        }
    }
}

/// Opens what lies at `path` from `folder` on, as `resolve` lets it. The kernel cannot always tell whether `..` led out while anything on the machine is renamed or mounted,
/// and asks to be asked again (openat2(2), `EAGAIN`).
///
/// # Errors
/// What openat2(2) says; `EAGAIN` where it said so all along.
pub(crate) fn open_within(folder: &OwnedFd, path: impl Arg + Copy, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
    for _ in 1..ASKED_TIMES {
        match openat2(folder, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => std::thread::yield_now(),
            opened => return opened,
        }
    }
    openat2(folder, path, flags, Mode::empty(), resolve)
}

/// The path of what has this name now, without symlinks, and what it is.
pub(crate) fn resolve(path: &Path) -> std::result::Result<(PathBuf, Identity), PathProblem> {
    let held = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(problem)?;
    let identity = Identity::of(&held).map_err(problem)?;
    let path = name_of(&held).map_err(problem)?;
    identity.open(&path).map_err(problem)?;
    Ok((path, identity))
}

fn problem(errno: Errno) -> PathProblem {
    if errno == Errno::STALE { PathProblem::Replaced } else { PathProblem::Missing }
}

fn is(path: &Path, held: &OwnedFd) -> bool {
    let own = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).and_then(|other| Identity::of(&other));
    own.is_ok_and(|own| Identity::of(held) == Ok(own))
}

/// The kernel's own name for what is held.
fn name_of(held: &OwnedFd) -> Result<PathBuf> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd()));
    link.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Far more often than renames beside it take to let one through.
const ASKED_TIMES: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_the_name_of_a_folder_is_not_that_folder() {
        let outer = tempfile::tempdir().unwrap();
        let path = |name: &str| std::fs::canonicalize(outer.path()).unwrap().join(name);
        std::fs::create_dir(path("work")).unwrap();
        std::fs::create_dir(path("keys")).unwrap();
        let folder = WorkFolder::at(&path("work")).unwrap();
        let identity = folder.identity().unwrap();
        assert!(identity.open(&path("work")).is_ok());
        std::fs::rename(path("work"), path("away")).unwrap();
        assert_eq!(folder.identity().unwrap_err(), PathProblem::Replaced, "nothing has the name");
        std::os::unix::fs::symlink("keys", path("work")).unwrap();
        assert_eq!(folder.identity().unwrap_err(), PathProblem::Replaced, "a symlink has it");
        std::fs::remove_file(path("work")).unwrap();
        std::fs::rename(path("keys"), path("work")).unwrap();
        assert_eq!(folder.identity().unwrap_err(), PathProblem::Replaced, "another folder has it");
        assert_eq!(identity.open(&path("work")).unwrap_err(), Errno::STALE);
    }

    #[test]
    fn a_name_is_resolved_to_the_path_without_symlinks() {
        let outer = tempfile::tempdir().unwrap();
        let outer = std::fs::canonicalize(outer.path()).unwrap();
        std::fs::create_dir(outer.join("real")).unwrap();
        std::os::unix::fs::symlink("real", outer.join("link")).unwrap();
        assert_eq!(resolve(&outer.join("link")).unwrap().0, outer.join("real"));
        assert_eq!(resolve(&outer.join("none")).unwrap_err(), PathProblem::Missing);
    }

    /// Renames of folders anywhere make the kernel ask to be asked again.
    #[test]
    fn what_others_rename_meanwhile_does_not_fail_an_opening() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["here", "busy", "busy/one"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let top = openat(CWD, folder.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let [one, two] = ["busy/one", "busy/two"].map(|name| folder.path().join(name));
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    std::fs::rename(&one, &two).and_then(|()| std::fs::rename(&two, &one)).expect("renamed");
                }
            });
            let path = "here/../".repeat(40);
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened: Vec<_> = (0..5000).map(|_| open_within(&top, path.as_str(), OFlags::PATH | OFlags::CLOEXEC, resolve)).collect();
            is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(opened.into_iter().all(|opened| opened.is_ok()));
        });
    }
}
