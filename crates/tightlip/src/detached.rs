//! A server that `run` starts for itself: detached, shared, and gone when nobody uses it.
//!
//! Two starters at once settle it by the data folder's lock: the one that comes second finds the first one's server.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

use crate::folder::{DataFolder, FolderError, Lock, open_own};
use crate::up::{Options, UpError, up};

/// Why there is no detached server.
#[derive(Debug, thiserror::Error)]
pub enum DetachedError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The server said why it did not start.
    #[error("failed to start the server: {0}")]
    Refused(String),
    /// The server ended without a word, or took too long.
    #[error("failed to start the server; see {0}")]
    Silent(String),
    /// The system refused.
    #[error("failed to start the server")]
    Io(#[from] io::Error),
}

/// A server that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Its process id.
    pub pid: u32,
    /// Who had started it.
    pub started_by: Starter,
}

/// Who started a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// A person, with `tightlip up`.
    Person,
    /// A command, for itself.
    Command,
}

/// Why a server was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The lock is held, and not by a process that is known to be a server.
    #[error("the data folder is held by {}, which is no `tightlip up`: it may just be starting or ending; try again", process(*.0))]
    Unknown(Option<u32>),
    /// It goes on.
    #[error("the server (process {pid}) was asked to stop, and did not within {limit} s", pid = .0, limit = STOP_WAIT.as_secs())]
    Late(u32),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system refused.
    #[error("failed to stop the server")]
    Io(#[source] io::Error),
}

/// What the server tells its starter.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// It serves.
    Ready,
    /// Another server holds the folder.
    Locked,
    /// It cannot serve.
    Failed {
        /// Why, in words for the person who wanted the server.
        message: String,
    },
}

/// Starts a server on `folder` unless one runs, and returns when it is ready.
///
/// # Errors
/// When the folder cannot be used, or no server became ready.
pub fn start_detached(folder: &DataFolder) -> Result<(), DetachedError> {
    folder.look()?;
    folder.make()?;
    let limit = Instant::now() + START_WAIT;
    loop {
        match start(folder)? {
            Word::Ready => return Ok(()),
            Word::Failed { message } => return Err(DetachedError::Refused(message)),
            // The other one may be starting, or just stopping: it is there when it has written its address.
            Word::Locked if serves(folder) => return Ok(()),
            Word::Locked if Instant::now() >= limit => return Err(DetachedError::Silent(folder.up_log().display().to_string())),
            Word::Locked => std::thread::park_timeout(LOOK),
        }
    }
}

fn start(folder: &DataFolder) -> Result<Word, DetachedError> {
    let log = open_own(&folder.up_log(), OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
    let (mut said, ours) = io::pipe()?;
    let server = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .arg(folder.path())
        .arg(IDLE_EXIT_MS)
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(ours)))
        .stderr(Stdio::from(log))
        .current_dir("/")
        .spawn()?;
    // The server outlives its starter, so nobody waits for it here.
    drop(server);
    let mut text = String::new();
    said.read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|_| DetachedError::Silent(folder.up_log().display().to_string()))
}

/// Whether the server that holds the folder is ready.
fn serves(folder: &DataFolder) -> bool {
    folder.is_held() && folder.address().exists() && link::Packets::connect(&folder.socket()).is_ok()
}

/// Whether this process is a detached server.
#[must_use]
pub fn is_one(pid: u32) -> bool {
    arguments(pid).next().is_some_and(|word| word == SUBCOMMAND.as_bytes())
}

/// The folder's lock, once a detached server that holds it has stopped. Devboxes that it served are taken up by their commands where another one serves soon.
///
/// # Errors
/// When a server that a person started holds it, or the system refuses.
pub fn take_over(folder: &DataFolder) -> Result<Lock, FolderError> {
    let limit = Instant::now() + STOP_WAIT;
    let mut asked = None;
    loop {
        match folder.lock() {
            Err(FolderError::Locked { pid: Some(pid), .. }) if Instant::now() < limit && is_one(pid) && listens(folder, pid) => {
                if asked != Some(pid) {
                    ask_to_stop(pid);
                    asked = Some(pid);
                }
            }
            locked => return locked,
        }
    }
}

/// Stops the server of `folder`, whoever started it, and returns when it and its children have ended; none where none runs.
///
/// # Errors
/// When it does not end in time, or is not to be found; nothing is killed by force.
pub fn stop(folder: &DataFolder) -> Result<Option<Stopped>, StopError> {
    if !folder.lock_file().exists() && !folder.is_held() {
        return Ok(None);
    }
    let pid = match folder.lock() {
        Ok(_free) => return Ok(None),
        Err(FolderError::Locked { pid, .. }) => pid.ok_or(StopError::Unknown(None))?,
        Err(error) => return Err(error.into()),
    };
    let limit = Instant::now() + STOP_WAIT;
    let process = process_of(pid)?;
    if !listens(folder, pid) {
        return Err(StopError::Unknown(Some(pid)));
    }
    // Looked at once the descriptor is there: from here on, the number means this process and no later one.
    let started_by = if is_one(pid) {
        Starter::Command
    } else if arguments(pid).any(|word| word == UP) {
        Starter::Person
    } else {
        return Err(StopError::Unknown(Some(pid)));
    };
    match rustix::process::pidfd_send_signal(&process, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(StopError::Io(error.into())),
    }
    // Its children hold the lock too, until the last of them has ended.
    while folder.holder() == Some(pid) {
        if Instant::now() >= limit {
            return Err(StopError::Late(pid));
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(Some(Stopped { pid, started_by }))
}

fn process_of(pid: u32) -> Result<OwnedFd, StopError> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(StopError::Unknown(Some(pid)))?;
    rustix::process::pidfd_open(raw, PidfdFlags::empty()).map_err(|error| match error {
        Errno::SRCH => StopError::Unknown(Some(pid)),
        error => StopError::Io(error.into()),
    })
}

/// Whether the folder's local socket is this process's. The number in the lock alone says little: the children have the lock open, and one that was taken
/// over may write another's into it.
fn listens(folder: &DataFolder, pid: u32) -> bool {
    let listener = link::Packets::connect(&folder.socket()).and_then(|end| end.peer());
    listener.is_ok_and(|peer| u32::try_from(peer.pid) == Ok(pid))
}

/// The arguments of a process, none where there is none.
fn arguments(pid: u32) -> impl Iterator<Item = Vec<u8>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).skip(1).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
}

/// Asks a detached server to stop in order. Whoever waits for the folder's lock sees when it has.
fn ask_to_stop(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, Signal::TERM)) {
        tracing::warn!("the detached server could not be asked to stop: {error}");
    }
}

/// The detached server itself: the body of the hidden subcommand. Says one word on its standard output, then has none.
#[must_use]
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

fn serve() -> Result<(), ()> {
    crate::logging::start();
    let mut starter = begin().map_err(|error| tracing::error!("failed to detach: {error}"))?;
    let mut arguments = std::env::args_os().skip(2);
    let data = arguments.next().map(PathBuf::from);
    let idle_ms =
        arguments.next().and_then(|text| text.to_str()?.parse().ok()).ok_or_else(|| tracing::error!("this is for `tightlip run`"))?;
    let options = Options { data, listen: Some(ANY_PORT), idle_exit: Some(Duration::from_millis(idle_ms)), ..Options::default() };
    // `run` goes on when the word is out; a starter that is gone by then wants no answer, and the server goes when it stays unused.
    let ended = up(&options, |_| {
        let _gone = say(&mut starter, &Word::Ready);
        Ok(())
    });
    ended.map_err(|error| {
        let message = crate::child::chain(&error);
        tracing::error!("{message}");
        let word = if matches!(error, UpError::Folder(FolderError::Locked { .. })) { Word::Locked } else { Word::Failed { message } };
        let _gone = say(&mut starter, &word);
    })
}

/// Leaves the starter's session and terminal, and keeps nothing of it but the pipe for one word.
fn begin() -> io::Result<Option<File>> {
    crate::child::close_inherited()?;
    rustix::process::setsid()?;
    let starter = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(Some(starter))
}

/// Says the one word and hangs up. Later words go nowhere.
fn say(starter: &mut Option<File>, word: &Word) -> io::Result<()> {
    let Some(mut pipe) = starter.take() else { return Ok(()) };
    pipe.write_all(&serde_json::to_vec(word)?)
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "a process that does not say its number".to_owned(), |pid| format!("process {pid}"))
}

/// The word of the command line that starts a server in the foreground.
const UP: &[u8] = b"up";
/// How long a server may take to stop in order: its own limit, and a little.
const STOP_WAIT: Duration = Duration::from_secs(8);
/// The hidden subcommand; its arguments are the data folder, and after how many unused milliseconds to go.
pub const SUBCOMMAND: &str = "__detached";
/// The port is whichever is free: the data folder's `address` says which.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// A detached server that nobody uses goes after this.
const IDLE_EXIT_MS: &str = "60000";
const START_WAIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
