//! A load of HTTP/1.1 requests over connections that are kept, one thread each, and how long each answer took.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// What a load came to.
pub(crate) struct Done {
    pub(crate) requests: usize,
    pub(crate) took: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

/// Sends `each` requests on each of `connections`; `request` makes the bytes of one, from its connection's and its own number. Every answer must be a 200.
pub(crate) fn run(
    address: &str,
    connections: usize,
    each: usize,
    request: impl Fn(usize, usize) -> Vec<u8> + Sync,
) -> anyhow::Result<Done> {
    let (latencies, started) = (Mutex::new(Vec::new()), Instant::now());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|connection| {
                let (request, latencies) = (&request, &latencies);
                scope.spawn(move || -> anyhow::Result<()> {
                    let mut stream = Connection::open(address)?;
                    let mut own = Vec::with_capacity(each);
                    for number in 0..each {
                        let bytes = request(connection, number);
                        let sent = Instant::now();
                        stream.exchange(&bytes)?;
                        own.push(sent.elapsed());
                    }
                    latencies.lock().map_err(|_| anyhow::anyhow!("a thread panicked"))?.extend(own);
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })?;
    let took = started.elapsed();
    let mut latencies = latencies.into_inner().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    latencies.sort();
    Ok(Done { requests: latencies.len(), took, latencies })
}

impl Done {
    /// The latency that so many of a hundred requests stay under, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// A kept connection, and what was read beyond the last answer.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("failed to connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    fn exchange(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
                if !head.starts_with("http/1.1 200") {
                    bail!("an answer was {}", head.lines().next().unwrap_or_default());
                }
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("an answer without length")?;
                if self.buffer.len() >= end + 4 + length.parse::<usize>()? {
                    return Ok(());
                }
            }
            let mut piece = [0; 16 * 1024];
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            self.buffer.extend_from_slice(&piece[..count]);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A GET with a key, where there is one.
pub(crate) fn get(path: &str, key: Option<&str>) -> Vec<u8> {
    let auth = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{auth}\r\n").into_bytes()
}

/// A POST of JSON.
pub(crate) fn post(path: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
