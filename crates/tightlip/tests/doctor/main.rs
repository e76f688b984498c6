//! What `tightlip doctor` finds: nothing where all is well, and each thing that was broken on purpose, with what mends it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests; one that cannot run here says so")]

mod data;
mod found;
mod hosts;
mod inside;
mod machine;
mod profile;
mod secrets;

#[path = "../common/certify.rs"]
mod certify;
#[path = "../common/road.rs"]
mod road;
#[path = "../common/standin.rs"]
mod standin;
#[path = "../common/world.rs"]
mod world;
