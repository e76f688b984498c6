//! A data folder with a little of everything in it, and what is done to copies of it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::server::{BINARY, Place, Server, state, up};

pub struct House {
    place: Place,
}

/// What `verify` said.
pub struct Verdict {
    pub code: i32,
    pub said: Value,
    pub text: String,
}

/// What is stored within 100 ms shares a data key, and then there is none to exchange it with. Nothing tells that the time is over.
fn await_another_data_key() {
    std::thread::park_timeout(std::time::Duration::from_millis(150));
}

impl House {
    /// Two accounts, secrets of several versions, one deleted, bindings of two sorts, an exposure, keys; and no server.
    pub fn make() -> Self {
        let house = Self { place: Place::new() };
        let mut server = house.serve();
        house.fill();
        assert!(server.stop().success());
        house
    }

    pub fn bare() -> Self {
        Self { place: Place::new() }
    }

    pub fn fill(&self) {
        for (name, value) in
            [("GITHUB_TOKEN", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"), ("OTHER", "another value that is long"), ("GONE", "x1234567")]
        {
            await_another_data_key();
            self.tool(&["secret", "set", name], value);
        }
        await_another_data_key();
        self.tool(&["secret", "set", "OTHER"], "the second value of another");
        self.tool(&["secret", "delete", "GONE"], "");
        self.tool(&["bind", "OTHER", "--host", "api.example.com"], "");
        self.tool(&["bind", "GITHUB_TOKEN", "--host", "api.github.com", "--methods", "GET"], "");
        self.tool(&["expose", "OTHER", "--plain"], "");
        self.tool(&["account", "create", "tenant"], "");
        let made: Value = serde_json::from_str(&self.tool(&["key", "create", "--name", "old", "--scope", "read", "--json"], "")).unwrap();
        self.tool(&["key", "revoke", made["api_key"]["id"].as_str().unwrap()], "");
    }

    pub fn data(&self) -> PathBuf {
        self.place.data()
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.data().with_file_name(name)
    }

    pub fn serve(&self) -> Server {
        Server::start(&self.data())
    }

    /// A server that a person had take the folder as it is.
    pub fn serve_accepting(&self) -> Server {
        let mut command = up(&self.data());
        command.arg("--accept-rollback");
        Server::spawned(command, &self.data())
    }

    /// The anchor's file.
    pub fn anchor(&self) -> PathBuf {
        let mut files = fs::read_dir(state(&self.data()).join("tightlip")).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap()
    }

    /// A copy of the data folder under another name.
    pub fn copy(&self, name: &str) -> PathBuf {
        let to = self.beside(name);
        let _absent = fs::remove_dir_all(&to);
        copy(&self.data(), &to);
        to
    }

    /// A command on the data folder that must succeed.
    pub fn tool(&self, arguments: &[&str], input: &str) -> String {
        let output = call(&self.data(), arguments, input);
        assert!(output.status.success(), "tightlip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does something to a copy of the folder, and must be found out by these words in this table.
    pub fn assert_found(&self, sql: &str, table: &str, words: &str) {
        let copy = self.copy("copy");
        let conn = Connection::open(copy.join(if sql.contains("ledger") { "gateway/gateway.db" } else { "store/tightlip.db" })).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        conn.execute_batch(sql.trim_start_matches("ledger:")).unwrap();
        assert!(conn.changes() > 0, "nothing was changed by {sql}");
        conn.close().unwrap();
        verify(&copy).assert_finds(table, words);
    }
}

impl Verdict {
    pub fn assert_holds(&self) {
        assert!(self.code == 0 && self.said["holds"] == true && self.said["findings"].as_array().unwrap().is_empty(), "{}", self.text);
    }

    pub fn assert_finds(&self, table: &str, words: &str) -> &Value {
        let found = self.said["findings"].as_array().unwrap_or_else(|| panic!("nothing: {}", self.text));
        let is_it = |finding: &&Value| finding["table"].as_str() == Some(table) && finding["what"].as_str().unwrap().contains(words);
        assert_eq!(self.code, 10, "{}", self.text);
        assert!(found.iter().all(|finding| !finding["next"].as_str().unwrap().is_empty()));
        found.iter().find(is_it).unwrap_or_else(|| panic!("no `{words}` in {table}: {}", self.text))
    }
}

/// Looks at a data folder.
pub fn verify(data: &Path) -> Verdict {
    said_by(&call(data, &["verify", "--json"], ""))
}

/// What `verify --json` said.
pub fn said_by(output: &Output) -> Verdict {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Verdict { code: output.status.code().unwrap_or(-1), said: serde_json::from_slice(&output.stdout).unwrap_or_default(), text }
}

pub fn call(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", data.parent().unwrap());
    command.env("XDG_STATE_HOME", state(data)).arg("--data").arg(data).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that refuses before it reads closes the pipe.
    let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Copies a folder with all that is in it, but for sockets.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
