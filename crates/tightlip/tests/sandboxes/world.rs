//! The server, its stand-ins for the internet, and somebody's container.
//!
//! All of it lives in a network namespace of the test's own, so that addresses and ports are its own too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use testkit::{Canary, Launch, Named, Server};

use crate::certify::Authority;

pub const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
pub const API: &str = "api.example.test";
pub const OTHER: &str = "other.example.test";
pub const GIT: &str = "git.example.test";
pub const PYPI: &str = "pypi.example.test";
/// The server's end of the cable.
pub const PROXY: &str = "10.200.0.1:7081";
/// The container's own network.
pub const HERE: &str = "10.200.0.0/24";

pub struct World {
    pub server: Server,
    pub canary: Canary,
    pub folder: tempfile::TempDir,
    standin: Child,
    container: Child,
}

/// An environment that was handed out, as its file has it.
pub struct Environment {
    pub id: String,
    pub variables: BTreeMap<String, String>,
}

/// Puts this thread, and what it starts, into a network namespace of its own. False where that cannot be, with the reason printed, and where the test was run
/// by another process that could.
pub fn alone(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => {
                ip("link set lo up");
                true
            }
            Err(error) => {
                println!("skipped: no network namespace can be made here ({error})");
                false
            }
        };
    }
    let exe = std::env::current_exe().unwrap();
    let can = Command::new("unshare").args(["-Urn", "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        println!("skipped: this user can make no user namespace, and is not root");
        return false;
    }
    let run = Command::new("unshare").arg("-Urn").arg(exe).args(["--exact", test, "--nocapture"]).status().unwrap();
    assert!(run.success(), "{test} failed in a user namespace");
    false
}

impl World {
    pub fn start() -> Self {
        Self::start_with(&["--gateway", PROXY])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let container = container();
        let folder = tempfile::tempdir().unwrap();
        let canary = Canary::make("").unwrap();
        let authority = Authority::new();
        authority.certify(&[API, OTHER, GIT, PYPI]).write(folder.path());
        let (standin, address) = standin(folder.path(), canary.value());
        let ca_pem = authority.pem();
        let named = [API, OTHER, GIT, PYPI].map(|host| Named { host, address, ca_pem: &ca_pem });
        let server = Server::start(Path::new(BINARY), Launch { named: &named, arguments, ..Launch::default() }).unwrap();
        let set = ["secret", "set", "KEY", "--host", API, "--host", GIT, "--host", PYPI];
        server.expect(&set, canary.value().as_bytes()).unwrap();
        Self { server, canary, folder, standin, container }
    }

    /// An environment for the container, made as for Docker.
    pub fn environment(&self, arguments: &[&str]) -> Environment {
        let out = tempfile::tempdir_in(self.folder.path()).unwrap().keep().join("box");
        let out_text = out.to_str().unwrap().to_owned();
        let bundle = out.join("bundle.pem");
        let mut all = vec!["devbox", "env", "--json", "--format", "docker", "--out", &out_text, "--bundle", bundle.to_str().unwrap()];
        all.extend(arguments);
        let told: serde_json::Value = serde_json::from_str(&self.server.expect(&all, b"").unwrap()).unwrap();
        let file = std::fs::read_to_string(out.join("env")).unwrap();
        let variables = file.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment { id: told["id"].as_str().unwrap().to_owned(), variables: variables.collect() }
    }

    /// A command in the container with this environment and nothing else.
    pub fn command(&self, environment: &Environment, command: &[&str]) -> Command {
        let home = self.folder.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/proc/{}/ns/net", self.container.id())).arg("--").args(command);
        inside.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home).current_dir(&home);
        inside.envs(&environment.variables).stdin(Stdio::null());
        inside
    }

    pub fn run(&self, environment: &Environment, command: &[&str]) -> Output {
        let output = self.command(environment, command).output().unwrap();
        for shown in [&output.stdout, &output.stderr] {
            assert!(!self.canary.is_in(shown), "{command:?} shows the value");
        }
        output
    }

    /// A shell line that must succeed; what it said.
    pub fn sh(&self, environment: &Environment, line: &str) -> String {
        let output = self.run(environment, &["sh", "-ec", line]);
        let said = text(&output);
        assert!(output.status.success(), "`{line}` failed: {said}");
        said
    }

    /// What the stand-ins heard, heads only.
    pub fn heard(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("heard")).unwrap_or_default()
    }

    /// A command of the tool that must succeed; its standard output.
    pub fn tool(&self, arguments: &[&str]) -> String {
        self.server.expect(arguments, b"").unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.standin, &mut self.container] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Environment {
    pub fn token(&self) -> &str {
        &self.variables["KEY"]
    }
}

/// Both streams of a command.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    begun.elapsed()
}

/// A network namespace with one end of a cable, and no other way out.
fn container() -> Child {
    let child = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
    let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let own = of("thread-self").unwrap();
    until("a second network namespace", || of(&child.id().to_string()).is_some_and(|other| other != own));
    let pid = child.id();
    ip(&format!("link add tl0 type veth peer name tl1 netns {pid}"));
    ip("addr add 10.200.0.1/24 dev tl0");
    ip("link set tl0 up");
    for line in ["addr add 10.200.0.2/24 dev tl1", "link set tl1 up", "link set lo up"] {
        let inside = format!("--net=/proc/{pid}/ns/net");
        let done = Command::new("nsenter").arg(inside).args(["--", "ip"]).args(line.split(' ')).status().unwrap();
        assert!(done.success(), "ip {line}");
    }
    child
}

fn ip(line: &str) {
    assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
}

fn standin(folder: &Path, value: &str) -> (Child, SocketAddr) {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sandboxes/standin.py");
    let mut child = Command::new("python3").arg(program).arg(folder).arg(value).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().parse().unwrap();
    (child, address)
}

/// For what must happen at all, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(60);
