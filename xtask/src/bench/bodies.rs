//! A body of 1 GiB through the gateway, which looks for eight values in all of it, beside the same through nginx.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::nginx::{HOST, Nginx};
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
    let gateway = server.gateway()?;
    let (mut ratios, mut ours, mut theirs, mut grown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before = process::memory_mib(gateway)?.0;
        process::peak_mib(gateway)?;
        let own = inside(&folder)?;
        let growth = process::peak_mib(gateway)? - before;
        let other = outside(&folder, nginx.proxy_port)?;
        progress(&format!("b4: round {round}/{ROUNDS}: {own:.2} s, nginx {other:.2} s; the gateway's memory grew by {growth:.1} MiB"));
        if round > 0 {
            ratios.push(other / own);
            ours.push(1024.0 / own);
            theirs.push(1024.0 / other);
            grown.push(growth);
        }
    }
    server.stop()?;
    let (ours, theirs) = (median(ours), median(theirs));
    Ok(vec![
        Figure {
            bar: "B4",
            promise: "1 GiB of random bytes through the gateway, looking for 8 values, to curl: as fast as through nginx, TLS to TLS",
            measured: median(ratios),
            unit: "x",
            limit: Limit::Least(0.8),
            detail: format!("{ours:.0} MiB/s to {theirs:.0} MiB/s; medians of {ROUNDS} rounds"),
        },
        Figure {
            bar: "B4",
            promise: "what the gateway's memory grows by meanwhile, at most",
            measured: grown.into_iter().fold(0.0, f64::max),
            unit: "MiB",
            limit: Limit::Most(4.0),
            detail: "the peak of the resident set over what it was before; the most of all rounds".to_owned(),
        },
    ])
}

/// The file that the upstream sends.
fn fill(folder: &Folder) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut piece)?;
    let mut file = File::create(folder.path("files/big"))?;
    for _ in 0..BODY_BYTES / PIECE_BYTES {
        file.write_all(&piece)?;
    }
    Ok(())
}

fn inside(folder: &Folder) -> Result<f64> {
    let mut command = process::command("tightlip");
    command.args(["run", "--quiet", "--data"]).arg(folder.path("data")).args(["--", "/bin/sh", "-c"]);
    seconds(command.arg(format!("curl {CURL} -H \"Authorization: Bearer $BENCH0\" https://{HOST}/big")))
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
