#![allow(unsafe_code, reason = "mapping, locking and unmapping pages are system calls over raw addresses")]
//! Memory for keys that is never swapped, dumped or inherited, and the process that holds it closed to its neighbours.
//!
//! What never lives here: values. They are many and short-lived; locked pages are few (RLIMIT_MEMLOCK).

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroize;

/// Bytes in pages of their own: locked into memory (mlock(2)), left out of core dumps, zero in a forked child, wiped when dropped.
pub struct Locked {
    start: NonNull<u8>,
    bytes: usize,
}

/// Why no memory could be locked, or the process not be closed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// No page to be had.
    #[error("failed to get a page of memory for keys")]
    Map(#[source] Errno),
    /// The kernel's limit on locked memory.
    #[error(
        "failed to lock a page of memory for keys: raise the limit on locked memory (`ulimit -l`, or LimitMEMLOCK= of the service) to 256 KiB"
    )]
    Lock(#[source] Errno),
    /// The page could not be kept out of dumps and children.
    #[error("failed to keep a page of keys out of dumps and child processes")]
    Advise(#[source] Errno),
    /// The process could not be closed.
    #[error("failed to forbid dumps of this process")]
    Seclude(#[source] Errno),
}

/// Closes this process to its neighbours: no core dumps, and no reading of its memory or tracing by others of the same user (prctl(2), PR_SET_DUMPABLE).
/// An exec undoes it, so each process calls it for itself, first thing. From then on root owns the process's files in `/proc`, so whoever must still write
/// its own `uid_map` does that before.
///
/// # Errors
/// [`LockError::Seclude`] where the kernel refuses.
pub fn seclude() -> Result<(), LockError> {
    // One byte, not none: none holds for a file alone, and what is started from here may not go back to one (Linux, fs/coredump.c).
    let dumped = getrlimit(Resource::Core).maximum.map_or(1, |most| most.min(1));
    setrlimit(Resource::Core, Rlimit { current: Some(dumped), maximum: Some(dumped) }).map_err(LockError::Seclude)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(LockError::Seclude)
}

impl Locked {
    /// So many zeros, at least one.
    ///
    /// # Errors
    /// [`LockError`] where the kernel refuses.
    pub fn zeroed(bytes: usize) -> Result<Self, LockError> {
        // SAFETY: a private anonymous mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
        let start = NonNull::new(start.map_err(LockError::Map)?.cast::<u8>()).ok_or(LockError::Map(Errno::NOMEM))?;
        let locked = Self { start, bytes };
        // SAFETY: the range was mapped above and belongs to `locked` alone. Wiping on fork changes children only.
        unsafe {
            mm::mlock(locked.address(), bytes).map_err(LockError::Lock)?;
            mm::madvise(locked.address(), bytes, Advice::LinuxDontDump).map_err(LockError::Advise)?;
            mm::madvise(locked.address(), bytes, Advice::LinuxWipeOnFork).map_err(LockError::Advise)?;
        }
        Ok(locked)
    }

    /// A copy of `bytes`, at least one.
    ///
    /// # Errors
    /// [`LockError`] where the kernel refuses.
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self, LockError> {
        let mut locked = Self::zeroed(bytes.len())?;
        locked.bytes_mut().copy_from_slice(bytes);
        Ok(locked)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `self.bytes` long, initialised with zeros by the kernel, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` keeps every other reference away.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }

    fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        // SAFETY: the range was mapped by `zeroed`, and nothing borrows it any more. An error would leave a wiped page mapped, which harms nobody.
        let _unmapped = unsafe { mm::munmap(self.address(), self.bytes) };
    }
}

// SAFETY: `Locked` owns its mapping as a `Box<[u8]>` owns its allocation; the kernel does not care which thread uses or unmaps it.
unsafe impl Send for Locked {}
// SAFETY: shared references give shared reads only.
unsafe impl Sync for Locked {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `VmFlags` of the mapping that begins at this address (proc_pid_smaps(5)).
    fn flags_of(locked: &Locked) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mapping = format!("{:x}-", locked.start.as_ptr() as usize);
        let at = smaps.lines().skip_while(|line| !line.starts_with(&mapping));
        at.take_while(|line| !line.is_empty()).find(|line| line.starts_with("VmFlags:")).expect("flags").to_owned()
    }

    #[test]
    fn a_key_is_kept_out_of_swap_dumps_and_children() {
        let key = Locked::copy_of(&[7; 32]).expect("a page");
        let flags = flags_of(&key);
        for flag in [" lo", " dd", " wf"] {
            assert!(flags.contains(flag), "{flag} is missing in {flags}");
        }
        assert_eq!(key.bytes(), [7; 32]);
    }

    #[test]
    fn nothing_is_no_key() {
        assert!(Locked::zeroed(0).is_err());
    }
}
