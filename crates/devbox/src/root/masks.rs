//! Masks: what stands in a mounted folder and is nobody's business inside. They go on last, over everything else.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::limits::DEVBOX_MASKS_MAX;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::{Errno, Result};

use super::etc::{EMPTY_FILE, EMPTY_FOLDER};
use super::tree::{self, Kind, POINT, Tree};
use crate::control::{At, Fail, Step};
use crate::kernel::mount_attr::{self, READ_ONLY, Reach};

/// The masks of one devbox.
pub(crate) struct Masks<'a> {
    root: &'a Tree,
    file: OwnedFd,
    folder: OwnedFd,
    /// Folders on the way to what is masked: mount points of their own, which can be neither renamed nor removed.
    pinned: BTreeSet<PathBuf>,
    /// What was masked, relative to the work folder.
    pub names: Vec<String>,
    /// What was not looked at.
    pub notes: Vec<String>,
}

/// What a search of the work folder came upon that is to be masked.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// `.env` files and Unix sockets, each with its folder.
    names: Vec<(PathBuf, OsString)>,
    /// Folders that are to be empty, and why.
    closed: Vec<(PathBuf, &'static str)>,
    too_deep: bool,
    /// Why one could not be listed, where that is no reason to go on.
    failed: Option<Errno>,
}

impl Noticed {
    /// An entry of a folder.
    pub(super) fn entry(&mut self, folder: &Path, name: &OsStr, kind: FileType) {
        let env_file = matches!(kind, FileType::RegularFile | FileType::Symlink) && is_env_file(name);
        // One more than there may be is refused.
        if (env_file || kind == FileType::Socket) && self.names.len() <= DEVBOX_MASKS_MAX {
            self.names.push((folder.to_owned(), name.to_owned()));
        }
    }

    /// A folder that holds one of [`is_key`]; whether it is closed.
    pub(super) fn keys(&mut self, here: &OwnedFd, folder: &Path) -> bool {
        let is_one = is_data_folder(here);
        if is_one {
            self.closed.push((folder.to_owned(), "holds keys of tightlip's"));
        }
        is_one
    }

    /// A folder that could not be listed.
    pub(super) fn unlisted(&mut self, folder: &Path, why: Errno) {
        match why {
            // What cannot be looked into now the agent may open later, as its owner.
            Errno::ACCESS => self.closed.push((folder.to_owned(), "cannot be looked into")),
            Errno::NAMETOOLONG => self.too_deep = true,
            // Removed or replaced by whoever else works here: what stands there now is looked at by its own name.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {}
            other => self.failed = Some(other),
        }
    }
}

impl<'a> Masks<'a> {
    pub(crate) fn new(root: &'a Tree) -> Result<Self> {
        let file = root.find(Path::new(EMPTY_FILE)).ok_or(Errno::NOENT)?;
        let folder = root.find(Path::new(EMPTY_FOLDER)).ok_or(Errno::NOENT)?;
        Ok(Self { root, file, folder, pinned: BTreeSet::new(), names: Vec::new(), notes: Vec::new() })
    }

    /// Masks what was noticed in the work folder.
    pub(crate) fn work_folder(&mut self, work: &Path, noticed: &Noticed) -> std::result::Result<(), Fail> {
        let Some(top) = self.root.find(work) else { return Ok(()) };
        noticed.failed.map_or(Ok(()), Err).at(Step::Masks)?;
        for (folder, why) in &noticed.closed {
            self.close(&top, folder, why).at(Step::Masks)?;
        }
        for (folder, name) in &noticed.names {
            match self.one(&top, folder, name) {
                // Gone meanwhile, and the next may not be.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(Errno::TOOBIG) => return Err(Fail::new(Step::TooManyMasks, libc::E2BIG)),
                masked => masked.at(Step::Masks)?,
            }
        }
        if noticed.too_deep {
            self.note("folders lie too deep in the work folder: they were not searched for .env files");
        }
        Ok(())
    }

    /// Masks what must never be seen, should something mounted hold it after all.
    pub(crate) fn hidden(&mut self, hidden: &[OsString]) -> Result<()> {
        for path in hidden.iter().map(Path::new) {
            if let Some(point) = self.root.find(path) {
                self.cover(&point)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, top: &OwnedFd, folder: &Path, name: &OsStr) -> Result<()> {
        if self.names.len() == DEVBOX_MASKS_MAX {
            return Err(Errno::TOOBIG);
        }
        let here = self.pinned(top, folder)?;
        self.cover(&openat(&here, name, POINT, Mode::empty())?)?;
        self.names.push(folder.join(name).to_string_lossy().into_owned());
        Ok(())
    }

    /// Makes a folder empty as a whole; where it cannot even be named, what it lies in. The work folder itself cannot be.
    fn close(&mut self, top: &OwnedFd, folder: &Path, why: &str) -> Result<()> {
        let (above, name) = tree::split(folder).map_err(|_| Errno::ACCESS)?;
        let point = self.pinned(top, above).and_then(|here| openat(&here, name, POINT, Mode::empty()));
        match point {
            Err(Errno::ACCESS) => self.close(top, above, why),
            Err(Errno::NOENT) => Ok(()),
            point => {
                self.cover(&point?)?;
                self.note(&format!("`{}` {why}: it is empty in the devbox", folder.display()));
                Ok(())
            }
        }
    }

    /// A folder, once it and those on the way to it can be neither renamed nor removed: a mask holds for what it lies on and not for its path, and a folder
    /// that was moved is looked for elsewhere by the next devbox.
    fn pinned(&mut self, top: &OwnedFd, folder: &Path) -> Result<OwnedFd> {
        let mut here = rustix::io::fcntl_dupfd_cloexec(top, 3)?;
        let mut path = PathBuf::new();
        for part in folder {
            path.push(part);
            here = if self.pinned.contains(&path) {
                openat(&here, part, POINT | OFlags::DIRECTORY, Mode::empty())?
            } else {
                tree::pin(&here, part)?
            };
            self.pinned.insert(path.clone());
        }
        Ok(here)
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|said| said == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn cover(&self, point: &OwnedFd) -> Result<()> {
        let empty = match tree::kind_of(point)? {
            Kind::Folder => &self.folder,
            Kind::File => &self.file,
        };
        let mask = tree::clone_at(empty)?;
        mount_attr::add(&mask, READ_ONLY, Reach::One)?;
        tree::attach(&mask, point)
    }
}

/// Masks what `/proc` tells of the whole machine.
pub(crate) fn kernel(root: &Tree) -> Result<()> {
    let masks = Masks::new(root)?;
    for path in MACHINE.map(Path::new) {
        if let Some(point) = root.find(path) {
            masks.cover(&point)?;
        }
    }
    Ok(())
}

/// `.env`, `.env.local`, `.envrc`, ... and what editors call their copies of them (`..env.swp`, `#.env#`, `.#.env`); not the templates, which are committed and
/// would be lost by the next `git commit -a`.
fn is_env_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let sign = |byte: &u8| b".#~%".contains(byte);
    let (signs, word) = name.split_at(name.iter().position(|byte| !sign(byte)).unwrap_or(name.len()));
    signs.ends_with(b".") && word.starts_with(b"env") && !TEMPLATES.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// Whether a name in a folder may make it a data folder of tightlip's.
pub(super) fn is_key(name: &OsStr) -> bool {
    KEYS.iter().filter_map(|keys| keys.first()).any(|key| Path::new(key).iter().next() == Some(name))
}

/// Whether a folder is a data folder of tightlip's, in use or not, or the part of one that holds its keys: [`crate::places::is_data_folder`] by descriptor.
fn is_data_folder(folder: &OwnedFd) -> bool {
    let there = |name: &str| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    KEYS.iter().any(|keys| keys.iter().all(|name| there(name)))
}

const TEMPLATES: [&str; 4] = [".example", ".sample", ".template", ".dist"];
/// What makes a data folder one, or the part of it that holds the keys.
const KEYS: [&[&str]; 3] = [&["gateway/keyring.json"], &["keyring.json", "root.key"], &["keyring.json", "root.passphrase.json"]];
const MACHINE: [&str; 15] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/timer_list",
    "/proc/sysrq-trigger",
    "/proc/acpi",
    "/proc/scsi",
    // What root reads without any capability: where the kernel and everybody's pages lie in memory.
    "/proc/kmsg",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/kpagecgroup",
    "/proc/pagetypeinfo",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/sched_debug",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_told_from_their_templates() {
        for masked in [".env", ".env.local", ".env.production", ".envrc", "..env.swp", ".env~", "#.env#", ".#.env", ".env.swp", "~.env"] {
            assert!(is_env_file(OsStr::new(masked)), "{masked}");
        }
        for kept in [".env.example", ".env.sample", "env", "environment.rs", "#env#", ".#env", "...", ""] {
            assert!(!is_env_file(OsStr::new(kept)), "{kept}");
        }
    }
}
