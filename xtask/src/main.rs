//! What developers run: house rules (`cargo xtask tidy`), and what is made of something else (`cargo xtask openapi`).
#![forbid(unsafe_code)]

mod openapi;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let verb = std::env::args().nth(1).unwrap_or_default();
    match verb.as_str() {
        "openapi" => openapi::run(),
        "tidy" => tidy::run(),
        _ => say("usage: cargo xtask openapi|tidy", ExitCode::from(2)),
    }
}

#[expect(clippy::print_stderr, reason = "a developer's tool speaks to its developer")]
fn say(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("{text}");
    code
}
