//! What came last of a stream, and how much there was in all.

use std::collections::VecDeque;

use model::limits::OUTPUT_BYTES_MAX;

/// Less room than this is not worth giving back.
const ROOM_BYTES_MIN: usize = 1024;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    bytes: VecDeque<u8>,
    written: u64,
}

impl Ring {
    /// Takes bytes in; the oldest give way.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.written += length(chunk.len());
        let kept = chunk.get(chunk.len().saturating_sub(OUTPUT_BYTES_MAX)..).unwrap_or_default();
        self.forget((self.bytes.len() + kept.len()).saturating_sub(OUTPUT_BYTES_MAX));
        self.bytes.extend(kept);
    }

    /// Lets the oldest bytes go.
    pub(crate) fn forget(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        // What is held is what counts: room that was grown into and left is given back.
        if self.bytes.capacity() > 2 * self.bytes.len().max(ROOM_BYTES_MIN) {
            self.bytes.shrink_to(self.bytes.len());
        }
    }

    /// No more is expected: gives room back.
    pub(crate) fn rest(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// How many bytes are there.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// How many there ever were.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// From which on they are there.
    pub(crate) fn kept_from(&self) -> u64 {
        self.written.saturating_sub(length(self.bytes.len()))
    }

    /// At most `most` bytes from `from` on, and where they begin: later than `from` where that is no longer there.
    pub(crate) fn read(&self, from: u64, most: usize) -> (u64, Vec<u8>) {
        let begin = from.max(self.kept_from());
        let skip = usize::try_from(begin - self.kept_from()).unwrap_or(usize::MAX);
        let skip = skip.min(self.bytes.len());
        let end = skip.saturating_add(most).min(self.bytes.len());
        (begin, self.bytes.range(skip..end).copied().collect())
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).expect("a length fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_is_kept_and_all_is_counted() {
        let mut ring = Ring::default();
        for chunk in [&b"first"[..], &vec![b'x'; OUTPUT_BYTES_MAX - 2], b"last"] {
            ring.push(chunk);
        }
        assert_eq!((ring.written(), ring.kept_from(), ring.held()), (length(OUTPUT_BYTES_MAX) + 7, 7, OUTPUT_BYTES_MAX));
        assert_eq!(ring.read(0, 3), (7, b"xxx".to_vec()));
        assert_eq!(ring.read(ring.written() - 5, 100), (ring.written() - 5, b"xlast".to_vec()));
        ring.push(&vec![b'y'; 2 * OUTPUT_BYTES_MAX]);
        assert_eq!((ring.held(), ring.written()), (OUTPUT_BYTES_MAX, 3 * length(OUTPUT_BYTES_MAX) + 7));
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        let mut ring = Ring::default();
        assert_eq!(ring.read(0, 10), (0, Vec::new()));
        ring.push(b"four");
        assert_eq!(ring.read(4, 10), (4, Vec::new()));
        assert_eq!(ring.read(u64::MAX, 10), (u64::MAX, Vec::new()));
        ring.forget(100);
        assert_eq!((ring.kept_from(), ring.read(0, 10)), (4, (4, Vec::new())));
    }
}
