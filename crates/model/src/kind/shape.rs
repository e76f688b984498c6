//! Shapes: what a value looks like, as a line of text with places for what is drawn at random.

/// What a value looks like.
///
/// The text stands as it is, but for places in braces: an alphabet's letter and a number of characters, as in `ghp_{w36}`. The letters are those of
/// [`Alphabet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The text with its places.
    pub text: &'static str,
    /// How much of it decides.
    pub mark: Mark,
}

/// How a value is told by a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By its beginning; lengths vary, or are known for the placeholder only.
    Beginning,
    /// As a whole: its beginning says too little.
    Whole,
    /// Not at all: other values look the same. Good for a placeholder only.
    Nothing,
}

/// What is drawn at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `w`: letters and digits.
    Word,
    /// `b`: letters, digits, `-` and `_` (base64 for URLs).
    Base64,
    /// `l`: small letters and digits.
    Small,
    /// `u`: capitals and digits.
    Capital,
    /// `h`: hexadecimal digits, small.
    Hex,
    /// `d`: digits.
    Digit,
}

/// A part of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands as it is.
    Text(&'static str),
    /// Characters of an alphabet.
    Drawn(Alphabet, usize),
}

impl Shape {
    /// Its parts, in order. What is no place is text.
    pub fn pieces(self) -> impl Iterator<Item = Piece> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (piece, after) = next_piece(rest)?;
            rest = after;
            Some(piece)
        })
    }

    /// The text before the first place.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        self.text.split_once('{').map_or(self.text, |(prefix, _)| prefix)
    }

    /// Whether `value` is of this shape from its first to its last character.
    #[must_use]
    pub fn is_whole(self, value: &[u8]) -> bool {
        let after = self.pieces().try_fold(value, |rest, piece| match piece {
            Piece::Text(text) => rest.strip_prefix(text.as_bytes()),
            Piece::Drawn(alphabet, count) => {
                let (drawn, after) = rest.split_at_checked(count)?;
                drawn.iter().all(|byte| alphabet.characters().contains(byte)).then_some(after)
            }
        });
        after.is_some_and(<[u8]>::is_empty)
    }

    /// How many random bits its places hold, rounded down.
    #[must_use]
    pub fn random_bits(self) -> u32 {
        self.random_millibits() / 1000
    }

    /// As [`Shape::random_bits`], in thousandths.
    #[must_use]
    pub fn random_millibits(self) -> u32 {
        let drawn = self.pieces().map(|piece| match piece {
            Piece::Text(_) => 0,
            Piece::Drawn(alphabet, count) => u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(alphabet.millibits()),
        });
        drawn.fold(0, u32::saturating_add)
    }
}

impl Alphabet {
    /// Its characters, each once.
    #[must_use]
    pub const fn characters(self) -> &'static [u8] {
        match self {
            Self::Word => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Base64 => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
            Self::Small => b"0123456789abcdefghijklmnopqrstuvwxyz",
            Self::Capital => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Hex => b"0123456789abcdef",
            Self::Digit => b"0123456789",
        }
    }

    /// Those of its characters that placeholders are made of: letters and digits, which no client and no encoder trips over.
    #[must_use]
    pub const fn plain_characters(self) -> &'static [u8] {
        match self {
            Self::Base64 => Self::Word.characters(),
            Self::Word | Self::Small | Self::Capital | Self::Hex | Self::Digit => self.characters(),
        }
    }

    /// Thousandths of a bit in one plain character, rounded down: the logarithm of their number.
    #[must_use]
    pub const fn millibits(self) -> u32 {
        match self {
            Self::Word | Self::Base64 => 5954,
            Self::Small | Self::Capital => 5169,
            Self::Hex => 4000,
            Self::Digit => 3321,
        }
    }

    const fn of(letter: u8) -> Option<Self> {
        match letter {
            b'w' => Some(Self::Word),
            b'b' => Some(Self::Base64),
            b'l' => Some(Self::Small),
            b'u' => Some(Self::Capital),
            b'h' => Some(Self::Hex),
            b'd' => Some(Self::Digit),
            _ => None,
        }
    }
}

/// The first part of a text, and what follows it.
fn next_piece(text: &'static str) -> Option<(Piece, &'static str)> {
    if let Some((place, after)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        let alphabet = place.bytes().next().and_then(Alphabet::of);
        if let (Some(alphabet), Ok(count)) = (alphabet, place.get(1..).unwrap_or_default().parse()) {
            return Some((Piece::Drawn(alphabet, count), after));
        }
    }
    let end = text.char_indices().skip(1).find(|(_, character)| *character == '{').map_or(text.len(), |(at, _)| at);
    (!text.is_empty()).then(|| (Piece::Text(&text[..end]), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shape(text: &'static str) -> Shape {
        Shape { text, mark: Mark::Whole }
    }

    #[test]
    fn places_stand_in_braces_and_all_else_is_text() {
        let pieces = |text| shape(text).pieces().collect::<Vec<_>>();
        let (word, digit) = (Alphabet::Word, Alphabet::Digit);
        assert_eq!(pieces("a-{d3}{w12}-b"), [Piece::Text("a-"), Piece::Drawn(digit, 3), Piece::Drawn(word, 12), Piece::Text("-b")]);
        assert_eq!(pieces("{q3}{w}{"), [Piece::Text("{q3}"), Piece::Text("{w}"), Piece::Text("{")]);
        assert_eq!(pieces(""), []);
        assert_eq!(shape("a-{d3}").prefix(), "a-");
    }

    #[test]
    fn a_whole_is_nothing_less_and_nothing_more() {
        let mailchimp = shape("{h4}-us{d2}");
        assert!(mailchimp.is_whole(b"09af-us12"));
        for text in ["09af-us1", "09af-us123", "09aF-us12", "09af-eu12", "", "09af"] {
            assert!(!mailchimp.is_whole(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn bits_are_never_counted_too_high() {
        for alphabet in [Alphabet::Word, Alphabet::Base64, Alphabet::Small, Alphabet::Capital, Alphabet::Hex, Alphabet::Digit] {
            let exact = f64::from(u32::try_from(alphabet.plain_characters().len()).expect("few")).log2() * 1000.0;
            assert!(f64::from(alphabet.millibits()) <= exact && exact < f64::from(alphabet.millibits() + 1), "{alphabet:?}");
        }
        assert_eq!(shape("AC{h32}").random_bits(), 128);
    }
}
