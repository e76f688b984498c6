//! Making tokens and keys from the system's randomness, hashing them, and comparing them without telling how far they agree.
//!
//! A token is shaped like the value it stands for (as the catalogue says, never by the value's own characters or length), so that clients' own checks pass.

use aws_lc_rs::{constant_time, digest};
use zeroize::{Zeroize, Zeroizing};

use model::kind::{Alphabet, Kind, Mark, Piece, Shape};
use model::token::{Token, TokenHash};

use crate::recognise;
use crate::value::SecretValue;

/// The operating system gave no randomness, so nothing was made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomError(#[source] pub(crate) getrandom::Error);

/// A new token: random, at least 128 bits of it.
///
/// `value` picks the one of the kind's shapes that it has; without it, or where it has none, the kind's first shape is taken. A shape that is too short for
/// 128 bits is made longer; an unknown kind, or one whose shape cannot be a token, gives `tlp_` and 40 characters.
///
/// # Errors
/// [`RandomError`].
pub fn make_token(kind: Option<&Kind>, value: Option<&SecretValue>) -> Result<Token, RandomError> {
    let shape = kind.and_then(|kind| value.and_then(|value| recognise::shape_of(kind, value)).or_else(|| kind.shapes.first().copied()));
    if let Some(shape) = shape
        && let Ok(token) = draw(shape)?.parse()
    {
        return Ok(token);
    }
    Ok(draw(UNKNOWN_SHAPE)?.parse().expect("letters, digits and an underscore are a token"))
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

/// A text of this shape. Where its places hold fewer than 128 bits, more of the last one's characters follow.
fn draw(shape: Shape) -> Result<Zeroizing<String>, RandomError> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
    let mut last = Alphabet::Word;
    for piece in shape.pieces() {
        match piece {
            Piece::Text(fixed) => text.push_str(fixed),
            Piece::Drawn(alphabet, count) => {
                last = alphabet;
                push_random(&mut text, alphabet, count)?;
            }
        }
    }
    let missing_millibits = (BITS_MIN * 1000).saturating_sub(shape.random_millibits());
    push_random(&mut text, last, missing_millibits.div_ceil(last.millibits()) as usize)?;
    Ok(text)
}

/// `prefix` and `count` random letters and digits.
fn random_text(prefix: &str, count: usize) -> Result<Zeroizing<String>, RandomError> {
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + count));
    text.push_str(prefix);
    push_random(&mut text, Alphabet::Word, count)?;
    Ok(text)
}

/// Appends random characters, each equally likely.
fn push_random(text: &mut String, alphabet: Alphabet, count: usize) -> Result<(), RandomError> {
    let characters = alphabet.plain_characters();
    // The largest multiple of their number that a byte can hold: bytes from there on would favour some characters.
    let fair_below = 256 - 256 % characters.len();
    let end = text.len() + count;
    let mut bytes = [0; 64];
    while text.len() < end {
        getrandom::fill(&mut bytes).map_err(RandomError)?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair_below);
        let missing = end - text.len();
        text.extend(fair.take(missing).map(|byte| char::from(characters[byte % characters.len()])));
    }
    bytes.zeroize();
    Ok(())
}

/// What no one guesses.
const BITS_MIN: u32 = 128;
/// Room for the longest shape, so that no copy stays behind.
const TEXT_BYTES: usize = 512;
/// 43 characters of 62 are 256 bits.
const KEY_CHARS: usize = 43;
const GATEWAY_PREFIX: &str = "gws_";
const UNKNOWN_SHAPE: Shape = Shape { text: "tlp_{w40}", mark: Mark::Nothing };

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use model::kind::{Brokering, catalogue};

    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::from_input(text.as_bytes().to_vec()).unwrap()
    }

    fn kind(id: &str) -> &'static Kind {
        catalogue().find(|kind| kind.id == id).unwrap()
    }

    #[test]
    fn every_shape_gives_a_legal_token_of_its_kind_with_128_random_bits() {
        for kind in catalogue().filter(|kind| !matches!(kind.brokering, Brokering::NotBrokered(_))) {
            for shape in kind.shapes {
                let token = make_token(Some(kind), Some(&value(&draw(*shape).unwrap()))).unwrap();
                assert!(token.as_str().starts_with(shape.prefix()) && !token.as_str().starts_with("tlp_"), "{}", shape.text);
                let own = value(token.as_str());
                if shape.random_bits() >= BITS_MIN {
                    assert!(shape.is_whole(own.bytes()), "{}", shape.text);
                }
                assert!(recognise::shape_of(kind, &own).is_some() || shape.random_bits() < BITS_MIN, "{}", shape.text);
                let others = (0..8).map(|_| make_token(Some(kind), Some(&own)).unwrap()).collect::<HashSet<_>>();
                assert!(others.len() == 8 && !others.contains(&token), "{}", shape.text);
            }
        }
    }

    #[test]
    fn bits_that_a_shape_lacks_are_added_in_its_own_characters() {
        for (text, chars) in [("a-{h32}", 34), ("a-{h31}", 34), ("a-{d4}", 41), ("a-{w22}", 24), ("a-{w21}", 24), ("a-", 24)] {
            let shape = Shape { text, mark: Mark::Whole };
            assert_eq!(draw(shape).unwrap().len(), chars, "{text}");
        }
        assert!(draw(Shape { text: "{d3}", mark: Mark::Whole }).unwrap().bytes().all(|byte| byte.is_ascii_digit()));
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
        assert!(token.as_str().starts_with("AKIA") && token.as_str().len() == 29);
    }

    #[test]
    fn what_no_prefix_fits_gets_our_own_shape() {
        for kind in [None, Some(kind("database_password")), Some(kind("ssh_private_key")), Some(kind("pagerduty_token"))] {
            let token = make_token(kind, None).unwrap();
            assert!(token.as_str().starts_with("tlp_") && token.as_str().len() == 44);
        }
    }

    #[test]
    fn a_gateways_token_says_what_it_is_and_is_random() {
        let (one, other) = (make_gateway_token().unwrap(), make_gateway_token().unwrap());
        assert!(one.as_str().starts_with("gws_") && one.as_str().len() == "gws_".len() + KEY_CHARS);
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
        assert_eq!(drawn.len(), Alphabet::Word.characters().len());
    }

    #[test]
    fn a_hash_is_sha_256_and_comparing_is_exact() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(hash_token("abc").0), expected);
        assert!(same(b"abc", b"abc") && same(b"", b""));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"", b"a"));
    }
}
