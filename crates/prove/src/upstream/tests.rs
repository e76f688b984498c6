//! Whatever arrives is kept, whole or not.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use super::{Record, Upstream, UpstreamSpec};

const HOST: &str = "api.example.com";

fn upstream() -> Upstream {
    Upstream::start(UpstreamSpec { hosts: vec![HOST.to_owned()], ..UpstreamSpec::default() }).expect("a free port")
}

fn send(upstream: &Upstream, bytes: &[u8]) {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(upstream.ca_pem().as_bytes()).flatten());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(HOST).expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let mut stream = StreamOwned::new(connection, TcpStream::connect(upstream.address()).expect("it listens"));
    stream.write_all(bytes).and_then(|()| stream.flush()).expect("it is taken");
    stream.sock.shutdown(std::net::Shutdown::Write).expect("an end");
    let _ = stream.read_to_end(&mut Vec::new());
}

fn remnant(upstream: &Upstream) -> Vec<Record> {
    upstream.settle().expect("all connections end");
    upstream.remnants()
}

#[test]
fn what_is_no_whole_request_is_kept_with_its_host() {
    let whole = "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
    for (bytes, kept) in [
        ("GET / HTTP/1.1\r\nAuthorization: Bearer abc\r\n".to_owned(), "Bearer abc"),
        ("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort".to_owned(), "short"),
        ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nlong".to_owned(), "long"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nwide".to_owned(), "wide"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhigh".to_owned(), "high"),
        (format!("{whole}GET /second HTTP/1.1\r\n"), "/second"),
    ] {
        let upstream = upstream();
        send(&upstream, bytes.as_bytes());
        let remnants = remnant(&upstream);
        assert!(matches!(remnants.as_slice(), [one] if one.host == HOST && one.holds(kept)), "{bytes}: {remnants:?}");
    }
    let upstream = upstream();
    send(&upstream, whole.as_bytes());
    assert!(remnant(&upstream).is_empty() && upstream.records().len() == 1);
}

#[test]
fn what_is_not_in_tls_is_kept_without_a_host() {
    let upstream = upstream();
    let mut plain = TcpStream::connect(upstream.address()).expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nAuthorization: Bearer abc\r\n\r\n").expect("it is taken");
    drop(plain);
    let remnants = remnant(&upstream);
    assert!(matches!(remnants.as_slice(), [one] if one.host.is_empty() && one.holds("Bearer abc")), "{remnants:?}");
}

#[test]
fn datagrams_are_kept() {
    let upstream = upstream();
    let socket = UdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0)).expect("a port");
    let to = socket.local_addr().expect("an address");
    upstream.overhear(socket);
    UdpSocket::bind("127.0.0.1:0").and_then(|own| own.send_to(b"abc", to)).expect("it is sent");
    let begun = std::time::Instant::now();
    while upstream.remnants().is_empty() && begun.elapsed().as_secs() < 10 {
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert!(upstream.remnants().iter().any(|one| one.holds("abc")));
}
