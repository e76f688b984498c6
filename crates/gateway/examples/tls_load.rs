//! The load of `cargo xtask bench b3`: GET requests over TLS and HTTP/1.1 on connections that are kept, one after the other on each. Usage:
//! `tls_load ADDRESS HOST AUTHORITIES CONNECTIONS SECONDS RATE [HEADER]`, where RATE is requests a second of all connections together, and 0 as many as go.
//! Says how many were answered a second, and the time below which half and 99 of 100 of them stayed, in microseconds.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of the benchmarks")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What every connection does.
struct Plan {
    request: String,
    for_: Duration,
    /// Between two requests of one connection; none where each follows the answer to the one before.
    pace: Option<Duration>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, host, authorities, connections, seconds, rate, header @ ..] = &arguments[..] else { panic!("see the usage") };
    let [connections, seconds, rate] = [connections, seconds, rate].map(|text| text.parse::<u32>().unwrap());
    let connector = connector(authorities);
    let header = header.first().map(|header| format!("{header}\r\n")).unwrap_or_default();
    let plan = Arc::new(Plan {
        request: format!("GET /x HTTP/1.1\r\nhost: {host}\r\n{header}\r\n"),
        for_: Duration::from_secs(seconds.into()),
        pace: (rate > 0).then(|| Duration::from_secs(1) * connections / rate),
    });
    let mut lines = Vec::new();
    for _ in 0..connections {
        let tcp = TcpStream::connect(address.as_str()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        lines.push(connector.connect(ServerName::try_from(host.clone()).unwrap(), tcp).await.unwrap());
    }
    // What is made for the first request of a connection is not of what is measured.
    let begun = Instant::now() + WARM_UP;
    let tasks: Vec<_> =
        (0..).zip(lines).map(|(number, line)| tokio::spawn(serve(line, Arc::clone(&plan), begun, number, connections))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("{:.1} {:.1} {:.1}", latencies.len() as f64 / f64::from(seconds), at(0.5), at(0.99));
}

/// One connection's requests: how long each took.
async fn serve(mut line: TlsStream<TcpStream>, plan: Arc<Plan>, begun: Instant, number: u32, connections: u32) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut next = plan.pace.map(|pace| Instant::now() + pace * number / connections);
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    loop {
        if let (Some(at), Some(pace)) = (next, plan.pace) {
            tokio::time::sleep_until(at.into()).await;
            next = Some(at + pace);
        }
        let asked = Instant::now();
        if asked > begun + plan.for_ {
            return latencies;
        }
        line.write_all(plan.request.as_bytes()).await.unwrap();
        line.flush().await.unwrap();
        answer(&mut line, &mut buffer).await;
        if asked >= begun {
            latencies.push(asked.elapsed());
        }
    }
}

/// Reads an answer to its end; anything but 200 ends the program.
async fn answer(line: &mut TlsStream<TcpStream>, buffer: &mut [u8]) {
    let mut filled = 0;
    while !is_whole(&buffer[..filled]) {
        let count = line.read(&mut buffer[filled..]).await.unwrap();
        assert_ne!(count, 0, "the connection was closed");
        filled += count;
    }
}

/// By its length, or to the last of its chunks: the gateway says no length of what it scrubs.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200 "), "an answer was not 200: {text}");
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    match length {
        Some(length) => bytes.len() >= head + 4 + length.parse::<usize>().unwrap(),
        None => bytes.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn connector(authorities: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(authorities).unwrap().map(Result::unwrap));
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

const WARM_UP: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
