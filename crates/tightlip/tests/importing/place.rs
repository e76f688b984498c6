//! A server, a file beside it, and the values in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Canary, Launch, Server};

/// A server with a folder for files.
pub struct Place {
    pub server: Server,
    /// A GitHub token.
    pub github: Canary,
    /// Something drawn, of no known kind.
    pub drawn: Canary,
    /// What no gateway can swap.
    pub kept: Canary,
    user: Option<u32>,
}

impl Place {
    pub fn new() -> Self {
        Self::of(None)
    }

    /// The same where everything is another user's; as root only.
    pub fn of(user: Option<u32>) -> Self {
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_tightlip")), Launch { user, ..Launch::default() }).unwrap();
        let place =
            Self { server, github: Canary::make("ghp_").unwrap(), drawn: Canary::make("").unwrap(), kept: Canary::make("").unwrap(), user };
        std::fs::create_dir(place.folder()).unwrap();
        place.own(&place.folder());
        place
    }

    pub fn folder(&self) -> PathBuf {
        self.server.beside().join("work")
    }

    pub fn own(&self, path: &Path) {
        std::os::unix::fs::chown(path, self.user, self.user).unwrap();
    }

    /// A file of settings and credentials, every value of which is a canary.
    pub fn text(&self) -> String {
        let (github, drawn, kept) = (self.github.value(), self.drawn.value(), self.kept.value());
        format!(
            "# settings\r\nPORT=3000\r\n\r\nexport GITHUB_TOKEN='{github}' # mine\r\nACME_KEY=\"{drawn}\"\r\n  DATABASE_URL=postgres://me:{kept}@db.example.com/x\r\n\
             AWS_SECRET_ACCESS_KEY={kept}\r\nAPI_URL=https://api.example.com/v1\r\nDEBUG=true"
        )
    }

    /// A file with this text, for its owner alone.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.own(&path);
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.server.command(arguments);
        command.current_dir(self.folder());
        command
    }

    /// Runs it; no value may be in what it shows.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.watched(&mut self.command(arguments))
    }

    pub fn watched(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        for bytes in [&output.stdout, &output.stderr] {
            assert!(
                [&self.github, &self.drawn, &self.kept].iter().all(|canary| !canary.is_in(bytes)),
                "a value is in what {command:?} shows"
            );
        }
        output
    }

    /// Runs it with `--json`, and gives the result; it must end well.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
        let output = self.run(&all);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The names of all secrets, the oldest first.
    pub fn names(&self) -> Vec<String> {
        let all = self.json(&["secret", "list"]);
        let mut names: Vec<String> =
            all["secrets"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.reverse();
        names
    }

    /// How often a secret was written.
    pub fn versions(&self, name: &str) -> usize {
        let history = self.json(&["secret", "history", name]);
        history["secrets"][0]["versions"].as_array().unwrap().len()
    }
}

/// What each line is and what was done, as `LINE NAME WHAT DONE`.
pub fn told(result: &Value) -> Vec<String> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = result["entries"].as_array().unwrap();
    rows.iter().map(|row| format!("{} {} {} {}", row["line"], text(row, "name"), text(row, "what"), text(row, "done"))).collect()
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
