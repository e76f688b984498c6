//! Repositories below the work folder: git on the host reads their configuration too, when it looks at a submodule or when a folder merely looks like a
//! repository. What was there is remembered, so that what is new can be told.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, statat};
use rustix::io::Result;

use super::file_type;
use crate::folder::open_within;
use crate::root::masks::{Noticed, is_key};
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
    /// Looks for repositories, the top first, and for what is to be masked, where that is asked for.
    pub(super) fn search(work_folder: &OwnedFd, mut noticed: Option<&mut Noticed>) -> Self {
        let mut found = BTreeMap::new();
        let mut search = Search::new();
        let mut folders = VecDeque::from([Folder { path: PathBuf::new(), is_gits: false }]);
        while let Some(folder) = folders.pop_front() {
            match folder.look(work_folder, &mut search, noticed.as_deref_mut()) {
                Ok((kind, below, Room::Left)) => {
                    folders.extend(below);
                    found.extend(kind.map(|kind| (folder.path, kind)));
                }
                Ok((.., Room::None)) => return Self { found, unsearched: Some(search.most_in()) },
                Err(why) => {
                    if let Some(noticed) = &mut noticed {
                        noticed.unlisted(&folder.path, why);
                    }
                    if !folder.is_gits && !folder.path.ends_with(".git") {
                        found.insert(folder.path, Kind::Closed);
                    }
                }
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

/// A folder on the way.
struct Folder {
    path: PathBuf,
    /// A part of a repository in which none is kept: looked at for masks only.
    is_gits: bool,
}

impl Folder {
    /// Why git takes it for a repository, and the folders in it that are to be looked at.
    fn look(&self, top: &OwnedFd, search: &mut Search, mut noticed: Option<&mut Noticed>) -> Result<(Option<Kind>, Vec<Self>, Room)> {
        let here = enter(top, &self.path)?;
        let mut names = Vec::new();
        let (mut holds, mut is_one, mut keys) = (false, false, false);
        let room = search.list(&here, &self.path, |name, kind| {
            if let Some(noticed) = &mut noticed {
                noticed.entry(&self.path, name, kind);
                keys |= is_key(name);
            }
            holds |= name == ".git";
            is_one |= name == "HEAD";
            if kind == FileType::Directory {
                names.push(name.to_owned());
            }
        })?;
        if keys && noticed.as_deref_mut().is_some_and(|noticed| noticed.keys(&here, &self.path)) {
            return Ok((None, Vec::new(), room));
        }
        // A `.git` is known by the folder that holds it.
        let is_git = self.path.ends_with(".git");
        let kind = if (holds || is_one) && !self.is_gits && !is_git { kind(&here) } else { None };
        // Of what a repository keeps in its folder, others are kept in these two alone.
        let is_repository = is_git || (kind.is_some() && self.path.iter().any(|part| part == ".git"));
        let below = names.into_iter().map(|name| Self {
            is_gits: self.is_gits || (is_repository && !PARTS.iter().any(|part| name == *part)),
            path: self.path.join(name),
        });
        let masks = noticed.is_some();
        let below = below.filter(|folder| if folder.is_gits { masks && !folder.path.ends_with(OBJECTS) } else { true });
        Ok((kind, below.collect(), room))
    }
}

/// Opens a folder below, never through a symlink.
pub(super) fn enter(work_folder: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    open_within(work_folder, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, beneath)
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

fn there(folder: &OwnedFd, name: &str) -> bool {
    file_type(folder, name).is_some()
}

/// Where a repository keeps those of its submodules and its worktrees.
const PARTS: [&str; 2] = ["modules", "worktrees"];
/// What git keeps by its content's sum: much, and nobody's names.
const OBJECTS: &str = "objects";

fn shown(path: &Path, name: &str) -> String {
    let whole = path.join(name);
    let text = whole.to_string_lossy();
    let text = text.trim_end_matches('/');
    plain(if text.is_empty() { "." } else { text })
}
