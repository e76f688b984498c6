//! A server of the built binary on a data folder that the test names, and what a test asks of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use vault::OpenKeys;

pub const BINARY: &str = env!("CARGO_BIN_EXE_tightlip");
/// Far beyond what anything here takes; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder in which a data folder may be made.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tl-").tempdir().unwrap())
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    pub process: Child,
    pub data: PathBuf,
    pub url: String,
    pub https_url: Option<String>,
}

impl Server {
    /// Starts a server on `data` and waits until it says that it is ready.
    pub fn start(data: &Path) -> Self {
        Self::spawned(up(data), data)
    }

    /// A server started by `command`, once it is ready.
    pub fn spawned(mut command: Command, data: &Path) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?} {:?}", process.wait()));
        assert_eq!(ready["pid"], process.id());
        assert_eq!(ready["data"], data.to_str().unwrap());
        Self {
            process,
            data: data.to_owned(),
            url: ready["url"].as_str().unwrap().to_owned(),
            https_url: ready["https_url"].as_str().map(str::to_owned),
        }
    }

    /// The process id of the child with this subcommand, once there is one that is not `other`.
    pub fn child(&self, subcommand: &str, other: Option<i32>) -> i32 {
        wait_for(subcommand, || children(self.process.id()).into_iter().find(|pid| Some(*pid) != other && argument(*pid) == subcommand))
    }

    /// The status and body of a GET with the owner's key.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let key = fs::read_to_string(self.data.join("api-key")).unwrap();
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Waits until both processes serve: the store is read by the api, the bindings by the gateway.
    pub fn wait_until_both_serve(&self) {
        for path in ["/readyz", "/v1/secrets", "/v1/bindings"] {
            wait_for(path, || self.get(path).filter(|(status, _)| *status == 200));
        }
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        wait_for("the end", || self.process.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command of a server on `data`, on a free port.
pub fn up(data: &Path) -> Command {
    up_at(data, "127.0.0.1:0")
}

pub fn up_at(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["up", "--json", "--listen", listen, "--data"]).arg(data).stdin(Stdio::null()).stderr(Stdio::piped());
    command.env("XDG_STATE_HOME", state(data));
    for variable in ["TIGHTLIP_DATA", "TIGHTLIP_URL", "TIGHTLIP_API_KEY", "RUNLOOP_BASE_URL", "RUNLOOP_API_KEY", "TIGHTLIP_PASSPHRASE_FILE"]
    {
        command.env_remove(variable);
    }
    command
}

/// Where a server on `data` keeps its anchor.
pub fn state(data: &Path) -> PathBuf {
    data.with_file_name("state")
}

/// Runs a server that is to refuse; its exit code and what it said.
pub fn refused(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, stdout } = command.output().unwrap();
    assert!(stdout.is_empty(), "it said it was ready");
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// Keys that say to be this installation's, as whoever took its api over would make them: the deployment's name is in the manifest.
pub fn manifest_of_a_thief(data: &Path) -> OpenKeys {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(data.join("api/manifest.json")).unwrap()).unwrap();
    OpenKeys::make(manifest["deployment"].as_str().unwrap()).unwrap()
}

/// Sets `data` up by a server that ends again.
pub fn set_up(data: &Path) {
    assert!(Server::start(data).stop().success());
}

/// Every file below `data` with its contents, but for the lock, and what SQLite keeps beside a database that is only read: shared memory, an empty log.
pub fn snapshot(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let (name, bytes) = (path.to_str().unwrap(), fs::metadata(&path).map_or(0, |metadata| metadata.len()));
            let passing = name.ends_with("/lock") || name.ends_with("-shm") || (name.ends_with("-wal") && bytes == 0);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !passing {
                files.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Whether a process is gone, or waits only to be buried.
pub fn is_gone(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_none_or(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None))
}

pub fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// Looks again and again until there is what is looked for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn argument(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1).map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default()
}
