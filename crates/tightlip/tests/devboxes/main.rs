//! Devboxes over the API: made, used and ended by a client of the built server, with real namespaces, a real keeper and stand-ins for the internet.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod cli;
mod client;
mod crashes;
mod gateways;
mod hostile;
mod isolation;
mod life;
mod many;
mod pairings;

#[path = "../common/http.rs"]
mod http;
#[path = "../common/road.rs"]
mod road;
