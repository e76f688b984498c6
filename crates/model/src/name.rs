//! Names that people give: of secrets, and of environment variables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text is no name. Never contains the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// A secret's name that does not fit the rule.
    #[error("a secret's name is 1 to 255 letters, digits, underscores, hyphens or dots, and not '.' or '..'")]
    Secret,
    /// A variable's name that does not fit the rule.
    #[error("an environment variable's name is 1 to 255 letters, digits or underscores and does not begin with a digit")]
    Env,
}

/// A secret's name: `[A-Za-z0-9_.-]{1,255}` that is not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// An environment variable's name: `[A-Za-z_][A-Za-z0-9_]{0,254}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EnvName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let fits = (1..=limits::NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal);
        if fits && text != "." && text != ".." { Ok(Self(text.to_owned())) } else { Err(NameError::Secret) }
    }
}

impl FromStr for EnvName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (1..=limits::NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal);
        if fits && !text.as_bytes()[0].is_ascii_digit() { Ok(Self(text.to_owned())) } else { Err(NameError::Env) }
    }
}

impl EnvName {
    /// Whether ordinary programs act upon this variable by themselves. A placeholder in it breaks them: a proxy that is none, a list of folders that is none.
    #[must_use]
    pub fn is_acted_upon(&self) -> bool {
        let name = self.0.to_ascii_uppercase();
        ACTED_UPON.contains(&name.as_str()) || ACTED_UPON_ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.starts_with("LD_")
    }
}

/// Read by shells, the C library and interpreters.
const ACTED_UPON: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "TERM",
    "LANG",
    "TZ",
    "IFS",
    "ENV",
    "BASH_ENV",
    "TMPDIR",
    "PWD",
    "NODE_OPTIONS",
    "NODE_EXTRA_CA_CERTS",
    "PYTHONPATH",
    "JAVA_TOOL_OPTIONS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Of proxies, and of the certificates that single programs trust.
const ACTED_UPON_ENDINGS: [&str; 4] = ["_PROXY", "_CA_BUNDLE", "_CAINFO", "PIP_CERT"];

impl TryFrom<&SecretName> for EnvName {
    type Error = NameError;

    fn try_from(name: &SecretName) -> Result<Self, NameError> {
        name.as_str().parse()
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_conversions!(SecretName);
text_conversions!(EnvName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_programs_act_upon_are_told_apart() {
        for name in ["PATH", "HTTPS_PROXY", "no_proxy", "LD_PRELOAD", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"] {
            assert!(name.parse::<EnvName>().unwrap().is_acted_upon(), "{name}");
        }
        for name in ["GITHUB_TOKEN", "PROXY", "PATH_TOKEN", "OPENAI_API_KEY", "HTTPS_PROXY_PASSWORD"] {
            assert!(!name.parse::<EnvName>().unwrap().is_acted_upon(), "{name}");
        }
    }

    #[test]
    fn names_that_could_not_be_reached_again_are_refused() {
        for text in ["", ".", "..", "a/b", "a?b", "a#b", "a%b", "a b", "ä", "a\n", "a\0", &"x".repeat(256)] {
            assert_eq!(text.parse::<SecretName>(), Err(NameError::Secret), "{text:?}");
        }
    }

    #[test]
    fn hyphens_dots_and_ids_are_names() {
        for text in ["GITHUB_TOKEN", "my-secret", "a.b", "id", "sec_000000000000000000000", "...", &"x".repeat(255)] {
            assert!(text.parse::<SecretName>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_variable_is_stricter_than_a_name() {
        for text in ["", "1A", "my-secret", "a.b", "A=B"] {
            assert_eq!(text.parse::<EnvName>(), Err(NameError::Env), "{text:?}");
        }
        assert!("_A1".parse::<EnvName>().is_ok());
    }
}
