//! The README's transcript, replayed: each command is run as it stands, and what it shows is what the README says.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};

#[path = "common/transcript.rs"]
mod transcript;

const README: &str = include_str!("../../../README.md");
const MARK: &str = "<!-- transcript: replayed by crates/tightlip/tests/readme.rs -->";

#[test]
fn the_readmes_transcript_is_true() {
    let canary = Canary::make("ghp_").unwrap();
    let hosts = vec!["api.github.com".to_owned(), "api.openai.com".to_owned()];
    let upstream = Upstream::start(UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: None }).unwrap();
    let pairs = [("api.github.com", &upstream), ("api.openai.com", &upstream)];
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_tightlip")), Launch { upstreams: &pairs, ..Launch::default() }).unwrap();
    let work = server.beside().join("work");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("token.txt"), canary.value()).unwrap();
    let commands = transcript::replay(README, MARK, &server, &work, &canary);
    assert!(commands >= 6, "the transcript has {commands} commands");
}
