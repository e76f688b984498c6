//! What developers run: house rules (`cargo xtask tidy`), bars that are measured (`bench`, `crash`), the fuzz targets (`fuzz`), the time of comparing keys (`timing`), what floods cost (`siege`), and what is made of something else (`cargo xtask openapi`).
#![forbid(unsafe_code)]

mod bench;
mod fuzz;
mod openapi;
mod siege;
mod tidy;
mod timing;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let verb = std::env::args().nth(1).unwrap_or_default();
    match verb.as_str() {
        "bench" => bench::run(&arguments),
        "crash" => bench::crash(),
        "fuzz" => fuzz::run(&arguments),
        "openapi" => openapi::run(),
        "siege" => siege::run(),
        "tidy" => tidy::run(),
        "timing" => timing::run(&arguments),
        _ => say("usage: cargo xtask bench|crash|fuzz|openapi|siege|tidy|timing", ExitCode::from(2)),
    }
}

#[expect(clippy::print_stderr, reason = "a developer's tool speaks to its developer")]
fn say(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("{text}");
    code
}
