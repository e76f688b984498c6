//! What tools inside trust: one bundle, at one path, named by every tool's own variable.

use std::path::Path;

use crate::error::DevboxError;
use crate::trust_store::PASSWORD;

/// Where the bundle stands inside.
pub const BUNDLE_PATH: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where the same certificates stand for Java: Debian's reads them there unasked.
pub(crate) const TRUST_STORE_PATH: &str = "/etc/ssl/certs/java/cacerts";

/// The variables by which tools find their certificates, all pointing at the whole bundle inside: several tools trust *only* what they are given here.
#[must_use]
pub fn trust_env() -> Vec<(&'static str, String)> {
    let mut env = trust_env_at(BUNDLE_PATH);
    let options = [("", TRUST_STORE_PATH), ("Password", PASSWORD), ("Type", "JKS")];
    let options = options.map(|(what, word)| format!("-Djavax.net.ssl.trustStore{what}={word}"));
    env.push(("JAVA_TOOL_OPTIONS", options.join(" ")));
    env
}

/// Those that take a bundle, for one at another path: a sandbox that is not ours.
#[must_use]
pub fn trust_env_at(path: &str) -> Vec<(&'static str, String)> {
    let mut env: Vec<_> = BUNDLE_VARIABLES.iter().map(|name| (*name, path.to_owned())).collect();
    // The same under its older and its newer name.
    env.extend(["UV_NATIVE_TLS", "UV_SYSTEM_CERTS"].map(|name| (name, "true".to_owned())));
    env
}

/// The host's certificates, PEM.
///
/// # Errors
/// [`DevboxError::NoBundle`] when there are none at any usual place.
pub fn system_bundle() -> Result<Vec<u8>, DevboxError> {
    let found = HOST_BUNDLES.iter().find_map(|path| std::fs::read(Path::new(path)).ok().filter(|pem| !pem.is_empty()));
    found.ok_or(DevboxError::NoBundle)
}

const BUNDLE_VARIABLES: [&str; 10] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// Debian and Arch, Fedora, SUSE, Alpine.
const HOST_BUNDLES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];
