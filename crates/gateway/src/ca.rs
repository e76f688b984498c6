//! A devbox's own certificate authority, and the certificates that it signs for the hosts the devbox names.
//!
//! The key stays in the gateway. One leaf key serves all hosts of a devbox; each host has a certificate of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use model::{DevboxId, Host, Timestamp};

use crate::upstream::{H2, HTTP_1_1};

/// One devbox's authority.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    configs: Cache<Subject, Arc<ServerConfig>>,
}

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A host.
    Name(Host),
    /// An address that was dialled without a name: only a refusal is said under it.
    Address(IpAddr),
}

/// Seconds since the Unix epoch.
#[derive(Clone, Copy)]
struct Validity {
    from: i64,
    to: i64,
}

/// Why an authority was not made or cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate or its key is not one that [`Authority::make`] made.
    #[error("the devbox's authority is damaged")]
    Malformed,
    /// A certificate could not be signed.
    #[error("failed to sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// TLS does not accept a certificate.
    #[error("failed to set up TLS towards the devbox")]
    Tls(#[from] rustls::Error),
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
}

impl Authority {
    /// Makes an authority for a devbox. It is valid from a day before `now`, so that a devbox whose clock is behind accepts it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make(devbox: &DevboxId, now: Timestamp) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let now_s = now.unix_ms() / 1000;
        let validity = Validity { from: now_s - BACKDATED_S, to: now_s + LIFE_S };
        let mut params = bare_params(&provider, validity)?;
        params.distinguished_name.push(DnType::OrganizationName, "tightlip");
        params.distinguished_name.push(DnType::CommonName, format!("tightlip {}", devbox.as_str()));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Self::assemble(pem, Issuer::new(params, key), validity, provider)
    }

    /// The authority that [`Authority::make`] made, from its certificate and key.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn restore(pem: &str, key_der: &[u8]) -> Result<Self, AuthorityError> {
        let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| AuthorityError::Malformed)?;
        let validity = read_validity(&parsed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_der));
        let key = KeyPair::from_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(|_| AuthorityError::Malformed)?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(parsed.contents), key).map_err(|_| AuthorityError::Malformed)?;
        Self::assemble(pem.to_owned(), issuer, validity, Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The private key, PKCS #8 (RFC 5208), to be wrapped at once.
    #[must_use]
    pub fn key_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.issuer.key().serialize_der())
    }

    fn assemble(
        pem: String,
        issuer: Issuer<'static, KeyPair>,
        validity: Validity,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, AuthorityError> {
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { pem, issuer, validity, leaf_key, provider, configs: Cache::new(CONFIGS_MAX) })
    }

    /// How TLS is spoken towards the devbox for one subject: its certificate, HTTP/2 or HTTP/1.1, no resumption.
    pub(crate) fn config_for(&self, subject: &Subject) -> Result<Arc<ServerConfig>, AuthorityError> {
        if let Some(config) = self.configs.get(subject) {
            return Ok(config);
        }
        let certificate = self.sign(subject)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let config = Arc::new(config);
        self.configs.insert(subject.clone(), Arc::clone(&config));
        Ok(config)
    }

    fn sign(&self, subject: &Subject) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = bare_params(&self.provider, self.validity)?;
        params.subject_alt_names = vec![match subject {
            Subject::Name(host) => SanType::DnsName(host.as_str().try_into()?),
            Subject::Address(address) => SanType::IpAddress(*address),
        }];
        let common_name = match subject {
            Subject::Name(host) if host.as_str().len() <= COMMON_NAME_BYTES_MAX => host.as_str(),
            Subject::Name(_) | Subject::Address(_) => "tightlip",
        };
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&self.leaf_key, &self.issuer)?.der().clone())
    }
}

/// Parameters with a time, a random serial number (one issuer never uses one twice, RFC 5280 section 4.1.2.2) and nothing else.
fn bare_params(provider: &CryptoProvider, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; SERIAL_BYTES];
    provider.secure_random.fill(&mut serial).map_err(|_| AuthorityError::Randomness)?;
    let [first, ..] = &mut serial;
    *first = *first & 0x7f | 0x40;
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |unix_s: i64| epoch + Duration::from_secs(unix_s.max(0).unsigned_abs());
    let mut params = CertificateParams::default();
    params.not_before = at(validity.from);
    params.not_after = at(validity.to);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

fn read_validity(pem: &Pem) -> Result<Validity, AuthorityError> {
    let certificate = pem.parse_x509().map_err(|_| AuthorityError::Malformed)?;
    let validity = certificate.validity();
    Ok(Validity { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() })
}

/// A day: a devbox's clock may be behind ours.
const BACKDATED_S: i64 = 24 * 60 * 60;
/// Certificates that live longer than 825 days are refused by some clients, whoever signed them.
const LIFE_S: i64 = 800 * 24 * 60 * 60;
/// Hosts whose certificate is kept ready; more are signed again, in about 25 microseconds.
const CONFIGS_MAX: u64 = 1024;
/// RFC 5280, appendix A.1 (ub-common-name-length).
const COMMON_NAME_BYTES_MAX: usize = 64;
const SERIAL_BYTES: usize = 16;

#[cfg(test)]
#[path = "ca/tests.rs"]
mod tests;
