//! What came of one attempt, on its way from the agent to whoever judges it.

use std::fmt;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made: every byte that it obtained.
    Tried(Vec<u8>),
    /// It could not be made on this machine, and why. That is no success of anybody's.
    NotTried(String),
    /// It was made, and was not answered as it must be, or went wrong by itself: every byte that came all the same, and what was said of it. It proves nothing, and
    /// the whole proof does not hold.
    Unanswered(Vec<u8>),
}

/// What an attempt needs is not on this machine: the one reason for which it may go untried.
#[derive(Debug)]
pub struct NotHere(pub String);

impl fmt::Display for NotHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotHere {}

impl Outcome {
    /// What others than the agent obtained, or why they did not.
    pub(crate) fn of(made: anyhow::Result<Vec<u8>>) -> Self {
        match made {
            Ok(bytes) => Self::Tried(bytes),
            Err(error) if error.is::<NotHere>() => Self::NotTried(error.to_string()),
            Err(error) => Self::Unanswered(format!("{error:#}").into_bytes()),
        }
    }
}

/// An attempt's name and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// The name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// The line before the bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    name: String,
    not_tried: Option<String>,
    #[serde(default)]
    unanswered: bool,
    bytes: usize,
}

impl Obtained {
    /// Writes a line of JSON, then the bytes as they are: the report itself must not encode what is searched for in another way.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let (not_tried, bytes) = match &self.outcome {
            Outcome::Tried(bytes) | Outcome::Unanswered(bytes) => (None, bytes.as_slice()),
            Outcome::NotTried(why) => (Some(why.clone()), &[][..]),
        };
        let unanswered = matches!(self.outcome, Outcome::Unanswered(_));
        let mut head = serde_json::to_vec(&Head { name: self.name.clone(), not_tried, unanswered, bytes: bytes.len() })?;
        head.push(b'\n');
        out.write_all(&head)?;
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Reads the next; none at the end.
    ///
    /// # Errors
    /// When what is there is no report.
    pub fn read(from: &mut impl BufRead) -> anyhow::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Head { name, not_tried, unanswered, bytes } = serde_json::from_str(&line)?;
        let mut obtained = vec![0; bytes.min(OBTAINED_BYTES_MAX)];
        from.read_exact(&mut obtained)?;
        let outcome = match not_tried {
            Some(why) => Outcome::NotTried(why),
            None if unanswered => Outcome::Unanswered(obtained),
            None => Outcome::Tried(obtained),
        };
        Ok(Some(Self { name, outcome }))
    }
}

/// More than any attempt may obtain.
const OBTAINED_BYTES_MAX: usize = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let all = [
            Obtained { name: "a".into(), outcome: Outcome::Tried(b"\n{\0\xff".to_vec()) },
            Obtained { name: "b".into(), outcome: Outcome::NotTried("no curl".into()) },
            Obtained { name: "c".into(), outcome: Outcome::Unanswered(b"half\0".to_vec()) },
        ];
        let mut written = Vec::new();
        all.iter().for_each(|one| one.write(&mut written).expect("memory"));
        let mut from = written.as_slice();
        let read: Vec<Obtained> = std::iter::from_fn(|| Obtained::read(&mut from).expect("ours")).collect();
        assert_eq!(read, all);
        assert!(Obtained::read(&mut &b"curl: (6)\n"[..]).is_err());
    }

    #[test]
    fn only_what_the_machine_lacks_may_go_untried() {
        let absent = anyhow::Error::new(NotHere("no curl".into()));
        assert_eq!(Outcome::of(Err(absent)), Outcome::NotTried("no curl".into()));
        assert_eq!(Outcome::of(Err(anyhow::anyhow!("cut off"))), Outcome::Unanswered(b"cut off".to_vec()));
    }
}
