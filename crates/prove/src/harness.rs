//! The whole of `tightlip prove`: plant, attack, search, and the control.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::attempts::ATTEMPTS;
use crate::canary::Canary;
use crate::probe::{KNOWLEDGE_VARIABLE, Knowledge, Obtained};
use crate::report::{Report, Row};
use crate::server::{Launch, Server};
use crate::upstream::{Upstream, UpstreamSpec};

/// Attacks a throw-away server made from `binary` and says what came out.
///
/// # Errors
/// When the server, an upstream or a devbox could not be started, or an attempt did not run: a proof that did not run is no proof.
pub fn run(binary: &Path) -> anyhow::Result<Report> {
    let started = Instant::now();
    let canary = Canary::make("ghp_")?;
    let upstream = Upstream::start(UpstreamSpec {
        hosts: vec![BOUND.to_owned(), UNBOUND.to_owned(), "127.0.0.1".to_owned(), "169.254.169.254".to_owned()],
        expected: Some(canary.value().to_owned()),
        repo: None,
    })?;
    let server = Server::start(binary, Launch { upstreams: &[(BOUND, &upstream), (UNBOUND, &upstream)], ..Launch::default() })?;
    server.expect(&["secret", "set", SECRET], canary.value().as_bytes()).context("failed to store the canary")?;
    let work = work_folder(server.beside(), &canary)?;

    let used = count(&upstream, &canary, BOUND);
    let brokered = attack(&server, &upstream, &work, binary)?;
    let leaked_outside = upstream.records_of(UNBOUND).iter().filter(|record| canary.is_in(&record.bytes)).count();
    let swapped = count(&upstream, &canary, BOUND) - used;

    let control = control(&server, &upstream, &work, binary, &canary)?;
    let rows = rows(&canary, &brokered, &control)?;
    let (folder, log) = server.stop()?;
    let at_rest = search_folder(&folder.path().join("data"), &canary)?;
    Ok(Report {
        rows,
        leaked_outside,
        swapped,
        log_leaks: usize::from(canary.is_in(&log)),
        at_rest,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The attempts inside a devbox.
fn attack(server: &Server, upstream: &Upstream, work: &Path, binary: &Path) -> anyhow::Result<Vec<Obtained>> {
    let knowledge = knowledge(server, BTreeMap::new(), None)?;
    let known = format!("{KNOWLEDGE_VARIABLE}={}", serde_json::to_string(&knowledge)?);
    let program = binary.to_string_lossy().into_owned();
    let arguments = ["run", "--secret", SECRET, "--allow", UNBOUND, "--ro", &program, "--env", &known, "--", &program, "__probe"];
    let output = server.command(&arguments).current_dir(work).stdin(Stdio::null()).output()?;
    let arrived = upstream.records().len();
    if !output.status.success() || arrived == 0 {
        bail!("the attempts did not run in a devbox: {}", String::from_utf8_lossy(&output.stderr));
    }
    obtained(&output.stdout)
}

/// The same attempts with the value in a plain environment variable and no walls: they must leak, or the search finds nothing.
fn control(server: &Server, upstream: &Upstream, work: &Path, binary: &Path, canary: &Canary) -> anyhow::Result<Vec<Obtained>> {
    let direct = [BOUND, UNBOUND].into_iter().map(|host| (host.to_owned(), upstream.address())).collect();
    let bundle = server.beside().join("control-bundle.pem");
    fs::write(&bundle, upstream.ca_pem())?;
    let knowledge = knowledge(server, direct, Some(bundle))?;
    let mut command = Command::new(binary);
    command
        .arg("__probe")
        .current_dir(work)
        .env_clear()
        .env(SECRET, canary.value())
        .env(KNOWLEDGE_VARIABLE, serde_json::to_string(&knowledge)?);
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("the control did not run: {}", String::from_utf8_lossy(&output.stderr));
    }
    obtained(&output.stdout)
}

fn knowledge(server: &Server, direct: BTreeMap<String, std::net::SocketAddr>, bundle: Option<PathBuf>) -> anyhow::Result<Knowledge> {
    let api = server.url().trim_start_matches("http://").parse().context("the server's address")?;
    Ok(Knowledge {
        env: SECRET.to_owned(),
        bound: BOUND.to_owned(),
        unbound: UNBOUND.to_owned(),
        data: server.data(),
        api,
        pid: server.pid(),
        direct,
        bundle,
    })
}

fn work_folder(beside: &Path, canary: &Canary) -> anyhow::Result<PathBuf> {
    let work = beside.join("work");
    fs::create_dir_all(work.join(".git/hooks"))?;
    fs::write(work.join(".git/HEAD"), "ref: refs/heads/main\n")?;
    fs::write(work.join(".git/config"), format!("[remote \"origin\"]\n\turl = https://me:{}@github.com/a/b.git\n", canary.value()))?;
    fs::write(work.join(".env"), format!("GITHUB_TOKEN={}\n", canary.value()))?;
    Ok(work)
}

fn obtained(stdout: &[u8]) -> anyhow::Result<Vec<Obtained>> {
    let lines = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let all: Vec<Obtained> =
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().context("an attempt's report could not be read")?;
    if all.len() != ATTEMPTS.len() {
        bail!("{} of {} attempts reported", all.len(), ATTEMPTS.len());
    }
    Ok(all)
}

fn rows(canary: &Canary, brokered: &[Obtained], control: &[Obtained]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (attempt, (brokered, control)) in ATTEMPTS.iter().zip(brokered.iter().zip(control)) {
        if brokered.attempt != attempt.name || control.attempt != attempt.name {
            bail!("the attempts' reports are out of order");
        }
        rows.push(Row {
            name: attempt.name,
            channel: attempt.channel,
            leaked: canary.is_in(&brokered.bytes),
            control_leaked: canary.is_in(&control.bytes),
        });
    }
    Ok(rows)
}

/// How many requests reached `host` with the value where it belongs.
fn count(upstream: &Upstream, canary: &Canary, host: &str) -> usize {
    upstream.records_of(host).iter().filter(|record| record.holds(canary.value())).count()
}

fn search_folder(folder: &Path, canary: &Canary) -> anyhow::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            found += search_folder(&entry.path(), canary)?;
        } else if about.is_file() && canary.is_in(&fs::read(entry.path())?) {
            found += 1;
        }
    }
    Ok(found)
}

const BOUND: &str = "api.github.com";
const UNBOUND: &str = "allowed.example.com";
const SECRET: &str = "GITHUB_TOKEN";
