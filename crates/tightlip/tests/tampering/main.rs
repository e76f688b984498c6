//! Stored data that was changed, swapped, rolled back or removed: `verify` names it, and the gateway that meets it refuses. Real servers, real files, changed by
//! SQL and by bytes; and folders that nobody touched, which must hold.
#![allow(clippy::unwrap_used, reason = "tests")]

mod admin;
mod clean;
mod damaged;
mod events;
mod folders;
mod held;
mod house;
mod rows;
mod running;
mod schema;
#[path = "../serving/server.rs"]
#[allow(dead_code, reason = "shared with the tests of serving; each uses its part")]
mod server;
mod unmarked;
