//! A devbox from request to start: its namespaces and listeners, made by a process of ours in the user's own rights.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio as Standard};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::control::{Control, Order, Report, Role, Step};
use crate::error::DevboxError;
use crate::forbidden::explain;
use crate::running::Running;
use crate::setup::{Setup, memory};
use crate::shown::plain;
use crate::spec::{Spec, Terminal};
use crate::{relay, stdio};

/// A devbox whose network stands and whose command does not run yet. Dropped, it ends.
#[derive(Debug)]
pub struct Prepared {
    made: Made,
    listeners: Vec<Listening>,
    terminal: Terminal,
}

/// A listener of the devbox: a socket in its network namespace.
#[derive(Debug)]
pub struct Listening {
    /// What it is.
    pub role: Role,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// A devbox's process outside, and the connection to its pid 1. Dropped, both end.
#[derive(Debug)]
pub(crate) struct Made {
    pub control: std::sync::Arc<Control>,
    pub child: Child,
}

/// Makes a devbox's namespaces and listeners. Nothing of the command runs yet.
///
/// Starts `/proc/self/exe __init`: the executable must call [`crate::init_main`] first thing for that argument.
///
/// # Errors
/// [`DevboxError::WorkDir`], [`DevboxError::Path`] and [`DevboxError::FolderAsStdio`] before anything is made; then
/// [`DevboxError::NamespacesForbidden`] or [`DevboxError::Kernel`].
pub fn prepare(spec: &Spec) -> Result<Prepared, DevboxError> {
    let setup = spec.check()?;
    let bundle = memory(&spec.bundle_pem).map_err(|source| DevboxError::Kernel { step: Step::Setup.words(), source })?;
    let (made, listeners) = Made::make(&setup, &[bundle.as_fd()], None)?;
    Ok(Prepared { made, listeners, terminal: spec.terminal })
}

impl Prepared {
    /// The listeners, to be handed to the gateway. Whoever holds them holds the devbox's whole network.
    #[must_use]
    pub fn listeners(&self) -> &[Listening] {
        &self.listeners
    }

    /// Runs the command behind its walls. Returns once it was executed.
    ///
    /// # Errors
    /// [`DevboxError::NotFound`], [`DevboxError::NotExecutable`], or [`DevboxError::Kernel`] for the wall that the kernel refused.
    pub fn start(self) -> Result<Running, DevboxError> {
        let failed = |source| DevboxError::Kernel { step: Step::Stdio.words(), source };
        let Self { made, listeners, terminal } = self;
        let stdio = stdio::make(terminal).map_err(failed)?;
        let caught = Running::catch_signals();
        let given: Vec<_> = stdio.given.iter().map(AsFd::as_fd).collect();
        made.control.limit_wait(Some(SEARCH_WAIT)).map_err(failed)?;
        match made.control.send(&Order::Start { stdio: stdio.channels, size: stdio.size() }, &given) {
            // It has gone already, and said why.
            Err(gone) if gone.kind() == std::io::ErrorKind::BrokenPipe => {}
            sent => sent.map_err(failed)?,
        }
        let (masked, mut notes, fds) = match made.control.recv::<Report>().map_err(failed)? {
            (Report::Started { masked, notes }, fds) => (masked, notes, fds),
            (Report::Failed(fail), _) => return Err(explain(fail)),
            (
                Report::Listening(_)
                | Report::Opened
                | Report::Ran { .. }
                | Report::NotRun { .. }
                | Report::Ended { .. }
                | Report::Exited { .. },
                _,
            ) => return Err(failed(std::io::ErrorKind::InvalidData.into())),
        };
        if !masked.is_empty() {
            notes.insert(0, format!("masked in the work folder: {}", masked.join(", ")));
        }
        let notes = notes.iter().map(|note| plain(note)).collect();
        made.control.limit_wait(None).map_err(failed)?;
        let relay = relay::Relay::new(stdio, fds.into_iter().next()).map_err(failed)?;
        Ok(Running::new(made, listeners, relay, notes, caught))
    }
}

impl Made {
    /// Starts `/proc/self/exe __init` as `uid` (none: as who we are), hands it the setup and what belongs beside it, and receives the listeners.
    pub(crate) fn make(setup: &Setup, beside: &[BorrowedFd<'_>], uid: Option<u32>) -> Result<(Self, Vec<Listening>), DevboxError> {
        let failed = |source| DevboxError::Kernel { step: Step::FirstProcess.words(), source };
        let (ours, theirs) = Control::pair().map_err(failed)?;
        let mut init = Command::new("/proc/self/exe");
        init.arg0("tightlip").arg("__init").env_clear().current_dir("/");
        init.stdin(Standard::from(OwnedFd::from(theirs))).stdout(Standard::null()).stderr(Standard::null());
        if let Some(uid) = uid {
            // Without further groups: setting the user of a child of root's leaves them all.
            init.uid(uid).gid(uid);
        }
        let spawned = init.spawn();
        // Its end of the connection is the child's alone from here on.
        drop(init);
        let made = Self { control: ours.into(), child: spawned.map_err(failed)? };
        made.control.limit_wait(Some(STEP_WAIT)).map_err(failed)?;
        let setup = setup.to_memory().map_err(failed)?;
        let fds: Vec<_> = std::iter::once(setup.as_fd()).chain(beside.iter().copied()).collect();
        made.control.send(&Order::Setup, &fds).map_err(failed)?;
        match made.control.recv::<Report>().map_err(failed)? {
            (Report::Listening(roles), fds) if roles.len() == fds.len() => {
                let listeners = roles.into_iter().zip(fds).map(|(role, fd)| Listening { role, fd }).collect();
                Ok((made, listeners))
            }
            (Report::Failed(fail), _) => Err(explain(fail)),
            (
                Report::Listening(_)
                | Report::Started { .. }
                | Report::Opened
                | Report::Ran { .. }
                | Report::NotRun { .. }
                | Report::Ended { .. }
                | Report::Exited { .. },
                _,
            ) => Err(failed(std::io::ErrorKind::InvalidData.into())),
        }
    }

    /// Ends every process of the devbox and waits for that. Pid 1, which sees the hang-up, has so long to end the others and leave; then it is killed.
    pub(crate) fn end(&self, patience: Duration) {
        self.control.hang_up();
        let pid = rustix::process::Pid::from_child(&self.child);
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // The waiter kills pid 1 when it is told to, and ends when the kernel has ended all that were with it. Should that be stuck, it is not waited for.
        for (limit, signal) in [(patience, Signal::TERM), (KILL_WAIT, Signal::KILL)] {
            let mut ended = [PollFd::new(&handle, PollFlags::IN)];
            if Timespec::try_from(limit).is_ok_and(|limit| poll(&mut ended, Some(&limit)).is_ok_and(|ready| ready > 0)) {
                return;
            }
            let _ = pidfd_send_signal(&handle, signal);
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.end(LEAVE_WAIT);
        drop(self.child.wait());
    }
}

/// How long pid 1 may take to end all processes and to put the repository right.
const LEAVE_WAIT: Duration = Duration::from_secs(5);
/// How long processes that were killed may take to end.
const KILL_WAIT: Duration = Duration::from_secs(5);
/// How long the search of a large work folder may take, on a disk that has to be read.
const SEARCH_WAIT: Duration = Duration::from_secs(180);
/// How long one step of the making may take: a loaded machine, not a broken one.
const STEP_WAIT: Duration = Duration::from_secs(30);
