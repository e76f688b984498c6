//! Signals as bytes in a pipe, so that a loop over descriptors sees them.
#![allow(unsafe_code, reason = "sigaction(2) installs a function that may run at any instruction")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The signals that are caught, until this is dropped. One per process: a second one catches nothing.
#[derive(Debug)]
pub(crate) struct Caught {
    pipe: Option<OwnedFd>,
    before: Vec<(Signal, SigAction)>,
    /// Kept open while the handler may write.
    writer: Option<OwnedFd>,
}

/// The pipe's writing end, or -1.
static WRITER: AtomicI32 = AtomicI32::new(-1);

impl Caught {
    /// Catches `signals`. One that was ignored when we were started (nohup) stays ignored.
    pub(crate) fn catch(signals: &[Signal]) -> std::io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK)?;
        if WRITER.compare_exchange(-1, writer.as_raw_fd(), Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Ok(Self { pipe: None, before: Vec::new(), writer: None });
        }
        let mut caught = Self { pipe: Some(reader), before: Vec::new(), writer: Some(writer) };
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
        for signal in signals {
            // SAFETY: `note` calls only write(2) and touches only an atomic and errno, which it restores.
            let before = unsafe { sigaction(*signal, &action) }?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                // SAFETY: puts back what was there.
                unsafe { sigaction(*signal, &before) }?;
            } else {
                caught.before.push((*signal, before));
            }
        }
        Ok(caught)
    }

    /// Becomes readable when a signal came.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// The signals that came since the last call.
    pub(crate) fn take(&self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        let got = self.pipe.as_ref().and_then(|pipe| nix::unistd::read(pipe, &mut bytes).ok()).unwrap_or(0);
        bytes.iter().take(got).filter_map(|byte| Signal::try_from(i32::from(*byte)).ok()).collect()
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        for (signal, before) in self.before.drain(..) {
            // SAFETY: puts back what was there. A refusal would leave a handler that finds no pipe and does nothing.
            let _ = unsafe { sigaction(signal, &before) };
        }
        if self.writer.is_some() {
            WRITER.store(-1, Ordering::SeqCst);
        }
    }
}

/// Puts a signal's default back: whoever started us, or our own runtime, may have it ignored.
pub(crate) fn default(signal: Signal) -> nix::Result<()> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: installs no function.
    unsafe { sigaction(signal, &action) }.map(drop)
}

extern "C" fn note(signal: libc::c_int) {
    let errno = nix::Error::last_raw();
    let writer = WRITER.load(Ordering::SeqCst);
    if let (Ok(byte), true) = (u8::try_from(signal), writer >= 0) {
        // SAFETY: write(2) is async-signal-safe and the byte lives across the call. A full pipe loses a signal of many.
        unsafe { libc::write(writer, (&raw const byte).cast(), 1) };
    }
    nix::Error::set_raw(errno);
}
