//! Masks: what stands in a mounted folder and is nobody's business inside. They go on last, over everything else.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::limits::{DEVBOX_MASK_ENTRIES_MAX, DEVBOX_MASKS_MAX};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
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

/// A walk through the work folder.
struct Walk {
    top: OwnedFd,
    /// The user's own, the top first.
    own: VecDeque<PathBuf>,
    /// Other people's code, looked at last.
    others: VecDeque<PathBuf>,
    /// Entries that are still looked at.
    left: usize,
}

impl<'a> Masks<'a> {
    pub(crate) fn new(root: &'a Tree) -> Result<Self> {
        let file = root.find(Path::new(EMPTY_FILE)).ok_or(Errno::NOENT)?;
        let folder = root.find(Path::new(EMPTY_FOLDER)).ok_or(Errno::NOENT)?;
        Ok(Self { root, file, folder, pinned: BTreeSet::new(), names: Vec::new(), notes: Vec::new() })
    }

    /// Masks the `.env` files and Unix sockets of the work folder, and data folders of tightlip's, its top first.
    pub(crate) fn work_folder(&mut self, work: &Path) -> std::result::Result<(), Fail> {
        let Some(top) = self.root.find(work) else { return Ok(()) };
        let mut walk = Walk { top, own: [PathBuf::new()].into(), others: VecDeque::new(), left: DEVBOX_MASK_ENTRIES_MAX };
        let mut others = false;
        while walk.left > 0 {
            others = walk.own.is_empty();
            let Some(folder) = walk.own.pop_front().or_else(|| walk.others.pop_front()) else { return Ok(()) };
            match self.look(&mut walk, &folder, others) {
                // Removed or replaced by whoever else works here: what stands there now is looked at by its own name.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(Errno::NAMETOOLONG) => self.note("folders lie too deep in the work folder: they were not searched for .env files"),
                // What cannot be looked into now the agent may open later, as its owner.
                Err(Errno::ACCESS) => self.close(&walk.top, &folder, "cannot be looked into").at(Step::Masks)?,
                Err(Errno::TOOBIG) => return Err(Fail { step: Step::TooManyMasks, errno: libc::E2BIG }),
                looked => looked.at(Step::Masks)?,
            }
        }
        let what = if others { "what others made in it (`node_modules` and its like)" } else { "it" };
        self.note(&format!("the work folder is large: not all of {what} was searched for .env files"));
        Ok(())
    }

    /// Masks what is to be masked in one folder, and notes the folders in it.
    fn look(&mut self, walk: &mut Walk, folder: &Path, others: bool) -> Result<()> {
        let here = openat2(&walk.top, at(folder), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), BENEATH)?;
        if is_data_folder(&here) {
            return self.close(&walk.top, folder, "holds keys of tightlip's");
        }
        for entry in Dir::read_from(&here)? {
            let entry = entry?;
            let Some(left) = walk.left.checked_sub(1) else { return Ok(()) };
            walk.left = left;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let kind = kind(&here, name, entry.file_type())?;
            if kind == FileType::Directory && !NOT_ENTERED.iter().any(|own| name == *own) {
                let later = others || OTHERS.iter().any(|others| name == *others);
                let queue = if later { &mut walk.others } else { &mut walk.own };
                queue.push_back(folder.join(name));
            }
            let env_file = matches!(kind, FileType::RegularFile | FileType::Symlink) && is_env_file(name);
            if env_file || kind == FileType::Socket {
                match self.one(&walk.top, folder, name) {
                    // Gone meanwhile, and the next entry may not be.
                    Err(Errno::NOENT) => {}
                    masked => masked?,
                }
            }
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

/// `.env`, `.env.local`, `.envrc`, ...; not the templates, which are committed and would be lost by the next `git commit -a`.
fn is_env_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b".env") && !TEMPLATES.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// A folder as openat2(2) wants it.
fn at(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Whether a folder is a data folder of tightlip's, in use or not, or the part of one that holds its keys: [`crate::places::is_data_folder`] by descriptor.
fn is_data_folder(folder: &OwnedFd) -> bool {
    let there = |name: &str| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    KEYS.iter().any(|keys| keys.iter().all(|name| there(name)))
}

fn kind(folder: &OwnedFd, name: &OsStr, told: FileType) -> Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        about => about.map(|about| FileType::from_raw_mode(about.st_mode)),
    }
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
const TEMPLATES: [&str; 4] = [".example", ".sample", ".template", ".dist"];
/// git's own, which is guarded elsewhere.
const NOT_ENTERED: [&str; 3] = [".", "..", ".git"];
/// Trees of other people's code, large and mostly without the user's own files.
const OTHERS: [&str; 5] = ["node_modules", "target", ".venv", "venv", "__pycache__"];
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
        for masked in [".env", ".env.local", ".env.production", ".envrc"] {
            assert!(is_env_file(OsStr::new(masked)), "{masked}");
        }
        for kept in [".env.example", ".env.sample", "env", "environment.rs"] {
            assert!(!is_env_file(OsStr::new(kept)), "{kept}");
        }
    }
}
