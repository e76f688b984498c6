//! Certificates for the API's TLS port, and a client that checks them.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;

/// An authority, and the names that it certifies.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as text.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Some clients take a certificate for self-signed whose issuer has its own name.
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The authority's own certificate, as text.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn certify(&self, names: &[&str]) -> Pair {
        self.certify_until(names, 4000)
    }

    /// A certificate that is good until a year begins.
    pub fn certify_until(&self, names: &[&str], year: i32) -> Pair {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    /// A certificate that is good once a year has begun.
    pub fn certify_from(&self, names: &[&str], year: i32) -> Pair {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// A client that trusts this authority alone; the certificate that it was shown.
    pub fn connect(&self, address: SocketAddr, name: &str, protocol: &[u8]) -> std::io::Result<(Tls, Vec<u8>)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut tls = StreamOwned::new(client, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        assert_eq!(tls.conn.alpn_protocol(), Some(protocol));
        let shown = tls.conn.peer_certificates().unwrap()[0].to_vec();
        Ok((tls, shown))
    }
}

/// A certificate that a server signed itself.
#[derive(Clone, Copy)]
pub enum SelfSigned {
    /// A server's.
    Plain,
    /// Marked as an authority's.
    Authority,
}

impl SelfSigned {
    pub fn pair(self, name: &str) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = match self {
            Self::Plain => IsCa::ExplicitNoCa,
            Self::Authority => IsCa::Ca(BasicConstraints::Unconstrained),
        };
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Pair {
    /// Writes both files as names that replace what was there at once.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for (name, text) in [("fullchain.pem", &self.certificate), ("privkey.pem", &self.key)] {
            let new = folder.join(format!("{name}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, folder.join(name)).unwrap();
        }
    }

    /// The certificate's bytes.
    pub fn der(&self) -> Vec<u8> {
        use rustls_pki_types::pem::PemObject;
        rustls_pki_types::CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap().to_vec()
    }
}
