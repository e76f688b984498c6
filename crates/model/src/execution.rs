//! Commands that run in a devbox, by their ids: UUIDs of version 7 (RFC 9562), which clients may choose themselves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A command's id, in the canonical text of a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecutionId(String);

/// Why a text is no such id. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a command's id is a UUID of version 7 in lower case, such as 01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1e")]
pub struct ExecutionIdError;

impl ExecutionId {
    /// The id of something started at `time`, told apart from others by `random` (RFC 9562, section 5.7).
    #[must_use]
    pub fn from_parts(time: Timestamp, random: u128) -> Self {
        let ms = u128::from(time.unix_ms().max(0).unsigned_abs()) & 0xffff_ffff_ffff;
        let (a, b) = ((random >> 64) & 0x0fff, random & 0x3fff_ffff_ffff_ffff);
        let bits = (ms << 80) | (0x7 << 76) | (a << 64) | (0b10 << 62) | b;
        let hex = format!("{bits:032x}");
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExecutionId {
    type Err = ExecutionIdError;

    fn from_str(text: &str) -> Result<Self, ExecutionIdError> {
        let parts: Vec<&str> = text.split('-').collect();
        let hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let lengths = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
        let version = lengths && parts[2].starts_with('7') && parts[3].starts_with(['8', '9', 'a', 'b']);
        if hex && version { Ok(Self(text.to_owned())) } else { Err(ExecutionIdError) }
    }
}

impl TryFrom<String> for ExecutionId {
    type Error = ExecutionIdError;

    fn try_from(text: String) -> Result<Self, ExecutionIdError> {
        text.parse()
    }
}

impl From<ExecutionId> for String {
    fn from(id: ExecutionId) -> String {
        id.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_reads_back_and_later_is_greater() {
        let at = |ms, random| ExecutionId::from_parts(Timestamp::from_unix_ms(ms), random);
        let (early, late) = (at(1_790_000_000_000, u128::MAX), at(1_790_000_000_001, 0));
        assert!(early < late);
        for id in [early, late, at(0, 0)] {
            assert_eq!(id.as_str().parse(), Ok(id));
        }
    }

    #[test]
    fn another_version_or_writing_is_refused() {
        for text in [
            "",
            "01997d2a-3f5b-4c44-8a51-5f0b6f3a9c1e",
            "01997d2a-3f5b-7c44-ca51-5f0b6f3a9c1e",
            "01997D2A-3f5b-7c44-8a51-5f0b6f3a9c1e",
            "01997d2a3f5b7c448a515f0b6f3a9c1e",
            "01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1",
            "01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1g",
        ] {
            assert_eq!(text.parse::<ExecutionId>(), Err(ExecutionIdError), "{text:?}");
        }
    }
}
