//! tightlip: secrets that AI agents can use and never tell.
//!
//! What lives here is which of the binary's bodies runs. The hidden ones are chosen by their first argument before anything else happens: a sandbox's
//! first process must have one thread only, and the server's children are no business of the command line's parser.
#![forbid(unsafe_code)]

mod anchor;
mod child;
mod cli;
mod config;
mod detached;
mod folder;
mod logging;
mod parts;
mod restore;
mod root;
mod setup;
mod supervisor;
mod up;
mod verify;
mod wiring;

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Values pass through buffers of parsers, of HTTP and of TLS that know nothing of them: whatever is freed, anywhere in this program, is wiped.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    match first.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("__init") => devbox::init_main(),
        Some("__api") => child::main(child::Role::Api),
        Some("__gateway") => child::main(child::Role::Gateway),
        Some("__keeper") => child::main(child::Role::Keeper),
        Some(detached::SUBCOMMAND) => detached::main(),
        Some(cli::ALONE_SUBCOMMAND) => cli::go_alone(),
        Some("__knock") => prove::knock::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Some("__probe") => prove::probe::run().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Some(_) | None => cli::main(),
    }
}
