//! Pid 1's life: start the command, reap what is orphaned, pass signals on, and end everything when the command or the maker is gone.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};

use crate::command::{self, Prepared, Wanted};
use crate::control::{At, Control, Fail, Order, Report, Step};
use crate::root::Built;
use crate::setup::Setup;

/// Waits for the word to start, runs the command to its end, and tells how it ended. Returns this process's own exit code.
pub(crate) fn run(control: &Control, setup: &Setup, built: Built, prepared: Prepared) -> Result<i32, Fail> {
    let Some((wanted, given)) = word_to_start(control)? else { return Ok(EXIT_ENDED) };
    let children = SigSet::from(Signal::SIGCHLD);
    children.thread_block().at(Step::Spawn)?;
    let deaths = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).at(Step::Spawn)?;
    let started = command::start(setup, prepared, wanted, given)?;
    let beside: Vec<_> = started.terminal.iter().map(|terminal| terminal.outer.as_fd()).collect();
    // A maker that is gone is noticed by the loop below.
    drop(control.send(&Report::Started { masked: short(&built.masked), notes: short(&built.notes) }, &beside));
    let code = until_the_end(control, &deaths, started.pid);
    end_everything();
    let (said, stand_ins) = built.repositories.finish();
    let beside: Vec<_> = stand_ins.iter().map(AsFd::as_fd).collect();
    drop(control.send(&Report::Exited { code, git_changes: short(&said) }, &beside));
    // Held until now: a terminal that nobody has open would look ended to its maker.
    drop(started.terminal);
    Ok(code)
}

/// None when the devbox is not wanted any more.
fn word_to_start(control: &Control) -> Result<Option<(Wanted, Vec<OwnedFd>)>, Fail> {
    match control.recv() {
        Ok((Order::Start { stdio, size }, fds)) => Ok(Some((Wanted { stdio, size }, fds))),
        Ok((Order::Setup | Order::Signal(_) | Order::End, _)) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).at(Step::Setup),
    }
}

/// Until the command has ended, or must. The exit code: 128 and the number for a signal.
fn until_the_end(control: &Control, deaths: &SignalFd, command: Pid) -> i32 {
    loop {
        let mut sources = [PollFd::new(control, PollFlags::IN), PollFd::new(deaths, PollFlags::IN)];
        if poll(&mut sources, None).is_err_and(|errno| errno != rustix::io::Errno::INTR) {
            return EXIT_ENDED;
        }
        let [spoken, died] = sources.map(|source| !source.revents().is_empty());
        if died {
            while let Ok(Some(_)) = deaths.read_signal() {}
            if let Some(code) = reap(command) {
                return code;
            }
        }
        if spoken {
            match control.recv() {
                Ok((Order::Signal(number), _)) => pass_on(command, number),
                Ok((Order::Setup | Order::Start { .. }, _)) => {}
                // Asked to end, or the maker is gone: nothing may outlive it.
                Ok((Order::End, _)) | Err(_) => return EXIT_ENDED,
            }
        }
    }
}

/// Reaps all that has ended; the command's code when it was among them.
fn reap(command: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == command => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => code = Some(EXIT_SIGNAL + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return code,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return code.or(Some(EXIT_ENDED)),
        }
    }
}

/// To the command's group, as a terminal would; to the command alone where it has left its group.
fn pass_on(command: Pid, number: i32) {
    if let Ok(signal) = Signal::try_from(number) {
        let _ = killpg(command, signal).or_else(|_| kill(command, signal));
    }
}

/// Ends and reaps every other process of the devbox, those that are just being forked included.
fn end_everything() {
    loop {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        if waitid(Id::All, WaitPidFlag::WEXITED) == Err(nix::Error::ECHILD) {
            return;
        }
    }
}

/// A report is one packet.
fn short(lines: &[String]) -> Vec<String> {
    let mut room = REPORT_BYTES_MAX;
    let fits = lines.iter().take_while(|line| {
        room = room.saturating_sub(line.len() + 8);
        room > 0
    });
    fits.cloned().collect()
}

/// Half of a packet, since JSON may double a text.
const REPORT_BYTES_MAX: usize = 24 * 1024;
const EXIT_SIGNAL: i32 = 128;
/// As if by SIGKILL.
const EXIT_ENDED: i32 = EXIT_SIGNAL + 9;
