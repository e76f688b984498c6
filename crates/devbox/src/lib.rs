//! A devbox: a command behind walls, whose whole network is a handful of listening sockets that its maker holds.
//!
//! What lives here: namespaces, mounts, the environment, listeners, child processes, the terminal. What never does: a secret's value, the store, the
//! gateway's decisions. `unsafe` stands in `src/kernel/` only.
//!
//! ```text
//! prepare()  ──►  __init: new namespaces  ──►  listeners come back     (the caller hands them to the gateway)
//! start()    ──►  __init (pid 1): the walls, the command               (the caller relays its terminal and signals)
//! wait()     ──►  the exit code, and what was not kept
//! ```
#![deny(unsafe_code)]

mod command;
mod control;
mod error;
mod forbidden;
mod init;
mod kernel;
mod network;
mod prepared;
mod reaper;
mod relay;
mod root;
mod running;
mod setup;
mod spec;
mod stdio;
mod terminal;
mod trust;
mod walls;

pub use control::Role;
pub use error::{DevboxError, PathProblem};
pub use init::init_main;
pub use prepared::{Listening, Prepared, prepare};
pub use running::{Exit, Killer, Running};
pub use spec::{Spec, Terminal};
pub use trust::{BUNDLE_PATH, system_bundle, trust_env};
