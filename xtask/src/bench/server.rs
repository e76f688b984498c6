//! A server under measurement: started, asked for its processes' time and memory, stopped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A running `tightlip up`. Stopped when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    pub(crate) key: String,
    /// From the start of the process to its word that it serves.
    pub(crate) ready: Duration,
}

/// A process that says its address on its first line. Killed when dropped.
pub(crate) struct Plain {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(tightlip: &Path, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        // Whoever measures asks more often than any limit means.
        std::fs::write(data.join("tightlip.toml"), CONFIG)?;
        let started = Instant::now();
        let mut process = Command::new(tightlip)
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start the server")?;
        let line = first_line(&mut process)?;
        let ready = started.elapsed();
        let said: serde_json::Value = serde_json::from_str(&line).context("the server did not become ready")?;
        let address = said["url"].as_str().and_then(|url| url.strip_prefix("http://")).context("no address")?.to_owned();
        let key = std::fs::read_to_string(data.join("api-key"))?.trim().to_owned();
        Ok(Self { process, address, key, ready })
    }

    /// The process id of the child with this hidden subcommand.
    pub(crate) fn child(&self, subcommand: &str) -> anyhow::Result<u32> {
        let pid = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let is_it = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|b| *b == 0).nth(1) == Some(subcommand.as_bytes()))
        };
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_it).with_context(|| format!("no {subcommand}"))
    }
}

impl Plain {
    pub(crate) fn start(program: &Path) -> anyhow::Result<Self> {
        let mut process =
            Command::new(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("failed to start the baseline")?;
        let address = first_line(&mut process)?;
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

fn first_line(process: &mut Child) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("no standard output")?).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The processor time that a process has used, all threads together (proc_pid_stat(5)).
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("not a stat line")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = [11, 12].into_iter().filter_map(|at| fields.get(at)?.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The memory that a process has in RAM, megabytes (VmRSS in proc_pid_status(5)); what it shares with others counts whole.
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1024.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        // In order, so that its children end with it; a server that is gone needs no asking.
        let _asked = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ended = self.process.wait();
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// USER_HZ, which is 100 on every Linux of the two architectures that we know.
const TICKS_PER_SECOND: u64 = 100;
const CONFIG: &str = "[api]\n";
