//! mount_setattr(2): the attributes of a whole tree of mounts at once.
#![allow(unsafe_code, reason = "mount_setattr(2) has no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd};

/// Which mounts of a tree are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The one mount.
    One,
    /// It and all below it.
    Tree,
}

/// Adds `attributes` (`MOUNT_ATTR_*`) to a mount and makes it private, so that nothing mounted outside later shows up inside.
pub(crate) fn add(mount: impl AsFd, attributes: u64, reach: Reach) -> rustix::io::Result<()> {
    let wanted = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    let recursive = if reach == Reach::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, the struct lives across the call, and its true size is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Err(rustix::io::Errno::from_raw_os_error(errno))
}

pub(crate) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(crate) const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub(crate) const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
