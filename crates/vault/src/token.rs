//! Making tokens and keys from the system's randomness, hashing them, and comparing them without telling how far they agree.
//!
//! A token is shaped like the value it stands for (its prefix and length, taken from the catalogue and never from the value's own characters or length),
//! so that clients' own checks pass.

use aws_lc_rs::{constant_time, digest};
use zeroize::{Zeroize, Zeroizing};

use model::kind::{Kind, Shape};
use model::token::{Token, TokenHash};

use crate::recognise;
use crate::value::SecretValue;

/// The operating system gave no randomness, so nothing was made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomError(#[source] pub(crate) getrandom::Error);

/// A new token: random, at least 128 bits of it, letters and digits after the prefix.
///
/// `value` picks the one of the kind's shapes that it has; without it, or where it has none, the kind's first shape is taken. A shape that is too short for
/// 128 bits is made longer; an unknown kind, or one whose prefix cannot stand in a token, gives `tlp_` and 40 characters.
///
/// # Errors
/// [`RandomError`].
pub fn make_token(kind: Option<&Kind>, value: Option<&SecretValue>) -> Result<Token, RandomError> {
    let shape = kind.and_then(|kind| value.and_then(|value| recognise::shape_of(kind, value)).or_else(|| kind.shapes.first().copied()));
    let shape = shape.filter(can_shape_a_token).unwrap_or(UNKNOWN_SHAPE);
    let random_chars = shape.length.saturating_sub(shape.prefix.len()).max(RANDOM_CHARS_MIN);
    let text = random_text(shape.prefix, random_chars)?;
    Ok(text.parse().expect("a prefix that fits and letters and digits are a token"))
}

/// A new token for a gateway: `gws_` and 43 letters and digits (256 random bits).
///
/// # Errors
/// [`RandomError`].
pub fn make_gateway_token() -> Result<Token, RandomError> {
    let text = random_text(GATEWAY_PREFIX, KEY_CHARS)?;
    Ok(text.parse().expect("letters, digits and an underscore are a token"))
}

/// The hash under which a token or key is stored and looked up.
#[must_use]
pub fn hash_token(token: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    TokenHash(hash)
}

/// A new credential: `prefix` and 43 letters and digits (256 random bits).
///
/// # Panics
/// Where the operating system gives no randomness.
#[must_use]
pub fn make_key(prefix: &str) -> Zeroizing<String> {
    random_text(prefix, KEY_CHARS).expect("a running Linux gives randomness")
}

/// Whether two credentials or hashes are the same, in a time that depends on their lengths only.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// 128 random bits, for ids.
///
/// # Errors
/// [`RandomError`].
pub fn random_u128() -> Result<u128, RandomError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(u128::from_le_bytes(bytes))
}

fn can_shape_a_token(shape: &Shape) -> bool {
    let mut model = shape.prefix.to_owned();
    model.extend(std::iter::repeat_n('0', RANDOM_CHARS_MIN));
    model.parse::<Token>().is_ok()
}

/// `prefix` and `count` random letters and digits, each equally likely.
fn random_text(prefix: &str, count: usize) -> Result<Zeroizing<String>, RandomError> {
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + count));
    text.push_str(prefix);
    let mut bytes = [0; 64];
    while text.len() < prefix.len() + count {
        getrandom::fill(&mut bytes).map_err(RandomError)?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < FAIR_BELOW);
        let missing = prefix.len() + count - text.len();
        text.extend(fair.take(missing).map(|byte| char::from(BASE62[byte % BASE62.len()])));
    }
    bytes.zeroize();
    Ok(text)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 that a byte can hold: bytes from here on would favour some characters.
const FAIR_BELOW: usize = 248;
/// 22 characters of 62 are 131 bits, the least above 128.
const RANDOM_CHARS_MIN: usize = 22;
/// 43 characters of 62 are 256 bits.
const KEY_CHARS: usize = 43;
const GATEWAY_PREFIX: &str = "gws_";
const UNKNOWN_SHAPE: Shape = Shape { prefix: "tlp_", length: 44 };

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use model::kind::CATALOGUE;

    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
    }

    fn kind(id: &str) -> &'static Kind {
        CATALOGUE.iter().find(|kind| kind.id == id).unwrap()
    }

    #[test]
    fn every_kind_gives_a_legal_token_with_128_random_bits() {
        for kind in CATALOGUE {
            let shapes = kind.shapes.iter().filter(|shape| can_shape_a_token(shape));
            for shape in shapes.chain([&Shape { prefix: "", length: 0 }]) {
                let value = value(&format!("{}0123456789012345678901234567890", shape.prefix));
                let token = make_token(Some(kind), Some(&value)).unwrap();
                assert!(token.as_str().starts_with(shape.prefix), "{}", kind.id);
                assert!(token.as_str().len() >= shape.length.max(shape.prefix.len() + RANDOM_CHARS_MIN));
                let random = &token.as_str().as_bytes()[shape.prefix.len().max(1)..];
                assert!(random.iter().rev().take(RANDOM_CHARS_MIN).all(u8::is_ascii_alphanumeric));
            }
        }
    }

    #[test]
    fn a_token_has_the_shape_of_its_value_and_nothing_of_its_characters() {
        let github = kind("github_token");
        let classic = value("ghp_16C7e42F292c6912E7710c838347Ae178B4a");
        let token = make_token(Some(github), Some(&classic)).unwrap();
        assert!(token.as_str().starts_with("ghp_") && token.as_str().len() == 40);
        assert_ne!(token.as_str().as_bytes(), classic.bytes());
        let fine = make_token(Some(github), Some(&value("github_pat_11AAAAAAA0abcdefghijkl"))).unwrap();
        assert!(fine.as_str().starts_with("github_pat_") && fine.as_str().len() == 93);
        let unknown_length = make_token(Some(github), Some(&value("short"))).unwrap();
        assert!(unknown_length.as_str().starts_with("ghp_") && unknown_length.as_str().len() == 40);
    }

    #[test]
    fn a_shape_too_short_for_128_bits_is_made_longer() {
        let token = make_token(Some(kind("aws_access_key")), None).unwrap();
        assert!(token.as_str().starts_with("AKIA") && token.as_str().len() == 26);
    }

    #[test]
    fn what_no_prefix_fits_gets_our_own_shape() {
        for kind in [None, Some(kind("database_password")), Some(kind("ssh_private_key")), Some(kind("datadog_api_key"))] {
            let token = make_token(kind, None).unwrap();
            assert!(token.as_str().starts_with("tlp_") && token.as_str().len() == 44);
        }
    }

    #[test]
    fn a_gateways_token_says_what_it_is_and_is_random() {
        let (one, other) = (make_gateway_token().unwrap(), make_gateway_token().unwrap());
        assert!(one.as_str().starts_with("gws_") && one.as_str().len() >= "gws_".len() + RANDOM_CHARS_MIN);
        assert_ne!(one, other);
    }

    #[test]
    fn no_two_tokens_or_keys_are_alike() {
        let tokens: HashSet<_> = (0..1000).map(|_| make_token(None, None).unwrap()).collect();
        assert_eq!(tokens.len(), 1000);
        let keys: HashSet<_> = (0..1000).map(|_| make_key("tlk_").to_string()).collect();
        assert_eq!(keys.len(), 1000);
        assert!(keys.iter().all(|key| key.starts_with("tlk_") && key.len() == 47));
        assert_ne!(random_u128().unwrap(), random_u128().unwrap());
    }

    #[test]
    fn every_character_is_drawn() {
        let drawn: HashSet<char> = (0..200).flat_map(|_| make_key("").chars().collect::<Vec<_>>()).collect();
        assert_eq!(drawn.len(), BASE62.len());
    }

    #[test]
    fn a_hash_is_sha_256_and_comparing_is_exact() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(hash_token("abc").0), expected);
        assert!(same(b"abc", b"abc") && same(b"", b""));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
