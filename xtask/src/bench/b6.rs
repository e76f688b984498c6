//! B6: a million secrets beside a thousand: start, get, first page, memory; and what an idle server takes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::load;
use super::server::{Server, resident_mb};
use super::{Figure, Programs, Wanted, median, progress, scratch};

pub(super) fn run(programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let idle = {
        let server = Server::start(&programs.tightlip, &scratch("b6-idle")?)?;
        memory(&server)?
    };
    let (small, large) = (filled(programs, "b6-small", SMALL)?, filled(programs, "b6-large", LARGE)?);
    let mut ready = Vec::new();
    for _ in 0..STARTS {
        ready.push(Server::start(&programs.tightlip, &large)?.ready.as_secs_f64());
    }
    let (small, large) = (Server::start(&programs.tightlip, &small)?, Server::start(&programs.tightlip, &large)?);
    let (mut at_small, mut at_large, mut page) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        at_small.push(get(&small, SMALL)?);
        at_large.push(get(&large, LARGE)?);
        page.push(load::run(&large.address, 1, REQUESTS, |_, _| load::get("/v1/secrets", Some(&large.key)))?.percentile_ms(50));
        let at = round - 1;
        progress(&format!(
            "b6 round {round} of {ROUNDS}: get {:.3} ms beside {:.3} ms, page {:.3} ms",
            at_large[at], at_small[at], page[at]
        ));
    }
    let (at_small, at_large) = (median(at_small), median(at_large));
    let figure = |what: &str, value: f64, unit, most: f64| Figure {
        bar: "B6",
        what: what.to_owned(),
        value,
        unit,
        wanted: Some(Wanted::AtMost(most)),
    };
    Ok(vec![
        figure("a get at 1,000,000 secrets, in gets at 1,000", at_large / at_small, "times", 1.3),
        figure("the first page at 1,000,000, p50", median(page), "ms", 2.0),
        figure("ready at 1,000,000", median(ready), "s", 1.0),
        figure("memory at 1,000,000, both processes (VmRSS)", memory(&large)?, "MB", 100.0),
        figure("memory idle, both processes (VmRSS)", idle, "MB", 30.0),
        Figure { bar: "B6", what: "a get at 1,000,000, p50".to_owned(), value: at_large, unit: "ms", wanted: None },
    ])
}

/// The median time of a get, of names from all over the store.
fn get(server: &Server, count: usize) -> anyhow::Result<f64> {
    let path = |number: usize| format!("/v1/secrets/BENCH_{}", number * STRIDE % count);
    Ok(load::run(&server.address, 1, REQUESTS, |_, number| load::get(&path(number), Some(&server.key)))?.percentile_ms(50))
}

fn memory(server: &Server) -> anyhow::Result<f64> {
    Ok(resident_mb(server.child("__api")?)? + resident_mb(server.child("__gateway")?)?)
}

/// A data folder with so many secrets.
fn filled(programs: &Programs, name: &str, count: usize) -> anyhow::Result<std::path::PathBuf> {
    let data = scratch(name)?;
    drop(Server::start(&programs.tightlip, &data)?);
    progress(&format!("b6: filling a store with {count} secrets"));
    let status =
        Command::new(&programs.fill).arg(database(&data)).arg(count.to_string()).status().context("failed to start the filling")?;
    if status.success() { Ok(data) } else { bail!("the filling failed") }
}

fn database(data: &Path) -> std::path::PathBuf {
    data.join("store/tightlip.db")
}

const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;
const ROUNDS: usize = 5;
const REQUESTS: usize = 4_000;
const STARTS: usize = 5;
/// A prime, so that the names come from all over.
const STRIDE: usize = 7_919;
