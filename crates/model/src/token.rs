//! Tokens: what an agent holds in place of a value. Worth nothing outside its devbox and its secret's bindings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A placeholder: printable ASCII without the characters that separate credentials in a header.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

/// The SHA-256 of a token (FIPS 180-4), as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

/// Why a text is no token. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a token: 16 to 512 printable ASCII characters without spaces, quotes, commas, colons, semicolons or '@'")]
pub struct TokenError;

impl Token {
    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let legal = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b',' | b';' | b':' | b'\\' | b'@');
        if (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError)
        }
    }
}

impl TryFrom<String> for Token {
    type Error = TokenError;

    fn try_from(text: String) -> Result<Self, TokenError> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> String {
        token.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 512;
