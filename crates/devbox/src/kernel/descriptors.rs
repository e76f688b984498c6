//! Descriptors that were inherited: whoever started us may have left some open.
#![allow(unsafe_code, reason = "close_range(2) has no safe wrapper")]

/// Closes every descriptor from `first` on. For a process that has opened nothing yet.
pub(crate) fn close_from(first: u32) -> std::io::Result<()> {
    close_range(first, 0)
}

/// Marks every descriptor from `first` on to be closed by exec.
pub(crate) fn close_on_exec_from(first: u32) -> std::io::Result<()> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: u32, flags: u32) -> std::io::Result<()> {
    // SAFETY: takes numbers only. Callers of `close_from` own no descriptor yet, so that no `OwnedFd` is left dangling.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
