//! A body of 1 GiB through the gateway, which looks for eight values in all of it, beside the same through nginx.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::nginx::{HOST, Nginx, WORK};
use super::open_road::make_secrets;
use super::process::{self, Folder};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("bodies")?;
    let nginx = Nginx::start(&folder)?;
    fill(&folder)?;
    let server = nginx.gateway(&folder)?;
    make_secrets(&server, &folder)?;
    let (gateway, worker) = (server.gateway()?, nginx.worker()?);
    let mut all = Rounds::default();
    for round in 0..=ROUNDS {
        let before = process::memory_mib(gateway)?.0;
        process::peak_mib(gateway)?;
        let own = Moved::by(gateway, || inside(&folder, "data", true))?;
        let growth = process::peak_mib(gateway)? - before;
        let other = Moved::by(worker, || outside(&folder, nginx.proxy_port))?;
        progress(&format!(
            "b4: round {round}/{ROUNDS}: {:.2} s, nginx {:.2} s; the gateway's memory grew by {growth:.1} MiB",
            own.seconds, other.seconds
        ));
        if round > 0 {
            all.add(&own, &other, growth);
        }
    }
    let memory = [gateway, worker].map(process::memory_mib).into_iter().collect::<Result<Vec<_>>>()?;
    server.stop()?;
    Ok(all.figures(memory[0].0, memory[1].0))
}

/// One body that went through a process.
pub(super) struct Moved {
    pub(super) seconds: f64,
    /// Processor time of the process between, in seconds.
    pub(super) cpu: f64,
}

impl Moved {
    /// Moves it and asks what it cost the process.
    pub(super) fn by(pid: u32, load: impl Fn() -> Result<f64>) -> Result<Self> {
        let before = process::cpu_us(pid)?;
        let seconds = load()?;
        Ok(Self { seconds, cpu: (process::cpu_us(pid)? - before) / 1e6 })
    }
}

/// What every round added, by figure; ours first.
#[derive(Default)]
struct Rounds {
    ratios: Vec<f64>,
    rates: [Vec<f64>; 2],
    cpu: [Vec<f64>; 2],
    grown: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, own: &Moved, other: &Moved, growth: f64) {
        self.ratios.push(other.seconds / own.seconds);
        for (index, moved) in [own, other].into_iter().enumerate() {
            self.rates[index].push(1024.0 / moved.seconds);
            self.cpu[index].push(moved.cpu);
        }
        self.grown.push(growth);
    }

    fn figures(self, memory: f64, nginx_memory: f64) -> Vec<Figure> {
        let ([rate, nginx_rate], [cpu, nginx_cpu]) = (self.rates.map(median), self.cpu.map(median));
        vec![
            Figure {
                bar: "B4",
                promise: "1 GiB of random bytes through the gateway, looking for 8 values, to curl: as fast as through nginx, TLS to TLS",
                measured: median(self.ratios),
                unit: "x",
                limit: Limit::Least(0.8),
                detail: format!(
                    "{rate:.0} MiB/s to {nginx_rate:.0} MiB/s; processor time {cpu:.2} s to {nginx_cpu:.2} s; memory {memory:.1} MiB (RSS) to {nginx_memory:.1}; medians of {ROUNDS} rounds"
                ),
            },
            Figure {
                bar: "B4",
                promise: "what the gateway's memory grows by meanwhile, at most",
                measured: self.grown.into_iter().fold(0.0, f64::max),
                unit: "MiB",
                limit: Limit::Most(4.0),
                detail: "the peak of the resident set over what it was before; the most of all rounds".to_owned(),
            },
        ]
    }
}

/// The file that the upstream sends.
pub(super) fn fill(folder: &Folder) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut piece)?;
    let mut file = File::create(folder.path("files/big"))?;
    for _ in 0..BODY_BYTES / PIECE_BYTES {
        file.write_all(&piece)?;
    }
    Ok(())
}

/// From a devbox of the server on this folder: with all of its secrets, or with none.
pub(super) fn inside(folder: &Folder, data: &str, has_secrets: bool) -> Result<f64> {
    let mut command = process::command("tightlip");
    command.args(["run", "--quiet", "--allow", HOST, "--data"]).arg(folder.path(data)).args(["--", "/bin/sh", "-c"]);
    command.current_dir(folder.path(WORK));
    let header = if has_secrets { "-H \"Authorization: Bearer $BENCH0\"" } else { "" };
    seconds(command.arg(format!("curl {CURL} {header} https://{HOST}/big")))
}

fn outside(folder: &Folder, port: u16) -> Result<f64> {
    let mut command = Command::new("/bin/sh");
    let certificate = folder.path("certificate.pem");
    let options = format!("--resolve {HOST}:{port}:127.0.0.1 --cacert {}", certificate.display());
    seconds(command.arg("-c").arg(format!("curl {CURL} {options} https://{HOST}:{port}/big")))
}

fn seconds(command: &mut Command) -> Result<f64> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "curl failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (bytes, seconds) = text.trim().split_once(' ').context("curl said something else")?;
    ensure!(bytes == BODY_BYTES.to_string(), "{bytes} bytes arrived");
    Ok(seconds.parse()?)
}

/// HTTP/1.1 on both sides, as nginx speaks it upstream.
const CURL: &str = "-sS --fail --http1.1 -o /dev/null -w '%{size_download} %{time_total}'";
const BODY_BYTES: usize = 1 << 30;
const PIECE_BYTES: usize = 1 << 26;
const ROUNDS: usize = 5;
