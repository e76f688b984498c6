//! fork(2), for the single-threaded `__init` only.
#![allow(unsafe_code, reason = "fork is unsafe in a threaded process; __init has one thread")]

use nix::unistd::{ForkResult, Pid};

/// Which side of a fork this is.
pub(crate) enum Side {
    Parent(Pid),
    Child,
}

/// Forks. The caller has one thread, so that the child finds no lock held.
pub(crate) fn fork() -> nix::Result<Side> {
    // SAFETY: `init_main` runs first in `main`, before any thread is started, and starts none.
    Ok(match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Side::Parent(child),
        ForkResult::Child => Side::Child,
    })
}
