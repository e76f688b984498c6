//! B2: durable, recorded creates over HTTP, beside the same rows written straight to the same disk.

use std::process::Command;

use anyhow::{Context, bail};

use super::load;
use super::server::Server;
use super::{Figure, Programs, Wanted, median, progress, scratch};

pub(super) fn run(programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let server = Server::start(&programs.tightlip, &scratch("b2")?)?;
    let value = "v".repeat(VALUE_BYTES);
    let creates = |round: usize| {
        load::run(&server.address, CONNECTIONS, EACH, |connection, number| {
            let body = format!(r#"{{"name":"BENCH_{round}_{connection}_{number}","value":"{value}"}}"#);
            load::post("/v1/secrets", &server.key, &body)
        })
    };
    creates(0)?;
    let (mut ours, mut baseline, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let done = creates(round)?;
        ours.push(done.per_second());
        p99.push(done.percentile_ms(99));
        baseline.push(raw(programs)?);
        let at = round - 1;
        progress(&format!("b2 round {round} of {ROUNDS}: {:.0}/s, p99 {:.1} ms, beside {:.0}/s", ours[at], p99[at], baseline[at]));
    }
    let (ours, baseline) = (median(ours), median(baseline));
    Ok(vec![
        Figure {
            bar: "B2",
            what: "creates, in raw group commits".to_owned(),
            value: ours / baseline,
            unit: "times",
            wanted: Some(Wanted::AtLeast(0.5)),
        },
        Figure {
            bar: "B2",
            what: "a create's p99 at 64 connections".to_owned(),
            value: median(p99),
            unit: "ms",
            wanted: Some(Wanted::AtMost(20.0)),
        },
        Figure { bar: "B2", what: "creates at 64 connections".to_owned(), value: ours, unit: "/s", wanted: None },
        Figure { bar: "B2", what: "raw group commits of the same rows".to_owned(), value: baseline, unit: "/s", wanted: None },
    ])
}

fn raw(programs: &Programs) -> anyhow::Result<f64> {
    let output = Command::new(&programs.raw_commits).arg(scratch("b2-raw")?).arg("4").output().context("failed to start the baseline")?;
    if !output.status.success() {
        bail!("the baseline failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

const CONNECTIONS: usize = 64;
const EACH: usize = 400;
const ROUNDS: usize = 5;
const VALUE_BYTES: usize = 300;
