//! What the gateway costs a request that it intercepts, arms and scrubs, beside nginx as a TLS-to-TLS reverse proxy to the same upstream.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::load::{self, Target};
use super::nginx::{HOST, Nginx, WORK};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("open-road")?;
    let nginx = Nginx::start(&folder)?;
    let server = nginx.gateway(&folder)?;
    make_secrets(&server, &folder)?;
    let (gateway, worker) = (server.gateway()?, nginx.worker()?);
    let mut all = Rounds::default();
    for round in 0..=ROUNDS {
        let ours = Loaded::by(gateway, || inside(&folder, 0))?;
        let theirs = Loaded::by(worker, || outside(&folder, nginx.proxy_port, 0))?;
        let slow = Slow {
            ours: inside(&folder, PACED)?,
            direct: outside(&folder, nginx.upstream_port, PACED)?,
            theirs: outside(&folder, nginx.proxy_port, PACED)?,
        };
        progress(&format!(
            "b3: round {round}/{ROUNDS}: {:.0}/s, nginx {:.0}/s; at {PACED}/s p50 {:.0} us, nginx {:.0} us, straight {:.0} us; p99 {:.0} us",
            ours.said.rate, theirs.said.rate, slow.ours.p50, slow.theirs.p50, slow.direct.p50, slow.ours.p99
        ));
        if round > 0 {
            all.add(&ours, &theirs, &slow);
        }
    }
    let memory = process::memory_mib(gateway)?.0;
    let nginx_memory = process::memory_mib(worker)?.0;
    server.stop()?;
    Ok(all.figures(memory, nginx_memory))
}

/// What `tls_load` said.
struct Said {
    /// Requests a second.
    rate: f64,
    p50: f64,
    p99: f64,
}

/// One load as fast as it goes.
struct Loaded {
    said: Said,
    /// Processor time of the process between, in microseconds a request.
    cpu: f64,
}

/// One load at a pace that neither is busy with.
struct Slow {
    ours: Said,
    direct: Said,
    theirs: Said,
}

/// What every round added, by figure.
#[derive(Default)]
struct Rounds {
    ratios: Vec<f64>,
    rates: [Vec<f64>; 2],
    cpu: [Vec<f64>; 2],
    added: [Vec<f64>; 2],
    p99: [Vec<f64>; 2],
}

impl Loaded {
    fn by(pid: u32, load: impl Fn() -> Result<Said>) -> Result<Self> {
        let before = process::cpu_us(pid)?;
        let said = load()?;
        // The first half second is not counted by the load, and costs as much.
        let requests = said.rate * (f64::from(SECONDS) + WARM_UP_SECONDS);
        Ok(Self { cpu: (process::cpu_us(pid)? - before) / requests, said })
    }
}

impl Rounds {
    fn add(&mut self, ours: &Loaded, theirs: &Loaded, slow: &Slow) {
        self.ratios.push(ours.said.rate / theirs.said.rate);
        for (index, (loaded, paced)) in [(ours, &slow.ours), (theirs, &slow.theirs)].into_iter().enumerate() {
            self.rates[index].push(loaded.said.rate);
            self.cpu[index].push(loaded.cpu);
            self.added[index].push((paced.p50 - slow.direct.p50) / 1e3);
            self.p99[index].push(paced.p99 / 1e3);
        }
    }

    fn figures(self, memory: f64, nginx_memory: f64) -> Vec<Figure> {
        let [rate, nginx_rate] = self.rates.map(median);
        let [cpu, nginx_cpu] = self.cpu.map(median);
        let [added, nginx_added] = self.added.map(median);
        let [p99, nginx_p99] = self.p99.map(median);
        let figure = |promise, measured, unit, limit, detail| Figure { bar: "B3", promise, measured, unit, limit, detail };
        vec![
            figure(
                "intercepted requests with a swap, on 16 connections that are kept, 8 secrets bound there: as many as nginx passes, TLS to TLS",
                median(self.ratios),
                "x",
                Limit::Least(0.7),
                format!(
                    "{rate:.0}/s to {nginx_rate:.0}/s; processor time {cpu:.0} us a request to {nginx_cpu:.0}; memory {memory:.1} MiB (RSS) to {nginx_memory:.1}"
                ),
            ),
            figure(
                "what such a request takes longer than straight to the upstream (p50), at a pace that nobody is busy with",
                added,
                "ms",
                Limit::Most(0.15),
                format!(
                    "nginx adds {nginx_added:.3} ms; medians of {ROUNDS} rounds at {PACED} requests a second on {CONNECTIONS} connections"
                ),
            ),
            figure("the same, p99 of the whole request", p99, "ms", Limit::Most(1.0), format!("nginx {nginx_p99:.2} ms")),
        ]
    }
}

/// Secrets that are all bound to the upstream.
pub fn make_secrets(server: &Server, folder: &Folder) -> Result<()> {
    make_secrets_in(server, &folder.path("data"))
}

/// The same, for the server on this data folder.
pub fn make_secrets_in(server: &Server, data: &Path) -> Result<()> {
    let target = Target { address: server.address(), key: &server.key };
    for number in 0..SECRETS {
        let body = format!(r#"{{"name":"BENCH{number}","value":"bench-{number}-0123456789-0123456789-0123456789"}}"#);
        load::ask(target, "/v1/secrets", &body)?;
        let mut bind = process::command("tightlip");
        bind.args(["bind", &format!("BENCH{number}"), "--host", HOST, "--data"]).arg(data).stdout(Stdio::null());
        ensure!(bind.status()?.success(), "a secret was not bound");
    }
    Ok(())
}

/// From inside a devbox that has all the secrets, with one of them in every request.
fn inside(folder: &Folder, rate: u32) -> Result<Said> {
    let program = std::path::absolute(process::command("examples/tls_load").get_program())?;
    let mut command = process::command("tightlip");
    command.args(["run", "--quiet", "--data"]).arg(folder.path("data")).arg("--ro").arg(&program).args(["--", "/bin/sh", "-c"]);
    let load = format!(
        "exec {} {HOST}:443 {HOST} \"$SSL_CERT_FILE\" {CONNECTIONS} {SECONDS} {rate} \"authorization: Bearer $BENCH0\"",
        program.display()
    );
    said(command.arg(load).current_dir(folder.path(WORK)))
}

fn outside(folder: &Folder, port: u16, rate: u32) -> Result<Said> {
    let mut command = process::command("examples/tls_load");
    command.arg(format!("127.0.0.1:{port}")).arg(HOST).arg(folder.path("certificate.pem"));
    said(command.args([CONNECTIONS, SECONDS, rate].map(|number| number.to_string())).arg("authorization: Bearer of-nobody"))
}

fn said(command: &mut Command) -> Result<Said> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "the load failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    let [rate, p50, p99] = numbers[..] else { anyhow::bail!("the load said something else") };
    Ok(Said { rate, p50, p99 })
}

const SECRETS: usize = 8;
const CONNECTIONS: u32 = 16;
const SECONDS: u32 = 3;
/// What `tls_load` leaves out of its figures.
const WARM_UP_SECONDS: f64 = 0.5;
/// Requests a second: some tenth of what either passes.
const PACED: u32 = 400;
const ROUNDS: usize = 5;
