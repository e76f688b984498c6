//! A throw-away tightlip server with a data folder of its own, run from a built binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::upstream::Upstream;

/// A running server. Dropping it stops the server and removes the data folder.
pub struct Server {
    binary: PathBuf,
    folder: TempDir,
    child: Child,
    url: String,
    https_url: Option<String>,
    log: Option<std::thread::JoinHandle<Vec<u8>>>,
    user: Option<u32>,
}

/// How a server is started.
#[derive(Clone, Copy, Default)]
pub struct Launch<'a> {
    /// Hosts and what stands for them on loopback.
    pub upstreams: &'a [(&'a str, &'a Upstream)],
    /// More hosts, each with where it is and who certifies it.
    pub named: &'a [Named<'a>],
    /// More arguments of `up`.
    pub arguments: &'a [&'a str],
    /// More settings: whole sections of tightlip.toml.
    pub settings: &'a str,
    /// More variables of the server.
    pub variables: &'a [(&'a str, String)],
    /// Run everything as this user and group id; root only.
    pub user: Option<u32>,
}

/// A host that a stand-in of the caller's own stands for.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The host.
    pub host: &'a str,
    /// Where it is.
    pub address: SocketAddr,
    /// The certificate of the authority that signed its certificate, PEM.
    pub ca_pem: &'a str,
}

/// What a server says when it is ready, as far as it matters here.
#[derive(Deserialize)]
struct Ready {
    url: String,
    #[serde(default)]
    https_url: Option<String>,
}

impl Server {
    /// Starts `binary` on a free port with an empty data folder, each host of the upstreams resolved to its loopback stand-in.
    ///
    /// # Errors
    /// When the server does not become ready; the message holds what it said.
    pub fn start(binary: &Path, launch: Launch<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tightlip-").tempdir().context("failed to make a throw-away folder")?;
        let (data, home) = (folder.path().join("data"), folder.path().join("home"));
        let mut own = binary.to_owned();
        if launch.user.is_some() {
            // The build folder may be closed to other users.
            own = folder.path().join("tightlip");
            fs::copy(binary, &own)?;
            fs::set_permissions(&own, PermissionsExt::from_mode(0o755))?;
        }
        for path in [&data, &home] {
            fs::create_dir(path)?;
            fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
        }
        fs::write(data.join("tightlip.toml"), config(&data, launch)?)?;
        if launch.user.is_some() {
            for path in [folder.path(), &data, &home, &data.join("tightlip.toml"), &data.join("upstream-ca.pem")] {
                if path.exists() {
                    chown(path, launch.user, launch.user)?;
                }
            }
        }
        let (child, ready, log) = spawn(&own, folder.path(), launch)?;
        let Ready { url, https_url } = ready;
        Ok(Self { binary: own, folder, child, url, https_url, log: Some(log), user: launch.user })
    }

    /// The binary that runs: a copy where another user runs it.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for the test's own files, beside the data folder.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    /// Where the api answers, as in `http://127.0.0.1:7080`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the api answers with TLS, as in `https://api.example.com:7443`; none where no setting says so.
    #[must_use]
    pub fn https_url(&self) -> Option<&str> {
        self.https_url.as_deref()
    }

    /// The supervisor's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command of the same binary on this server's data folder, with a small environment.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = base_command(&self.binary, self.folder.path(), self.user);
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Runs a command of the same binary with `input` on its standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn call(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that refuses before it reads closes the pipe; its answer says why.
            let _ = stdin.write_all(input);
        }
        Ok(child.wait_with_output()?)
    }

    /// Runs a command that must succeed, and gives its standard output.
    ///
    /// # Errors
    /// When it fails; the message holds what it said on standard error.
    pub fn expect(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<String> {
        let output = self.call(arguments, input)?;
        if !output.status.success() {
            bail!("`{}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether it has not ended by itself.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Stops the server and gives all that it logged.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(mut self) -> anyhow::Result<(TempDir, Vec<u8>)> {
        self.end()?;
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        Ok((folder, log))
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A command with a small environment that leads to the folder's own data and home.
fn base_command(binary: &Path, folder: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().env("TIGHTLIP_DATA", folder.join("data")).env("HOME", folder.join("home")).env("TERM", "dumb");
    command.env("XDG_STATE_HOME", folder.join("home/state"));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

fn spawn(binary: &Path, folder: &Path, launch: Launch<'_>) -> anyhow::Result<(Child, Ready, std::thread::JoinHandle<Vec<u8>>)> {
    let mut command = base_command(binary, folder, launch.user);
    command.args(["up", "--listen", "127.0.0.1:0", "--json"]).args(launch.arguments).current_dir(folder).env("TIGHTLIP_LOG", "trace");
    command.envs(launch.variables.iter().map(|(name, value)| (*name, value)));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("failed to start the server")?;
    let mut stderr = child.stderr.take().context("no standard error")?;
    let log = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
    match serde_json::from_str(&line).ok() {
        Some(ready) => Ok((child, ready, log)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the server did not become ready: {}", String::from_utf8_lossy(&log.join().unwrap_or_default()))
        }
    }
}

fn config(data: &Path, launch: Launch<'_>) -> anyhow::Result<String> {
    let ours = launch.upstreams.iter().map(|(host, upstream)| Named { host, address: upstream.address(), ca_pem: upstream.ca_pem() });
    let all: Vec<Named<'_>> = ours.chain(launch.named.iter().copied()).collect();
    let mut text = format!("{}\n[gateway]\n", launch.settings);
    if !all.is_empty() {
        let bundle: String = all.iter().map(|named| named.ca_pem).collect();
        fs::write(data.join("upstream-ca.pem"), bundle)?;
        text.push_str("upstream_ca = \"upstream-ca.pem\"\n");
    }
    let entries: Vec<String> = all.iter().map(|named| format!("\"{}:443\" = \"{}\"", named.host, named.address)).collect();
    text.push_str(&format!("resolve = {{ {} }}\n", entries.join(", ")));
    Ok(text)
}
