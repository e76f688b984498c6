//! B2: durable, recorded creates, against the raw group-commit rate of the same rows on the same disk.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::load::{self, Done, Target};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// Creates at 64 connections, and what SQLite alone commits of the same rows for 64 producers.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("b2")?;
    let server = Server::start(&folder.path("data"))?;
    let target = Target { address: server.address(), key: &server.key };
    let (mut ours, mut raws, mut ratios, mut slowest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let raw = raw(&folder)?;
        let done = creates(target)?;
        let (rate, p99) = (done.rate(), done.percentile_ms(0.99));
        progress(&format!("b2: round {round}/{ROUNDS}: {rate:.0}/s, p99 {p99:.1} ms, raw {raw:.0}/s"));
        if round > 0 {
            ours.push(rate);
            raws.push(raw);
            ratios.push(rate / raw);
            slowest.push(p99);
        }
    }
    let detail = format!("{:.0} creates/s, raw {:.0} rows/s; medians of {ROUNDS} rounds", median(ours), median(raws));
    Ok(vec![
        Figure {
            bar: "B2",
            promise: "durable, recorded creates at 64 connections, against the raw group-commit rate of the same rows",
            measured: median(ratios),
            unit: "x",
            limit: Limit::Least(0.5),
            detail: detail.clone(),
        },
        Figure { bar: "B2", promise: "p99 of these creates", measured: median(slowest), unit: "ms", limit: Limit::Most(20.0), detail },
    ])
}

fn creates(target: Target<'_>) -> Result<Done> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let create = |target: Target<'_>, _| load::create(target, &format!("BENCH_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    load::run(target, CONNECTIONS, |_, elapsed| elapsed < TIME, create)
}

/// Rows per second, written straight.
fn raw(folder: &Folder) -> Result<f64> {
    let output = process::command("examples/raw_commits").arg(folder.path("")).arg(TIME.as_secs().to_string()).output()?;
    String::from_utf8(output.stdout)?.trim().parse().context("the raw writer failed")
}

const CONNECTIONS: usize = 64;
const TIME: Duration = Duration::from_secs(6);
const ROUNDS: usize = 5;
