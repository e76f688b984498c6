//! The certificate and the private key of the API's TLS port: where they lie, read, held against each other, made into what a handshake needs.
//!
//! Errors name the file and the mend. What never lives here: a way for the key out of this process.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, ServerConfig};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

/// Where the certificate and its key lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in PEM form, its own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM form.
    pub key: PathBuf,
}

/// A certificate with its key, ready for handshakes.
pub struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    names: Vec<String>,
    validity: (i64, i64),
}

/// Why there is no such identity.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}, which `[api] {setting}` in tightlip.toml names: it must be there, and readable for the user that runs tightlip", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What names it.
        setting: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file of some other kind.
    #[error("{} has more than {FILE_BYTES_MAX} bytes: `[api] {setting}` in tightlip.toml names a PEM file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What names it.
        setting: &'static str,
    },
    /// No certificate.
    #[error("{} holds no certificate in PEM form: name the file that has the whole chain, such as fullchain.pem, in `[api] tls_certificate`", .0.display())]
    NoCertificate(PathBuf),
    /// No key.
    #[error("{} holds no private key in PEM form: name the certificate's key, without a passphrase, in `[api] tls_key`", .0.display())]
    NoKey(PathBuf),
    /// A certificate that is none.
    #[error("{} holds a certificate that cannot be read: have it issued again", .0.display())]
    Malformed(PathBuf),
    /// A key of no use.
    #[error("{} holds a private key that cannot be used: it must be an RSA, ECDSA or Ed25519 key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// A key of another certificate.
    #[error("the key in {} does not belong to the certificate in {}: name two files that were issued together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The api may read whole folders only, and this one holds what it must not see.
    #[error(
        "{} lies in {}, and the api, which must be able to read that folder, could then read the keys that open values: \
         move the certificate and its key to a folder of their own, such as a folder `tls` beside tightlip.toml", path.display(), folder.display()
    )]
    Exposes {
        /// The file that was named.
        path: PathBuf,
        /// The folder that would be opened.
        folder: PathBuf,
    },
}

impl TlsFiles {
    /// Reads both files and holds them against each other. Blocks.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and the mend.
    pub fn read(&self) -> Result<Identity, TlsError> {
        let pem = read(&self.certificate, CERTIFICATE)?;
        let unreadable = || TlsError::NoCertificate(self.certificate.clone());
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| unreadable())?;
        let malformed = || TlsError::Malformed(self.certificate.clone());
        let (_, own) = x509_parser::parse_x509_certificate(chain.first().ok_or_else(unreadable)?).map_err(|_| malformed())?;
        let names = own.subject_alternative_name().map_err(|_| malformed())?.map(|names| names.value.general_names.iter());
        let names = names.into_iter().flatten().filter_map(name_of).collect();
        let validity = (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
        let key = read(&self.key, KEY)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey(self.key.clone()))?;
        Ok(Identity { config: Arc::new(self.config(chain.clone(), key)?), names, validity })
    }

    /// TLS 1.2 and 1.3 with this certificate; HTTP/2 goes before HTTP/1.1 (RFC 7301).
    fn config(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites for both versions");
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = config.map_err(|source| {
            if matches!(source, rustls::Error::InconsistentKeys(_)) {
                TlsError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            } else if matches!(source, rustls::Error::InvalidCertificate(_)) {
                TlsError::Malformed(self.certificate.clone())
            } else {
                TlsError::Key { path: self.key.clone(), source }
            }
        })?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }

    /// Every folder that the api must be able to read, so that it finds both files when they are replaced: those that hold a name, a link on the way, or
    /// what it leads to. None of them may open `closed` to it.
    ///
    /// # Errors
    /// [`TlsError::Read`], and [`TlsError::Exposes`] for a folder that holds `closed` or lies in it.
    pub fn folders(&self, closed: &Path) -> Result<Vec<PathBuf>, TlsError> {
        let mut folders = Vec::new();
        for (path, setting) in [(&self.certificate, CERTIFICATE), (&self.key, KEY)] {
            let failed = |source| TlsError::Read { path: path.clone(), setting, source };
            for folder in folders_of(path).map_err(failed)? {
                if closed.starts_with(&folder) || folder.starts_with(closed) {
                    return Err(TlsError::Exposes { path: path.clone(), folder });
                }
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
        Ok(folders)
    }

    /// What tells whether one of the files was replaced or written.
    pub(crate) fn stamp(&self) -> [Option<Stamp>; 2] {
        [&self.certificate, &self.key].map(|path| {
            let about = std::fs::metadata(path).ok()?;
            Some(Stamp { inode: (about.dev(), about.ino()), changed: (about.ctime(), about.ctime_nsec()), bytes: about.len() })
        })
    }
}

impl Identity {
    /// The names that the certificate is for: host names, `*.` for one label, and addresses.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What an operator should know of it at `now`: that clients will refuse it.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<&'static str> {
        let now = now.unix_ms() / 1000;
        if now > self.validity.1 {
            Some("the certificate of the API's TLS port has expired: clients will refuse it until it is replaced")
        } else if now < self.validity.0 {
            Some("the certificate of the API's TLS port is not valid yet: clients will refuse it, unless this machine's clock is wrong")
        } else {
            None
        }
    }
}

/// A file as it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    bytes: u64,
}

fn read(path: &Path, setting: &'static str) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), setting, source };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Never grows, so that no copy of a key is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(FILE_BYTES_MAX + 1).expect("64 KiB fit")));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { path: path.to_owned(), setting });
    }
    Ok(bytes)
}

/// The folders on the way from a name to its file: of the name itself, and of whatever each link leads to.
fn folders_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut folders, mut at) = (Vec::new(), path.to_owned());
    for _ in 0..LINKS_MAX {
        let folder = at.parent().unwrap_or(Path::new("/")).canonicalize()?;
        folders.push(folder.clone());
        match std::fs::read_link(&at) {
            Ok(target) => at = folder.join(target),
            // No link: the file itself.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(folders),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| format!("[{}]", std::net::Ipv6Addr::from(bytes))),
        },
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

/// HTTP/2 first: a client that speaks both is better served by it.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
const CERTIFICATE: &str = "tls_certificate";
const KEY: &str = "tls_key";
/// A chain of four certificates has about 8 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// As many as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;
