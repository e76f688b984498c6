//! HPKE against the published vectors, through the functions that open data keys.
#![allow(clippy::unwrap_used, reason = "tests")]

use hpke::aead::AesGcm128;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Published {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the names of the published file")]
struct Vector {
    mode: u8,
    kem_id: u16,
    kdf_id: u16,
    aead_id: u16,
    info: String,
    skRm: String,
    pkRm: String,
    enc: String,
    aad: String,
    ct: String,
    pt: String,
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn published() -> Vec<Vector> {
    let published: Published = serde_json::from_str(include_str!("../../../tests/vectors/rfc9180.json")).unwrap();
    let aeads: Vec<u16> = published.vectors.iter().map(|vector| vector.aead_id).collect();
    assert_eq!(aeads, [1, 2], "AES-128-GCM of the appendix and AES-256-GCM, ours");
    assert!(published.vectors.iter().all(|vector| (vector.mode, vector.kem_id, vector.kdf_id) == (0, 32, 1)));
    published.vectors
}

fn open_vector(vector: &Vector, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let sealed = SealedKey { encapsulated: unhex(&vector.enc), ciphertext: unhex(&vector.ct) };
    let (private, info) = (unhex(&vector.skRm), unhex(&vector.info));
    match vector.aead_id {
        1 => open_with::<AesGcm128, X25519HkdfSha256>(&private, &sealed, &info, aad),
        _ => open_with::<AesGcm256, X25519HkdfSha256>(&private, &sealed, &info, aad),
    }
}

#[test]
fn published_vectors_open_under_their_own_associated_data_only() {
    for vector in published() {
        assert!(open_vector(&vector, b"Count-1").is_err());
        assert_eq!(open_vector(&vector, &unhex(&vector.aad)).unwrap().as_slice(), unhex(&vector.pt));
    }
}

#[test]
fn the_keyrings_own_key_opens_the_published_vector_of_its_suite() {
    let vector = published().into_iter().find(|vector| vector.aead_id == 2).unwrap();
    let key = RecipientKey::from_private(Suite::X25519, Locked::copy_of(&unhex(&vector.skRm)).unwrap()).unwrap();
    assert_eq!(key.public().public, unhex(&vector.pkRm));
    let sealed = SealedKey { encapsulated: unhex(&vector.enc), ciphertext: unhex(&vector.ct) };
    let (info, aad) = (unhex(&vector.info), unhex(&vector.aad));
    assert!(key.open(Suite::XWing, &sealed, &info, &aad).is_none(), "a suite is never guessed");
    assert_eq!(key.open(Suite::X25519, &sealed, &info, &aad).unwrap().as_slice(), unhex(&vector.pt));
}

#[test]
fn each_suite_opens_what_it_sealed_with_the_right_key_only() {
    for suite in [Suite::X25519, Suite::XWing] {
        let (key, other) = (RecipientKey::make(suite).unwrap(), RecipientKey::make(suite).unwrap());
        let sealed = seal_to(&key.public(), b"info", b"aad", b"a data key").unwrap();
        assert!(other.open(suite, &sealed, b"info", b"aad").is_none());
        assert!(key.open(suite, &sealed, b"inf", b"aad").is_none());
        assert_eq!(key.open(suite, &sealed, b"info", b"aad").unwrap().as_slice(), b"a data key");
    }
}

/// The length that design and storage count with.
#[test]
fn an_encapsulated_hybrid_key_has_1120_bytes() {
    let key = RecipientKey::make(Suite::XWing).unwrap();
    assert_eq!(seal_to(&key.public(), b"", b"", b"").unwrap().encapsulated.len(), 1120);
}
