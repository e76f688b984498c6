//! What a repository's configuration includes: git believes those files as it believes the configuration, so that none in the work folder is the agent's to
//! write. They stay what they are, read-only; where there are credentials in one, a copy without them stands in its place.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use model::limits::DEVBOX_REPOSITORY_FILES_MAX;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat};
use rustix::io::{Errno, Result};

use super::{config, file_type, pin_read_only, read_bounded};
use crate::folder::{Identity, open_within};
use crate::kernel::mount_attr::{self, READ_ONLY, Reach};
use crate::root::tree::{self, POINT, pin};
use crate::shown::plain;

/// The files that are included from within the work folder.
#[derive(Debug)]
pub(super) struct Includes {
    top: OwnedFd,
    work: PathBuf,
    home: PathBuf,
    known: Vec<Known>,
    /// Folders on the way, which are mount points now.
    pinned: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Known {
    /// Relative to the work folder.
    path: PathBuf,
    /// What includes it, as shown.
    by: String,
    /// None: it was not there.
    identity: Option<Identity>,
}

/// Where the name of an include leads.
enum Place {
    /// Out of the work folder.
    Outside,
    /// To a file: its folder (by descriptor and path) and its name.
    There(OwnedFd, PathBuf, OsString),
    /// To nothing.
    Absent(PathBuf),
}

impl Includes {
    /// # Arguments
    /// * `home`: what `~` means in git's configuration
    pub(super) fn new(top: OwnedFd, work: &Path, home: &Path) -> Self {
        Self { top, work: work.to_owned(), home: home.to_owned(), known: Vec::new(), pinned: BTreeSet::new() }
    }

    /// Guards what a configuration includes, and what that includes.
    ///
    /// # Arguments
    /// * `private`: a private folder, for copies
    /// * `folder`: the configuration's own, relative to the work folder
    /// * `by`: the configuration, as shown
    pub(super) fn guard(&mut self, private: &OwnedFd, folder: &Path, by: &str, text: &str) -> Result<()> {
        let mut texts = VecDeque::from([(folder.to_owned(), by.to_owned(), text.to_owned())]);
        while let Some((folder, by, text)) = texts.pop_front() {
            for said in config::includes(&text) {
                if let Some((path, text)) = self.one(private, &folder, &by, &said)? {
                    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                    texts.push_back((folder, path.to_string_lossy().into_owned(), text));
                }
            }
        }
        Ok(())
    }

    /// Guards one file. Gives its path and text where it is one that was not met before.
    fn one(&mut self, private: &OwnedFd, folder: &Path, by: &str, said: &str) -> Result<Option<(PathBuf, String)>> {
        let Some(wanted) = self.below(Path::new(said)) else { return Ok(None) };
        let (folder, path, name) = match self.walk(folder, &wanted)? {
            Place::Outside => return Ok(None),
            Place::Absent(path) => {
                self.remember(path, by, None)?;
                return Ok(None);
            }
            Place::There(folder, path, name) => (folder, path.join(&name), name),
        };
        if self.known.iter().any(|known| known.path == path) {
            return Ok(None);
        }
        let is_file = file_type(&folder, &name) == Some(FileType::RegularFile);
        let bytes = if is_file { read_bounded(&folder, &name) } else { None };
        // What is too large to be looked through is empty.
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match text.as_deref().map_or_else(|| is_file.then(String::new), config::masked) {
            None => pin_read_only(&folder, &name)?,
            Some(masked) => {
                let copy = format!("include.{}", self.known.len());
                tree::write_new(private, OsStr::new(&copy), masked.as_bytes(), 0o644)?;
                let copy = tree::clone_at(&openat(private, &*copy, POINT, Mode::empty())?)?;
                mount_attr::add(&copy, READ_ONLY, Reach::One)?;
                tree::attach(&copy, &openat(&folder, &*name, POINT, Mode::empty())?)?;
            }
        }
        let identity = Identity::of(&openat(&folder, &*name, POINT, Mode::empty())?)?;
        self.remember(path.clone(), by, Some(identity))?;
        Ok(text.map(|text| (path, text)))
    }

    fn remember(&mut self, path: PathBuf, by: &str, identity: Option<Identity>) -> Result<()> {
        if self.known.len() == DEVBOX_REPOSITORY_FILES_MAX {
            return Err(Errno::TOOBIG);
        }
        self.known.push(Known { path, by: by.to_owned(), identity });
        Ok(())
    }

    /// What git takes a name for: as it is, or where that is an absolute one, with the work folder as the root. None where it lies elsewhere.
    fn below(&self, said: &Path) -> Option<PathBuf> {
        let said = said.strip_prefix("~").map_or_else(|_| said.to_owned(), |rest| self.home.join(rest));
        if !said.is_absolute() {
            return Some(said);
        }
        let below = |path: &Path| path.strip_prefix(&self.work).map(|rest| Path::new("/").join(rest)).ok();
        below(&said).or_else(|| below(&std::fs::canonicalize(&said).ok()?))
    }

    /// Goes to a name from `folder`, as git does, through symlinks. Every folder and symlink on the way is a mount point afterwards.
    fn walk(&mut self, folder: &Path, wanted: &Path) -> Result<Place> {
        let mut here: Vec<OsString> = if wanted.is_absolute() { Vec::new() } else { folder.iter().map(OsStr::to_owned).collect() };
        let mut parts: VecDeque<OsString> = plain_parts(wanted);
        let mut links = 0;
        while let Some(part) = parts.pop_front() {
            if part == ".." {
                if here.pop().is_none() {
                    return Ok(Place::Outside);
                }
                continue;
            }
            let path: PathBuf = here.iter().collect();
            let at = self.enter(&path)?;
            match file_type(&at, &part) {
                None => return Ok(Place::Absent(here.iter().chain([&part]).chain(&parts).collect())),
                Some(FileType::Symlink) => {
                    links += 1;
                    let target = rustix::fs::readlinkat(&at, &*part, Vec::new())?;
                    let target = Path::new(OsStr::from_bytes(target.to_bytes())).to_owned();
                    if self.pinned.insert(path.join(&part)) {
                        pin_read_only(&at, &part)?;
                    }
                    let Some(target) = self.below(&target).filter(|_| links <= LINKS_MAX) else { return Ok(Place::Outside) };
                    if target.is_absolute() {
                        here.clear();
                    }
                    for part in plain_parts(&target).into_iter().rev() {
                        parts.push_front(part);
                    }
                }
                Some(FileType::Directory) if !parts.is_empty() => {
                    if self.pinned.insert(path.join(&part)) {
                        pin(&at, &part)?;
                    }
                    here.push(part);
                }
                Some(_) if parts.is_empty() => return Ok(Place::There(at, path, part)),
                Some(_) => return Ok(Place::Absent(here.iter().chain([&part]).chain(&parts).collect())),
            }
        }
        Ok(Place::Outside)
    }

    fn enter(&self, path: &Path) -> Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        open_within(&self.top, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, WITHIN)
    }

    /// Says which of them are not what they were: made in the devbox, or replaced from outside, after which the devbox could write them.
    pub(super) fn compare(&self, said: &mut Vec<String>) {
        for known in &self.known {
            let now = open_within(&self.top, &known.path, POINT, WITHIN).and_then(|file| Identity::of(&file)).ok();
            if now == known.identity || now.is_none() {
                continue;
            }
            let what = if known.identity.is_none() {
                "was made in the devbox"
            } else {
                "was replaced while the devbox ran, which could write it then"
            };
            let (path, by) = (plain(&known.path.to_string_lossy()), plain(&known.by));
            said.push(format!("`{path}`, which {by} includes, {what}: look at it before you use git here"));
        }
    }
}

/// The parts of a path, `.` and the root left out.
fn plain_parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
/// As the kernel (path_resolution(7)).
const LINKS_MAX: usize = 40;
