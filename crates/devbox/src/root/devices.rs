//! A `/dev` of the few devices that every program expects.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, Result};
use rustix::mount::MountAttrFlags;

use super::tree::{self, Tree};
use crate::kernel::mount_attr::{NO_SUID, READ_ONLY};

/// Takes the host's device files. They are read-only as files, so that root inside cannot change their modes and times, which are the host's; what is behind
/// them is read and written all the same.
pub(crate) fn take() -> Result<Vec<(OwnedFd, PathBuf)>> {
    let mut taken = Vec::new();
    for path in DEVICES.map(Path::new) {
        match tree::host_tree(path, READ_ONLY | NO_SUID) {
            Err(Errno::NOENT) => {}
            tree => taken.push((tree?, path.to_owned())),
        }
    }
    Ok(taken)
}

/// Fills `/dev`. Terminals are the devbox's own.
pub(crate) fn fill(root: &Tree, taken: &[(OwnedFd, PathBuf)]) -> Result<()> {
    for (device, path) in taken {
        root.mount(device, path)?;
    }
    for (path, target) in LINKS {
        root.link(path, target)?;
    }
    let options = [("ptmxmode", "0666".to_owned()), ("mode", "0600".to_owned())];
    let terminals = tree::filesystem("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    root.mount(&terminals, Path::new("/dev/pts"))
}

const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];
