//! The keeper: a process that holds the API's devboxes, so that they live on while the gateway starts again.
//!
//! What lives here: devboxes by their ids, their commands, what these wrote last. What never does: a key, a database, a value that it reads, a decision about
//! who may do what. It does what the gateway says over one line ([`link::keeper`]), and ends everything when that line is closed.
#![forbid(unsafe_code)]

mod charge;
mod commands;
mod execution;
mod keeper;
mod line;
mod ring;

use std::io;
use std::time::Duration;

use link::{PacketError, Packets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Why the keeper ended before its line was closed.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The system refused what it needs to run at all.
    #[error("failed to start the keeper of devboxes")]
    Start(#[source] io::Error),
    /// The line to the gateway cannot be read any more.
    #[error("failed to read what the gateway asks of the keeper")]
    Line(#[source] PacketError),
}

/// Serves the gateway's orders until the line is closed, or `asked_to_end` comes back; then ends every devbox and returns. `ready` is called once orders are
/// taken. `asked_to_end` runs inside the keeper's own runtime.
///
/// Devboxes are started as `/proc/self/exe __init`: the executable must call [`devbox::init_main`] first thing for that argument.
///
/// # Errors
/// [`KeeperError::Start`] before `ready` is called; [`KeeperError::Line`] when every devbox was ended since nobody could speak for them any more.
pub fn run(line: Packets, ready: impl FnOnce(), asked_to_end: impl Future<Output = ()>) -> Result<(), KeeperError> {
    allow_many_files();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(HANDS)
        .thread_keep_alive(HANDS_IDLE)
        .thread_stack_size(HANDS_STACK_BYTES)
        .build()
        .map_err(KeeperError::Start)?;
    LocalSet::new().block_on(&runtime, keeper::serve(line, ready, asked_to_end))
}

/// A devbox is a handful of descriptors, a running command two more: more than the usual limit. What runs in a devbox gets the usual one.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, fewer devboxes fit, and the next is refused in words.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Threads that make and end devboxes, each of which waits for processes: at most this many at a time.
const HANDS: usize = 32;
const HANDS_IDLE: Duration = Duration::from_secs(1);
const HANDS_STACK_BYTES: usize = 512 * 1024;
