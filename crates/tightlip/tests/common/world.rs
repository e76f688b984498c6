//! A server that can be stopped, set otherwise and started again, a devbox of its own, and the words of a refusal put to work.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use model::Refusal;
use testkit::Canary;

use crate::standin::Standin;

pub const API: &str = "api.example.test";
pub const OTHER: &str = "other.example.test";
/// A request as it should be, with the secret `KEY`.
pub const PLAIN: &str = "curl -sSi https://api.example.test/ -H \"Authorization: Bearer $KEY\"";

pub struct World {
    folder: tempfile::TempDir,
    server: Option<Child>,
    /// Where the forward proxy listens.
    pub proxy: String,
    pub canary: Canary,
    pub standin: Standin,
}

/// A devbox over the API. It ends with its server.
pub struct Devbox<'a> {
    world: &'a World,
    pub id: String,
}

/// What a request was answered.
pub struct Reply(pub String);

/// What a refusal said.
pub struct Mend<'a> {
    world: &'a World,
    message: String,
}

impl World {
    /// A server with the secret `KEY`, which may go to `API`.
    pub fn start() -> Self {
        let world = Self::bare();
        world.tool(&["secret", "set", "KEY", "--host", API], world.canary.value());
        world
    }

    /// A server that stores nothing.
    pub fn bare() -> Self {
        let canary = Canary::make("").unwrap();
        let standin = Standin::start(&[API, OTHER, "localhost"], &[canary.value()]);
        Self::with(canary, standin)
    }

    /// A server without secrets, for which `standin` stands for the internet.
    pub fn with(canary: Canary, standin: Standin) -> Self {
        let folder = tempfile::Builder::new().prefix("tl-").tempdir().unwrap();
        for name in ["home", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut world = Self { folder, server: None, proxy: String::new(), canary, standin };
        let settings = world.resolved(&[API, OTHER]);
        world.write(&settings);
        world.up();
        world
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Settings under which the stand-in stands for these hosts, and is believed.
    pub fn resolved(&self, hosts: &[&str]) -> String {
        let entries: Vec<String> = hosts.iter().map(|host| format!("\"{host}:443\" = \"{}\"", self.standin.address)).collect();
        format!("[gateway]\nupstream_ca = \"ca.pem\"\nresolve = {{ {} }}\n", entries.join(", "))
    }

    /// Writes tightlip.toml, and the certificate of the stand-in's authority beside it.
    pub fn write(&self, settings: &str) {
        use std::os::unix::fs::PermissionsExt;
        let data = self.data();
        if !data.exists() {
            fs::create_dir(&data).unwrap();
            fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(data.join("ca.pem"), &self.standin.ca_pem).unwrap();
        fs::write(data.join("tightlip.toml"), settings).unwrap();
    }

    /// Starts the server, and waits until it is ready.
    pub fn up(&mut self) {
        self.up_with(&["--gateway", "127.0.0.1:0"]);
    }

    /// The same with other arguments.
    pub fn up_with(&mut self, more: &[&str]) {
        let arguments = [&["up", "--json", "--listen", "127.0.0.1:0"], more].concat();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path().join("log")).unwrap();
        let mut server = self.command(&arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {}", self.log()));
        self.proxy = ready["gateway"].as_str().unwrap_or_default().to_owned();
        self.server = Some(server);
    }

    /// What a message calls starting the server anew: `tightlip down`, then `tightlip up`.
    pub fn start_anew(&mut self) {
        self.stop();
        self.up();
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.tool(&["down"], "");
        self.server.take().unwrap().wait().unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tightlip"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "dumb").env("HOME", self.path().join("home"));
        command.env("TIGHTLIP_DATA", self.data()).args(arguments).current_dir(self.path().join("work"));
        command
    }

    /// A command that must succeed; its standard output.
    pub fn tool(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses before it reads closes the pipe.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        self.assert_no_value(&output);
        assert!(output.status.success(), "tightlip {}: {}", arguments.join(" "), text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A devbox with these arguments of `devbox create`.
    pub fn devbox(&self, arguments: &[&str]) -> Devbox<'_> {
        let all: Vec<&str> = ["devbox", "create"].iter().chain(arguments).copied().collect();
        Devbox { world: self, id: self.tool(&all, "").trim().to_owned() }
    }

    /// A devbox that a command made.
    pub fn within(&self, id: &str) -> Devbox<'_> {
        Devbox { world: self, id: id.to_owned() }
    }

    /// The usual devbox.
    pub fn with_key(&self) -> Devbox<'_> {
        self.devbox(&["--secret", "KEY"])
    }

    /// A shell line under `tightlip run` with these arguments.
    pub fn run(&self, arguments: &[&str], line: &str) -> Reply {
        let all: Vec<&str> = ["run", "-q"].iter().chain(arguments).chain(&["--", "sh", "-c", line]).copied().collect();
        self.reply(self.command(&all).stdin(Stdio::null()).output().unwrap())
    }

    fn reply(&self, output: Output) -> Reply {
        self.assert_no_value(&output);
        Reply(text(&output).replace("\r\n", "\n"))
    }

    fn assert_no_value(&self, output: &Output) {
        assert!(!self.canary.is_in(&output.stdout) && !self.canary.is_in(&output.stderr), "the value is shown");
    }

    /// An environment for a sandbox of somebody else's, as shell assignments; the sandbox here is a process of this machine.
    pub fn environment(&self, arguments: &[&str]) -> Sandbox<'_> {
        let out = tempfile::tempdir_in(self.path()).unwrap().keep().join("box");
        let mut all = vec!["devbox", "env", "--secret", "KEY", "--out", out.to_str().unwrap()];
        all.extend(arguments);
        self.tool(&all, "");
        let file = fs::read_to_string(out.join("env")).unwrap();
        let variables = file.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Sandbox { world: self, variables: variables.collect() }
    }

    /// A refusal, and what it said: the code, the status and the words of `docs/refusals.md`.
    pub fn refused(&self, reply: &Reply, refusal: Refusal) -> Mend<'_> {
        let Reply(said) = reply;
        reply.assert_refused(refusal);
        let body = said.lines().find(|line| line.starts_with("{\"")).unwrap_or_else(|| panic!("no body: {said}"));
        let body: serde_json::Value = serde_json::from_str(&body[..=body.rfind('}').unwrap()]).unwrap();
        assert_eq!((&body["code"], &body["message"]), (&refusal.code().into(), &refusal.message().into()));
        Mend { world: self, message: body["message"].as_str().unwrap().to_owned() }
    }
}

impl<'a> Devbox<'a> {
    /// What a shell line in the devbox says.
    pub fn ask(&self, line: &str) -> Reply {
        let output = self.world.command(&["devbox", "exec", &self.id, "--", line]).stdin(Stdio::null()).output().unwrap();
        self.world.reply(output)
    }

    /// A line that is refused.
    pub fn refused(&self, line: &str, refusal: Refusal) -> Mend<'a> {
        self.world.refused(&self.ask(line), refusal)
    }

    /// A line that is answered by the host.
    pub fn passes(&self, line: &str) {
        self.ask(line).assert_passed();
    }
}

/// Somebody else's sandbox, with the variables that it was given.
pub struct Sandbox<'a> {
    world: &'a World,
    variables: Vec<(String, String)>,
}

impl<'a> Sandbox<'a> {
    pub fn ask(&self, line: &str) -> Reply {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(self.variables.iter().cloned());
        self.world.reply(command.stdin(Stdio::null()).output().unwrap())
    }

    pub fn refused(&self, line: &str, refusal: Refusal) -> Mend<'a> {
        self.world.refused(&self.ask(line), refusal)
    }

    pub fn passes(&self, line: &str) {
        self.ask(line).assert_passed();
    }
}

impl Reply {
    fn code(&self) -> Option<String> {
        self.0.lines().find_map(|line| line.strip_prefix("x-tightlip-refusal: ")).map(str::to_owned)
    }

    /// The gateway's refusal with this code and its status.
    pub fn assert_refused(&self, refusal: Refusal) {
        assert_eq!(self.code().as_deref(), Some(refusal.code()), "{}", self.0);
        assert!(self.0.contains(&format!(" {} ", refusal.status())), "{}", self.0);
    }

    /// Whether the gateway said no.
    pub fn is_refused(&self) -> bool {
        self.code().is_some()
    }

    /// It came from the host itself.
    pub fn assert_passed(&self) {
        let is_answered = self.0.contains("authorized") || self.0.contains("open");
        assert!(self.code().is_none() && self.0.contains(" 200 ") && is_answered, "{}", self.0);
    }
}

impl Mend<'_> {
    /// Whether the message says so, where it names no command.
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.message.contains(words), "{}", self.message);
        self
    }

    /// Runs the command of the message that begins with `tightlip` and these words, as it stands, with its capitals filled in. Its standard output.
    pub fn run(&self, verb: &str, filled: &[(&str, &str)], input: &str) -> String {
        let arguments = self.filled(verb, filled);
        self.world.tool(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), input)
    }

    /// The arguments of that command.
    pub fn filled(&self, verb: &str, filled: &[(&str, &str)]) -> Vec<String> {
        let begin = format!("`tightlip {verb}");
        let at = self.message.find(&begin).unwrap_or_else(|| panic!("no {begin} in: {}", self.message));
        let command = self.message[at + "`tightlip ".len()..].split('`').next().unwrap();
        let fill = |word: &str| {
            let pieces = word.split_inclusive(['=', ':']).map(|piece| {
                let name = piece.trim_end_matches(['=', ':']);
                let value = filled.iter().find(|(capitals, _)| *capitals == name).map_or(name, |(_, value)| value);
                format!("{value}{}", &piece[name.len()..])
            });
            pieces.collect::<String>()
        };
        let arguments: Vec<String> = command.split(' ').map(fill).collect();
        let left =
            arguments.iter().find(|word| word.chars().all(|c| c.is_ascii_uppercase()) && !filled.iter().any(|(_, value)| value == word));
        assert!(left.is_none(), "{left:?} of `{command}` is not filled in");
        arguments
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // One that a command started for itself goes too.
        let Some(mut server) = self.server.take() else {
            let _down = self.command(&["down"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            return;
        };
        let pid = nix::unistd::Pid::from_raw(server.id().cast_signed());
        let _sent = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ended = server.wait();
    }
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Both streams of a command.
fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Far beyond what anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);
