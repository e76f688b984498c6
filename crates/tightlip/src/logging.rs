//! Logs to standard error: facts about requests, never their headers or bodies.
//!
//! `TIGHTLIP_LOG` chooses how much of our own crates is shown, `TIGHTLIP_LOG_FORMAT=json` writes an object a line for programs. What other libraries would say is never shown, at any level: some of them write
//! headers into their traces.

use std::io;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The variable that chooses how much is shown, for example `debug` or `gateway=trace`.
pub const VARIABLE: &str = "TIGHTLIP_LOG";
/// The variable that chooses the form: `json`, or anything else for people.
pub const FORMAT_VARIABLE: &str = "TIGHTLIP_LOG_FORMAT";

/// Begins to log in this process. A second call changes nothing.
pub fn start() {
    let wanted = EnvFilter::builder().with_default_directive(tracing::level_filters::LevelFilter::INFO.into()).with_env_var(VARIABLE);
    let ours = filter_fn(|metadata| is_ours(metadata.target()));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(wanted.from_env_lossy());
    let is_json = std::env::var(FORMAT_VARIABLE).is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    // Only a second call can fail, and the first one's choice stands.
    let _already =
        if is_json { registry.with(lines.json().with_filter(ours)).try_init() } else { registry.with(lines.with_filter(ours)).try_init() };
}

fn is_ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or(target))
}

const OURS: [&str; 10] = ["tightlip", "api", "gateway", "service", "vault", "rootkey", "store", "devbox", "link", "model"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_libraries_are_never_shown() {
        assert!(!is_ours("hyper::proto") && !is_ours("h2") && !is_ours("rustls::client") && !is_ours("apiary") && !is_ours(""));
        assert!(is_ours("gateway::local") && is_ours("tightlip"));
    }
}
