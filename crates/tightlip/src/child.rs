//! How a child starts: what it is given, what it keeps, and what it says back.
//!
//! A child inherits three descriptors: nothing but the *leash* as its standard input, and the supervisor's standard output and error. Everything else
//! arrives over the leash, named, in one message. A child reads its keys itself; only a root key that comes from a passphrase, which no file holds, is handed
//! to the gateway, through a pipe of its own and from locked memory to locked memory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use link::{PacketError, Packets};
use nix::sys::signal::SigSet;
use serde::{Deserialize, Serialize};

use crate::config::Resolve;
use crate::config::ways::Ways;
use crate::setup::Pin;

/// Which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Faces the network; has public keys only.
    Api,
    /// Holds the keys; faces the devboxes.
    Gateway,
    /// Holds the devboxes that were made over the API.
    Keeper,
}

/// The first message on the leash. Beside it: the descriptors that `given` names, in that order.
#[derive(Serialize, Deserialize)]
pub struct Begin {
    /// The supervisor's process id: a child whose parent is another was orphaned before it began.
    pub supervisor: u32,
    /// What the child is to do.
    pub task: Task,
    /// What each descriptor is.
    pub given: Vec<Given>,
}

/// What a descriptor that a child is given is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// The child's end of the link between api and gateway; the keeper's, of the one to the gateway.
    Link,
    /// The gateway's end of the link to the keeper.
    Keeper,
    /// The socket that it serves.
    Socket,
    /// The data folder's lock.
    Lock,
    /// The socket of whoever runs the server; the api's alone.
    Control,
    /// The api's socket for TLS.
    Tls,
    /// The gateway's listening socket for others' sandboxes.
    Proxy,
}

/// What a child is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Serve the API.
    Api {
        /// The data folder.
        data: PathBuf,
        /// Whose signature the manifest of public keys must carry.
        pin: Pin,
        /// Further names of the api.
        hosts: Vec<String>,
        /// How often a caller may ask.
        rates: api::RateLimits,
        /// The certificate and key of the socket for TLS, where there is one.
        tls: Option<api::TlsFiles>,
        /// Whether devboxes are made over the API, or environments for others' sandboxes.
        devboxes: bool,
    },
    /// Decide for devboxes.
    Gateway {
        /// The data folder.
        data: PathBuf,
        /// Hosts whose address the operator names.
        resolve: Vec<Resolve>,
        /// Certificates for upstreams, beside the system's.
        upstream_ca: Option<PathBuf>,
        /// The ways out beside the direct one.
        ways: Ways,
        /// End when unused for so many milliseconds.
        idle_exit_ms: Option<u64>,
        /// No file holds the root key: the supervisor hands it over once it is asked.
        awaits_root_key: bool,
        /// What it was told to allow.
        policy: Policy,
        /// The folders of the anchor.
        anchors: Vec<PathBuf>,
    },
    /// Keep devboxes.
    Keeper,
}

/// What an operator allows the gateway beyond what it does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Secrets that are bound to no host stand in devboxes of the API's as they are.
    pub plain_env_for_unbound: bool,
    /// A gateway config and an unbound secret that a caller pairs need nobody's approval.
    pub accept_pairings: bool,
}

/// What a child says over the leash.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It is closed to its neighbours, and waits for the root key that no file holds. Answered by [`Hand`].
    Closed,
    /// It serves.
    Ready,
    /// It cannot, and ends.
    Failed {
        /// Why, in words for the operator.
        message: String,
    },
}

/// The supervisor's answer to [`Report::Closed`]; beside it a pipe with the root key.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hand;

/// What a child has when its task begins.
pub struct Start {
    /// What it is to do.
    pub task: Task,
    /// What it was given. The lock among it keeps the data folder locked as long as this process lives.
    pub handed: Handed,
    /// To say that it serves, or why not.
    pub leash: Packets,
}

/// Why a process cannot begin as a child.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A person called the hidden subcommand.
    #[error("this subcommand is for `tightlip up` alone; run `tightlip up`")]
    NotAChild,
    /// The supervisor ended while this child began.
    #[error("the supervisor is gone")]
    Orphaned,
    /// The system refused.
    #[error("failed to begin as a child process")]
    Io(#[from] io::Error),
}

impl Role {
    /// The hidden subcommand.
    #[must_use]
    pub const fn subcommand(self) -> &'static str {
        match self {
            Self::Api => "__api",
            Self::Gateway => "__gateway",
            Self::Keeper => "__keeper",
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Gateway => "gateway",
            Self::Keeper => "keeper",
        }
    }
}

/// Starts a child of this very program, even when its file was replaced since, and hands it what it needs.
///
/// # Errors
/// When the system refuses.
pub fn spawn(role: Role, task: &Task, given: &[(Given, BorrowedFd<'_>)]) -> Result<(Child, Packets), PacketError> {
    let (ours, theirs) = Packets::pair()?;
    let (given, fds): (Vec<Given>, Vec<BorrowedFd<'_>>) = given.iter().copied().unzip();
    ours.send(&Begin { supervisor: std::process::id(), task: task.clone(), given }, &fds)?;
    let kept = KEPT_VARIABLES
        .into_iter()
        .chain(SEEDED_VARIABLES.iter().copied())
        .filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
    let child = Command::new("/proc/self/exe")
        .arg0("tightlip")
        .arg(role.subcommand())
        .env_clear()
        .envs(kept)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        // A terminal's interrupt is for the supervisor, which stops its children in order.
        .process_group(0)
        .current_dir("/")
        .spawn()?;
    Ok((child, ours))
}

/// Begins as a child: single-threaded, before anything else.
///
/// # Errors
/// When this process is no child of a supervisor, or the system refuses.
pub fn begin() -> Result<Start, StartError> {
    close_inherited()?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(io::Error::from)?;
    // The supervisor blocks the signals that it reads from a descriptor, and a child inherits that.
    SigSet::empty().thread_set_mask().map_err(io::Error::from)?;
    let leash = Packets::from_fd(io::stdin().as_fd().try_clone_to_owned()?);
    leash.limit_wait(Some(BEGIN_WAIT)).map_err(|_| StartError::NotAChild)?;
    let (begin, fds) = leash.recv::<Begin>().map_err(|_| StartError::NotAChild)?;
    let handed = Handed::new(&begin.given, fds)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?).map_err(io::Error::from)?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(begin.supervisor) {
        return Err(StartError::Orphaned);
    }
    leash.limit_wait(None).map_err(|_| StartError::Orphaned)?;
    Ok(Start { task: begin.task, handed, leash })
}

/// The descriptors that arrived, by name.
pub struct Handed(Vec<(Given, OwnedFd)>);

impl Handed {
    fn new(given: &[Given], fds: Vec<OwnedFd>) -> Result<Self, StartError> {
        if given.len() == fds.len() { Ok(Self(given.iter().copied().zip(fds).collect())) } else { Err(StartError::NotAChild) }
    }

    /// The descriptor of this name, where it was given.
    pub fn take_if_any(&mut self, wanted: Given) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(given, _)| *given == wanted)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The descriptor of this name.
    ///
    /// # Errors
    /// [`StartError::NotAChild`] where it was not given.
    pub fn take(&mut self, wanted: Given) -> Result<OwnedFd, StartError> {
        self.take_if_any(wanted).ok_or(StartError::NotAChild)
    }
}

/// Runs the child of this role to its end.
#[must_use]
pub fn main(role: Role) -> ExitCode {
    crate::logging::start();
    // An exec opened the process to its neighbours again. Before anything arrives that they must not have.
    if let Err(error) = vault::seclude() {
        tracing::error!("{error}");
        return ExitCode::FAILURE;
    }
    let start = match begin() {
        Ok(start) => start,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let leash = start.leash.try_clone();
    let ended = match role {
        Role::Api => crate::wiring::api(start),
        Role::Gateway => crate::wiring::gateway(start),
        Role::Keeper => crate::wiring::keeper(start),
    };
    let Err(error) = ended else { return ended.unwrap_or(ExitCode::FAILURE) };
    let message = format!("{error:#}");
    if leash.and_then(|leash| leash.send(&Report::Failed { message }, &[])).is_err() {
        tracing::error!("the {} cannot serve: {error:#}", role.as_str());
    }
    ExitCode::FAILURE
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Closes whatever this program's caller left open by mistake. Nothing of ours is open yet.
///
/// # Errors
/// When the system does not say what is open.
pub fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).filter(|fd| *fd > 2));
    }
    for fd in open {
        // The folder that was read is among them and is closed already.
        let _closed = nix::unistd::close(fd);
    }
    Ok(())
}

/// What a child keeps of the environment: how much it logs and how, and where the system's certificates are.
const KEPT_VARIABLES: [&str; 5] =
    [crate::logging::VARIABLE, crate::logging::FORMAT_VARIABLE, "SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_BACKTRACE"];
#[cfg(feature = "faults")]
const SEEDED_VARIABLES: &[&str] = &[service::faults::VARIABLE];
#[cfg(not(feature = "faults"))]
const SEEDED_VARIABLES: &[&str] = &[];
/// How long what the supervisor owes is waited for.
pub const BEGIN_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
const EXIT_USAGE: u8 = 2;
