//! An agent asks for a secret, a person lets it have it, and the next call works: over the built gateway's own link and sockets, with the test in the api's place.
#![allow(clippy::unwrap_used, reason = "tests")]

mod entered;
mod town;

#[path = "../common/alone.rs"]
mod alone;
