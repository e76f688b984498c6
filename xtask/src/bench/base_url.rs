//! What a request by base URL takes longer than one that goes straight to its upstream, beside nginx as a TLS-to-TLS reverse proxy to the same upstream.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::load::{self, Target};
use super::nginx::{HOST, Nginx};
use super::process::{self, Folder, Server};
use super::{Figure, Limit, median, progress};

/// All of it.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = Folder::make("base-url")?;
    let nginx = Nginx::start(&folder)?;
    let server = nginx.gateway(&folder)?;
    let inside = Inside::make(&server, &folder.path("data"))?;
    let outside = |port: u16| -> Result<f64> {
        let url = format!("https://{HOST}:{port}/x?n=[1-{REQUESTS}]");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", FORMAT, "--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cacert"]);
        let output = curl.arg(folder.path("certificate.pem")).arg(url).output()?;
        ensure!(output.status.success(), "curl failed: {}", String::from_utf8_lossy(&output.stderr));
        times(&String::from_utf8(output.stdout)?)
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (direct, nginx, own) = (outside(nginx.upstream_port)?, outside(nginx.proxy_port)?, inside.round(&server)?);
        progress(&format!("b3: round {round}/{ROUNDS}: straight {direct:.3} ms, nginx {nginx:.3} ms, base URL {own:.3} ms (p50)"));
        if round > 0 {
            ours.push(own - direct);
            theirs.push(nginx - direct);
        }
    }
    server.stop()?;
    let (ours, theirs) = (median(ours), median(theirs));
    Ok(vec![Figure {
        bar: "B3",
        promise: "what a request by base URL takes longer than straight, on a connection that is kept (p50); scrubbed, recorded, decided anew",
        measured: ours,
        unit: "ms",
        limit: Limit::Most(0.5),
        detail: format!("nginx, TLS to TLS, adds {theirs:.3} ms; medians of {ROUNDS} rounds of {REQUESTS} requests by curl"),
    }])
}

/// A devbox with a gateway.
struct Inside {
    id: String,
}

impl Inside {
    fn make(server: &Server, data: &Path) -> Result<Self> {
        let target = Target { address: server.address(), key: &server.key };
        load::ask(target, "/v1/secrets", r#"{"name":"BENCH","value":"bench-0123456789-0123456789-0123456789"}"#)?;
        let mut bind = process::command("tightlip");
        bind.args(["bind", "BENCH", "--host", HOST, "--data"]).arg(data).stdout(Stdio::null());
        ensure!(bind.status()?.success(), "the secret was not bound");
        let config = format!(r#"{{"name":"bench","endpoint":"https://{HOST}","auth_mechanism":{{"type":"bearer"}}}}"#);
        load::ask(target, "/v1/gateway-configs", &config)?;
        let wanted = r#"{"gateways":{"B":{"gateway":"bench","secret":"BENCH"}}}"#;
        let made = load::ask(target, "/v1/devboxes/create_and_await_running", wanted)?;
        let id = made.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).context("a devbox without an id")?;
        Ok(Self { id: id.to_owned() })
    }

    fn round(&self, server: &Server) -> Result<f64> {
        let target = Target { address: server.address(), key: &server.key };
        // The answer shows the last hundred lines: the middle of them is found inside.
        let line = format!(
            "curl -sS -o /dev/null -w '{FORMAT}' -H \\\"Authorization: Bearer $B\\\" \\\"$B_URL/x?n=[1-{REQUESTS}]\\\" | sort -n | sed -n {}p",
            REQUESTS / 2
        );
        let body = format!(r#"{{"command":"{}"}}"#, line.replace("\\n", "\\\\n"));
        let answer = load::ask(target, &format!("/v1/devboxes/{}/execute", self.id), &body)?;
        let shown = answer.split("\"stdout\":\"").nth(1).and_then(|rest| rest.split(['\\', '"']).next()).context("no output")?;
        Ok(shown.trim().parse::<f64>().with_context(|| format!("an odd answer: {answer}"))? * 1e3)
    }
}

/// The middle of curl's times, in milliseconds.
fn times(text: &str) -> Result<f64> {
    let values = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    ensure!(values.len() == REQUESTS, "{} of {REQUESTS} requests were answered", values.len());
    Ok(median(values) * 1e3)
}

const FORMAT: &str = "%{time_total}\\n";
const REQUESTS: usize = 400;
const ROUNDS: usize = 5;
