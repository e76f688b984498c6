//! Others' sandboxes: a second network namespace, joined to the server's by one cable, stands for a container. Real clients in it have the environment file
//! and nothing else, and no way out but the forward proxy.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; one that cannot run here says so")]

mod clients;
mod ended;
mod examples;
mod refused;
mod told;
mod world;

#[path = "../common/certify.rs"]
mod certify;
