//! Masks: what stands in a mounted folder and is nobody's business inside. They go on last, over everything else.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::limits::{DEVBOX_MASK_DEPTH_MAX, DEVBOX_MASK_ENTRIES_MAX, DEVBOX_MASKS_MAX};
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
    /// What was masked, relative to the work folder.
    pub names: Vec<String>,
    /// What was not looked at.
    pub notes: Vec<String>,
}

impl<'a> Masks<'a> {
    pub(crate) fn new(root: &'a Tree) -> Result<Self> {
        let file = root.find(Path::new(EMPTY_FILE)).ok_or(Errno::NOENT)?;
        let folder = root.find(Path::new(EMPTY_FOLDER)).ok_or(Errno::NOENT)?;
        Ok(Self { root, file, folder, names: Vec::new(), notes: Vec::new() })
    }

    /// Masks the `.env` files and Unix sockets of the work folder, its top first.
    pub(crate) fn work_folder(&mut self, work: &Path) -> std::result::Result<(), Fail> {
        let Some(top) = self.root.find(work) else { return Ok(()) };
        let mut folders = VecDeque::from([(PathBuf::from("."), 0)]);
        let mut left = DEVBOX_MASK_ENTRIES_MAX;
        while let Some((folder, depth)) = folders.pop_front() {
            let Ok(here) = openat2(&top, &folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), BENEATH) else {
                continue;
            };
            let Ok(entries) = Dir::read_from(&here) else { continue };
            for entry in entries.flatten() {
                if left == 0 {
                    self.notes.push("the work folder is large: not all of it was searched for .env files".to_owned());
                    return Ok(());
                }
                left -= 1;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                let kind = kind(&here, name, entry.file_type());
                if kind == FileType::Directory && depth < DEVBOX_MASK_DEPTH_MAX && enters(name) {
                    folders.push_back((folder.join(name), depth + 1));
                }
                let env_file = matches!(kind, FileType::RegularFile | FileType::Symlink) && is_env_file(name);
                if env_file || kind == FileType::Socket {
                    self.one(&here, name, &folder)?;
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

    fn one(&mut self, folder: &OwnedFd, name: &OsStr, folder_name: &Path) -> std::result::Result<(), Fail> {
        if self.names.len() == DEVBOX_MASKS_MAX {
            return Err(Fail { step: Step::TooManyMasks, errno: libc::E2BIG });
        }
        let point = openat(folder, name, POINT, Mode::empty()).at(Step::Masks)?;
        self.cover(&point).at(Step::Masks)?;
        let shown = folder_name.join(name);
        self.names.push(shown.strip_prefix(".").unwrap_or(&shown).to_string_lossy().into_owned());
        Ok(())
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

/// Trees of other people's code, large and without the user's own files.
fn enters(name: &OsStr) -> bool {
    !SKIPPED.iter().any(|skipped| name == *skipped)
}

fn kind(folder: &OwnedFd, name: &OsStr, told: FileType) -> FileType {
    if told != FileType::Unknown {
        return told;
    }
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
const TEMPLATES: [&str; 4] = [".example", ".sample", ".template", ".dist"];
const SKIPPED: [&str; 8] = [".", "..", ".git", "node_modules", "target", ".venv", "venv", "__pycache__"];
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
