//! A server that `run` starts for itself: detached, shared, and gone when nobody uses it.
//!
//! Two starters at once settle it by the data folder's lock: the one that comes second finds the first one's server.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::folder::{DataFolder, FILE_MODE, FolderError};
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
    let log = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(folder.up_log())?;
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
    folder.holder().is_some() && folder.address().exists() && link::Packets::connect(&folder.socket()).is_ok()
}

/// Whether this process is a detached server.
#[must_use]
pub fn is_one(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(SUBCOMMAND.as_bytes())
}

/// Asks a detached server to stop in order. Whoever waits for the folder's lock sees when it has.
pub fn ask_to_stop(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM)) {
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

/// The hidden subcommand; its arguments are the data folder, and after how many unused milliseconds to go.
pub const SUBCOMMAND: &str = "__detached";
/// The port is whichever is free: the data folder's `address` says which.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// A detached server that nobody uses goes after this.
const IDLE_EXIT_MS: &str = "60000";
const START_WAIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
