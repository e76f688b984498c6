//! Ids: a prefix and 21 base62 characters whose order is the order of their making.
//!
//! Nine characters are the Unix milliseconds, twelve come from 71 random bits. Base62 here is in ASCII order, so the greatest id is the newest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Why a text is no id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of the form {prefix}_ and 21 letters or digits")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What every id of this noun begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id for something made at `time`, told apart from others of the same millisecond by `random`.
            #[must_use]
            pub fn from_parts(time: Timestamp, random: u128) -> Self {
                Self(format!("{}_{}", $prefix, tail(time, random)))
            }

            /// Whether it was made at this time or later, as the id itself says: where ids are sealed with a value, no other column is asked.
            #[must_use]
            pub fn is_made_since(&self, time: Timestamp) -> bool {
                *self >= Self::from_parts(time, 0)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: $prefix };
                let tail = text.strip_prefix(concat!($prefix, "_")).ok_or(IdError { prefix: $prefix })?;
                if tail.len() == TAIL_CHARS && tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(error)
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A tenant.
    AccountId, "acc"
);
id!(
    /// A bearer credential of an account (its id, never the credential).
    ApiKeyId, "key"
);
id!(
    /// A secret.
    SecretId, "sec"
);
id!(
    /// A devbox.
    DevboxId, "dbx"
);
id!(
    /// A gateway config.
    GatewayConfigId, "gwc"
);
id!(
    /// A pairing of a secret with a destination that waits for a person, or was decided by one.
    PairingId, "prq"
);
id!(
    /// What an agent asked a person for.
    RequestId, "req"
);
id!(
    /// A data key.
    DataKeyId, "dk"
);
id!(
    /// An explicit binding.
    BindingId, "bnd"
);

/// Characters after the prefix and its underscore.
pub const TAIL_CHARS: usize = 21;
const TIME_CHARS: usize = 9;
const RANDOM_CHARS: usize = TAIL_CHARS - TIME_CHARS;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn tail(time: Timestamp, random: u128) -> String {
    let mut out = base62(u128::from(time.unix_ms().max(0).unsigned_abs()), TIME_CHARS);
    out.push_str(&base62(random, RANDOM_CHARS));
    out
}

/// `number` in `width` base62 digits, most significant first, of its lowest digits where it does not fit.
#[must_use]
pub fn base62(mut number: u128, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(number % 62) as usize];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_prefix_or_length_is_refused() {
        assert!("key_000000000000000000000".parse::<SecretId>().is_err());
        assert!("sec_00000000000000000000".parse::<SecretId>().is_err());
        assert!("sec_00000000000000000000/".parse::<SecretId>().is_err());
    }

    #[test]
    fn later_ids_are_greater() {
        let early = SecretId::from_parts(Timestamp::from_unix_ms(1_790_000_000_000), u128::MAX);
        let late = SecretId::from_parts(Timestamp::from_unix_ms(1_790_000_000_001), 0);
        assert!(late > early);
        assert_eq!(late.as_str().len(), 4 + TAIL_CHARS);
        let at = |ms: i64| Timestamp::from_unix_ms(1_790_000_000_000 + ms);
        assert!(!early.is_made_since(at(1)) && early.is_made_since(at(0)) && late.is_made_since(at(1)));
        assert_eq!(late.as_str().parse::<SecretId>(), Ok(late));
    }
}
