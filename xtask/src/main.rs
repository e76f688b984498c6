//! What developers run: house rules (`cargo xtask tidy`), bars that are measured (`bench`, `crash`), and what is made of something else (`cargo xtask openapi`).
#![forbid(unsafe_code)]

mod bench;
mod openapi;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let verb = std::env::args().nth(1).unwrap_or_default();
    match verb.as_str() {
        "bench" => bench::run(&arguments),
        "crash" => bench::crash(),
        "openapi" => openapi::run(),
        "tidy" => tidy::run(),
        _ => say("usage: cargo xtask bench|crash|openapi|tidy", ExitCode::from(2)),
    }
}

#[expect(clippy::print_stderr, reason = "a developer's tool speaks to its developer")]
fn say(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("{text}");
    code
}
