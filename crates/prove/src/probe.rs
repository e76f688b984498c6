//! The hostile agent: what runs inside the devbox (or, as the control, outside it with plain environment variables) and tries to get at the value.
//!
//! It reports every byte that it obtained, attempt by attempt; whether one of them was the value is judged outside.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};

use crate::attempts::ATTEMPTS;

/// What the agent knows: everything but the value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Knowledge {
    /// The variable that holds the token (or, in the control, the value).
    pub env: String,
    /// The host that the secret is bound to.
    pub bound: String,
    /// A host that the devbox may reach and the secret is not bound to.
    pub unbound: String,
    /// The server's data folder.
    pub data: PathBuf,
    /// The api's address.
    pub api: SocketAddr,
    /// The supervisor's process id outside.
    pub pid: u32,
    /// In the control: where each host is, since there is no gateway to ask.
    pub direct: BTreeMap<String, SocketAddr>,
    /// The bundle to trust.
    pub bundle: Option<PathBuf>,
}

/// What one attempt obtained.
#[derive(Debug, Serialize, Deserialize)]
pub struct Obtained {
    /// The attempt's name.
    pub attempt: String,
    /// Every byte, as numbers: the report itself must not encode what is searched for in another way.
    pub bytes: Vec<u8>,
}

/// Runs every attempt and writes one JSON line for each to standard output.
///
/// # Errors
/// When the knowledge is not in `TIGHTLIP_PROBE`, or standard output is closed.
pub fn run() -> anyhow::Result<()> {
    let knowledge: Knowledge = serde_json::from_str(&std::env::var(KNOWLEDGE_VARIABLE)?)?;
    let mut out = std::io::stdout().lock();
    for attempt in ATTEMPTS {
        let bytes = (attempt.make)(&knowledge);
        serde_json::to_writer(&mut out, &Obtained { attempt: attempt.name.to_owned(), bytes })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

impl Knowledge {
    /// What stands in the agent's environment in place of the value.
    #[must_use]
    pub fn token(&self) -> String {
        std::env::var(&self.env).unwrap_or_default()
    }

    /// Sends `request` as it stands over TLS to `host` and gives every byte of the answer, or the error's text.
    #[must_use]
    pub fn ask(&self, host: &str, request: &str) -> Vec<u8> {
        let address = self.direct.get(host).copied().or_else(|| (host, 443).to_socket_addrs().ok()?.next());
        match address {
            Some(address) => self.ask_at(address, host, request),
            None => b"the name was not resolved".to_vec(),
        }
    }

    /// The same, with the address and the TLS name given apart.
    #[must_use]
    pub fn ask_at(&self, address: SocketAddr, name: &str, request: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(error) = self.exchange(address, name, request, &mut out) {
            out.extend_from_slice(format!("[{error}]").as_bytes());
        }
        out
    }

    fn exchange(&self, address: SocketAddr, name: &str, request: &str, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = match name.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(name.to_owned())?,
        };
        let mut stream = StreamOwned::new(ClientConnection::new(self.tls()?, name)?, stream);
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        stream.take(ANSWER_BYTES_MAX).read_to_end(out)?;
        Ok(())
    }

    fn tls(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let bundle = self.bundle.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from)).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_file_iter(bundle)?.flatten());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Arc::new(
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ))
    }
}

/// The variable in which [`Knowledge`] is handed in, as JSON.
pub const KNOWLEDGE_VARIABLE: &str = "TIGHTLIP_PROBE";
/// How long one network step may take.
pub const PATIENCE: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 16 << 20;
