//! A command's output on its way to a caller: bytes as the devbox wrote them become text, of which no character is torn apart.

/// Text out of bytes that come in pieces. A character whose end is still to come is held back.
pub(crate) struct Text {
    /// The beginning of a character.
    held: Vec<u8>,
    /// Where the held bytes begin, or where the next piece does.
    at: u64,
}

/// A piece of text, and at which byte of the output it begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) offset: u64,
}

impl Text {
    /// Text from this byte of the output on.
    pub(crate) const fn from(offset: u64) -> Self {
        Self { held: Vec::new(), at: offset }
    }

    /// The byte that comes next.
    pub(crate) const fn next(&self) -> u64 {
        self.at + self.held.len() as u64
    }

    /// The text that is whole with these bytes, which begin at `from`; later than expected where what is between is no longer kept. In pieces that a client can
    /// take as one event each.
    pub(crate) fn put(&mut self, from: u64, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = from;
        for chunk in bytes.chunks(PIECE_BYTES_MAX) {
            pieces.extend(self.put_piece(at, chunk));
            at += chunk.len() as u64;
        }
        pieces
    }

    fn put_piece(&mut self, from: u64, bytes: &[u8]) -> Vec<Piece> {
        let lost = if from == self.next() { None } else { self.end() };
        if self.held.is_empty() {
            self.at = from;
        }
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() - torn(&self.held);
        let rest = self.held.split_off(whole);
        let found = std::mem::replace(&mut self.held, rest);
        lost.into_iter().chain(self.piece(&found)).collect()
    }

    /// What was held back, where nothing comes after it.
    pub(crate) fn end(&mut self) -> Option<Piece> {
        let held = std::mem::take(&mut self.held);
        self.piece(&held)
    }

    fn piece(&mut self, bytes: &[u8]) -> Option<Piece> {
        if bytes.is_empty() {
            return None;
        }
        let offset = self.at;
        self.at += bytes.len() as u64;
        // What is no UTF-8 becomes U+FFFD.
        Some(Piece { text: String::from_utf8_lossy(bytes).into_owned(), offset })
    }
}

/// How many bytes at the end are the beginning of a character.
fn torn(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(CHARACTER_BYTES_MAX - 1)..];
    let begun =
        |start: &usize| std::str::from_utf8(&tail[*start..]).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none());
    (0..tail.len()).find(begun).map_or(0, |start| tail.len() - start)
}

/// Where the last `lines` lines begin. A line break at the end ends its line and begins none.
pub(crate) fn last_lines(bytes: &[u8], lines: usize) -> usize {
    if lines == 0 {
        return bytes.len();
    }
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let breaks = ended.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0)
}

/// One event's: JSON makes six times as much of it, at worst.
const PIECE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one character in UTF-8 (RFC 3629, section 3).
const CHARACTER_BYTES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(pieces: &[&[u8]]) -> Vec<String> {
        let mut text = Text::from(0);
        let mut all: Vec<Piece> = pieces.iter().flat_map(|piece| text.put(text.next(), piece)).collect();
        all.extend(text.end());
        all.into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn a_character_is_not_torn_by_the_end_of_a_piece() {
        let euro = "€".as_bytes();
        assert_eq!(texts(&[b"a", &euro[..1], &euro[1..2], &euro[2..], b"b"]), ["a", "€", "b"]);
        assert_eq!(texts(&[&"😀x".as_bytes()[..3], &"😀x".as_bytes()[3..]]), ["😀x"]);
    }

    #[test]
    fn what_is_no_text_is_shown_as_such_and_holds_nothing_back() {
        assert_eq!(texts(&[b"\xff\xfe", b"a"]), ["\u{fffd}\u{fffd}", "a"]);
        assert_eq!(texts(&[b"a\xe2\x82"]), ["a", "\u{fffd}"]);
        assert_eq!(texts(&[b"a\xe2", b"b"]), ["a", "\u{fffd}b"]);
        assert_eq!(texts(&[b"\xc0", b"\x80"]), ["\u{fffd}", "\u{fffd}"]);
    }

    #[test]
    fn what_is_lost_in_between_tears_no_later_text() {
        let mut text = Text::from(10);
        assert_eq!(text.put(10, b"\xe2"), []);
        let after = text.put(50, b"later");
        assert_eq!(after, [Piece { text: "\u{fffd}".into(), offset: 10 }, Piece { text: "later".into(), offset: 50 }]);
        assert_eq!((text.next(), text.end()), (55, None));
    }

    #[test]
    fn much_output_comes_in_many_pieces_and_each_says_where_it_begins() {
        let mut text = Text::from(3);
        let bytes = "€".repeat(20_000).into_bytes();
        let mut pieces = text.put(3, &bytes);
        pieces.extend(text.end());
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.text.len() <= PIECE_BYTES_MAX + CHARACTER_BYTES_MAX));
        assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>().into_bytes(), bytes);
        let mut at = 3;
        for piece in pieces {
            assert_eq!(piece.offset, at);
            at += piece.text.len() as u64;
        }
    }

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        for (bytes, lines, from) in
            [("", 1, 0), ("a", 1, 0), ("a\n", 1, 0), ("a\nb", 1, 2), ("a\nb\n", 1, 2), ("a\nb\n", 2, 0), ("a\n\n\n", 2, 2), ("a\nb", 0, 3)]
        {
            assert_eq!(last_lines(bytes.as_bytes(), lines), from, "{bytes:?}, {lines}");
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_say_the_same(text in "\\PC{0,40}", cuts in prop::collection::vec(0_usize..200, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            prop_assert_eq!(texts(&pieces).concat(), text);
        }

        #[test]
        fn no_byte_is_lost_or_told_twice(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0_usize..60) {
            let cut = cut.min(bytes.len());
            let mut text = Text::from(7);
            let mut pieces = text.put(7, &bytes[..cut]);
            pieces.extend(text.put(text.next(), &bytes[cut..]));
            pieces.extend(text.end());
            prop_assert_eq!(text.next(), 7 + bytes.len() as u64);
            let mut at = 7;
            for piece in &pieces {
                prop_assert_eq!(piece.offset, at);
                at = if let Some(next) = pieces.iter().map(|piece| piece.offset).find(|offset| *offset > at) { next } else { text.next() };
            }
        }
    }
}
