//! The programs that are measured: how they are built and started, and what the system says of them (proc(5)).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A running program that said where it listens. Killed when dropped.
pub struct Program {
    process: Child,
    /// Where it listens, `host:port`.
    pub address: String,
}

/// A running server on a data folder.
pub struct Server {
    program: Program,
    /// The owner's key.
    pub key: String,
    /// From its start until it said that it is ready.
    pub ready_after: Duration,
}

/// A folder of this run's own, beside the build, so that what is measured is this disk. Removed when dropped.
pub struct Folder(PathBuf);

/// Builds the server and the baselines.
pub fn build() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--locked"]).args(PACKAGES).args(["--bin", "tightlip"]);
    for example in ["bare", "raw_commits", "fill", "spawn", "tls_load", "events", "scrub_cost"] {
        cargo.args(["--example", example]);
    }
    ensure!(cargo.status().context("cargo does not start")?.success(), "the release build failed");
    Ok(())
}

/// Always built together, so that what they share is built once.
pub const PACKAGES: [&str; 12] = [
    "-p",
    "tightlip",
    "-p",
    "tightlip-api",
    "-p",
    "tightlip-store",
    "-p",
    "tightlip-devbox",
    "-p",
    "tightlip-gateway",
    "-p",
    "tightlip-vault",
];

/// The command of a program that was built.
pub fn command(program: &str) -> Command {
    Command::new(target().join("release").join(program))
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    // A program may be started in another folder.
    std::path::absolute(&target).unwrap_or(target)
}

impl Program {
    /// Starts it and waits for the address that it says.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(['"', '\n', '/']).next()).map(str::to_owned);
        match address {
            Some(address) => Ok(Self { process, address }),
            None => {
                drop(process.kill());
                drop(process.wait());
                bail!("a program did not say where it listens");
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server {
    /// Starts a server on this data folder.
    pub fn start(data: &Path) -> Result<Self> {
        let begun = Instant::now();
        let mut command = command("tightlip");
        command.args(["up", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        let program = Program::start(command)?;
        let ready_after = begun.elapsed();
        let key = fs::read_to_string(data.join("api-key"))?.trim().to_owned();
        Ok(Self { program, key, ready_after })
    }

    /// Where the api listens.
    pub fn address(&self) -> &str {
        &self.program.address
    }

    /// The api's process.
    pub fn api(&self) -> Result<u32> {
        self.child("__api")
    }

    /// The gateway's process.
    pub fn gateway(&self) -> Result<u32> {
        self.child("__gateway")
    }

    /// Both processes and the supervisor.
    pub fn processes(&self) -> Result<[u32; 3]> {
        Ok([self.api()?, self.gateway()?, self.program.pid()])
    }

    /// Every process of it, devboxes' included.
    pub fn descendants(&self) -> Result<Vec<u32>> {
        let mut all = vec![self.program.pid()];
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            next += 1;
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(all)
    }

    fn child(&self, subcommand: &str) -> Result<u32> {
        let pid = self.program.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let is_it =
            |pid: &&str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(subcommand));
        Ok(children.split_whitespace().find(is_it).context("the server lacks a process")?.parse()?)
    }

    /// Asks it to end, and waits for it.
    pub fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").arg(self.program.pid().to_string()).status()?;
        ensure!(asked.success() && self.program.process.wait()?.success(), "the server did not end in order");
        Ok(())
    }
}

impl Folder {
    /// Makes one.
    pub fn make(name: &str) -> Result<Self> {
        let folder = std::path::absolute(target())?.join("bench").join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The processor time that a process has used, in microseconds: user and system (proc(5), `stat`, fields 14 and 15; ticks are 10 ms on Linux).
pub fn cpu_us(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(") ").context("an odd stat")?.1.split(' ').collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks * 10_000.0)
}

/// The most memory that a process has held since it was asked last, in MiB; asking begins anew (proc(5), `clear_refs`).
pub fn peak_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).context("an odd status")?;
    fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// What a process holds in memory, in MiB: all that is mapped and present (RSS), and where we may see it with shared pages shared out (PSS).
pub fn memory_mib(pid: u32) -> Result<(f64, Option<f64>)> {
    let kib = |text: &str, field: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.parse().ok()
    };
    let rss = kib(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:").context("an odd status")?;
    let pss = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok().and_then(|text| kib(&text, "Pss:"));
    Ok((rss / 1024.0, pss.map(|pss| pss / 1024.0)))
}
