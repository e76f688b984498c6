//! What a server needs to answer at `https://api.<domain>`, and what a client needs to believe it.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::net::SocketAddr;
use std::path::PathBuf;

use testkit::Server;

use crate::common::certify::Authority;

/// The only form of address that the published command line takes.
pub const NAME: &str = "api.example.test";

/// An authority, and files with a certificate of it.
pub struct Secure {
    pub authority: Authority,
    folder: tempfile::TempDir,
}

impl Secure {
    pub fn make() -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.certify(&[NAME]).write(folder.path());
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, folder }
    }

    /// Settings of a server that listens with TLS on a free port.
    pub fn settings(&self) -> String {
        let at = self.folder.path().display();
        format!("[api]\ntls_listen = \"127.0.0.1:0\"\ntls_certificate = \"{at}/fullchain.pem\"\ntls_key = \"{at}/privkey.pem\"\n")
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Where the server listens with TLS.
pub fn tls_address(server: &Server) -> SocketAddr {
    let port = server.https_url().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}
