//! The worked examples of `docs/bindings.md`, replayed against stand-ins on loopback: an API that takes the token, and a git server that takes it and serves
//! repositories by git's own `http-backend`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/certify.rs"]
mod certify;
mod forge;
#[path = "../common/transcript.rs"]
mod transcript;

use std::path::Path;
use std::process::Command;

use testkit::{Canary, Launch, Named, Server};

use certify::Authority;
use forge::Forge;

const DOCUMENT: &str = include_str!("../../../../docs/bindings.md");
const READ_ONLY: &str = "<!-- transcript: read-only, replayed by crates/tightlip/tests/bindings -->";
const PUSH: &str = "<!-- transcript: push, replayed by crates/tightlip/tests/bindings -->";

/// A server with a GitHub token stored, and what stands for GitHub.
struct House {
    forge: Forge,
    server: Server,
    canary: Canary,
    _repositories: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let canary = Canary::make("ghp_").unwrap();
        let repositories = tempfile::tempdir().unwrap();
        for name in ["project", "library"] {
            seed(repositories.path(), name);
        }
        let authority = Authority::new();
        let forge = Forge::start(&authority.certify(&["api.github.com", "github.com"]), repositories.path(), canary.value());
        let ca_pem = authority.pem();
        let named = ["api.github.com", "github.com"].map(|host| Named { host, address: forge.address, ca_pem: &ca_pem });
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_tightlip")), Launch { named: &named, ..Launch::default() }).unwrap();
        server.expect(&["secret", "set", "GITHUB_TOKEN"], canary.value().as_bytes()).unwrap();
        Self { forge, server, canary, _repositories: repositories }
    }

    fn replay(&self, mark: &str) -> usize {
        let work = self.server.beside().join("work");
        std::fs::create_dir(&work).unwrap();
        transcript::replay(DOCUMENT, mark, &self.server, &work, &self.canary)
    }

    /// The requests in which the value arrived.
    fn authorized(&self) -> Vec<String> {
        self.forge.authorized()
    }
}

/// A bare repository `me/NAME.git` with one commit.
fn seed(root: &Path, name: &str) {
    let line = format!(
        "git init -q --bare -b main me/{name}.git && git clone -q me/{name}.git seed-{name} 2>/dev/null && cd seed-{name} &&
         git -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m first && git push -q origin HEAD:main"
    );
    let status = Command::new("sh").args(["-c", &line]).current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null").status().unwrap();
    assert!(status.success());
}

#[test]
fn read_only_github_reads_and_writes_nothing() {
    let house = House::start();
    assert!(house.replay(READ_ONLY) >= 4);
    let authorized = house.authorized();
    assert!(!authorized.is_empty());
    assert!(authorized.iter().all(|line| line.starts_with("GET /repos/me/project")), "{authorized:?}");
}

#[test]
fn one_repository_is_pushed_to_and_others_are_only_read() {
    let house = House::start();
    assert!(house.replay(PUSH) >= 5);
    let authorized = house.authorized();
    let pushes: Vec<&String> = authorized.iter().filter(|line| line.contains("/git-receive-pack ")).collect();
    assert!(!pushes.is_empty() && pushes.iter().all(|line| line.starts_with("POST /me/project.git/git-receive-pack ")), "{pushes:?}");
    assert!(authorized.iter().any(|line| line.starts_with("POST /me/library.git/git-upload-pack ")), "{authorized:?}");
}
