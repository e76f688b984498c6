//! Load over HTTP/1.1 on connections that are kept, one request after the other on each.
//!
//! A few threads serve all connections in turn, so that the client takes little of the machine that the server runs on. An answer that arrives while its
//! thread waits for another counts as late as it is read: latencies are rather too long than too short.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where to, and as whom.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// The API key.
    pub key: &'a str,
}

/// What came of it.
pub struct Done {
    /// How many requests.
    pub count: usize,
    /// How long all took.
    pub elapsed: Duration,
    /// How long each took, sorted.
    latencies: Vec<Duration>,
}

impl Done {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency below which this share of the requests stayed, in milliseconds.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        self.latencies[((self.latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
    }
}

/// Sends requests on so many connections until `more` says no of a connection's next, by how many it sent and the time that has passed; each is made by
/// `request` from a number that no other has.
pub fn run(
    target: Target<'_>,
    connections: usize,
    more: impl Fn(usize, Duration) -> bool + Sync,
    request: impl Fn(Target<'_>, usize) -> String + Sync,
) -> Result<Done> {
    let (more, request) = (&more, &request);
    let begun = Instant::now();
    let work = move |thread: usize| -> Result<Vec<Duration>> {
        let mut lines =
            (thread..connections).step_by(THREADS).map(|first| Line::open(target.address, first)).collect::<Result<Vec<_>>>()?;
        let mut latencies = Vec::new();
        while !lines.is_empty() {
            for line in &mut lines {
                if let Some(asked) = line.asked.take() {
                    line.receive()?;
                    latencies.push(asked.elapsed());
                }
                if more(line.sent, begun.elapsed()) {
                    let text = request(target, line.first + line.sent * connections);
                    line.send(&text)?;
                }
            }
            lines.retain(|line| line.asked.is_some());
        }
        Ok(latencies)
    };
    let mut latencies = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS.min(connections)).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread of ours does not panic")).collect::<Result<Vec<_>>>()
    })?
    .concat();
    let elapsed = begun.elapsed();
    latencies.sort();
    Ok(Done { count: latencies.len(), elapsed, latencies })
}

/// `GET path`.
pub fn get(target: Target<'_>, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n", target.address, target.key)
}

/// Creates a secret of this name, with a value of 40 characters.
pub fn create(target: Target<'_>, name: &str) -> String {
    post(target, "/v1/secrets", &format!(r#"{{"name":"{name}","value":"0123456789012345678901234567890123456789"}}"#))
}

/// `POST path` with JSON.
pub fn post(target: Target<'_>, path: &str, body: &str) -> String {
    let Target { address, key } = target;
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// One `POST` with JSON on a connection of its own; the whole answer, head and body, of a 200.
pub fn ask(target: Target<'_>, path: &str, body: &str) -> Result<String> {
    let mut line = Line::open(target.address, 0)?;
    line.send(&post(target, path, body))?;
    line.receive()?;
    Ok(String::from_utf8_lossy(&line.bytes).trim_end_matches('\0').to_owned())
}

/// One connection.
struct Line {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// The number of its first request.
    first: usize,
    sent: usize,
    /// When the request was sent whose answer is awaited.
    asked: Option<Instant>,
}

impl Line {
    fn open(address: &str, first: usize) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, bytes: vec![0; ANSWER_BYTES_MAX], first, sent: 0, asked: None })
    }

    fn send(&mut self, request: &str) -> Result<()> {
        self.asked = Some(Instant::now());
        self.sent += 1;
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Reads an answer to its end; anything but 200 is an error.
    fn receive(&mut self) -> Result<()> {
        let mut filled = 0;
        let mut whole = None;
        while whole.is_none_or(|whole| filled < whole) {
            let count = self.stream.read(&mut self.bytes[filled..])?;
            if count == 0 {
                bail!("the connection was closed");
            }
            filled += count;
            if whole.is_none() {
                whole = length(&self.bytes[..filled])?;
            }
        }
        Ok(())
    }
}

/// How long the answer is that begins so, once its head is there.
fn length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?.to_ascii_lowercase();
    if !text.starts_with("http/1.1 200 ") {
        bail!("an answer was not 200: {}", text.lines().next().unwrap_or_default());
    }
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
    Ok(Some(head + 4 + length.context("an answer without its length")?))
}

/// More would compete with the server.
const THREADS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);
/// A page of 20 secrets has some four kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
