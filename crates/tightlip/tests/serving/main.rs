//! `tightlip up` against the built binary: what it refuses, what it keeps alive, how it ends, and the gateway's local door.
#![allow(clippy::unwrap_used, reason = "tests")]

mod children;
mod detached;
mod door;
mod passphrase;
mod refusals;
mod server;
