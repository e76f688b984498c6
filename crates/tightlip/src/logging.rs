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
/// The variable that chooses the form: `json`, or `text` for people.
pub const FORMAT_VARIABLE: &str = "TIGHTLIP_LOG_FORMAT";

/// Begins to log in this process. A second call changes nothing.
pub fn start() {
    let wanted = set(VARIABLE).filter(|words| are_levels(words)).unwrap_or_else(|| LEVEL_DEFAULT.to_owned());
    let builder = EnvFilter::builder().with_default_directive(tracing::level_filters::LevelFilter::INFO.into());
    let ours = filter_fn(|metadata| is_ours(metadata.target()));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(builder.parse_lossy(wanted));
    let is_json = set(FORMAT_VARIABLE).is_some_and(|format| format.eq_ignore_ascii_case(JSON));
    // Only a second call can fail, and the first one's choice stands.
    let _already =
        if is_json { registry.with(lines.json().with_filter(ours)).try_init() } else { registry.with(lines.with_filter(ours)).try_init() };
}

/// Says which words the variables take, where they hold another one; the default holds then. For the first of our processes alone.
pub fn warn_of_unknown_words() {
    if set(VARIABLE).is_some_and(|words| !are_levels(&words)) {
        tracing::warn!(
            "{VARIABLE} is not understood, so {LEVEL_DEFAULT} holds: it takes {}, or these for parts, as in gateway=trace,api=debug; the parts are {}",
            LEVELS.join(", "),
            OURS.join(", ")
        );
    }
    if set(FORMAT_VARIABLE).is_some_and(|format| ![JSON, TEXT].iter().any(|known| format.eq_ignore_ascii_case(known))) {
        tracing::warn!("{FORMAT_VARIABLE} is not understood, so {TEXT} holds: it takes {TEXT} and {JSON}");
    }
}

fn set(variable: &str) -> Option<String> {
    // What is no text is no word of ours either.
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// Whether the words are levels, each for all of ours or for a part of it.
fn are_levels(words: &str) -> bool {
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    words.split(',').map(str::trim).all(|word| match word.split_once('=') {
        Some((part, level)) => is_ours(part) && is_level(level),
        None => is_level(word) || is_ours(word),
    })
}

fn is_ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or(target))
}

const OURS: [&str; 10] = ["tightlip", "api", "gateway", "service", "vault", "rootkey", "store", "devbox", "link", "model"];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const LEVEL_DEFAULT: &str = "info";
const JSON: &str = "json";
const TEXT: &str = "text";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_libraries_are_never_shown() {
        assert!(!is_ours("hyper::proto") && !is_ours("h2") && !is_ours("rustls::client") && !is_ours("apiary") && !is_ours(""));
        assert!(is_ours("gateway::local") && is_ours("tightlip"));
    }

    #[test]
    fn a_word_that_is_no_level_is_not_taken_for_one() {
        for words in ["debug", "INFO", "off", "gateway=trace", "gateway=trace, api=debug", "warn,gateway::local=debug", "gateway"] {
            assert!(are_levels(words), "{words}");
        }
        for words in ["nonsense", "debug,nonsense", "gateway=loud", "hyper=trace", "", ",", "=", "5"] {
            assert!(!are_levels(words), "{words}");
        }
    }
}
