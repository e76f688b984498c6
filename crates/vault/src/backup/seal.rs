//! Writing a backup.

use std::io::Write;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{BackupError, CHUNK_BYTES, END, Head, Header, Part, Passed, SEALED_CHUNK_BYTES, finish, part_head};
use crate::envelope::stream::{Position, StreamKey};
use crate::envelope::{self, SALT_BYTES};
use crate::keyring::OpenKeys;

/// The stream while it is written.
struct Stream<'a> {
    to: &'a mut dyn Write,
    key: StreamKey,
    chunk: Zeroizing<Vec<u8>>,
    /// What is still to come of the length that the header says.
    left: u64,
}

impl OpenKeys {
    /// Writes a backup of `parts`, in their order, and says what each was. `head.keyring` is this keyring as [`OpenKeys::wrap`] gave it.
    ///
    /// # Errors
    /// [`BackupError::Source`], [`BackupError::PartChanged`], [`BackupError::Write`], [`BackupError::TooLong`], [`BackupError::Random`]. What was written by
    /// then is no backup.
    pub fn seal_backup(&self, head: Head<'_>, parts: &mut [Part<'_>], to: &mut dyn Write) -> Result<Vec<Passed>, BackupError> {
        let heads = parts.iter().map(|part| part_head(part.name, part.bytes)).collect::<Result<Vec<_>, _>>()?;
        let content: u64 = parts.iter().map(|part| part.bytes).sum();
        let stream_bytes = content + heads.iter().map(|head| head.len() as u64).sum::<u64>() + 1;
        let salt = envelope::random::<SALT_BYTES>()?;
        let header = Header { stream_bytes, salt, recipe: head.recipe.to_vec(), keyring: head.keyring.to_vec() }.to_bytes()?;
        to.write_all(&header).map_err(BackupError::Write)?;

        let hash = &header[header.len() - 32..];
        let chunk = Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES));
        let mut stream = Stream { to, key: self.backup_key(&salt, hash), chunk, left: stream_bytes };
        let mut passed = Vec::with_capacity(parts.len());
        for (part, head) in parts.iter_mut().zip(heads) {
            stream.put(&head)?;
            passed.push(Passed { name: part.name.to_owned(), bytes: part.bytes, digest: stream.pour(part)? });
        }
        stream.put(&[END])?;
        stream.to.flush().map_err(BackupError::Write)?;
        Ok(passed)
    }
}

impl Stream<'_> {
    /// A part's content, and its hash.
    fn pour(&mut self, part: &mut Part<'_>) -> Result<[u8; 32], BackupError> {
        let mut buffer = Zeroizing::new(vec![0; CHUNK_BYTES]);
        let (mut hash, mut left) = (Context::new(&SHA256), part.bytes);
        loop {
            let read = match part.from.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(BackupError::Source)?,
            };
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or(BackupError::PartChanged)?;
            hash.update(&buffer[..read]);
            self.put(&buffer[..read])?;
        }
        if left == 0 { Ok(finish(hash)) } else { Err(BackupError::PartChanged) }
    }

    /// Adds bytes to the stream; every full chunk is sealed and written, and so is the last one.
    fn put(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            self.left -= now.len() as u64;
            bytes = later;
            if self.left == 0 {
                self.write(Position::Last)?;
            } else if self.chunk.len() == CHUNK_BYTES {
                self.write(Position::Inner)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, position: Position) -> Result<(), BackupError> {
        self.key.seal(position, &mut self.chunk);
        let written = self.to.write_all(&self.chunk);
        self.chunk.clear();
        written.map_err(BackupError::Write)
    }
}
