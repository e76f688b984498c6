//! The new root as a tree of mounts, by descriptors only: no path of the work folder, which the last agent may have shaped, is ever resolved by name.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat, symlinkat};
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    move_mount, open_tree,
};

use crate::folder::Identity;
use crate::kernel::mount_attr::{self, NO_DEVICES, NO_SUID, READ_ONLY, Reach};

/// The devbox's root while it is built.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

/// What a mount point must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
}

impl Tree {
    /// A new, empty root of at most `bytes`, mounted over a folder that nobody needs any more.
    pub(crate) fn make(bytes: u64) -> Result<Self> {
        let options = [("size", bytes.to_string()), ("nr_inodes", INODES_MAX.to_string()), ("mode", "0755".to_owned())];
        let root = filesystem("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)?;
        let base = BASES.iter().find(|base| Path::new(base).is_dir()).ok_or(Errno::NOENT)?;
        move_mount(&root, c"", CWD, *base, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        Ok(Self { root })
    }

    /// The root's descriptor.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The place at `path`, made where it is missing (folders 0755).
    pub(crate) fn place(&self, path: &Path, kind: Kind) -> Result<OwnedFd> {
        let (parent, name) = split(path)?;
        let parent = self.folder(parent)?;
        match kind {
            Kind::Folder => step_into(&parent, name),
            Kind::File => match openat(&parent, name, POINT, Mode::empty()) {
                Err(Errno::NOENT) => openat(&parent, name, OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::from_raw_mode(0o444)),
                found => found,
            },
        }
    }

    /// The folder at `path`, made where it is missing.
    pub(crate) fn folder(&self, path: &Path) -> Result<OwnedFd> {
        folder_below(&self.root, path)
    }

    /// What stands at `path`; none where nothing does, or a symlink stands in between.
    pub(crate) fn find(&self, path: &Path) -> Option<OwnedFd> {
        let mut here = rustix::io::fcntl_dupfd_cloexec(&self.root, 3).ok()?;
        for part in path.components() {
            if let Component::Normal(name) = part {
                here = openat(&here, name, POINT, Mode::empty()).ok()?;
            }
        }
        Some(here)
    }

    /// A new file.
    pub(crate) fn file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let (parent, name) = split(Path::new(path))?;
        write_new(&self.folder(parent)?, name, bytes, 0o644)
    }

    /// A new symlink.
    pub(crate) fn link(&self, path: &str, target: impl rustix::path::Arg) -> Result<()> {
        let (parent, name) = split(Path::new(path))?;
        symlinkat(target, self.folder(parent)?, name)
    }

    /// A folder of the root as a writable mount of its own, so that the root itself can become read-only.
    pub(crate) fn writable(&self, path: &Path, mode: u32) -> Result<()> {
        let place = self.place(path, Kind::Folder)?;
        rustix::fs::chmodat(&place, c".", Mode::from_raw_mode(mode), AtFlags::empty())?;
        attach(&clone_at(&place)?, &place)
    }

    /// Mounts a tree of the host at `path`.
    pub(crate) fn mount(&self, tree: &OwnedFd, path: &Path) -> Result<()> {
        attach(tree, &self.place(path, kind_of(tree)?)?)
    }

    /// Makes the root read-only, without what is mounted in it.
    pub(crate) fn seal(&self) -> Result<()> {
        mount_attr::add(&self.root, READ_ONLY | NO_SUID | NO_DEVICES, Reach::One)
    }
}

/// A new file system of the kernel's.
pub(crate) fn filesystem(name: &str, options: &[(&str, String)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, value.as_str())?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A copy of the host's mounts at `path`, with `attributes`; symlinks are followed.
pub(crate) fn host_tree(path: &Path, attributes: u64) -> Result<OwnedFd> {
    let tree = open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE)?;
    mount_attr::add(&tree, attributes, Reach::Tree)?;
    Ok(tree)
}

/// [`host_tree`] of a path that was checked. The agent of another devbox may have put something else there since.
pub(crate) fn checked_tree(path: &Path, identity: Identity, attributes: u64) -> Result<OwnedFd> {
    let point = identity.open(path)?;
    let tree = open_tree(&point, c"", CLONE_WHOLE)?;
    mount_attr::add(&tree, attributes, Reach::Tree)?;
    Ok(tree)
}

/// A copy of the mount of what `point` refers to: for a symlink, of the symlink itself.
pub(crate) fn clone_at(point: &OwnedFd) -> Result<OwnedFd> {
    let tree = open_tree(point, c"", CLONE_WHOLE)?;
    mount_attr::add(&tree, NO_SUID | NO_DEVICES, Reach::Tree)?;
    Ok(tree)
}

/// Mounts `tree` on exactly what `point` refers to.
pub(crate) fn attach(tree: &OwnedFd, point: &OwnedFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", point, c"", flags)
}

/// Makes a folder a mount point of its own, so that it can be neither renamed nor removed. Gives it as it is then.
pub(crate) fn pin(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let point = openat(parent, name, POINT | OFlags::DIRECTORY, Mode::empty())?;
    attach(&clone_at(&point)?, &point)?;
    openat(parent, name, POINT | OFlags::DIRECTORY, Mode::empty())
}

/// The folder at `path` in `top`, made where it is missing; no symlink is followed.
pub(crate) fn folder_below(top: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let mut here = rustix::io::fcntl_dupfd_cloexec(top, 3)?;
    for part in path.components() {
        match part {
            Component::Normal(name) => here = step_into(&here, name)?,
            Component::RootDir => {}
            Component::Prefix(_) | Component::CurDir | Component::ParentDir => return Err(Errno::INVAL),
        }
    }
    Ok(here)
}

/// Writes a file that does not exist yet.
pub(crate) fn write_new(folder: &OwnedFd, name: &OsStr, bytes: &[u8], mode: u32) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::from_raw_mode(mode))?;
    let written = std::fs::File::from(file).write_all(bytes);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

const CLONE_WHOLE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_EMPTY_PATH)
    .union(OpenTreeFlags::AT_RECURSIVE);

/// A point of the tree, never through a symlink.
pub(crate) const POINT: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a descriptor is a folder's.
pub(crate) fn kind_of(fd: impl AsFd) -> Result<Kind> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { Kind::Folder } else { Kind::File })
}

fn step_into(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let open = || openat(parent, name, POINT | OFlags::DIRECTORY, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {
            mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
            open()
        }
        // A symlink of the root itself, such as /bin: nothing of the host is mounted below one.
        Err(Errno::NOTDIR) if statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() => Err(Errno::LOOP),
        found => found,
    }
}

/// The last part of a path, and what it lies in.
pub(crate) fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    path.parent().zip(path.file_name()).ok_or(Errno::INVAL)
}

/// Folders over which the new root may be mounted until it is entered.
const BASES: [&str; 4] = ["/tmp", "/run", "/var", "/usr"];
/// Files that the devbox may keep in memory: bounds what a runaway build can take.
const INODES_MAX: u32 = 2_000_000;
