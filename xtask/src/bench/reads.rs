//! B1: what a read costs the server, against a bare route.

use anyhow::Result;

use super::load::{self, Target};
use super::process::{self, Folder, Program, Server};
use super::{Figure, Limit, median, progress};

/// Processor time of `GET /v1/secrets/{name}`, the key checked, against a bare axum route's that answers with as much.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("b1")?;
    let server = Server::start(&folder.path("data"))?;
    let bare = Program::start(process::command("examples/bare"))?;
    let ours = Target { address: server.address(), key: &server.key };
    let theirs = Target { address: &bare.address, key: &server.key };
    load::run(ours, 16, |sent, _| sent < SECRETS / 16, |target, number| load::create(target, &format!("BENCH_{number}")))?;
    let mut costs = (Vec::new(), Vec::new(), Vec::new());
    // The first is for warming up.
    for round in 0..=ROUNDS {
        let (our_cost, their_cost) = (cost(ours, server.api()?)?, cost(theirs, bare.pid())?);
        progress(&format!("b1: round {round}/{ROUNDS}: {our_cost:.1} us, bare {their_cost:.1} us"));
        if round > 0 {
            costs.0.push(our_cost);
            costs.1.push(their_cost);
            costs.2.push(our_cost / their_cost);
        }
    }
    Ok(vec![Figure {
        bar: "B1",
        promise: "processor time of GET /v1/secrets/{name}, key checked, against a bare axum JSON route",
        measured: median(costs.2),
        unit: "x",
        limit: Limit::Most(3.5),
        detail: format!("{:.1} us a request, bare {:.1} us; medians of {ROUNDS} rounds", median(costs.0), median(costs.1)),
    }])
}

/// Microseconds of a process's time for one request.
pub fn cost(target: Target<'_>, pid: u32) -> Result<f64> {
    let before = process::cpu_us(pid)?;
    let read = |target: Target<'_>, number: usize| load::get(target, &format!("/v1/secrets/BENCH_{}", (number * 7919) % SECRETS));
    let done = load::run(target, CONNECTIONS, |sent, _| sent < REQUESTS / CONNECTIONS, read)?;
    Ok((process::cpu_us(pid)? - before) / done.count as f64)
}

/// How many there are to read.
const SECRETS: usize = 1008;
const REQUESTS: usize = 20_000;
const CONNECTIONS: usize = 4;
const ROUNDS: usize = 7;
