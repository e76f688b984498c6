//! B6: a million secrets, against a thousand; and what an idle server holds.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::load::{self, Target};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// Readiness, reads, pages and memory with a million secrets.
pub fn measure() -> Result<Vec<Figure>> {
    let (few, many) = (Folder::make("b6-few")?, Folder::make("b6-many")?);
    let idle = filled(&few.path("data"), FEW)?;
    filled(&many.path("data"), MANY)?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Server::start(&many.path("data"))?.ready_after.as_secs_f64());
    }
    let (few, many) = (Server::start(&few.path("data"))?, Server::start(&many.path("data"))?);
    let (mut ours, mut baselines, mut ratios, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (at_many, at_few) = (get_ms(&many, MANY)?, get_ms(&few, FEW)?);
        let page = load::run(target(&many), 1, |sent, _| sent < 200, |target, _| load::get(target, "/v1/secrets"))?.percentile_ms(0.5);
        progress(&format!("b6: round {round}/{ROUNDS}: get {at_many:.3} ms, at {FEW} {at_few:.3} ms; first page {page:.3} ms"));
        if round > 0 {
            ours.push(at_many);
            baselines.push(at_few);
            ratios.push(at_many / at_few);
            pages.push(page);
        }
    }
    let held = memory(&many)?;
    let detail = format!("p50 {:.3} ms, at {FEW} {:.3} ms, names at random; medians of {ROUNDS} rounds", median(ours), median(baselines));
    let figure = |promise, measured, unit, most, detail| Figure { bar: "B6", promise, measured, unit, limit: Limit::Most(most), detail };
    let what = |held: &Held| {
        format!(
            "api {:.1}, gateway {:.1}, supervisor {:.1} MiB of {}; both RSS {:.1}",
            held.each[0], held.each[1], held.each[2], held.kind, held.rss
        )
    };
    Ok(vec![
        figure("get with 1,000,000 secrets, against 1,000", median(ratios), "x", 1.3, detail),
        figure("ready with 1,000,000 secrets", median(starts), "s", 1.0, format!("from the start of the program; median of {STARTS}")),
        figure("first page with 1,000,000 secrets", median(pages), "ms", 2.0, "p50 over HTTP".to_owned()),
        figure("both processes' memory with 1,000,000 secrets, after all this", held.both(), "MiB", 100.0, what(&held)),
        figure("both processes' memory when idle", idle.both(), "MiB", 30.0, what(&idle)),
    ])
}

/// What the processes hold in memory.
struct Held {
    /// The api, the gateway, the supervisor.
    each: [f64; 3],
    kind: &'static str,
    /// The api's and the gateway's, without sharing out what they share.
    rss: f64,
}

impl Held {
    fn both(&self) -> f64 {
        self.each[0] + self.each[1]
    }
}

/// Sets a data folder up and fills its store. What the server held when it was new and idle.
fn filled(data: &Path, count: usize) -> Result<Held> {
    let server = Server::start(data)?;
    let idle = memory(&server)?;
    load::run(target(&server), 1, |sent, _| sent < 1, |target, _| load::create(target, "LIKE"))?;
    server.stop()?;
    let fill = process::command("examples/fill").arg(data.join("store/tightlip.db")).arg(count.to_string()).status()?;
    ensure!(fill.success(), "the store could not be filled");
    Ok(idle)
}

/// The median time of a read, in milliseconds.
fn get_ms(server: &Server, count: usize) -> Result<f64> {
    let read = |target: Target<'_>, number: usize| {
        // Spread over all, in no order.
        let name = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        load::get(target, &format!("/v1/secrets/FILLED_{}", name % count))
    };
    Ok(load::run(target(server), 1, |sent, _| sent < READS, read)?.percentile_ms(0.5))
}

fn target(server: &Server) -> Target<'_> {
    Target { address: server.address(), key: &server.key }
}

fn memory(server: &Server) -> Result<Held> {
    let each: Vec<_> = server.processes()?.into_iter().map(process::memory_mib).collect::<Result<_>>()?;
    let rss = each[0].0 + each[1].0;
    let shared_out: Option<Vec<f64>> = each.iter().map(|(_, pss)| *pss).collect();
    let (kind, each) = match shared_out {
        Some(each) => ("PSS", each),
        None => ("RSS", each.iter().map(|(rss, _)| *rss).collect()),
    };
    Ok(Held { rss, each: each.try_into().ok().context("three processes")?, kind })
}

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const STARTS: usize = 5;
const ROUNDS: usize = 5;
const READS: usize = 5_000;
