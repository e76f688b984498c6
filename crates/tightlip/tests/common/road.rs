//! What the tests of the main job share: a server with stand-ins for the internet, as root and as an ordinary user.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use testkit::{Canary, Launch, Server, Upstream, UpstreamSpec};

/// A server whose `api.github.com`, `github.com` and `allowed.example.com` stand on loopback, with one GitHub token stored.
pub struct Road {
    pub server: Server,
    pub upstream: Upstream,
    pub canary: Canary,
    pub user: Option<u32>,
}

pub const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
pub const BOUND: &str = "api.github.com";
pub const GIT: &str = "github.com";
pub const UNBOUND: &str = "allowed.example.com";

/// The users to test as: as root, root and an ordinary one; otherwise whoever we are.
pub fn users() -> Vec<Option<u32>> {
    if nix::unistd::geteuid().is_root() { vec![None, Some(1000)] } else { vec![None] }
}

impl Road {
    pub fn start(user: Option<u32>) -> Self {
        Self::start_with_repo(user, None)
    }

    pub fn start_with_repo(user: Option<u32>, repo: Option<&Path>) -> Self {
        let canary = Canary::make("ghp_").unwrap();
        let hosts = [BOUND, GIT, UNBOUND].map(str::to_owned).to_vec();
        let spec = UpstreamSpec { hosts, expected: Some(canary.value().to_owned()), repo: repo.map(Path::to_owned) };
        let upstream = Upstream::start(spec).unwrap();
        let pairs = [(BOUND, &upstream), (GIT, &upstream), (UNBOUND, &upstream)];
        let server = Server::start(Path::new(BINARY), Launch { upstreams: &pairs, user, ..Launch::default() }).unwrap();
        let said = server.expect(&["secret", "set", "GITHUB_TOKEN"], canary.value().as_bytes()).unwrap();
        assert!(!said.contains(canary.value()));
        Self { server, upstream, canary, user }
    }

    /// Runs a shell line in a devbox.
    pub fn sh(&self, line: &str) -> Output {
        self.run(&[], &["sh", "-c", line])
    }

    /// Runs a command in a devbox, with more arguments of `run`; nothing that it shows may hold the value.
    pub fn run(&self, arguments: &[&str], command: &[&str]) -> Output {
        let output = self.command(arguments, command).stdin(Stdio::null()).output().unwrap();
        self.assert_no_value(&output.stdout);
        self.assert_no_value(&output.stderr);
        output
    }

    pub fn command(&self, arguments: &[&str], command: &[&str]) -> Command {
        let all: Vec<&str> = ["run", "-q"].iter().chain(arguments).chain(&["--"]).chain(command).copied().collect();
        let mut run = self.server.command(&all);
        run.current_dir(self.work());
        run
    }

    /// An empty folder of the user's own, to work in.
    pub fn work(&self) -> std::path::PathBuf {
        let work = self.server.beside().join("work");
        if !work.exists() {
            std::fs::create_dir(&work).unwrap();
            std::os::unix::fs::chown(&work, self.user, self.user).unwrap();
        }
        work
    }

    pub fn assert_no_value(&self, bytes: &[u8]) {
        assert!(!self.canary.is_in(bytes), "the value is in: {}", String::from_utf8_lossy(bytes).replace(self.canary.value(), "<VALUE>"));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The standard output of a command that must have succeeded.
pub fn ok(output: &Output) -> String {
    assert!(output.status.success(), "failed with {:?}: {}\n{}", output.status, text(&output.stderr), text(&output.stdout));
    text(&output.stdout)
}
