//! Pouring a value into a process's environment, for secrets that their owner lets devboxes have as they are. The one way out of the vault that gives a devbox a
//! value, into memory that has no name and is on no disk.

use std::fs::File;
use std::io::{self, Write};

use model::EnvName;
use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

use crate::value::SecretValue;

/// Why a value was not poured.
#[derive(Debug, thiserror::Error)]
pub enum PourError {
    /// The value holds a NUL, which ends a variable.
    #[error("the value holds a zero byte, which no environment variable can")]
    Nul,
    /// The vessel takes nothing.
    #[error("failed to write into memory that is handed to a devbox")]
    Io(#[from] io::Error),
}

/// A file without a name, in memory only, to pour values into. Closed when the process executes another program.
///
/// # Errors
/// When the system gives none.
pub fn make_vessel() -> io::Result<File> {
    Ok(memfd_create("environment", MemfdFlags::CLOEXEC)?.into())
}

/// Writes `NAME=VALUE` and a zero byte, as in environ(7).
///
/// # Errors
/// [`PourError`]; nothing is written of a value that holds a zero byte.
pub fn pour_env(value: SecretValue, name: &EnvName, into: &mut File) -> Result<(), PourError> {
    if value.bytes().contains(&0) {
        return Err(PourError::Nul);
    }
    let line = Zeroizing::new([name.as_str().as_bytes(), b"=", value.bytes(), b"\0"].concat());
    Ok(into.write_all(&line)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn a_value_with_a_zero_byte_is_refused_and_others_stand_one_after_the_other() {
        let mut vessel = make_vessel().unwrap();
        let value = |text: &str| SecretValue::from_input(text.as_bytes().to_vec()).unwrap();
        let pour = |text, name: &str, into: &mut File| pour_env(value(text), &name.parse().unwrap(), into);
        pour("one\nline more", "A", &mut vessel).unwrap();
        assert!(matches!(pour("two\0B=forged", "C", &mut vessel), Err(PourError::Nul)));
        pour("three", "D", &mut vessel).unwrap();
        vessel.rewind().unwrap();
        let mut all = String::new();
        vessel.read_to_string(&mut all).unwrap();
        assert_eq!(all, "A=one\nline more\0D=three\0");
    }
}
