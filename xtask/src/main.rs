//! What developers run: measurements (`cargo xtask bench`), house rules (`cargo xtask tidy`), and what is made of something else (`cargo xtask openapi`).
#![forbid(unsafe_code)]

mod bench;
mod openapi;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map_or("", String::as_str) {
        "bench" => bench::run(&arguments[1..]),
        "openapi" => openapi::run(),
        "tidy" => tidy::run(),
        _ => say("usage: cargo xtask bench|openapi|tidy", ExitCode::from(2)),
    }
}

#[expect(clippy::print_stderr, reason = "a developer's tool speaks to its developer")]
fn say(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("{text}");
    code
}
