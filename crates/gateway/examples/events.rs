//! How late events of a stream are, for `cargo xtask bench scrub`. `events serve ADDRESS CERTIFICATE KEY` answers each connection with server-sent events over
//! TLS and HTTP/1.1, each holding the moment at which it was sent. `events read ADDRESS HOST AUTHORITIES COUNT [HEADER]` reads so many of them and says the
//! delay below which half and 99 of 100 stayed, in microseconds. Both are run on one machine: the moments are of its clock.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a helper of the benchmarks")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, certificate, key] => serve(address, certificate, key).await,
        ["read", address, host, authorities, count, header @ ..] => read(address, host, authorities, count.parse().unwrap(), header).await,
        _ => panic!("see the usage"),
    }
}

async fn serve(address: &str, certificate: &str, key: &str) {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await.unwrap();
    println!("ready");
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(line) = acceptor.accept(tcp).await {
                // A reader that has enough goes away in the middle.
                drop(stream(line).await);
            }
        });
    }
}

async fn stream(mut line: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await?);
    }
    line.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n").await?;
    line.flush().await?;
    loop {
        tokio::time::sleep(PACE).await;
        line.write_all(format!("data: {{\"delta\":\"some words of a model\",\"at\":{}}}\n\n", now_ns()).as_bytes()).await?;
        line.flush().await?;
    }
}

async fn read(address: &str, host: &str, authorities: &str, count: usize, header: &[&str]) {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(authorities).unwrap().map(Result::unwrap));
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut line = connector.connect(ServerName::try_from(host.to_owned()).unwrap(), tcp).await.unwrap();
    let header = header.first().map(|header| format!("{header}\r\n")).unwrap_or_default();
    line.write_all(format!("GET /events HTTP/1.1\r\nhost: {host}\r\n{header}\r\n").as_bytes()).await.unwrap();
    line.flush().await.unwrap();
    let mut lines = BufReader::new(line).lines();
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("HTTP/1.1 200"), "the stream was refused");
    let mut late = Vec::new();
    while late.len() < count + WARM_UP {
        let text = lines.next_line().await.unwrap().expect("the stream ended");
        if let Some(at) = text.split("\"at\":").nth(1) {
            late.push(now_ns().saturating_sub(at.trim_end_matches('}').parse().unwrap()));
        }
    }
    let mut late = late.split_off(WARM_UP);
    late.sort_unstable();
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    println!("{:.1} {:.1}", at(0.5), at(0.99));
}

/// Of the clock that all processes of the machine share.
fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

const PACE: Duration = Duration::from_millis(2);
/// Events at the beginning that are not counted.
const WARM_UP: usize = 50;
