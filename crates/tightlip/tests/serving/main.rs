//! `tightlip up` against the built binary: what it refuses, what it keeps alive, how it ends, and the gateway's local door.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/certify.rs"]
mod certify;
mod children;
mod detached;
mod door;
mod down;
mod drain;
mod elsewhere;
#[path = "../common/h2.rs"]
mod h2;
mod passphrase;
mod refusals;
mod server;
mod tls;
