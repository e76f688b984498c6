//! Where a value comes from: a pipe, or a hidden prompt. Never an argument, a variable or a file's name.

use std::io::{self, IsTerminal};

use model::SecretName;
use model::limits::VALUE_BYTES_MAX;
use vault::{SecretValue, ValueError};
use zeroize::{Zeroize, Zeroizing};

use super::fault::{Exit, Fault};

/// Reads a value from standard input, or asks for it twice where that is a terminal. One trailing newline is dropped; buffers are wiped.
pub(super) fn read(name: &SecretName) -> Result<SecretValue, Fault> {
    vault::seclude().map_err(|error| Fault::failure(&error))?;
    let bytes = if io::stdin().is_terminal() { prompt(name)? } else { read_all()? };
    SecretValue::from_input(bytes).map_err(|error| {
        let code = match error {
            ValueError::Empty => "value_empty",
            ValueError::TooLarge => "value_too_large",
            ValueError::NotText => "value_not_text",
        };
        let fault = Fault { code: code.to_owned(), ..Fault::new(Exit::Usage, format!("{error}; nothing was stored")) };
        fault.next(format!("tightlip secret set {name} < FILE"))
    })
}

/// All of standard input, past any buffer of the standard library's.
fn read_all() -> Result<Vec<u8>, Fault> {
    let mut buffer = Zeroizing::new(vec![0; VALUE_BYTES_MAX + ROOM]);
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(rustix::stdio::stdin(), buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Fault::new(Exit::Failure, format!("failed to read standard input: {error}"))),
        }
    }
    Ok(without_newline(buffer.get(..filled).unwrap_or_default()).to_vec())
}

fn prompt(name: &SecretName) -> Result<Vec<u8>, Fault> {
    let ask = |question: String| {
        let typed = rpassword::prompt_password(question).map(String::into_bytes);
        typed.map_err(|error| Fault::new(Exit::Failure, format!("failed to ask for the value: {error}")))
    };
    let first = ask(format!("Value of {name} (hidden): "))?;
    if first.is_empty() {
        return Ok(first);
    }
    let mut first = Zeroizing::new(first);
    let again = Zeroizing::new(ask("The same again: ".to_owned())?);
    if *first != *again {
        first.zeroize();
        // What was pasted behind a second line must not reach the shell.
        let _none = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
        let fault = Fault::usage("the two differ; nothing was stored. A value of several lines goes through a pipe");
        return Err(fault.next(format!("tightlip secret set {name}")).next(format!("tightlip secret set {name} < FILE")));
    }
    Ok(std::mem::take(&mut *first))
}

/// The bytes without the newline that `echo` and editors put at the end.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.len() < bytes.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

/// A newline, and one byte more to notice that there is too much.
const ROOM: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_and_no_more_is_dropped() {
        for (given, kept) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", ""), ("a\r", "a\r"), ("", "")] {
            assert_eq!(without_newline(given.as_bytes()), kept.as_bytes(), "{given:?}");
        }
    }
}
