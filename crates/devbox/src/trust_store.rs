//! The bundle once more, as Java reads it: a key store of the kind JKS. Nothing in it is secret; what guards it is the devbox's read-only `/etc`.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The certificates of a bundle (PEM) as a trust store. What is none of the bundle's certificates is left out: one that cannot be read would cost Java all.
pub(crate) fn trust_store(bundle_pem: &[u8]) -> Vec<u8> {
    let certificates: Vec<Vec<u8>> = certificates(bundle_pem).collect();
    let mut store = Vec::with_capacity(bundle_pem.len());
    store.extend_from_slice(&MAGIC.to_be_bytes());
    store.extend_from_slice(&VERSION.to_be_bytes());
    store.extend_from_slice(&length(certificates.len()).to_be_bytes());
    for (number, certificate) in certificates.iter().enumerate() {
        store.extend_from_slice(&TRUSTED_CERTIFICATE.to_be_bytes());
        text(&mut store, &format!("authority-{number}"));
        store.extend_from_slice(&MADE_AT_MS.to_be_bytes());
        text(&mut store, "X.509");
        store.extend_from_slice(&length(certificate.len()).to_be_bytes());
        store.extend_from_slice(certificate);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        digest.update(&unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend_from_slice(digest.finish().as_ref());
    store
}

/// Those between the usual lines, each as DER. Nothing is looked for within a line, so a certificate that was cut off takes the next one with it and no more.
fn certificates(pem: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut packed = Vec::new();
    std::iter::from_fn(move || {
        loop {
            lines.find(|line| *line == BEGIN)?;
            packed.clear();
            loop {
                match lines.next()? {
                    END => break,
                    line => packed.extend_from_slice(line),
                }
            }
            if let Some(certificate) = STANDARD.decode(&packed).ok().filter(|der| is_one_sequence(der)) {
                return Some(certificate);
            }
        }
    })
}

/// Whether these bytes are one sequence of DER (X.690, section 8.1.3) and nothing after it.
fn is_one_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, short @ 0..=0x7f, inside @ ..] => inside.len() == usize::from(*short),
        [0x30, 0x81, one, inside @ ..] => inside.len() == usize::from(*one),
        [0x30, 0x82, one, two, inside @ ..] => inside.len() == usize::from(u16::from_be_bytes([*one, *two])),
        _ => false,
    }
}

fn length(of: usize) -> u32 {
    u32::try_from(of).expect("a bundle is smaller than 4 GiB")
}

/// As Java's `DataOutputStream` writes one of ASCII.
fn text(store: &mut Vec<u8>, text: &str) {
    let bytes = u16::try_from(text.len()).expect("our own words are short");
    store.extend_from_slice(&bytes.to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

/// What Java's own stores have, and what tools try unasked. It keeps nothing secret: the digest says that the file is whole.
pub(crate) const PASSWORD: &str = "changeit";

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";
/// `sun.security.provider.JavaKeyStore`.
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const WHITENER: &[u8] = b"Mighty Aphrodite";
/// The same bundle is the same store.
const MADE_AT_MS: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8]) -> String {
        packed(&STANDARD.encode(der))
    }

    fn packed(text: &str) -> String {
        format!("# A name\r\n-----BEGIN CERTIFICATE-----\r\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn what_is_no_certificate_is_left_out() {
        let own = [0x30, 0x03, 0x02, 0x01, 0x05];
        let mut long = vec![0x30, 0x82, 0x01, 0x00];
        long.resize(4 + 256, 7);
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
        let others = [pem(&own[..4]), pem(b"text"), packed("!!!"), pem(&[own, own].concat())].concat();
        let bundle = [pem(&own), others, pem(&long), cut.to_owned()].concat();
        assert_eq!(certificates(bundle.as_bytes()).collect::<Vec<_>>(), [own.to_vec(), long]);
        assert_eq!(certificates(b"a bundle\n").count(), 0);
    }

    #[test]
    fn a_store_says_its_certificates_and_that_it_is_whole() {
        let certificate = [0x30, 0x03, 0x02, 0x01, 0x05];
        let store = trust_store(pem(&certificate).as_bytes());
        let entry = [&[0, 0, 0, 2, 0, 11][..], b"authority-0", &[0; 8], &[0, 5], b"X.509", &[0, 0, 0, 5], &certificate].concat();
        let head = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1];
        assert_eq!(store[..store.len() - 20], [&head[..], &entry].concat());
        let padded: Vec<u8> = PASSWORD.bytes().flat_map(|byte| [0, byte]).collect();
        let whole = [&padded, WHITENER, &head, &entry].concat();
        assert_eq!(store[store.len() - 20..], *aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &whole).as_ref());
    }
}
