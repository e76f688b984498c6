//! What is held back at a text's end, so that what is held back tells nothing.
//!
//! The longest end of a text that could still become an occurrence depends on the values: whoever has a host say back what it likes, in pieces, would see by
//! their sizes whether a piece ended in the beginning of a value, and could read the value letter by letter. So the whole *word* at the end is held back, a run
//! of characters of which forms are made, whether a form begins like it or not. Which characters these are is decided by sorts and not by letters: letters,
//! digits and the signs of tokens and of base64 always; every other sort where any form has one of it.

use super::forms::ScrubForm;

/// Which characters belong to words, and how much of one is held back.
pub(super) struct Words {
    is_in_word: Box<[bool; 256]>,
    /// Whether an empty line ends a word although line ends belong to words.
    ends_at_empty_line: bool,
    /// Whether a form may begin with a control character.
    begins_with_control: bool,
    held_bytes_max: usize,
}

/// Sorts of characters, those that always belong to words apart.
const SORTS: [fn(&u8) -> bool; 5] = [
    // What escapes of JSON and HTML are made of.
    |byte| br"\&;#".contains(byte),
    |byte| *byte == b' ',
    |byte| byte.is_ascii_graphic() && !is_always_in_words(byte) && !br"\&;#".contains(byte),
    u8::is_ascii_control,
    |byte| !byte.is_ascii(),
];

impl Words {
    /// The words in which these forms may stand.
    pub(super) fn make(forms: &[ScrubForm]) -> Self {
        let mut is_used = [false; 256];
        forms.iter().flat_map(|form| form.bytes.iter()).for_each(|byte| is_used[usize::from(*byte)] = true);
        let mut is_in_word = Box::new([false; 256]);
        let all = || 0..=u8::MAX;
        all().filter(is_always_in_words).for_each(|byte| is_in_word[usize::from(byte)] = true);
        for is_of_sort in SORTS {
            if all().any(|byte| is_of_sort(&byte) && is_used[usize::from(byte)]) {
                all().filter(is_of_sort).for_each(|byte| is_in_word[usize::from(byte)] = true);
            }
        }
        let has_empty_line = |form: &ScrubForm| (2..=form.bytes.len()).any(|end| ends_in_empty_line(&form.bytes[..end]));
        let longest = forms.iter().map(|form| form.bytes.len()).max().unwrap_or_default();
        Self {
            is_in_word,
            ends_at_empty_line: !forms.iter().any(has_empty_line),
            begins_with_control: forms.iter().any(|form| form.bytes[0].is_ascii_control()),
            held_bytes_max: longest.next_power_of_two().clamp(HELD_BYTES_LEAST, HELD_BYTES_MAX),
        }
    }

    /// Where in `text` what is held back begins: at the last word, or at the end. All from `open` to `fresh` is known to be one word.
    pub(super) fn last_word(&self, text: &[u8], open: usize, fresh: usize) -> usize {
        let least = text.len().saturating_sub(self.held_bytes_max);
        let mut start = text.len();
        while start > fresh.max(least) && self.goes_on(&text[..start]) {
            start -= 1;
        }
        if start <= fresh {
            start = open;
        }
        start = start.max(least);
        while !self.begins_with_control && text.get(start).is_some_and(u8::is_ascii_control) {
            start += 1;
        }
        start
    }

    /// Whether a word may go on behind this text.
    fn goes_on(&self, text: &[u8]) -> bool {
        let Some(last) = text.last() else { return false };
        self.is_in_word[usize::from(*last)] && !(last.is_ascii_control() && self.ends_at_empty_line && ends_in_empty_line(text))
    }
}

fn is_always_in_words(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~+/=%".contains(byte)
}

/// As an event of a stream ends.
fn ends_in_empty_line(text: &[u8]) -> bool {
    text.ends_with(b"\n\n") || text.ends_with(b"\n\r\n") || text.ends_with(b"\r\r")
}

/// So that short values do not tell how short they are.
const HELD_BYTES_LEAST: usize = 256;
/// Of forms that are longer, as those of values of many KiB are, whoever knows this much of one exactly could see that it goes on as he thinks.
const HELD_BYTES_MAX: usize = 64 * 1024;
