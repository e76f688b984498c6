//! A command that runs behind its walls: relay it, pass signals on, learn how it ended.

use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::control::{Control, Order, Report};
use crate::error::DevboxError;
use crate::kernel::signals::Caught;
use crate::prepared::{Listening, Made};
use crate::relay::Relay;
use crate::root;
use crate::shown::plain;

/// A running devbox. Dropped, it ends with all its processes.
#[derive(Debug)]
pub struct Running {
    made: Made,
    listeners: Vec<Listening>,
    relay: Relay,
    notes: Vec<String>,
    caught: Option<Caught>,
    why: Why,
}

/// How a devbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The command's exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// What was changed in the repository's hooks and configuration and not kept: lines fit for a terminal.
    pub git_changes: Vec<String>,
    /// Why it was ended from outside, where it was.
    pub ended: Option<String>,
}

/// Ends a devbox from another thread.
#[derive(Clone, Debug)]
pub struct Killer {
    control: Arc<Control>,
    why: Why,
}

type Why = Arc<Mutex<Option<String>>>;

impl Running {
    /// Catches the signals that are passed on: before the command can say that it runs. Without them it runs all the same.
    pub(crate) fn catch_signals() -> Option<Caught> {
        Caught::catch(&SIGNALS).ok()
    }

    pub(crate) fn new(made: Made, listeners: Vec<Listening>, relay: Relay, notes: Vec<String>, caught: Option<Caught>) -> Self {
        Self { made, listeners, relay, notes, caught, why: Why::default() }
    }

    /// The listeners, to be handed over again after the gateway was away.
    #[must_use]
    pub fn listeners(&self) -> &[Listening] {
        &self.listeners
    }

    /// What the user should know at the start: which files are masked, what was not searched.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What ends this devbox from another thread while [`Running::wait`] waits.
    #[must_use]
    pub fn killer(&self) -> Killer {
        Killer { control: Arc::clone(&self.made.control), why: Arc::clone(&self.why) }
    }

    /// Relays the terminal, passes SIGINT, SIGTERM, SIGHUP and SIGQUIT on, and waits for the end.
    ///
    /// # Errors
    /// [`DevboxError::Kernel`] when the devbox can no longer be watched; it is ended then.
    pub fn wait(mut self) -> Result<Exit, DevboxError> {
        let mut told = None;
        let mut patience = PATIENCE_TICKS;
        loop {
            let (spoken, signalled) = self.turn(true)?;
            if signalled {
                self.pass_signals_on();
            }
            if spoken {
                match self.made.control.recv::<Report>() {
                    Ok((Report::Exited { code, git_changes }, repositories)) => {
                        repositories.iter().for_each(root::remove_stand_in);
                        told = Some((code, git_changes));
                        break;
                    }
                    Ok((
                        Report::Listening(_)
                        | Report::Started { .. }
                        | Report::Opened
                        | Report::Ran { .. }
                        | Report::NotRun { .. }
                        | Report::Ended { .. },
                        _,
                    )) => {}
                    // Pid 1 was killed: as if the command was, but for what is said then.
                    Ok((Report::Failed(_), _)) | Err(_) => break,
                }
            } else if self.why.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                patience -= 1;
                if patience == 0 {
                    break;
                }
            }
        }
        self.relay.last_words();
        // Until the devbox's last process has gone, so that everything it wrote is passed on.
        while told.is_some() && self.relay.is_open() {
            self.turn(false)?;
        }
        let (code, git_changes) = told.unwrap_or_else(|| (EXIT_LOST, vec![NOT_LOOKED_AT.to_owned()]));
        let git_changes = git_changes.iter().map(|line| plain(line)).collect();
        let ended = self.why.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Exit { code, git_changes, ended })
    }

    /// Waits for anything and relays what there is. Whether pid 1 spoke, whether a signal came.
    fn turn(&mut self, listening: bool) -> Result<(bool, bool), DevboxError> {
        let signals = self.caught.as_ref().and_then(Caught::descriptor);
        let mut sources = self.relay.sources();
        let pumps = sources.len();
        if listening {
            sources.push(PollFd::new(&*self.made.control, PollFlags::IN));
            sources.extend(signals.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        match poll(&mut sources, Some(&TICK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(DevboxError::Kernel { step: "watch the devbox", source: errno.into() }),
        }
        let ready: Vec<bool> = sources.iter().map(|source| !source.revents().is_empty()).collect();
        drop(sources);
        let (relayed, own) = ready.split_at(pumps.min(ready.len()));
        self.relay.pump(relayed);
        Ok((own.first().copied().unwrap_or(false), own.get(1).copied().unwrap_or(false)))
    }

    fn pass_signals_on(&mut self) {
        for signal in self.caught.as_ref().map(Caught::take).unwrap_or_default() {
            if signal == Signal::SIGWINCH {
                self.relay.resize();
            } else if signal == Signal::SIGCONT {
                self.relay.resume();
            } else {
                // A devbox that is gone has no use for it.
                drop(self.made.control.send(&Order::Signal(signal as i32), &[]));
            }
        }
    }
}

impl Killer {
    /// Ends the devbox: every process in it. `why` comes back in [`Exit::ended`].
    pub fn end(&self, why: &str) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        // A devbox that is gone needs no ending.
        drop(self.control.send(&Order::End, &[]));
    }
}

const SIGNALS: [Signal; 6] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH, Signal::SIGCONT];
/// How often a devbox that was asked to end is looked at.
const TICK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Ticks until a devbox that was asked to end is killed from outside.
const PATIENCE_TICKS: u32 = 5;
/// Said where pid 1 did not live to look, for whatever reason, or could not say what it saw.
pub const NOT_LOOKED_AT: &str = "nothing was looked at when the devbox ended, since its first process was lost: look at .git/config.worktree, .git/config, \
     .git/hooks and at what `find . -name .git -o -name HEAD` shows before you use git here";
/// As if by SIGKILL.
const EXIT_LOST: i32 = 128 + 9;
