//! Pid 1's life: start commands, reap what is orphaned, and end everything when the devbox is over or its maker is gone.

mod many;
mod one;

use std::os::fd::OwnedFd;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};

use crate::control::{At, Channel, Control, Fail, Order, Size, Step};
use crate::root::Built;
use crate::setup::Setup;
use crate::walls::Walls;

/// What pid 1 has when the root stands.
pub(crate) struct Inside {
    pub setup: Setup,
    /// Variables that are values: `KEY=VALUE`, each ended by a zero byte.
    pub plain: Vec<u8>,
    pub built: Built,
    pub walls: Walls,
    /// The maker's.
    pub umask: rustix::fs::Mode,
    /// The greatest number that a process can have.
    pub numbers: i32,
}

/// The word to start.
enum Word {
    /// One command, whose end is the devbox's.
    Start { stdio: [Channel; 3], size: Option<Size>, given: Vec<OwnedFd> },
    /// Many commands.
    Open { entrypoint: Option<OwnedFd> },
}

/// Waits for the word to start and lives until the devbox is over. Returns this process's own exit code.
pub(crate) fn run(control: &Control, inside: Inside) -> Result<i32, Fail> {
    let Some(word) = word_to_start(control)? else { return Ok(EXIT_ENDED) };
    let deaths = Deaths::watch()?;
    match word {
        Word::Start { stdio, size, given } => one::live(control, &deaths, inside, (stdio, size), given),
        Word::Open { entrypoint } => many::live(control, &deaths, inside, entrypoint),
    }
}

/// None when the devbox is not wanted any more.
fn word_to_start(control: &Control) -> Result<Option<Word>, Fail> {
    match control.recv() {
        Ok((Order::Start { stdio, size }, given)) => Ok(Some(Word::Start { stdio, size, given })),
        Ok((Order::Open, fds)) => Ok(Some(Word::Open { entrypoint: fds.into_iter().next() })),
        Ok((Order::Setup | Order::Signal(_) | Order::Exec { .. } | Order::Kill { .. } | Order::End, _)) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).at(Step::Setup),
    }
}

/// Tells when a child has ended.
struct Deaths(SignalFd);

/// What woke pid 1.
struct Awake {
    spoken: bool,
    died: bool,
}

impl Deaths {
    /// From before the first child on, so that none is missed.
    fn watch() -> Result<Self, Fail> {
        let children = SigSet::from(Signal::SIGCHLD);
        children.thread_block().at(Step::Spawn)?;
        SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).at(Step::Spawn).map(Self)
    }

    /// Waits until the maker speaks or a child ends; none where nothing can be waited for.
    fn wait(&self, control: &Control) -> Option<Awake> {
        let mut sources = [PollFd::new(control, PollFlags::IN), PollFd::new(&self.0, PollFlags::IN)];
        if poll(&mut sources, None).is_err_and(|errno| errno != rustix::io::Errno::INTR) {
            return None;
        }
        let [spoken, died] = sources.map(|source| !source.revents().is_empty());
        Some(Awake { spoken, died })
    }

    /// Reaps all that has ended: each with its exit code, 128 and the number for a signal.
    fn reap(&self) -> Vec<(Pid, i32)> {
        while let Ok(Some(_)) = self.0.read_signal() {}
        let mut ended = Vec::new();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => ended.push((pid, status)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => ended.push((pid, EXIT_SIGNAL + signal as i32)),
                Ok(WaitStatus::StillAlive) => return ended,
                Ok(_) | Err(nix::Error::EINTR) => {}
                // No child is left.
                Err(_) => return ended,
            }
        }
    }
}

/// Ends and reaps every other process of the devbox, those that are just being forked included.
fn end_everything() {
    loop {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        if waitid(Id::All, WaitPidFlag::WEXITED) == Err(nix::Error::ECHILD) {
            return;
        }
        // All that died of it, before thousands are signalled once more.
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
    }
}

const EXIT_SIGNAL: i32 = 128;
/// As if by SIGKILL.
const EXIT_ENDED: i32 = EXIT_SIGNAL + 9;
