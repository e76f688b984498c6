//! Reading a backup. What comes out before the end was reached is authentic, and still no backup: only the end says that nothing is missing.

use std::io::{Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{BackupError, CHUNK_BYTES, END, Header, Passed, SEALED_CHUNK_BYTES, finish, take};
use crate::envelope::stream::{Position, StreamKey, TAG_BYTES};
use crate::keyring::{KeyringError, OpenKeys, RootKey};

/// A backup of which the header was read.
pub struct Opener<R: Read> {
    from: R,
    header: Header,
    hash: [u8; 32],
    header_bytes: u64,
}

/// The stream while it is read.
struct Stream<R: Read> {
    from: R,
    key: StreamKey,
    chunk: Zeroizing<Vec<u8>>,
    /// How much of the chunk was given out.
    given: usize,
    /// What is still to be opened of the length that the header says.
    left: u64,
    /// Where in the file the next chunk begins.
    at: u64,
}

impl<R: Read> Opener<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`], [`BackupError::Newer`], [`BackupError::Truncated`], [`BackupError::Changed`], [`BackupError::Read`].
    pub fn begin(mut from: R) -> Result<Self, BackupError> {
        let (header, hash, header_bytes) = Header::read(&mut from)?;
        Ok(Self { from, header, hash, header_bytes })
    }

    /// The keyring, as it rests.
    #[must_use]
    pub fn keyring(&self) -> &[u8] {
        &self.header.keyring
    }

    /// How the root key follows from a passphrase; empty where it does not.
    #[must_use]
    pub fn recipe(&self) -> &[u8] {
        &self.header.recipe
    }

    /// The keyring, opened.
    ///
    /// # Errors
    /// [`BackupError::WrongRootKey`] or [`BackupError::Keyring`].
    pub fn unwrap_keyring(&self, root: &RootKey) -> Result<OpenKeys, BackupError> {
        OpenKeys::unwrap(&self.header.keyring, root).map_err(|error| match error {
            KeyringError::WrongRootKey => BackupError::WrongRootKey,
            KeyringError::Malformed
            | KeyringError::ManifestMalformed
            | KeyringError::ManifestForged
            | KeyringError::NothingSeals
            | KeyringError::SigningKeyMalformed
            | KeyringError::NotWrappedHere
            | KeyringError::NotHanded
            | KeyringError::Random(_)
            | KeyringError::Locked(_) => BackupError::Keyring(error),
        })
    }

    /// Opens every part: `place` says where a part of this name goes. Gives what each part was, once the end was reached and nothing follows.
    ///
    /// # Errors
    /// [`BackupError::Truncated`], [`BackupError::Changed`], [`BackupError::Trailing`], [`BackupError::Read`], [`BackupError::Write`], and what `place` says
    /// as the latter. What was written by then must not be used.
    pub fn open<W: Write>(self, keys: &OpenKeys, mut place: impl FnMut(&str) -> std::io::Result<W>) -> Result<Vec<Passed>, BackupError> {
        let key = keys.backup_key(&self.header.salt, &self.hash);
        let chunk = Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES));
        let mut stream = Stream { from: self.from, key, chunk, given: 0, left: self.header.stream_bytes, at: self.header_bytes };
        let mut passed = Vec::new();
        loop {
            let [length] = stream.take()?;
            if length == END {
                break;
            }
            let mut name = vec![0; usize::from(length)];
            stream.fill(&mut name)?;
            let name = String::from_utf8(name).map_err(|_| BackupError::Changed(stream.at))?;
            let bytes = u64::from_be_bytes(stream.take()?);
            let mut to = place(&name).map_err(BackupError::Write)?;
            let digest = stream.pour(bytes, &mut to)?;
            passed.push(Passed { name, bytes, digest });
        }
        stream.end()?;
        Ok(passed)
    }
}

impl<R: Read> Stream<R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<(), BackupError> {
        while !out.is_empty() {
            let now = self.some(out.len())?;
            out[..now.len()].copy_from_slice(now);
            let filled = now.len();
            out = &mut out[filled..];
        }
        Ok(())
    }

    /// A part's content, and its hash.
    fn pour(&mut self, bytes: u64, to: &mut impl Write) -> Result<[u8; 32], BackupError> {
        let (mut hash, mut left) = (Context::new(&SHA256), bytes);
        while left > 0 {
            let now = self.some(usize::try_from(left).unwrap_or(usize::MAX))?;
            hash.update(now);
            to.write_all(now).map_err(BackupError::Write)?;
            left -= now.len() as u64;
        }
        to.flush().map_err(BackupError::Write)?;
        Ok(finish(hash))
    }

    /// The next bytes of the stream, at least one and at most `most`.
    fn some(&mut self, most: usize) -> Result<&[u8], BackupError> {
        if self.given == self.chunk.len() {
            self.next_chunk()?;
        }
        let begin = self.given;
        self.given += most.min(self.chunk.len() - begin);
        Ok(&self.chunk[begin..self.given])
    }

    fn next_chunk(&mut self) -> Result<(), BackupError> {
        let plain = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        if plain == 0 {
            // An authentic stream ends where its header says: it was made by a fault of ours.
            return Err(BackupError::Changed(self.at));
        }
        let position = if self.left == plain as u64 { Position::Last } else { Position::Inner };
        self.chunk.clear();
        self.chunk.resize(plain + TAG_BYTES, 0);
        self.given = 0;
        let read = read_up_to(&mut self.from, &mut self.chunk)?;
        let whole = read == self.chunk.len();
        self.chunk.truncate(read);
        if self.key.open(position, &mut self.chunk).is_none() {
            self.chunk.clear();
            return Err(if whole { BackupError::Changed(self.at) } else { BackupError::Truncated });
        }
        self.left -= plain as u64;
        self.at += read as u64;
        Ok(())
    }

    /// Checks that the stream and the file end here.
    fn end(mut self) -> Result<(), BackupError> {
        if self.left > 0 || self.given < self.chunk.len() {
            return Err(BackupError::Changed(self.at));
        }
        match take::<1>(&mut self.from) {
            Err(BackupError::Truncated) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(BackupError::Trailing),
        }
    }
}

fn read_up_to(from: &mut impl Read, out: &mut [u8]) -> Result<usize, BackupError> {
    let mut filled = 0;
    while filled < out.len() {
        match from.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::Read(error)),
        }
    }
    Ok(filled)
}
