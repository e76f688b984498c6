//! The closed type of plaintext. Whoever holds one can hand it to a verb of this crate, and nothing else.
//!
//! What never lives here: a public reader. `Debug`, `Display`, `Clone`, `PartialEq`, `Deref`, `AsRef` and `Serialize` are left out on purpose, and
//! `tests/closed.rs` holds them out.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use zeroize::{Zeroize, Zeroizing};

use model::limits::VALUE_BYTES_MAX;

/// A value: UTF-8 text that is wiped when dropped.
pub struct SecretValue(Zeroizing<Vec<u8>>);

/// Why a text cannot be stored as a value. Never contains the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValueError {
    /// Nothing was given.
    #[error("the value is empty")]
    Empty,
    /// More than [`VALUE_BYTES_MAX`] bytes.
    #[error("the value is longer than {VALUE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("the value is not UTF-8 text")]
    NotText,
}

impl SecretValue {
    /// A value from what a person or a program typed or piped in. The buffer is taken over and wiped, whatever the outcome.
    ///
    /// # Errors
    /// [`ValueError`] where it cannot be stored.
    pub fn from_input(input: Vec<u8>) -> Result<Self, ValueError> {
        Self::from_opened(Zeroizing::new(input))
    }

    /// The value again, if it can be stored. Deserialising accepts any string, so that the api can tell apart what is wrong with one.
    ///
    /// # Errors
    /// [`ValueError::Empty`] or [`ValueError::TooLarge`]; the value is wiped.
    pub fn check(self) -> Result<Self, ValueError> {
        match self.0.len() {
            0 => Err(ValueError::Empty),
            1..=VALUE_BYTES_MAX => Ok(self),
            _ => Err(ValueError::TooLarge),
        }
    }

    /// A value that was sealed as one.
    pub(crate) fn from_opened(bytes: Zeroizing<Vec<u8>>) -> Result<Self, ValueError> {
        if std::str::from_utf8(&bytes).is_err() {
            return Err(ValueError::NotText);
        }
        Self(bytes).check()
    }

    /// The plaintext, for the verbs of this crate.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    /// Any string. The parser's own scratch memory is out of reach; every copy made here is wiped.
    ///
    /// It takes whatever comes, since a parser that was told to expect a string refuses another type itself, and repeats what was sent.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

/// serde's own answers to a wrong type repeat what was sent, so each type is answered here.
macro_rules! refuse {
    ($($visit:ident($type:ty)),* $(,)?) => {
        $(fn $visit<E: de::Error>(self, _: $type) -> Result<SecretValue, E> {
            Err(not_a_string())
        })*
    };
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = SecretValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretValue, E> {
        Ok(SecretValue(Zeroizing::new(text.as_bytes().to_vec())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<SecretValue, E> {
        Ok(SecretValue(Zeroizing::new(text.into_bytes())))
    }

    fn visit_byte_buf<E: de::Error>(self, mut bytes: Vec<u8>) -> Result<SecretValue, E> {
        bytes.zeroize();
        Err(not_a_string())
    }

    refuse!(
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_f64(f64),
        visit_char(char),
        visit_bytes(&[u8]),
    );

    fn visit_none<E: de::Error>(self) -> Result<SecretValue, E> {
        Err(not_a_string())
    }

    fn visit_unit<E: de::Error>(self) -> Result<SecretValue, E> {
        Err(not_a_string())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<SecretValue, D::Error> {
        Err(not_a_string())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<SecretValue, D::Error> {
        Err(not_a_string())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<SecretValue, A::Error> {
        Err(not_a_string())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<SecretValue, A::Error> {
        Err(not_a_string())
    }
}

fn not_a_string<E: de::Error>() -> E {
    E::custom("a value is a string")
}
