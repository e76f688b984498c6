//! Tests of the devboxes' authorities.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::process::{Command, Stdio};

use x509_parser::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

fn authority(number: u128) -> Authority {
    Authority::make(&DevboxId::from_parts(NOW, number), NOW).unwrap()
}

fn host(text: &str) -> Subject {
    Subject::Name(text.parse().unwrap())
}

#[test]
fn a_damaged_authority_is_not_restored() {
    let made = authority(1);
    assert!(matches!(Authority::restore("nonsense", &made.key_der()), Err(AuthorityError::Malformed)));
    assert!(matches!(Authority::restore(made.pem(), b"nonsense"), Err(AuthorityError::Malformed)));
}

#[test]
fn a_restored_authority_signs_for_those_who_trust_the_first() {
    let made = authority(1);
    let restored = Authority::restore(made.pem(), &made.key_der()).unwrap();
    assert_eq!(restored.pem(), made.pem());
    let leaf = restored.sign(&host("api.example.com")).unwrap();
    verify(made.pem(), &leaf, "api.example.com").unwrap();
}

#[test]
fn another_devboxs_authority_is_not_trusted() {
    let leaf = authority(2).sign(&host("api.example.com")).unwrap();
    assert!(verify(authority(1).pem(), &leaf, "api.example.com").is_err());
}

#[test]
fn a_certificate_is_for_one_host_and_says_what_strict_clients_want() {
    let made = authority(1);
    let leaf = made.sign(&host("api.example.com")).unwrap();
    assert!(verify(made.pem(), &leaf, "evil.example.com").is_err());
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    let has = |oid: &x509_parser::oid_registry::Oid<'_>| leaf.get_extension_unique(oid).unwrap().is_some();
    assert!(has(&oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER) && has(&oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER));
    assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());
    assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
    assert!(!leaf.is_ca());
    assert!(leaf.validity().not_before.timestamp() <= NOW.unix_ms() / 1000 - BACKDATED_S);
    let lifetime = leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp();
    assert!(lifetime <= 825 * 24 * 60 * 60);
    let (_, ca) = parse_x509_pem(made.pem().as_bytes()).unwrap();
    let ca = ca.parse_x509().unwrap();
    assert!(ca.is_ca() && ca.key_usage().unwrap().unwrap().value.key_cert_sign() && ca.basic_constraints().unwrap().unwrap().critical);
    assert!(ca.get_extension_unique(&oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER).unwrap().is_some());
}

#[test]
fn no_two_certificates_share_a_serial_number() {
    let made = authority(1);
    let serial = |name| {
        let der = made.sign(&host(name)).unwrap();
        X509Certificate::from_der(&der).unwrap().1.raw_serial().to_vec()
    };
    assert_ne!(serial("a.example.com"), serial("b.example.com"));
}

#[test]
fn a_long_name_and_an_address_have_certificates_too() {
    let made = authority(1);
    let long = format!("{}.{}.example.com", "a".repeat(60), "b".repeat(60));
    verify(made.pem(), &made.sign(&host(&long)).unwrap(), &long).unwrap();
    let address = made.sign(&Subject::Address("93.184.216.34".parse().unwrap())).unwrap();
    verify(made.pem(), &address, "93.184.216.34").unwrap();
}

#[test]
fn a_hosts_configuration_is_made_once() {
    let made = authority(1);
    let first = made.config_for(&host("a.example.com")).unwrap();
    assert!(Arc::ptr_eq(&first, &made.config_for(&host("a.example.com")).unwrap()));
    assert!(!Arc::ptr_eq(&first, &made.config_for(&host("b.example.com")).unwrap()));
}

/// Python's own strict verification (`VERIFY_X509_STRICT`, the default from 3.13 on), where there is a Python.
#[test]
fn a_strict_python_accepts_a_certificate() {
    const SCRIPT: &str = "
import ssl, sys
ca, chain, key = [part for part in sys.stdin.read().split('\\0')]
import tempfile, socket, threading
def kept(text):
    file = tempfile.NamedTemporaryFile('w', suffix='.pem'); file.write(text); file.flush(); return file
chain, key = kept(chain), kept(key)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain(chain.name, key.name)
client = ssl.create_default_context(cadata=ca); client.verify_flags |= ssl.VERIFY_X509_STRICT
a, b = socket.socketpair()
thread = threading.Thread(target=lambda: server.wrap_socket(a, server_side=True).close()); thread.start()
client.wrap_socket(b, server_hostname='api.example.com').close(); thread.join()
";
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let now = Timestamp::from_unix_ms(i64::try_from(now_ms).unwrap());
    let made = Authority::make(&DevboxId::from_parts(now, 1), now).unwrap();
    let leaf = made.sign(&host("api.example.com")).unwrap();
    let spawned = Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut python) = spawned else { return };
    let input = [made.pem(), &to_pem(&leaf), &made.leaf_key.serialize_pem()].join("\0");
    python.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn to_pem(der: &[u8]) -> String {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn verify(ca_pem: &str, leaf: &CertificateDer<'_>, name: &str) -> Result<(), rustls::Error> {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    let (_, ca) = parse_x509_pem(ca_pem.as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(ca.contents)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_millis(NOW.unix_ms().unsigned_abs()));
    verifier.verify_server_cert(leaf, &[], &name, &[], now).map(|_| ())
}
