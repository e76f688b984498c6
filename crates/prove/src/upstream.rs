//! A TLS server on loopback that stands for hosts of the internet: it records every byte it is sent and echoes in every way an upstream might.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

mod echo;
mod forms;
mod packed;
mod reply;

/// What an upstream stands for.
#[derive(Clone, Default)]
pub struct UpstreamSpec {
    /// Its host names.
    pub hosts: Vec<String>,
    /// The value that it takes for right; requests without it are answered 401.
    pub expected: Option<String>,
    /// A bare git repository served below `/repo.git` (after `git update-server-info`), behind Basic.
    pub repo: Option<PathBuf>,
}

/// A running upstream.
pub struct Upstream {
    address: SocketAddr,
    ca_pem: String,
    state: Arc<State>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Record {
    /// The TLS server name.
    pub host: String,
    /// The method and target.
    pub line: String,
    /// Every byte: head and body.
    pub bytes: Vec<u8>,
    /// The address that was dialled.
    pub dialled: IpAddr,
}

/// A piece of an answer.
enum Part {
    /// Written to the network on its own.
    Say(Vec<u8>),
    /// Nothing for a moment, so that what was said is on its way.
    Pause,
}

struct State {
    spec: Mutex<UpstreamSpec>,
    records: Mutex<Vec<Record>>,
    stored: Mutex<HashMap<String, String>>,
    /// Hosts of which every answer is what was sent.
    echoes: Mutex<Vec<String>>,
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

impl Upstream {
    /// Starts one on a free port of 127.0.0.1. Its threads end with the process.
    ///
    /// # Errors
    /// When certificates cannot be made or no port is free.
    pub fn start(spec: UpstreamSpec) -> anyhow::Result<Self> {
        Self::listen(spec, TcpListener::bind("127.0.0.1:0")?)
    }

    /// Starts one that is asked at this listener.
    ///
    /// # Errors
    /// When certificates cannot be made.
    pub fn listen(spec: UpstreamSpec, listener: TcpListener) -> anyhow::Result<Self> {
        let (config, ca_pem) = server_config(&spec.hosts)?;
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::from([127, 0, 0, 1]));
        }
        let state =
            Arc::new(State { spec: Mutex::new(spec), records: Mutex::default(), stored: Mutex::default(), echoes: Mutex::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, state) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, config, &state));
            }
        });
        Ok(Self { address, ca_pem, state })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that signed its certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Every request so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.state.records).clone()
    }

    /// Every request to one host so far.
    #[must_use]
    pub fn records_of(&self, host: &str) -> Vec<Record> {
        self.records().into_iter().filter(|record| record.host == host).collect()
    }

    /// Every answer of this host is what was sent, from now on.
    pub fn echo_all(&self, host: &str) {
        lock(&self.state.echoes).push(host.to_owned());
    }

    /// Another value is right from now on.
    pub fn expect(&self, value: &str) {
        lock(&self.state.spec).expected = Some(value.to_owned());
    }
}

impl Record {
    /// Whether the client asked for the connection's end.
    fn wants_close(&self) -> bool {
        self.bytes.split(|byte| *byte == b'\n').any(|line| line.to_ascii_lowercase().starts_with(b"connection: close"))
    }

    /// Whether the bytes hold `text`, raw.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let dialled = stream.local_addr().ok()?.ip().to_canonical();
    let mut connection = ServerConnection::new(config).ok()?;
    let mut stream = stream;
    connection.complete_io(&mut stream).ok()?;
    let host = connection.server_name().unwrap_or_default().to_owned();
    let mut stream: Stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let record = read_request(&mut stream, &host, dialled)?;
        lock(&state.records).push(record.clone());
        let spec = lock(&state.spec).clone();
        let echoes = lock(&state.echoes).contains(&record.host);
        let reply = if echoes { reply::plain(&record.bytes) } else { reply::reply(&record, &spec, &mut lock(&state.stored)) };
        for part in reply {
            match part {
                Part::Say(bytes) => stream.get_mut().write_all(&bytes).and_then(|()| stream.get_mut().flush()).ok()?,
                Part::Pause => std::thread::park_timeout(PAUSE),
            }
        }
        if record.wants_close() || record.line.contains(" /say/") {
            stream.get_mut().conn.send_close_notify();
            return stream.get_mut().flush().ok();
        }
    }
}

/// Reads one request; none at the connection's end.
fn read_request(stream: &mut Stream, host: &str, dialled: IpAddr) -> Option<Record> {
    let mut bytes = Vec::new();
    let mut line = String::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut buffer = Vec::new();
        stream.read_until(b'\n', &mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer);
        let text = String::from_utf8_lossy(&buffer).trim_end().to_owned();
        if line.is_empty() {
            line.clone_from(&text);
        }
        if text.is_empty() {
            break;
        }
        let lower = text.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
    }
    if chunked {
        read_chunks(stream, &mut bytes)?;
    } else {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        bytes.extend_from_slice(&body);
    }
    Some(Record { host: host.to_owned(), line, bytes, dialled })
}

fn read_chunks(stream: &mut Stream, bytes: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut size = Vec::new();
        stream.read_until(b'\n', &mut size).ok()?;
        if size.contains(&b';') {
            bytes.extend_from_slice(&size);
        }
        let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim().split(';').next()?, 16).ok()?;
        if size == 0 {
            return read_trailers(stream, bytes);
        }
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).ok()?;
        bytes.extend_from_slice(&chunk[..size]);
    }
}

fn read_trailers(stream: &mut Stream, bytes: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
        if line.trim_ascii().is_empty() {
            return Some(());
        }
        bytes.extend_from_slice(&line);
    }
}

fn server_config(hosts: &[String]) -> anyhow::Result<(Arc<ServerConfig>, String)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "loopback test authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(hosts.to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, "loopback upstream");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf.signed_by(&key, &ca)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), ca.pem()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAUSE: Duration = Duration::from_millis(150);
