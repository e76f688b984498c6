//! The skill as an agent follows it: its commands run as they stand in a devbox, its script says what is wrong and nothing else, and `run --skill` puts it into
//! the home. The forge on loopback is GitHub.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "common/certify.rs"]
mod certify;
#[path = "bindings/forge.rs"]
mod forge;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::{Canary, Launch, Named, Server};

use certify::Authority;
use forge::Forge;

/// A server with a GitHub token stored, and what stands for GitHub.
struct House {
    forge: Forge,
    server: Server,
    canary: Canary,
    work: PathBuf,
    _repositories: tempfile::TempDir,
}

/// What a command in a devbox came to.
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl House {
    fn start() -> Self {
        let canary = Canary::make("ghp_").unwrap();
        let repositories = tempfile::tempdir().unwrap();
        let line = "git init -q --bare -b main me/project.git && git clone -q me/project.git seed 2>/dev/null && cd seed &&
             git -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m first && git push -q origin HEAD:main";
        let seeded = Command::new("sh").args(["-c", line]).current_dir(repositories.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
        assert!(seeded.unwrap().success());
        let authority = Authority::new();
        let forge = Forge::start(&authority.certify(&["api.github.com", "github.com"]), repositories.path(), canary.value());
        let ca_pem = authority.pem();
        let named = ["api.github.com", "github.com"].map(|host| Named { host, address: forge.address, ca_pem: &ca_pem });
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_tightlip")), Launch { named: &named, ..Launch::default() }).unwrap();
        server.expect(&["secret", "set", "GITHUB_TOKEN"], canary.value().as_bytes()).unwrap();
        let work = server.beside().join("work");
        fs::create_dir(&work).unwrap();
        Self { forge, server, canary, work, _repositories: repositories }
    }

    /// Runs a line of a shell in a devbox, in the skill's folder.
    fn follow(&self, line: &str) -> Told {
        self.run(&["--skill"], &format!("cd ~/.agents/skills/{} && {line}", skill::NAME))
    }

    fn run(&self, options: &[&str], line: &str) -> Told {
        let mut command = self.server.command(&[&["run", "-q"], options, &["--", "sh", "-c", line]].concat());
        let Output { status, stdout, stderr } = command.current_dir(&self.work).output().unwrap();
        assert!(!self.canary.is_in(&stdout) && !self.canary.is_in(&stderr), "a value came out of: {line}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }
}

/// What a document tells an agent to run.
fn commands(document: &str) -> Vec<&str> {
    document.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_command_works_as_it_stands_and_shows_no_placeholder() {
    let house = House::start();
    let all: Vec<&str> = [skill::INSTRUCTIONS, skill::CLIENTS].iter().flat_map(|file| commands(file.text)).collect();
    assert!(all.len() >= 8, "{} commands", all.len());
    for command in all {
        let before = house.forge.authorized().len();
        let Told { code, out, err } = house.follow(command);
        assert_eq!(code, 0, "{command}\n{out}{err}");
        assert!(!out.contains("ghp_") && !err.contains("ghp_"), "{command} shows the placeholder: {out}{err}");
        let requests = house.forge.authorized().len() - before;
        assert!(requests >= command.matches("https://api.github.com/").count(), "{command}: {requests} requests with the value");
        assert!(requests > 0 || command.starts_with("sh scripts/"), "{command}: no request with the value");
    }
}

#[test]
fn the_script_finds_what_is_not_as_it_should_be() {
    let house = House::start();
    let broken = house.follow(
        "unset PIP_CERT; CURL_CA_BUNDLE=/dev/null GIT_SSL_NO_VERIFY=1 NODE_TLS_REJECT_UNAUTHORIZED=0 sh scripts/check.sh NOT_THERE",
    );
    assert_eq!(broken.code, 1, "{}", broken.out);
    let told: Vec<&str> = broken.out.lines().collect();
    assert_eq!(
        told,
        [
            "failed  argument 1 names no variable that is set: see list_secrets, or ask with request_secret; one that was granted later you set yourself (request_status)",
            "failed  these name no file of certificates: CURL_CA_BUNDLE PIP_CERT",
            "failed  these turn TLS checks off, unset them: NODE_TLS_REJECT_UNAUTHORIZED GIT_SSL_NO_VERIFY",
            "failed  no answer from https://tightlip.internal/: is this a devbox of tightlip?",
        ]
    );
}

#[test]
fn the_script_repeats_nothing_that_it_was_given_in_a_names_place() {
    let house = House::start();
    for (given, code) in [("\"$GITHUB_TOKEN\"", 1), ("GITHUB_TOKENS", 1), ("'a;b'", 2), ("''", 2), ("'x=1'", 2), ("'${HOME}'", 2)] {
        let told = house.follow(&format!("sh scripts/check.sh {given}"));
        assert_eq!(told.code, code, "{given}: {}{}", told.out, told.err);
        assert!(!told.out.contains("ghp_") && !told.err.contains("ghp_"), "{given}");
    }
}

#[test]
fn the_script_asks_with_whichever_client_is_there() {
    let house = House::start();
    for client in ["curl", "wget", "python3"] {
        let line = format!(
            "mkdir /tmp/bin && ln -s \"$(command -v grep)\" \"$(command -v {client})\" /tmp/bin && PATH=/tmp/bin /bin/sh scripts/check.sh GITHUB_TOKEN"
        );
        let told = house.follow(&line);
        assert_eq!((told.code, told.out.matches("ok ").count()), (0, 4), "{client}: {}{}", told.out, told.err);
    }
    let none = house.follow("mkdir /tmp/bin && ln -s \"$(command -v grep)\" /tmp/bin && PATH=/tmp/bin /bin/sh scripts/check.sh");
    assert_eq!(none.code, 1, "{}", none.out);
    assert!(none.out.contains("no curl, wget or python3"), "{}", none.out);
}

#[test]
fn it_stands_in_the_home_on_request_only_and_never_over_anything() {
    let house = House::start();
    let listed = "cd ~ && find . -path '*skills*' -type f | sort";
    assert_eq!(house.run(&[], listed).out, "");
    let own = "./.agents/skills/using-brokered-secrets";
    let mut files: Vec<String> = skill::FILES.iter().map(|file| format!("{own}/{}", file.path)).collect();
    files.sort();
    assert_eq!(house.run(&["--skill"], listed).out.lines().collect::<Vec<_>>(), files);

    let home = house.server.beside().join("kept");
    let mine = home.join(own).join("SKILL.md");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "mine\n").unwrap();
    let told = house.run(&["--skill", "--home", home.to_str().unwrap()], listed);
    assert_eq!((told.code, told.out.lines().count()), (0, files.len()), "{}", told.err);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine\n");
    let again = house.run(&["--home", home.to_str().unwrap()], &format!("cat ~/{own}/scripts/check.sh"));
    assert_eq!(again.out, skill::CHECK.text, "a kept home keeps it");
}
