//! Telling a certificate that is not accepted from a server that is not there.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::error::{ClientError, Distrust};

/// The failure of an exchange: a certificate's, or that nobody answered.
pub(crate) fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> ClientError {
    let error = error.into();
    match tls_error(&*error) {
        Some(rustls::Error::InvalidCertificate(problem)) => ClientError::Untrusted(distrust(problem)),
        Some(_) | None => ClientError::Unreachable(error),
    }
}

/// The error of TLS among the causes. An error of the system carries it inside and does not name it as its cause.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

fn distrust(problem: &CertificateError) -> Distrust {
    match problem {
        // A signature is wrong where an authority of the same name and another key is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Distrust::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Distrust::WrongName,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Distrust::Time,
        // The library of rustls has no variant of its own for it.
        CertificateError::Other(other) if other.to_string().contains(CA_AS_END_ENTITY) => Distrust::Authority,
        // A foreign enum that may grow.
        _ => Distrust::Malformed,
    }
}

/// The name of webpki's error.
const CA_AS_END_ENTITY: &str = "CaUsedAsEndEntity";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificates_fault_is_found_inside_an_error_of_the_system() {
        let inside = |problem| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(problem)));
        for (problem, said) in [
            (CertificateError::UnknownIssuer, Distrust::UnknownIssuer),
            (CertificateError::NotValidForName, Distrust::WrongName),
            (CertificateError::Expired, Distrust::Time),
            (CertificateError::BadEncoding, Distrust::Malformed),
        ] {
            assert!(matches!(failed(inside(problem)), ClientError::Untrusted(found) if found == said), "{said}");
        }
        assert!(matches!(failed(io::Error::from(io::ErrorKind::ConnectionRefused)), ClientError::Unreachable(_)));
        assert!(matches!(failed(io::Error::other(rustls::Error::DecryptError)), ClientError::Unreachable(_)));
    }
}
