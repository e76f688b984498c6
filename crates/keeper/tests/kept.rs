//! The keeper, each promise by a real run: real namespaces, real commands, its own process.
//!
//! `__init` must be dispatched by the executable itself, so this harness has its own `main`: `__init` is pid 1's program, `__keeper` the keeper with its line
//! as standard input, and otherwise the tests run.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "kept/commands.rs"]
mod commands;
#[path = "kept/fixture.rs"]
mod fixture;
#[path = "kept/lifetime.rs"]
mod lifetime;
#[path = "kept/output.rs"]
mod output;
#[path = "kept/users.rs"]
mod users;

use libtest_mimic::{Arguments, Trial};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("__init") => devbox::init_main(),
        Some("__keeper") => fixture::main(),
        _ => {}
    }
    let groups = [commands::TESTS, lifetime::TESTS, output::TESTS, users::TESTS];
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
