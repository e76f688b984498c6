//! A TLS server on loopback that stands for hosts of the internet: it records every byte it is sent and echoes in every way an upstream might.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

mod connection;
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
    config: Arc<ServerConfig>,
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
    /// What arrived and was no whole request.
    remnants: Mutex<Vec<Record>>,
    /// How many connections there are.
    open: AtomicUsize,
    stored: Mutex<HashMap<String, String>>,
    /// Hosts of which every answer is what was sent.
    echoes: Mutex<Vec<String>>,
}

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
        let state = Arc::new(State {
            spec: Mutex::new(spec),
            records: Mutex::default(),
            remnants: Mutex::default(),
            open: AtomicUsize::new(0),
            stored: Mutex::default(),
            echoes: Mutex::default(),
        });
        let upstream = Self { address, ca_pem, config, state };
        upstream.also(listener);
        Ok(upstream)
    }

    /// The same hosts are asked at this listener too.
    pub fn also(&self, listener: TcpListener) {
        let (config, state) = (Arc::clone(&self.config), Arc::clone(&self.state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, state) = (Arc::clone(&config), Arc::clone(&state));
                state.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    connection::serve(stream, config, &state);
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    }

    /// Whatever is sent to this socket is kept as a remnant, and not answered.
    pub fn overhear(&self, socket: UdpSocket) {
        let state = Arc::clone(&self.state);
        std::thread::spawn(move || {
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            while let Ok((length, _)) = socket.recv_from(&mut datagram) {
                let bytes = datagram[..length].to_vec();
                let dialled = IpAddr::from([0, 0, 0, 0]);
                lock(&state.remnants).push(Record { host: String::new(), line: String::new(), bytes, dialled });
            }
        });
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

    /// Whatever arrived and was no whole request: what was cut off, malformed, sent behind the last request, or not in TLS (then it has no host).
    #[must_use]
    pub fn remnants(&self) -> Vec<Record> {
        lock(&self.state.remnants).clone()
    }

    /// Waits until every connection has ended, and what was cut off is among the remnants.
    ///
    /// # Errors
    /// Where one goes on.
    pub fn settle(&self) -> anyhow::Result<()> {
        // What was connected a moment ago may not be counted yet.
        std::thread::park_timeout(TAKEN_AFTER);
        let begun = Instant::now();
        while self.state.open.load(Ordering::SeqCst) > 0 {
            anyhow::ensure!(begun.elapsed() < SETTLED_AFTER, "connections to the hosts' stand-in did not end");
            std::thread::park_timeout(LOOK);
        }
        Ok(())
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

const TAKEN_AFTER: Duration = Duration::from_millis(250);
const SETTLED_AFTER: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// A datagram is never longer (RFC 768).
const DATAGRAM_BYTES_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests;
