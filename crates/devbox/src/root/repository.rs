//! The work folder's repository: what git runs or believes on the host must not be the agent's to write.
//!
//! Hooks and configuration are private copies, credentials in them masked; `.git` itself and the folders on the way are mount points, which can be neither
//! renamed nor removed. `git config` replaces its file by renaming: so a *symlink* into a private folder is mounted over `config`, and git follows it.
//! A name that is not there can be mounted over by nobody: what git would believe is put there first, saying what git assumes without it.

mod config;
mod hooks;
mod includes;
mod nested;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use model::limits::{DEVBOX_REPOSITORY_FILE_BYTES_MAX, DEVBOX_REPOSITORY_FILES_MAX};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat, statat, unlinkat};
use rustix::io::{Errno, Result};

pub(crate) use config::mask_config;
use hooks::Hooks;
use includes::Includes;
use nested::Nested;

use super::masks::Noticed;
use super::tree::{self, POINT, Tree, pin};
use crate::control::{At, Fail, Step};
use crate::folder::open_within;
use crate::kernel::mount_attr::{self, READ_ONLY, Reach};

/// The repositories of a work folder, and what they were like.
#[derive(Debug, Default)]
pub(crate) struct Repositories {
    work: Option<OwnedFd>,
    guarded: Vec<Guarded>,
    notes: Vec<String>,
    nested: Nested,
    includes: Option<Includes>,
}

/// One repository's folder (`.git`, or a submodule's).
#[derive(Debug)]
struct Guarded {
    /// As shown: relative to the work folder.
    name: String,
    folder: OwnedFd,
    /// The private folder that holds the copies.
    private: OwnedFd,
    /// Configuration files and their text at the start.
    configs: Vec<(&'static str, String)>,
    hooks: Option<Hooks>,
    /// What was not there and must not appear.
    absent: Vec<&'static str>,
    /// The `commondir` that stands for none, locked as long as this devbox needs it.
    stand_in: Option<OwnedFd>,
}

/// Protects the repositories of the work folder, and notices what is to be masked there. Call when the work folder is mounted.
pub(crate) fn protect(root: &Tree, work: &Path, home: &Path, noticed: &mut Noticed) -> std::result::Result<Repositories, Fail> {
    let mut found = Repositories { work: root.find(work), ..Repositories::default() };
    let Some(work_folder) = found.work.as_ref() else { return Ok(found) };
    let work_folder = rustix::io::fcntl_dupfd_cloexec(work_folder, 3).at(Step::Repository)?;
    let top = rustix::io::fcntl_dupfd_cloexec(&work_folder, 3).at(Step::Repository)?;
    found.includes = Some(Includes::new(top, work, home));
    found.guard_own(root, &work_folder, work).at(Step::Repository)?;
    found.nested = Nested::search(&work_folder, Some(noticed));
    if let Some(most) = found.nested.unsearched() {
        return Err(Fail::too_large(most));
    }
    found.guard_nested(root, &work_folder).at(Step::Repository)?;
    Ok(found)
}

impl Repositories {
    /// What the user should know at the start.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Guards the work folder's own `.git`, whatever it is.
    fn guard_own(&mut self, root: &Tree, work_folder: &OwnedFd, work: &Path) -> Result<()> {
        match file_type(work_folder, ".git") {
            None => Ok(()),
            Some(FileType::Directory) => self.guard(root, pin(work_folder, OsStr::new(".git"))?, ".git".to_owned()),
            Some(kind) => self.pointer(root, work_folder, work, kind),
        }
    }

    /// A `.git` that points elsewhere: it must not be pointed to anything of the agent's making.
    fn pointer(&mut self, root: &Tree, work_folder: &OwnedFd, work: &Path, kind: FileType) -> Result<()> {
        let target = match kind {
            FileType::RegularFile => gitdir(work_folder, work),
            FileType::Symlink => linked(work_folder, work),
            FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => None,
        };
        let point = openat(work_folder, ".git", POINT, Mode::empty())?;
        let itself = tree::clone_at(&point)?;
        mount_attr::add(&itself, READ_ONLY, Reach::One)?;
        tree::attach(&itself, &point)?;
        let folder = target.as_ref().and_then(|path| pin_path(work_folder, path).ok());
        match (target, folder) {
            (Some(path), Some(folder)) => self.guard(root, folder, path.to_string_lossy().into_owned())?,
            _ => self.notes.push("`.git` points outside the work folder: git does not work inside".to_owned()),
        }
        Ok(())
    }

    /// Makes the private copies of one repository, then of its submodules.
    fn guard(&mut self, root: &Tree, folder: OwnedFd, name: String) -> Result<()> {
        if self.guarded.len() == DEVBOX_REPOSITORY_FILES_MAX {
            return Err(Errno::TOOBIG);
        }
        let private_path = PathBuf::from(format!("/run/git/{}", self.guarded.len()));
        let private = root.folder(&private_path)?;
        let mut guarded = Guarded { name, folder, private, configs: Vec::new(), hooks: None, absent: Vec::new(), stand_in: None };
        for config in ["config", "config.worktree"] {
            guarded.copy_config(&private_path, config)?;
        }
        if let Some(includes) = &mut self.includes {
            let folder = Path::new(&guarded.name).strip_prefix(".").unwrap_or(Path::new(&guarded.name));
            for (config, text) in &guarded.configs {
                includes.guard(&guarded.private, folder, &format!("{}/{config}", guarded.name), text)?;
            }
        }
        // Where the folder cannot be made, what appears at its place is told at the end.
        let _ = rustix::fs::mkdirat(&guarded.folder, "hooks", Mode::from_raw_mode(0o755));
        match file_type(&guarded.folder, "hooks") {
            None => guarded.absent.push("hooks"),
            Some(FileType::Directory) => guarded.hooks = Some(Hooks::copy(root, &guarded.folder, &private_path.join("hooks"))?),
            Some(_) => drop(pin_read_only(&guarded.folder, "hooks")?),
        }
        guarded.pin_common_dir()?;
        let mut parts = Vec::new();
        for kind in ["modules", "worktrees"] {
            if file_type(&guarded.folder, kind) == Some(FileType::Directory) {
                parts.push((pin(&guarded.folder, OsStr::new(kind))?, format!("{}/{kind}", guarded.name)));
            }
        }
        self.guarded.push(guarded);
        parts.iter().try_for_each(|(folder, name)| self.submodules(root, folder, name, 0))
    }

    /// Guards the repositories that were found below the work folder. Those that there is no room for cannot be written.
    fn guard_nested(&mut self, root: &Tree, work_folder: &OwnedFd) -> Result<()> {
        let mut shut = 0;
        for (path, holds) in self.nested.to_guard() {
            let Ok(folder) = nested::enter(work_folder, &path) else { continue };
            if self.guarded.len() + NESTED_ROOM > DEVBOX_REPOSITORY_FILES_MAX {
                shut += usize::from(self.shut(&folder, holds)?);
                continue;
            }
            let shown = |path: &Path| path.to_string_lossy().into_owned();
            match file_type(&folder, ".git") {
                _ if !holds => self.guard_once(root, folder, if path.as_os_str().is_empty() { ".".to_owned() } else { shown(&path) })?,
                Some(FileType::Directory) => self.guard(root, pin(&folder, OsStr::new(".git"))?, shown(&path.join(".git")))?,
                Some(_) => pin_read_only(&folder, ".git")?,
                None => {}
            }
        }
        if shut > 0 {
            self.notes.push(format!("the work folder holds many repositories: {shut} of them can be read and not written"));
        }
        Ok(())
    }

    /// Makes a repository that is not guarded read-only as a whole. Whether it was one.
    fn shut(&self, folder: &OwnedFd, holds: bool) -> Result<bool> {
        if holds {
            return if file_type(folder, ".git").is_some() { pin_read_only(folder, ".git").map(|()| true) } else { Ok(false) };
        }
        if self.is_guarded(folder)? {
            return Ok(false);
        }
        let itself = tree::clone_at(folder)?;
        mount_attr::add(&itself, READ_ONLY, Reach::One)?;
        tree::attach(&itself, folder).map(|()| true)
    }

    fn is_guarded(&self, folder: &OwnedFd) -> Result<bool> {
        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let own = inode(folder)?;
        Ok(self.guarded.iter().any(|guarded| inode(&guarded.folder) == Ok(own)))
    }

    /// A bare repository may be guarded already, as the one that a `.git` points to.
    fn guard_once(&mut self, root: &Tree, folder: OwnedFd, name: String) -> Result<()> {
        if self.is_guarded(&folder)? { Ok(()) } else { self.guard(root, folder, name) }
    }

    fn submodules(&mut self, root: &Tree, folder: &OwnedFd, name: &str, depth: usize) -> Result<()> {
        for entry in names(folder)? {
            if file_type(folder, &entry) != Some(FileType::Directory) || depth == MODULES_DEPTH_MAX {
                continue;
            }
            let below = pin(folder, &entry)?;
            let below_name = format!("{name}/{}", entry.to_string_lossy());
            if file_type(&below, "HEAD").is_some() {
                self.guard(root, below, below_name)?;
            } else {
                self.submodules(root, &below, &below_name, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Compares the copies with what they were, and removes what must not have appeared. Every process of the devbox has ended.
    ///
    /// Beside it: folders in which the maker shall remove the `commondir` that was put there; here it is a mount point.
    pub(crate) fn finish(mut self) -> (Vec<String>, Vec<OwnedFd>) {
        // What was there first: of what the agent made itself there may be any number.
        let mut said = Vec::new();
        for guarded in &self.guarded {
            guarded.compare(&mut said);
        }
        if let Some(includes) = &self.includes {
            includes.compare(&mut said);
        }
        if let Some(work) = &self.work {
            self.nested.compare(&Nested::search(work, None), &mut said);
        }
        let made = self.guarded.iter_mut().filter_map(|guarded| guarded.stand_in.take().map(|_| &guarded.folder));
        let folders = made.filter_map(|folder| rustix::io::fcntl_dupfd_cloexec(folder, 3).ok()).collect();
        (said, folders)
    }
}

impl Guarded {
    fn copy_config(&mut self, private_path: &Path, name: &'static str) -> Result<()> {
        match file_type(&self.folder, name) {
            None => self.absent.push(name),
            Some(FileType::RegularFile) => {
                let text = read_bounded(&self.folder, name).map(|bytes| mask_config(&String::from_utf8_lossy(&bytes))).unwrap_or_default();
                tree::write_new(&self.private, OsStr::new(name), text.as_bytes(), 0o644)?;
                let link = format!("{name}.link");
                rustix::fs::symlinkat(private_path.join(name), &self.private, &*link)?;
                let point = openat(&self.folder, name, POINT, Mode::empty())?;
                let copy = tree::clone_at(&openat(&self.private, &*link, POINT, Mode::empty())?)?;
                tree::attach(&copy, &point)?;
                self.configs.push((name, text));
            }
            Some(_) => drop(pin_read_only(&self.folder, name)?),
        }
        Ok(())
    }

    /// Where there is no `commondir`, one that names the folder itself, as git assumes without one. A lock keeps another devbox from removing it.
    ///
    /// Another devbox of the same folder may put it there or remove it at this moment; that is over in a moment.
    fn pin_common_dir(&mut self) -> Result<()> {
        for _ in 1..STAND_IN_TRIES {
            match self.pin_common_dir_now() {
                Err(Errno::AGAIN | Errno::NOENT) => std::thread::park_timeout(STAND_IN_PAUSE),
                pinned => return pinned,
            }
        }
        self.pin_common_dir_now()
    }

    /// The same; `EAGAIN` or `ENOENT` where another devbox is at it.
    fn pin_common_dir_now(&mut self) -> Result<()> {
        let name = OsStr::new("commondir");
        if file_type(&self.folder, name).is_none() {
            match tree::write_new(&self.folder, name, STAND_IN, 0o644) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(_) => {
                    self.absent.push("commondir");
                    return Ok(());
                }
            }
        }
        if read_bounded(&self.folder, name).is_some_and(|bytes| bytes == STAND_IN) {
            let file = openat(&self.folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared)?;
            // It was removed between the two.
            if rustix::fs::fstat(&file)?.st_nlink == 0 {
                return Err(Errno::NOENT);
            }
            self.stand_in = Some(file);
        }
        pin_read_only(&self.folder, "commondir")
    }

    fn compare(&self, said: &mut Vec<String>) {
        // A mount gives way when a process outside replaces the file under it, as `git config` does.
        for (name, _) in self.configs.iter().filter(|(name, _)| file_type(&self.folder, *name) != Some(FileType::Symlink)) {
            said.push(format!(
                "{}/{name} was replaced from outside while the devbox ran, which could write it then: look at it before you use git here",
                self.name
            ));
        }
        for (name, before) in &self.configs {
            let after = read_bounded(&self.private, *name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            config::changes(&format!("{}/{name}", self.name), before, &after, said);
        }
        if let Some(hooks) = &self.hooks {
            hooks.compare(&self.folder, &format!("{}/hooks", self.name), said);
        }
        for name in self.absent.iter().filter(|name| file_type(&self.folder, **name).is_some()) {
            let outcome = if remove(&self.folder, OsStr::new(name), 0).is_ok() { "was removed" } else { "could not be removed: remove it" };
            said.push(format!("{}/{name} was made in the devbox and {outcome}", self.name));
        }
    }
}

/// Where a `.git` file points, when that lies in the work folder: relative to it.
fn gitdir(work_folder: &OwnedFd, work: &Path) -> Option<PathBuf> {
    let bytes = read_bounded(work_folder, ".git")?;
    let text = String::from_utf8(bytes).ok()?;
    inside(Path::new(text.strip_prefix("gitdir:")?.trim()), work)
}

/// Where a `.git` symlink points, likewise.
fn linked(work_folder: &OwnedFd, work: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let target = rustix::fs::readlinkat(work_folder, ".git", Vec::new()).ok()?;
    inside(Path::new(OsStr::from_bytes(target.to_bytes())), work)
}

fn inside(target: &Path, work: &Path) -> Option<PathBuf> {
    let inside = if target.is_absolute() { target.strip_prefix(work).ok()? } else { target };
    let inside = inside.strip_prefix(".").unwrap_or(inside);
    inside
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then(|| inside.to_owned())
        .filter(|path| path.file_name().is_some())
}

/// [`pin`] for every folder on the way.
fn pin_path(from: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let mut here = rustix::io::fcntl_dupfd_cloexec(from, 3)?;
    for part in path.iter() {
        here = pin(&here, part)?;
    }
    Ok(here)
}

/// Makes whatever it is (a symlink itself, too) a read-only mount point.
fn pin_read_only(parent: &OwnedFd, name: impl AsRef<OsStr>) -> Result<()> {
    let point = openat(parent, name.as_ref(), POINT, Mode::empty())?;
    let itself = tree::clone_at(&point)?;
    mount_attr::add(&itself, READ_ONLY, Reach::One)?;
    tree::attach(&itself, &point)
}

/// What stands at a name; none where nothing does.
fn file_type(folder: &OwnedFd, name: impl rustix::path::Arg) -> Option<FileType> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| FileType::from_raw_mode(stat.st_mode))
}

/// A regular file's content, never through a symlink, never waiting for a pipe; none where it is something else or too large.
fn read_bounded(folder: &OwnedFd, name: impl rustix::path::Arg + Copy) -> Option<Vec<u8>> {
    use std::io::Read;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(open_within(folder, name, flags, ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH).ok()?);
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() > DEVBOX_REPOSITORY_FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(DEVBOX_REPOSITORY_FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The names in a folder, in order; at most as many as are ever looked at.
fn names(folder: &OwnedFd) -> Result<Vec<std::ffi::OsString>> {
    use std::os::unix::ffi::OsStrExt;
    let readable = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let entries = Dir::read_from(&readable)?.flatten().take(DEVBOX_REPOSITORY_FILES_MAX + 2);
    let listed = entries.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
    let mut listed: Vec<_> = listed.filter(|name| name != "." && name != "..").collect();
    listed.sort();
    Ok(listed)
}

/// Removes a file, or a folder with what is in it.
fn remove(folder: &OwnedFd, name: &OsStr, depth: usize) -> Result<()> {
    if file_type(folder, name) != Some(FileType::Directory) {
        return unlinkat(folder, name, AtFlags::empty());
    }
    if depth == MODULES_DEPTH_MAX {
        return Err(Errno::NOTEMPTY);
    }
    let below = openat(folder, name, POINT | OFlags::DIRECTORY, Mode::empty())?;
    loop {
        let found = names(&below)?;
        if found.is_empty() {
            return unlinkat(folder, name, AtFlags::REMOVEDIR);
        }
        for entry in found {
            remove(&below, &entry, depth + 1)?;
        }
    }
}

/// A second, all in all: to remove a file takes another devbox's maker a moment, also on a busy machine.
const STAND_IN_TRIES: u32 = 500;
const STAND_IN_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
/// What git assumes where there is no `commondir` (gitrepository-layout(5)).
const STAND_IN: &[u8] = b".\n";
/// Room left for one repository's submodules and worktrees before the next is guarded.
const NESTED_ROOM: usize = 20;
/// Removes the `commondir` that a devbox put into a repository, unless another devbox needs it. For the maker, outside; what cannot be removed does no harm.
pub(crate) fn remove_stand_in(folder: &OwnedFd) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(folder, "commondir", flags, Mode::empty()) else { return };
    if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
        && read_bounded(folder, "commondir").is_some_and(|bytes| bytes == STAND_IN)
    {
        let _ = unlinkat(folder, "commondir", AtFlags::empty());
    }
}

/// Folders between `.git/modules` and a submodule's own: the parts of its path.
const MODULES_DEPTH_MAX: usize = 8;
