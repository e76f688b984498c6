//! The walls, each by a real run: as root and as an ordinary user.
//!
//! `__init` must be dispatched by the executable itself, so this harness has its own `main`: `__init` is pid 1's program, `__cli` makes one devbox as the
//! command line would (its standard descriptors are the devbox's), and otherwise the tests run.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

#[path = "walls/cli.rs"]
mod cli;
#[path = "walls/files.rs"]
mod files;
#[path = "walls/folders.rs"]
mod folders;
#[path = "walls/lifetime.rs"]
mod lifetime;
#[path = "walls/network.rs"]
mod network;
#[path = "walls/processes.rs"]
mod processes;
#[path = "walls/repository.rs"]
mod repository;
#[path = "walls/search.rs"]
mod search;
#[path = "walls/terminal.rs"]
mod terminal;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("__init") => devbox::init_main(),
        Some("__cli") => std::process::exit(cli::main(&words.next().expect("a request"))),
        _ => {}
    }
    let groups = [
        files::TESTS,
        folders::TESTS,
        lifetime::TESTS,
        network::TESTS,
        processes::TESTS,
        repository::TESTS,
        search::TESTS,
        terminal::TESTS,
    ];
    let trials = groups.concat().into_iter().map(|(name, run)| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// A promise and the run that shows it.
type Test = (&'static str, fn());
