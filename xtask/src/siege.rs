//! `cargo xtask siege`: what one tenant's flood costs another's steady traffic, and what ten thousand idle connections cost the server, on a release build.
//!
//! Two rows each with the tenants' limits that hold where other machines reach the API, and with none. Nothing is promised about times in a test: they are
//! measured here, and told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::bench::process::{self, Folder, Server};
use crate::say;

/// What the steady tenant saw, in milliseconds.
struct Seen {
    p50: f64,
    p99: f64,
    longest: f64,
    count: usize,
}

/// Builds, measures, tells.
pub fn run() -> ExitCode {
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say(&format!("siege: {error:#}"), ExitCode::FAILURE),
    }
}

fn measured() -> Result<()> {
    process::build()?;
    show(
        "steady: 100 GETs a second on one connection; flood: GETs as fast as they are answered, on 64 connections, by another account's key\n\
         beside: the same flood against another server on this machine, which is what sharing its processors costs",
    );
    for (name, settings) in
        [("limits of 1000 a second and key", "[api]\nkey_requests_per_second = 1000\n"), ("no limits (loopback's default)", "")]
    {
        let folder = Folder::make("siege")?;
        let (server, other) = start(&folder, "data", settings)?;
        let (neighbour, others) = start(&folder, "beside", settings)?;
        create(server.address(), &server.key)?;
        let alone = steady(server.address(), &server.key)?;
        let (beside, elsewhere) = flood(&neighbour, &others, &server)?;
        neighbour.stop()?;
        let before = process::memory_mib(server.api()?)?.0;
        let (under, flooded) = flood(&server, &other, &server)?;
        let after = process::memory_mib(server.api()?)?.0;
        show(&format!("{name}: alone {}", alone.line()));
        show(&format!("    beside a flood of {elsewhere:.0} a second {}", beside.line()));
        show(&format!("    under a flood of {flooded:.0} a second {}", under.line()));
        show(&format!("    p99 {:.2} times that alone, {:.2} times that beside", under.p99 / alone.p99, under.p99 / beside.p99));
        show(&format!("    the api's memory {before:.1} MiB before, {after:.1} MiB after (RSS)"));
        if settings.is_empty() {
            idle(&server)?;
        }
        server.stop()?;
    }
    Ok(())
}

/// A server in a folder of its own, and the key of a second account there.
fn start(folder: &Folder, name: &str, settings: &str) -> Result<(Server, String)> {
    let data = folder.path(name);
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("tightlip.toml"), settings)?;
    let server = Server::start(&data)?;
    let made = process::command("tightlip").args(["account", "create", "flood", "--json", "--data"]).arg(&data).output()?;
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).context("no account was made")?;
    let other = made["key"].as_str().context("the account has no key")?.to_owned();
    Ok((server, other))
}

impl Seen {
    fn line(&self) -> String {
        let Self { p50, p99, longest, count } = self;
        format!("p50 {p50:.2} ms, p99 {p99:.2} ms, longest {longest:.1} ms of {count}")
    }
}

fn create(address: &str, key: &str) -> Result<()> {
    let body = r#"{"name":"STEADY","value":"a value of some length"}"#;
    let request = format!(
        "POST /v1/secrets HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "no secret was made: {answer}");
    Ok(())
}

/// One request at its own time, whatever the one before took.
fn steady(address: &str, key: &str) -> Result<Seen> {
    let mut stream = connect(address)?;
    let request = format!("GET /v1/secrets/STEADY HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
    let (begun, mut taken) = (Instant::now(), Vec::new());
    for number in 0..u32::try_from(STEADY_COUNT)? {
        let due = PACE * number;
        if let Some(early) = due.checked_sub(begun.elapsed()) {
            thread::park_timeout(early);
        }
        let asked = Instant::now();
        ensure!(exchange(&mut stream, &request)? == 200, "the steady tenant was refused");
        taken.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    Ok(Seen { p50: at(0.5), p99: at(0.99), longest: at(1.0), count: taken.len() })
}

/// What the steady tenant of one server sees while somebody asks another, or the same, as fast as it can, and how fast that was.
fn flood(flooded: &Server, other: &str, server: &Server) -> Result<(Seen, f64)> {
    let (ended, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = flooded.address();
    let request = format!("GET /v1/secrets?limit=20 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {other}\r\n\r\n");
    thread::scope(|scope| {
        let mut floods = Vec::new();
        for _ in 0..FLOODERS {
            floods.push(scope.spawn(|| -> Result<()> {
                let mut streams = (0..FLOOD_CONNECTIONS / FLOODERS).map(|_| connect(address)).collect::<Result<Vec<_>>>()?;
                while !ended.load(Ordering::Relaxed) {
                    for stream in &mut streams {
                        stream.write_all(request.as_bytes())?;
                    }
                    for stream in &mut streams {
                        let status = answer(stream)?;
                        ensure!(matches!(status, 200 | 429), "a flooder was told {status}");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(())
            }));
        }
        let begun = Instant::now();
        let seen = steady(server.address(), &server.key);
        let rate = count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        for one in floods {
            one.join().expect("a thread of ours does not panic")?;
        }
        Ok((seen?, rate))
    })
}

/// Ten thousand connections from forty addresses, or as many as this process may have; how many the server keeps, and what they cost it.
fn idle(server: &Server) -> Result<()> {
    let wanted = IDLE.min(descriptors()?.saturating_sub(200));
    let api = server.api()?;
    let before = process::memory_mib(api)?.0;
    let mut kept = Vec::new();
    for number in 0..wanted {
        let from = Ipv4Addr::new(127, 0, 3, u8::try_from(1 + number % 40)?);
        kept.extend(connect_from(from, server.address()));
    }
    let after = process::memory_mib(api)?.0;
    let begun = Instant::now();
    let served = loop {
        let asked = connect_from(Ipv4Addr::new(127, 0, 4, 1), server.address()).and_then(|mut stream| {
            let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
            exchange(&mut stream, &request).ok()
        });
        if asked == Some(200) || begun.elapsed() > Duration::from_secs(60) {
            break asked == Some(200);
        }
        thread::park_timeout(Duration::from_millis(20));
    };
    ensure!(served, "nobody is let in beside {wanted} idle connections");
    let waited = begun.elapsed().as_secs_f64();
    show(&format!(
        "{} of {wanted} idle connections from 40 addresses were made: the api's memory {before:.1} MiB before, {after:.1} MiB after; a newcomer was served after {waited:.2} s",
        kept.len()
    ));
    Ok(())
}

/// How many descriptors this process may have: as many as the system lets it.
fn descriptors() -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.current.map_or(Ok(IDLE * 2), usize::try_from)?)
}

/// A connection from an address of this machine's own; none where it is refused.
fn connect_from(from: Ipv4Addr, to: &str) -> Option<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0))).ok()?;
    rustix::net::connect(&socket, &to.parse::<SocketAddr>().ok()?).ok()?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    Some(stream)
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

fn exchange(stream: &mut TcpStream, request: &str) -> Result<u16> {
    stream.write_all(request.as_bytes())?;
    answer(stream)
}

/// Reads an answer to its end; its status.
fn answer(stream: &mut TcpStream) -> Result<u16> {
    let (mut bytes, mut part) = (Vec::new(), [0; 8192]);
    loop {
        let count = stream.read(&mut part)?;
        ensure!(count > 0, "the connection was closed");
        bytes.extend_from_slice(&part[..count]);
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&bytes[..head])?.to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        if bytes.len() >= head + 4 + length.context("an answer without its length")? {
            return Ok(text.split(' ').nth(1).context("no status")?.parse()?);
        }
    }
}

#[expect(clippy::print_stdout, reason = "what was measured is this command's output")]
fn show(line: &str) {
    println!("{line}");
}

const STEADY_COUNT: usize = 1000;
const PACE: Duration = Duration::from_millis(10);
const FLOODERS: usize = 4;
const FLOOD_CONNECTIONS: usize = 64;
const IDLE: usize = 10_000;
