//! Repositories below the work folder: git on the host reads their configuration too, when it looks at a submodule or when a folder merely looks like a
//! repository. What was there is remembered, so that what is new can be told.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Result;

use super::file_type;
use crate::root::search::{Room, Search};
use crate::shown::plain;

/// The folders that git takes for repositories, each by its path below the work folder.
#[derive(Debug, Default)]
pub(super) struct Nested {
    found: BTreeMap<PathBuf, Kind>,
    /// Not everything was looked at: there is too much, most of it here.
    unsearched: Option<PathBuf>,
}

/// Why git takes a folder for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It holds a `.git` of this inode; that one lacks what makes it a repository, or not.
    Holds { inode: u64, whole: bool },
    /// It is one itself, of this inode: a bare one, or one whose objects and references are where its `commondir` says.
    Is { inode: u64, whole: bool },
    /// It cannot be looked into.
    Closed,
}

impl Nested {
    /// Looks for repositories, the top first.
    pub(super) fn search(work_folder: &OwnedFd) -> Self {
        let mut found = BTreeMap::new();
        let mut search = Search::new();
        let mut folders = VecDeque::from([PathBuf::new()]);
        while let Some(path) = folders.pop_front() {
            match Looked::at(work_folder, &path, &mut search) {
                Ok((looked, Room::Left)) => {
                    folders.extend(looked.below);
                    found.extend(looked.kind.map(|kind| (path, kind)));
                }
                Ok((_, Room::None)) => return Self { found, unsearched: Some(search.most_in()) },
                Err(_) => drop(found.insert(path, Kind::Closed)),
            }
        }
        Self { found, unsearched: None }
    }

    /// Those that are to be guarded, each by its folder: whether it holds a `.git` or is bare. The top's own `.git` is guarded already.
    pub(super) fn to_guard(&self) -> Vec<(PathBuf, bool)> {
        let kinds = self.found.iter().filter_map(|(path, kind)| match kind {
            Kind::Holds { .. } => (!path.as_os_str().is_empty()).then(|| (path.clone(), true)),
            Kind::Is { .. } => Some((path.clone(), false)),
            Kind::Closed => None,
        });
        kinds.collect()
    }

    /// Where most of it lies, when not everything was looked at.
    pub(super) fn unsearched(&self) -> Option<&Path> {
        self.unsearched.as_deref()
    }

    /// Says which repositories are new, or not what they were.
    pub(super) fn compare(&self, after: &Self, said: &mut Vec<String>) {
        for (path, kind) in after.found.iter().filter(|(path, kind)| self.found.get(*path) != Some(*kind)) {
            said.push(match kind {
                Kind::Holds { whole: false, .. } => {
                    format!("`{}` is no repository any more: git looks elsewhere for its configuration", shown(path, ".git"))
                }
                Kind::Holds { .. } => {
                    let git = shown(path, ".git");
                    format!("`{git}` was made in the devbox: look at {git}/config and {git}/hooks before you use git here")
                }
                Kind::Is { whole: true, .. } => {
                    let (folder, config) = (shown(path, ""), shown(path, "config"));
                    format!("`{folder}` was made a bare repository in the devbox: look at {config} before you use git here")
                }
                Kind::Is { .. } => {
                    let (folder, common) = (shown(path, ""), shown(path, "commondir"));
                    format!(
                        "`{folder}` was made a repository in the devbox, whose configuration is where {common} says: look at it before you use git here"
                    )
                }
                Kind::Closed => format!("`{}` cannot be looked into: repositories may have been made in it", shown(path, "")),
            });
        }
        if let Some(most) = after.unsearched() {
            said.push(format!(
                "the work folder holds too much by now, most of it in `{}`: not all was searched for new repositories; \
                 look for them before you use git here, and remove it before the next start",
                plain(&most.to_string_lossy())
            ));
        }
    }
}

/// One folder.
struct Looked {
    kind: Option<Kind>,
    /// The folders in it that are to be looked at.
    below: Vec<PathBuf>,
}

impl Looked {
    fn at(work_folder: &OwnedFd, path: &Path, search: &mut Search) -> Result<(Self, Room)> {
        let here = enter(work_folder, path)?;
        let is_part = path.iter().any(|part| part == ".git");
        let mut below = Vec::new();
        let (mut holds, mut is_one) = (false, false);
        let room = search.list(&here, path, |name, kind| {
            holds |= name == ".git";
            is_one |= name == "HEAD";
            if kind == FileType::Directory && name != ".git" {
                below.push(path.join(name));
            }
        })?;
        let kind = if holds || is_one { kind(&here) } else { None };
        if is_part && kind.is_some() {
            // What a repository keeps in its folder is git's, and much.
            below.retain(|path| OWN_PARTS.iter().any(|part| path.ends_with(part)));
        }
        if holds && !is_part {
            below.extend(PARTS.iter().filter(|parts| is_folder(&here, parts)).map(|parts| path.join(parts)));
        }
        Ok((Self { kind, below }, room))
    }
}

/// Opens a folder below, never through a symlink.
pub(super) fn enter(work_folder: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(work_folder, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), beneath)
}

/// A broken `.git` beside what looks like a bare repository: git takes the latter.
fn kind(folder: &OwnedFd) -> Option<Kind> {
    let Ok(git) = statat(folder, ".git", AtFlags::SYMLINK_NOFOLLOW) else { return bare(folder) };
    let whole = FileType::from_raw_mode(git.st_mode) != FileType::Directory || there(folder, ".git/HEAD");
    bare(folder).filter(|_| !whole).or(Some(Kind::Holds { inode: git.st_ino, whole }))
}

/// A folder that git takes for a repository by itself (its setup.c, `is_git_directory`): objects and references stand in it, or where `commondir` says.
fn bare(folder: &OwnedFd) -> Option<Kind> {
    let whole = ["objects", "refs"].iter().all(|part| there(folder, part));
    let is_one = there(folder, "HEAD") && (whole || there(folder, "commondir"));
    let inode = rustix::fs::fstat(folder).map_or(0, |about| about.st_ino);
    is_one.then_some(Kind::Is { inode, whole })
}

fn is_folder(folder: &OwnedFd, path: &str) -> bool {
    // Through a `.git` that is a symlink nothing is looked for: where it points, it is found by itself.
    let through = path.strip_prefix(".git/").is_none_or(|_| file_type(folder, ".git") == Some(FileType::Directory));
    through && file_type(folder, path) == Some(FileType::Directory)
}

fn there(folder: &OwnedFd, name: &str) -> bool {
    file_type(folder, name).is_some()
}

/// Where a repository keeps those of its submodules and its worktrees: in its `.git`, or in itself.
const PARTS: [&str; 2] = [".git/modules", ".git/worktrees"];
const OWN_PARTS: [&str; 2] = ["modules", "worktrees"];

fn shown(path: &Path, name: &str) -> String {
    let whole = path.join(name);
    let text = whole.to_string_lossy();
    let text = text.trim_end_matches('/');
    plain(if text.is_empty() { "." } else { text })
}
