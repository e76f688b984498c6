//! B1: what a get costs the server in processor time, key checked, beside a route that does nothing.

use super::load;
use super::server::{Plain, Server, cpu_time};
use super::{Figure, Programs, Wanted, median, progress, scratch};

pub(super) fn run(programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let data = scratch("b1")?;
    let server = Server::start(&programs.tightlip, &data)?;
    let bare = Plain::start(&programs.bare)?;
    load::run(&server.address, 1, 1, |_, _| load::post("/v1/secrets", &server.key, r#"{"name":"BENCH","value":"a value for the bench"}"#))?;
    let (api, own) = (server.child("__api")?, load::get("/v1/secrets/BENCH", Some(&server.key)));
    let plain = load::get("/v1/secrets/BENCH", None);
    let cost = |pid: u32, address: &str, request: &[u8]| -> anyhow::Result<f64> {
        let before = cpu_time(pid)?;
        let done = load::run(address, CONNECTIONS, REQUESTS, |_, _| request.to_vec())?;
        Ok((cpu_time(pid)? - before).as_secs_f64() * 1e6 / done.requests as f64)
    };
    // Both are warm before anything counts.
    cost(api, &server.address, &own)?;
    cost(bare.pid(), &bare.address, &plain)?;
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        ours.push(cost(api, &server.address, &own)?);
        baseline.push(cost(bare.pid(), &bare.address, &plain)?);
        progress(&format!("b1 round {round} of {ROUNDS}: {:.1} us beside {:.1} us", ours[round - 1], baseline[round - 1]));
    }
    let (ours, baseline) = (median(ours), median(baseline));
    Ok(vec![
        Figure {
            bar: "B1",
            what: "a get's processor time, in bare routes".to_owned(),
            value: ours / baseline,
            unit: "times",
            wanted: Some(Wanted::AtMost(3.5)),
        },
        Figure { bar: "B1", what: "a get's processor time".to_owned(), value: ours, unit: "us", wanted: None },
        Figure { bar: "B1", what: "a bare route's processor time".to_owned(), value: baseline, unit: "us", wanted: None },
    ])
}

const CONNECTIONS: usize = 4;
const REQUESTS: usize = 5_000;
const ROUNDS: usize = 5;
