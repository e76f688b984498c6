//! B5: what it takes to make a devbox, against the common sandbox program; over the API, how many a second, and what an idle one holds in memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::load::{self, Target};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let mut figures = vec![spawn()?];
    figures.extend(hosted()?);
    Ok(figures)
}

/// From nothing to the end of `true`, ours against `bwrap --unshare-all`; rounds of both take turns.
fn spawn() -> Result<Figure> {
    ensure!(Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok(), "bwrap is missing: install bubblewrap");
    let folder = Folder::make("b5")?;
    let work = folder.path("work");
    std::fs::create_dir(&work)?;
    let (mut ours, mut theirs, mut executed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (exec, whole) = own_round(&work)?;
        let bwrap = bwrap_round()?;
        progress(&format!("b5: round {round}/{ROUNDS}: {whole:.1} ms to the end, {exec:.1} ms to exec, bwrap {bwrap:.1} ms to the end"));
        if round > 0 {
            ours.push(whole);
            theirs.push(bwrap);
            executed.push(exec);
        }
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    Ok(Figure {
        bar: "B5",
        promise: "a devbox from nothing to the end of `true`, against `bwrap --unshare-all` with the same folders",
        measured: median(ratios),
        unit: "x",
        limit: Limit::Most(1.0),
        detail: format!(
            "{:.1} ms, of which {:.1} ms to exec; bwrap {:.1} ms; medians of {ROUNDS} rounds of {EACH}",
            median(ours),
            median(executed),
            median(theirs)
        ),
    })
}

fn own_round(work: &Path) -> Result<(f64, f64)> {
    let output = process::command("examples/spawn").arg(EACH.to_string()).current_dir(work).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "the devboxes did not run: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let columns = |at: usize| -> Result<f64> {
        let values = text.lines().map(|line| line.split(' ').nth(at).and_then(|word| word.parse::<f64>().ok()).context("an odd line"));
        Ok(median(values.collect::<Result<Vec<_>>>()?) / 1e3)
    };
    Ok((columns(0)?, columns(1)?))
}

fn bwrap_round() -> Result<f64> {
    let mut taken = Vec::new();
    for _ in 0..EACH {
        let begun = Instant::now();
        let mut command = Command::new("bwrap");
        command.args([
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--ro-bind",
            "/usr",
            "/usr",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]);
        command.args(["--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]);
        command.args(["--ro-bind", "/etc", "/etc", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var", "--tmpfs", "/home"]);
        ensure!(command.arg("/usr/bin/true").status()?.success(), "bwrap did not run");
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(taken))
}

/// Over HTTP: made until they run, on four connections; what one holds while nobody uses it; and all of them ended again.
fn hosted() -> Result<Vec<Figure>> {
    let folder = Folder::make("b5-api")?;
    let server = Server::start(&folder.path("data"))?;
    let target = Target { address: server.address(), key: &server.key };
    let before = server.all_memory_mib()?;
    let create = |target: Target<'_>, _| load::post(target, "/v1/devboxes/create_and_await_running", "{}");
    let made = load::run(target, CONNECTIONS, |sent, _| sent < DEVBOXES / CONNECTIONS, create)?;
    let held = (server.all_memory_mib()? - before) / DEVBOXES as f64;
    let rate = made.rate();
    progress(&format!("b5: {rate:.0} devboxes a second, {held:.1} MiB each"));
    server.stop()?;
    Ok(vec![
        Figure {
            bar: "B5",
            promise: "devboxes made over the API until they run, on four connections",
            measured: rate,
            unit: "/s",
            limit: Limit::Least(20.0),
            detail: format!("{DEVBOXES} side by side; p50 {:.0} ms, p99 {:.0} ms", made.percentile_ms(0.5), made.percentile_ms(0.99)),
        },
        Figure {
            bar: "B5",
            promise: "memory of an idle devbox of the API's, its share of the server's processes included",
            measured: held,
            unit: "MiB",
            limit: Limit::Most(4.0),
            detail: format!("PSS of all processes below the server, with {DEVBOXES} devboxes and with none"),
        },
    ])
}

impl Server {
    /// What this server and every process below it hold (PSS), in MiB.
    fn all_memory_mib(&self) -> Result<f64> {
        let mut total = 0.0;
        for pid in self.descendants()? {
            match process::memory_mib(pid) {
                Ok((_, Some(pss))) => total += pss,
                Ok((_, None)) => bail!("the system does not tell shared pages: run as root"),
                // It ended meanwhile.
                Err(_) => {}
            }
        }
        Ok(total)
    }
}

const ROUNDS: usize = 5;
/// Devboxes a round.
const EACH: usize = 40;
const CONNECTIONS: usize = 4;
const DEVBOXES: usize = 100;
