//! Reading a dotenv file: its names and values, and where each stands, so that the file can be written again without some of them.
//!
//! The grammar stands in `docs/import.md`. Where the libraries that read such files do not agree, python-dotenv's reading is taken, and the entry bears a
//! [`Doubt`]. What is no entry, comment or blank line makes the whole file wrong: half of a file that was misunderstood is nobody's wish.
//!
//! What never lives here: what a value is (`sort`), whether it is stored, and an error that repeats what a line holds.

mod reader;

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use model::{EnvName, SecretName};
use zeroize::Zeroizing;

use crate::value::SecretValue;

/// One name with its value.
pub struct Entry {
    /// What stands before the `=`.
    pub name: SecretName,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What stands after it; none where nothing does.
    pub value: Option<SecretValue>,
    /// How programs may read it otherwise.
    pub doubts: Vec<Doubt>,
    /// The quotes that settle how it is read, where there are such; a name that stands twice they do not settle.
    pub quotes: Option<Quotes>,
    /// The line of the later entry of the same name, which counts in its place.
    pub overruled_by: Option<usize>,
    /// Where it stands.
    pub spot: Spot,
}

/// Where an entry stands on its page: from its first character (the `e` of an `export`) to the last of its value.
#[derive(Clone, Debug)]
pub struct Spot {
    range: Range<usize>,
    name: SecretName,
}

/// A file as it was read.
pub struct Page {
    bytes: Zeroizing<Vec<u8>>,
    suspects: Vec<usize>,
}

/// Quotes between which dotenv, python-dotenv, docker compose and shells read a value as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// `'`
    Single,
    /// `"`
    Double,
}

/// Why programs may read an entry otherwise than it is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// `${` in it: python-dotenv, docker compose and shells put another variable's value there.
    Expanded,
    /// `$` outside of single quotes, or a backquote in double ones: shells, docker compose and some libraries put something else there, even what a command says.
    Substituted,
    /// A backslash or a quote within a value that has no quotes around it: shells and some libraries drop it.
    Loose,
    /// A backslash in quotes: programs agree on `\n` and `\r` in double quotes, and on what is no escape in single ones.
    Escaped,
    /// `#` without a blank before it and without quotes: the libraries for Node cut the value there.
    Hash,
    /// Backquotes, which only the libraries for Node take for quotes.
    Backquoted,
    /// The name stands on an earlier line too, which programs read again as soon as this one is gone.
    Repeated(usize),
}

/// A line that is none of a dotenv file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line. Never contains any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// A zero byte.
    #[error("has a zero byte")]
    Nul,
    /// A carriage return that ends no line.
    #[error("has a carriage return in it")]
    CarriageReturn,
    /// Something else than an entry, a comment or nothing.
    #[error("is neither NAME=VALUE nor a comment")]
    NotAnEntry,
    /// A value in a name's place.
    #[error("has what looks like a value where a name belongs")]
    ValueForName,
    /// A quote without an end.
    #[error("has a quote that nothing closes")]
    Unclosed,
    /// Text behind a closing quote.
    #[error("has something behind the closing quote")]
    AfterQuote,
    /// A value of more than [`model::limits::VALUE_BYTES_MAX`] bytes.
    #[error("has a value that is too long to be stored")]
    TooLarge,
    /// More than [`model::limits::DOTENV_ENTRIES_MAX`] entries.
    #[error("is one entry more than a file may have")]
    TooMany,
}

/// The page and its entries, in their order.
///
/// # Errors
/// The lines that are wrong, at most [`model::limits::DOTENV_WRONG_LINES_MAX`] of them.
pub fn read(bytes: Zeroizing<Vec<u8>>) -> Result<(Page, Vec<Entry>), Vec<Wrong>> {
    let (mut entries, suspects) = reader::read(&bytes)?;
    for index in 0..entries.len() {
        let (earlier, rest) = entries.split_at_mut(index);
        let Some(entry) = rest.first_mut() else { continue };
        if let Some(first) = earlier.iter_mut().rfind(|earlier| earlier.name == entry.name) {
            first.overruled_by = Some(entry.line);
            entry.doubts.push(Doubt::Repeated(first.line));
        }
    }
    Ok((Page { bytes, suspects }, entries))
}

impl Page {
    /// Lines with a comment in which something looks like a credential.
    #[must_use]
    pub fn suspects(&self) -> &[usize] {
        &self.suspects
    }

    /// The value of the entry that begins on this line, once more: sending one consumes it.
    #[must_use]
    pub fn value_of(&self, line: usize) -> Option<SecretValue> {
        let (entries, _) = reader::read(&self.bytes).ok()?;
        entries.into_iter().find(|entry| entry.line == line)?.value
    }

    /// Whether a file that was read again is still this page.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        *self.bytes == bytes
    }

    /// Writes the page with a comment in the place of each of these entries; every other byte is as it was.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_without(&self, spots: &[Spot], into: &mut File) -> io::Result<()> {
        into.write_all(&self.without(spots))
    }

    /// The same as bytes, for the fuzz targets.
    #[cfg(feature = "fuzzing")]
    #[must_use]
    pub fn bytes_without(&self, spots: &[Spot]) -> Zeroizing<Vec<u8>> {
        self.without(spots)
    }

    fn without(&self, spots: &[Spot]) -> Zeroizing<Vec<u8>> {
        let mut spots: Vec<&Spot> = spots.iter().collect();
        spots.sort_by_key(|spot| spot.range.start);
        let comments: Vec<String> = spots.iter().map(|spot| comment(&spot.name)).collect();
        // Room for all of it from the start: a buffer that grows leaves copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(self.bytes.len() + comments.iter().map(String::len).sum::<usize>()));
        let mut at = 0;
        for (spot, comment) in spots.iter().zip(&comments) {
            out.extend_from_slice(self.bytes.get(at..spot.range.start).unwrap_or_default());
            out.extend_from_slice(comment.as_bytes());
            at = spot.range.end;
        }
        out.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        out
    }
}

impl Doubt {
    /// Whether [`Entry::quotes`] settle it, where there are such.
    #[must_use]
    pub const fn is_settled_by_quotes(self) -> bool {
        match self {
            Self::Expanded | Self::Substituted | Self::Loose | Self::Escaped | Self::Hash | Self::Backquoted => true,
            Self::Repeated(_) => false,
        }
    }

    /// What may be read otherwise, and by what.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Expanded => {
                "holds `${`, which is kept as it is here; python-dotenv, docker compose and shells put a variable in its place".to_owned()
            }
            Self::Substituted => {
                "has a `$` or a backquote outside of single quotes, which is kept as it is here; shells, docker compose and some libraries put something else in its place"
                    .to_owned()
            }
            Self::Loose => {
                "has a backslash or a quote in it and no quotes around it, which is kept as it is here; shells and some libraries drop it".to_owned()
            }
            Self::Escaped => "has a backslash in quotes, which programs read in different ways".to_owned(),
            Self::Hash => "has a `#` outside of quotes, which is kept here; the libraries for Node end the value before it".to_owned(),
            Self::Backquoted => "stands in backquotes, which only the libraries for Node take for quotes".to_owned(),
            Self::Repeated(line) => format!("stands on line {line} too, which would count again if this one were gone"),
        }
    }
}

impl Quotes {
    /// What people call them.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Single => "single quotes",
            Self::Double => "double quotes",
        }
    }
}

/// What stands where an imported entry stood. A comment: no library lets it set anything, so that the placeholder which `tightlip run` puts into the environment
/// is what a program finds, and without `tightlip run` it finds nothing rather than something wrong.
fn comment(name: &SecretName) -> String {
    format!("# {name} is kept by tightlip: tightlip run --secret {} -- CMD", for_run(name))
}

/// What `tightlip run --secret` is given: the name, or a variable's before it where the name is none.
#[must_use]
pub fn for_run(name: &SecretName) -> String {
    if EnvName::try_from(name).is_ok() {
        return name.to_string();
    }
    let plain: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let before = if plain.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{before}{plain}={name}")
}

#[cfg(test)]
mod tests;
