//! A devbox that takes commands: no folder of the host's, no terminal, and nobody who waits at it.
//!
//! Making and opening one block for some milliseconds; everything else answers at once, and is told by [`Hosted::next`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::control::{Order, Report, Step};
use crate::error::DevboxError;
use crate::forbidden::explain;
use crate::prepared::{Listening, Made};
use crate::setup::{Setup, memory};

/// A devbox that takes commands, as asked for.
#[derive(Debug)]
pub struct HostedSpec {
    /// The environment, over what every login has.
    pub env: Vec<(String, String)>,
    /// The TCP ports on which every address is the gateway.
    pub ports: Vec<u16>,
    /// The certificates that tools inside trust, PEM, in an anonymous file.
    pub bundle: OwnedFd,
    /// Variables that are values, in an anonymous file: `KEY=VALUE`, each ended by a zero byte. Handed on unread.
    pub plain: OwnedFd,
    /// The user and group that its processes are: none but the machine's root can ask for one. None: who we are.
    pub uid: Option<u32>,
}

/// One whose network stands and that takes no commands yet. Dropped, it ends.
#[derive(Debug)]
pub struct PreparedHosted {
    made: Made,
    listeners: Arc<[Listening]>,
}

/// One that takes commands. Dropped, it ends with all its processes, which takes a moment.
#[derive(Debug)]
pub struct Hosted {
    made: Made,
}

/// A command's processes: what it started, and has not left for a session of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session(i32);

/// What became of a command, or of the devbox.
#[derive(Debug)]
pub enum Told {
    /// The command runs.
    Started {
        /// The number that it was given.
        number: u64,
        /// By which it is killed.
        session: Session,
    },
    /// The command does not run; the devbox takes others.
    NotStarted {
        /// The number that it was given.
        number: u64,
        /// Why not.
        error: DevboxError,
    },
    /// The command ended. What it left running goes on.
    Ended {
        /// The number that it was given.
        number: u64,
        /// Its exit code; 128 and the number for a signal.
        code: i32,
    },
    /// The devbox is over: nothing more is told.
    Gone {
        /// The entrypoint's exit code, where it was that which ended.
        entrypoint: Option<i32>,
    },
}

/// Makes a devbox's namespaces and listeners. Nothing of the caller's runs yet.
///
/// Starts `/proc/self/exe __init`: the executable must call [`crate::init_main`] first thing for that argument.
///
/// # Errors
/// [`DevboxError::RootInside`] before anything is made; then [`DevboxError::NamespacesForbidden`] or [`DevboxError::Kernel`].
pub fn prepare_hosted(spec: &HostedSpec) -> Result<PreparedHosted, DevboxError> {
    if spec.uid == Some(0) {
        return Err(DevboxError::RootInside);
    }
    let beside = [spec.bundle.as_fd(), spec.plain.as_fd()];
    let (made, listeners) = Made::make(&Setup::hosted(spec), &beside, spec.uid)?;
    Ok(PreparedHosted { made, listeners: listeners.into() })
}

impl PreparedHosted {
    /// The listeners, to be handed to the gateway. Whoever holds them holds the devbox's whole network.
    #[must_use]
    pub fn listeners(&self) -> Arc<[Listening]> {
        Arc::clone(&self.listeners)
    }

    /// Builds the walls, and starts `entrypoint`, the text for a login shell: the devbox ends with it. It has no input and no output.
    ///
    /// # Errors
    /// [`DevboxError::Kernel`] for the wall that the kernel refused; [`DevboxError::NotFound`] or [`DevboxError::NotExecutable`] where there is no shell.
    pub fn open(self, entrypoint: Option<&str>) -> Result<Hosted, DevboxError> {
        let failed = |source| DevboxError::Kernel { step: Step::Root.words(), source };
        let text = entrypoint.map(|text| memory(text.as_bytes())).transpose().map_err(failed)?;
        let beside: Vec<_> = text.iter().map(AsFd::as_fd).collect();
        match self.made.control.send(&Order::Open, &beside) {
            // It has gone already, and said why.
            Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent.map_err(failed)?,
        }
        match self.made.control.recv::<Report>().map_err(failed)? {
            (Report::Opened, _) => Ok(Hosted { made: self.made }),
            (Report::Failed(fail), _) => Err(explain(fail)),
            (
                Report::Listening(_)
                | Report::Started { .. }
                | Report::Ran { .. }
                | Report::NotRun { .. }
                | Report::Ended { .. }
                | Report::Exited { .. },
                _,
            ) => Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }
}

impl Hosted {
    /// Asks for a command: `text` for a login shell, which starts in the home with no input. Returns our ends of its standard output and error;
    /// [`Hosted::next`] tells by `number` whether it started and how it ended.
    ///
    /// # Errors
    /// [`DevboxError::Kernel`] when it could not be asked for: the devbox is over, or has too much to do already.
    pub fn run(&self, number: u64, text: &str) -> Result<[OwnedFd; 2], DevboxError> {
        let asked = || {
            let text = memory(text.as_bytes())?;
            let (output, their_output) = io::pipe()?;
            let (error, their_error) = io::pipe()?;
            let beside = [text.as_fd(), their_output.as_fd(), their_error.as_fd()];
            self.made.control.try_send(&Order::Exec { number }, &beside)?;
            Ok([output.into(), error.into()])
        };
        asked().map_err(|source| DevboxError::Kernel { step: Step::Spawn.words(), source })
    }

    /// Kills every process of a command's session.
    ///
    /// # Errors
    /// [`DevboxError::Kernel`] when it could not be asked for: the devbox is over, or has too much to do already.
    pub fn kill(&self, session: Session) -> Result<(), DevboxError> {
        let sent = self.made.control.try_send(&Order::Kill { session: session.0 }, &[]);
        sent.map_err(|source| DevboxError::Kernel { step: "end the command's processes", source })
    }

    /// What happened since; none when nothing did. The descriptor of this devbox becomes readable when something has.
    #[must_use]
    pub fn next(&self) -> Option<Told> {
        loop {
            return match self.made.control.try_recv::<Report>() {
                Ok(None) => None,
                Ok(Some((Report::Ran { number, session }, _))) => Some(Told::Started { number, session: Session(session) }),
                Ok(Some((Report::NotRun { number, fail }, _))) => Some(Told::NotStarted { number, error: explain(fail) }),
                Ok(Some((Report::Ended { number, code }, _))) => Some(Told::Ended { number, code }),
                Ok(Some((Report::Exited { code, .. }, _))) => Some(Told::Gone { entrypoint: Some(code) }),
                Ok(Some((Report::Listening(_) | Report::Started { .. } | Report::Opened, _))) => continue,
                // Pid 1 has gone, and all with it.
                Ok(Some((Report::Failed(_), _))) | Err(_) => Some(Told::Gone { entrypoint: None }),
            };
        }
    }

    /// Asks every process of the devbox to end, without waiting for it.
    pub fn hang_up(&self) {
        self.made.control.hang_up();
    }

    /// Ends every process of the devbox and waits for that. Nothing is asked of pid 1, which may be busy: the kernel kills it, and all with it.
    pub fn end(&self) {
        self.made.end(Duration::ZERO);
    }
}

impl AsFd for Hosted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.made.control.as_fd()
    }
}
