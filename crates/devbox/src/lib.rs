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
//!
//! A devbox of the API's takes commands for as long as it lives, and has no folder of the host's:
//!
//! ```text
//! prepare_hosted()  ──►  __init: new namespaces  ──►  listeners come back
//! open()            ──►  __init (pid 1): the walls, then any number of run() and kill()
//! next()            ──►  what became of them
//! ```
#![deny(unsafe_code)]

mod alone;
mod command;
mod control;
mod environment;
mod error;
mod folder;
mod forbidden;
mod homes;
mod hosted;
mod init;
mod kernel;
mod network;
mod places;
mod prepared;
mod reaper;
mod relay;
mod root;
mod running;
mod setup;
mod shown;
mod spec;
mod stdio;
mod terminal;
mod trust;
mod trust_store;
mod walls;

pub use alone::alone;
pub use control::Role;
pub use error::{DevboxError, PathProblem};
pub use folder::WorkFolder;
pub use hosted::{Hosted, HostedSpec, PreparedHosted, Session, Told, prepare_hosted};
pub use init::init_main;
pub use prepared::{Listening, Prepared, prepare};
pub use running::{Exit, Killer, NOT_LOOKED_AT, Running};
pub use shown::plain as fit_for_a_terminal;
pub use spec::{HomeFile, PROGRAMS_PATH, Program, Spec, Terminal};
pub use terminal::{Written, forget_answers};
pub use trust::{BUNDLE_PATH, system_bundle, trust_env, trust_env_at};
