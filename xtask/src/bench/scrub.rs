//! What scrubbing costs: bodies with and without it, how late events of a stream become, and what it takes by itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::bodies::{self, Moved};
use super::nginx::{HOST, Nginx, WORK, free_port, gateway_before};
use super::open_road::{make_secrets, make_secrets_in};
use super::process::{self, Folder};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("scrub")?;
    let nginx = Nginx::start(&folder)?;
    let mut figures = through(&folder, &nginx)?;
    figures.push(delays(&folder)?);
    for (secrets, bytes) in PLANS {
        figures.push(by_itself(secrets, bytes)?);
    }
    Ok(figures)
}

/// The same body to a devbox with eight values bound there, and to one with none, which nothing is looked for in.
fn through(folder: &Folder, nginx: &Nginx) -> Result<Vec<Figure>> {
    bodies::fill(folder)?;
    let with = nginx.gateway(folder)?;
    make_secrets(&with, folder)?;
    let without = gateway_before(nginx.upstream_port, folder, "without")?;
    let (mut ratios, mut cpu) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=ROUNDS {
        let scrubbed = Moved::by(with.gateway()?, || bodies::inside(folder, "data", true))?;
        let passed = Moved::by(without.gateway()?, || bodies::inside(folder, "without", false))?;
        progress(&format!("scrub: round {round}/{ROUNDS}: {:.2} s with, {:.2} s without", scrubbed.seconds, passed.seconds));
        if round > 0 {
            ratios.push(passed.seconds / scrubbed.seconds);
            cpu[0].push(scrubbed.cpu);
            cpu[1].push(passed.cpu);
        }
    }
    with.stop()?;
    without.stop()?;
    let [cpu, passed_cpu] = cpu.map(median);
    Ok(vec![Figure {
        bar: "SCRUB",
        promise: "1 GiB of random bytes, looking for 8 values: as fast as where nothing is looked for",
        measured: median(ratios),
        unit: "x",
        limit: Limit::Least(0.8),
        detail: format!("the gateway's processor time {cpu:.2} s to {passed_cpu:.2} s; medians of {ROUNDS} rounds"),
    }])
}

/// How much later an event reaches a devbox with eight values bound there than one with none.
fn delays(folder: &Folder) -> Result<Figure> {
    let port = free_port()?;
    let upstream = Events::start(folder, port)?;
    let with = gateway_before(port, folder, "events-with")?;
    make_secrets_in(&with, &folder.path("events-with"))?;
    let without = gateway_before(port, folder, "events-without")?;
    let mut added = Vec::new();
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let read = [read_inside(folder, "events-with", true)?, read_inside(folder, "events-without", false)?, read_outside(folder, port)?];
        progress(&format!(
            "scrub: round {round}/{ROUNDS}: events {:.0} us with, {:.0} us without, {:.0} us straight (p50)",
            read[0], read[1], read[2]
        ));
        if round > 0 {
            added.push((read[0] - read[1]) / 1e3);
            for (times, time) in all.iter_mut().zip(read) {
                times.push(time);
            }
        }
    }
    with.stop()?;
    without.stop()?;
    drop(upstream);
    let [scrubbed, passed, straight] = all.map(median);
    Ok(Figure {
        bar: "SCRUB",
        promise: "what an event of a stream is later than where nothing is looked for (p50)",
        measured: median(added),
        unit: "ms",
        limit: Limit::Most(0.05),
        detail: format!(
            "from sent to read {scrubbed:.0} us with, {passed:.0} us without, {straight:.0} us straight; medians of {ROUNDS} rounds of {EVENTS} events"
        ),
    })
}

/// A plan by itself, on one thread.
fn by_itself(secrets: usize, bytes: usize) -> Result<Figure> {
    let mut command = process::command("examples/scrub_cost");
    let output = command.args([secrets, bytes].map(|number| number.to_string())).output()?;
    ensure!(output.status.success(), "scrub_cost failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    let [made_ms, plan_kib, random, json, base64, beginnings, held] = numbers[..] else { anyhow::bail!("scrub_cost said something else") };
    let slowest = [random, json, base64, beginnings].into_iter().fold(f64::MAX, f64::min);
    Ok(Figure {
        bar: "SCRUB",
        promise: if secrets == PLANS[0].0 { "the slowest sort of text, 8 values, one thread" } else { "the same, 100 values of 4 KiB" },
        measured: slowest,
        unit: "MiB/s",
        limit: Limit::Least(100.0),
        detail: format!(
            "random {random:.0}, JSON {json:.0}, base64 {base64:.0}, beginnings of values {beginnings:.0} MiB/s; plan made in {made_ms:.2} ms, {plan_kib:.0} KiB; held back at most {held:.0} bytes"
        ),
    })
}

/// The upstream of the events. Ended when dropped.
struct Events(Child);

impl Events {
    fn start(folder: &Folder, port: u16) -> Result<Self> {
        let mut command = process::command("examples/events");
        command.arg("serve").arg(format!("127.0.0.1:{port}")).arg(folder.path("certificate.pem")).arg(folder.path("key.pem"));
        let mut child = Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().context("no output")?).read_line(&mut line)?;
        ensure!(line == "ready\n", "the upstream of the events did not start");
        Ok(child)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn read_inside(folder: &Folder, data: &str, has_secrets: bool) -> Result<f64> {
    let program = std::path::absolute(process::command("examples/events").get_program())?;
    let mut command = process::command("tightlip");
    command
        .args(["run", "--quiet", "--allow", HOST, "--data"])
        .arg(folder.path(data))
        .arg("--ro")
        .arg(&program)
        .args(["--", "/bin/sh", "-c"]);
    let header = if has_secrets { "\"authorization: Bearer $BENCH0\"" } else { "" };
    let line = format!("exec {} read {HOST}:443 {HOST} \"$SSL_CERT_FILE\" {EVENTS} {header}", program.display());
    p50(command.arg(line).current_dir(folder.path(WORK)))
}

fn read_outside(folder: &Folder, port: u16) -> Result<f64> {
    let mut command = process::command("examples/events");
    command.arg("read").arg(format!("127.0.0.1:{port}")).arg(HOST).arg(folder.path("certificate.pem")).arg(EVENTS.to_string());
    p50(&mut command)
}

fn p50(command: &mut Command) -> Result<f64> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "the events were not read: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("nothing was said")?.parse()?)
}

const ROUNDS: usize = 5;
const EVENTS: usize = 500;
/// Values and their bytes: what a devbox usually has, and what it may have at most in number.
const PLANS: [(usize, usize); 2] = [(8, 48), (100, 4096)];
