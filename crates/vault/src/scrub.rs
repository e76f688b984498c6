//! Scrubbing: no reply that goes to a devbox holds a value or one of its common encodings, wherever the reply is cut into chunks.
//!
//! A plan knows every form of every value ([`forms`]) in one automaton ([`automaton`]), behind a sieve that skips text in which nothing can begin
//! ([`sieve`]). Every occurrence is found, overlapping ones too; those that overlap are replaced together, by the placeholder of the one that begins first
//! (the longest, where several begin there). What does not belong to an occurrence passes byte for byte.
//!
//! **What is held back tells nothing.** It is the last word of what came ([`words`]): every end of the text that could still become an occurrence lies in it, and
//! where it begins does not depend on the values. A stream of events is not delayed, since an empty line ends a word.
//!
//! **What is wiped.** Forms, edges, heads and the sieve are wiped when the plan is dropped, held text when the scrubber is. Not wiped: the automaton's
//! links and depths (they tell lengths, and where a value repeats itself, but no byte of it), and chunks, which belong to the caller. Nothing here is locked
//! in memory.
//!
//! **Not promised**: an excerpt of a value, a value echoed piecemeal, encodings that are not listed in [`forms`], and encodings of encodings.

mod automaton;
mod forms;
mod sieve;
mod words;

use std::sync::Arc;

use zeroize::Zeroizing;

use model::limits::BROKERED_VALUE_BYTES_MIN;
use model::token::Token;

use crate::value::SecretValue;
use automaton::{Automaton, Cursor, Region, Run};
pub(crate) use forms::{json_escaped, percent_encoded};
use words::Words;

/// A value and what stands for it.
pub struct ScrubPair {
    /// The value; wiped once the plan is made.
    pub value: SecretValue,
    /// The placeholder that the devbox holds for it. Where there is none, occurrences are masked: as many asterisks stand in their place.
    pub placeholder: Option<Token>,
    /// The user names with which its bindings write it into Basic credentials.
    pub basic_users: Vec<String>,
    /// Whether the value is used as `USER:PASSWORD`: then its halves are looked for as well, whatever they look like.
    pub halves: bool,
    /// How its bindings write it, where that is not as it is.
    pub renderings: Vec<Rendering>,
}

/// How a value stands in a query, a body or a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Percent-encoded, in a query or a form.
    Percent,
    /// Escaped, in a string of JSON.
    Json,
    /// Within the base64 of Basic credentials, behind whatever user.
    Basic,
}

/// What to look for, made once for all replies of one host to one devbox.
pub struct ScrubPlan {
    automaton: Automaton,
    words: Words,
    /// What replaces each form, by the form's number.
    replacements: Vec<Vec<u8>>,
    /// The forms that can stand in a header's name, in lower case.
    in_names: Automaton,
    masks_all: bool,
}

/// One stream of bytes on its way through a plan.
pub struct Scrubber {
    plan: Arc<ScrubPlan>,
    /// Text whose fate is open, from `open` on; before it, text that was given out already and is not yet moved away.
    text: Zeroizing<Vec<u8>>,
    open: usize,
    /// Up to where the text belongs to an occurrence whose placeholder was given out.
    covered: usize,
    cursor: Cursor,
    regions: Vec<Region>,
    instead: Instead,
    /// Whether the last stream ended in what follows an opening.
    ended_in_run: bool,
    /// Whether the next text to be fed does, which the scrubber before this one saw.
    begins_before_run: bool,
}

/// What stands in an occurrence's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instead {
    /// The placeholder.
    Placeholder,
    /// As many bytes as there were.
    Mask,
}

/// Why a plan cannot be made; without one, nothing passes.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScrubError {
    /// A value is shorter than [`BROKERED_VALUE_BYTES_MIN`].
    #[error("a value of less than {BROKERED_VALUE_BYTES_MIN} bytes cannot be told from other text")]
    TooShort,
    /// The values' forms take more than [`FORMS_BYTES_MAX`].
    #[error("the values bound to one host are too large together to be scrubbed")]
    TooLarge,
}

impl ScrubPlan {
    /// A plan for all of these values. An empty list gives a plan that passes everything.
    ///
    /// # Errors
    /// [`ScrubError`]
    pub fn new(pairs: Vec<ScrubPair>) -> Result<Self, ScrubError> {
        let mut forms = Vec::new();
        let masks_all = pairs.iter().all(|pair| pair.placeholder.is_none());
        for pair in pairs {
            if pair.value.bytes().len() < BROKERED_VALUE_BYTES_MIN {
                return Err(ScrubError::TooShort);
            }
            forms::add_forms(&mut forms, &pair);
            if forms.iter().map(|form| form.bytes.len()).sum::<usize>() > FORMS_BYTES_MAX {
                return Err(ScrubError::TooLarge);
            }
        }
        forms.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        let (automaton, words) = (Automaton::make(&forms), Words::make(&forms));
        let in_names = Automaton::make(&forms::in_names(&forms));
        Ok(Self { automaton, words, replacements: forms.into_iter().map(|form| form.replacement).collect(), in_names, masks_all })
    }

    /// Whether there is no placeholder for any of the values: a scrubber then gives as many bytes as it takes.
    #[must_use]
    pub const fn masks_all(&self) -> bool {
        self.masks_all
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// Whether a header's name holds a value, or is longer than [`HEADER_NAME_BYTES_MAX`] and not looked at. Names are compared without regard to case, since HTTP
    /// passes them on in lower case, whatever was written.
    #[must_use]
    pub fn is_in_name(&self, name: &str) -> bool {
        if name.len() > HEADER_NAME_BYTES_MAX {
            return true;
        }
        let mut regions = Vec::new();
        self.in_names.scan(name.to_ascii_lowercase().as_bytes(), &mut Cursor::default(), &mut regions);
        !regions.is_empty()
    }

    /// Scrubs a text that is whole, as a header's value or a reason phrase; `None` when it holds nothing.
    #[must_use]
    pub fn scrub_all(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut regions = Vec::new();
        self.automaton.scan(bytes, &mut Cursor::default(), &mut regions);
        if regions.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(bytes.len());
        let written = self.write(&mut out, bytes, &regions, 0, self.instead());
        out.extend_from_slice(&bytes[written..]);
        Some(out)
    }

    const fn instead(&self) -> Instead {
        if self.masks_all { Instead::Mask } else { Instead::Placeholder }
    }

    /// Writes `text` from `from` up to the end of the last region, with the regions replaced, and gives that end. A region that begins before `from`, or
    /// before the last one's end, belongs to what was replaced already and only lengthens it.
    fn write(&self, out: &mut Vec<u8>, text: &[u8], regions: &[Region], from: usize, instead: Instead) -> usize {
        let mut written = from;
        for region in regions {
            let is_new = region.start >= written;
            if is_new {
                out.extend_from_slice(&text[written..region.start]);
            }
            match instead {
                Instead::Placeholder => {
                    let form = region.form.filter(|_| is_new);
                    out.extend_from_slice(form.map_or(&[], |form| &self.replacements[form as usize]));
                }
                Instead::Mask => out.resize(out.len() + region.end.saturating_sub(region.start.max(written)), MASK),
            }
            written = written.max(region.end);
        }
        written
    }
}

impl Scrubber {
    /// A scrubber at the beginning of a stream.
    #[must_use]
    pub fn new(plan: Arc<ScrubPlan>) -> Self {
        let instead = plan.instead();
        Self::with(plan, instead)
    }

    /// As [`Scrubber::new`], for a stream whose parts have their lengths written before them: an occurrence becomes as many asterisks.
    #[must_use]
    pub fn masking(plan: Arc<ScrubPlan>) -> Self {
        Self::with(plan, Instead::Mask)
    }

    fn with(plan: Arc<ScrubPlan>, instead: Instead) -> Self {
        Self {
            plan,
            text: Zeroizing::default(),
            open: 0,
            covered: 0,
            cursor: Cursor::default(),
            regions: Vec::new(),
            instead,
            ended_in_run: false,
            begins_before_run: false,
        }
    }

    /// The same kind of scrubber for another plan, in the midst of a stream: what [`Scrubber::finish`] gave just before is fed to it first. Where that ended in what
    /// follows an opening, this goes on with it.
    #[must_use]
    pub fn anew(&self, plan: Arc<ScrubPlan>) -> Self {
        Self { begins_before_run: self.ended_in_run, ..Self::with(plan, self.instead) }
    }

    /// A scrubber of the same kind for the same plan, at the beginning of a stream of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::with(Arc::clone(&self.plan), self.instead)
    }

    /// Takes the next bytes and gives those before the last word, scrubbed; possibly none. How many are held back is the same for all values of one sort.
    #[must_use]
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<u8> {
        if self.plan.is_empty() {
            return chunk.to_vec();
        }
        self.forget_given();
        let fresh = self.text.len();
        append(&mut self.text, chunk);
        self.plan.automaton.scan(&self.text, &mut self.cursor, &mut self.regions);
        if std::mem::take(&mut self.begins_before_run) {
            self.cursor.run = Some(Run { end: self.text.len() });
        }
        // The word begins first, unless a form is longer than all that is held back of one.
        let undecided = self.plan.automaton.undecided_from(&self.text, &mut self.cursor);
        self.give(self.plan.words.last_word(&self.text, self.open, fresh).min(undecided))
    }

    /// Whether what is held back tells of a value that did not come whole: it holds the beginning of one of its forms, of eight bytes beyond those that the
    /// placeholder's own form begins with. It is no matter what stands behind these bytes, so that nobody can ask for the ninth. Or it is what follows an opening,
    /// and may go on; or it takes too long to say.
    #[must_use]
    pub fn holds_beginning(&self) -> bool {
        let is_replaced = |start: usize, end: usize| {
            let before = self.regions.partition_point(|region| region.start <= start);
            end <= self.covered || self.regions[..before].last().is_some_and(|region| end <= region.end)
        };
        self.cursor.run.is_some() || self.plan.automaton.holds_beginning(&self.text, self.open, |start, end| !is_replaced(start, end))
    }

    /// Ends the stream and gives what was held back, scrubbed. The scrubber can then begin another stream.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let out = self.give(self.text.len());
        *self = Self { ended_in_run: self.cursor.run.is_some(), ..self.another() };
        out
    }

    /// Gives the text up to `decided`: no later occurrence begins before it. Of an occurrence that begins before it, the placeholder is given at once.
    fn give(&mut self, decided: usize) -> Vec<u8> {
        let count = self.regions.partition_point(|region| region.start < decided);
        let mut out = Vec::with_capacity(decided - self.open);
        let written = self.plan.write(&mut out, &self.text, &self.regions[..count], self.open.max(self.covered), self.instead);
        if written < decided {
            out.extend_from_slice(&self.text[written..decided]);
        }
        self.regions.drain(..count);
        self.covered = written;
        self.open = decided;
        out
    }

    /// Moves given text away, once it is at least half of all, so that moving stays cheaper than what was given.
    fn forget_given(&mut self) {
        let given = self.open;
        if given * 2 < self.text.len() {
            return;
        }
        let rest_bytes = self.text.len() - given;
        self.text.copy_within(given.., 0);
        self.text.truncate(rest_bytes);
        self.open = 0;
        self.covered = self.covered.saturating_sub(given);
        self.cursor.at -= given;
        if let Some(run) = &mut self.cursor.run {
            run.end = run.end.saturating_sub(given);
        }
        for region in &mut self.regions {
            region.start -= given;
            region.end -= given;
        }
    }
}

/// Every form of a value, and what replaces it: what the fuzz targets' oracle looks for. In no build that is shipped.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[must_use]
pub fn forms_of(pair: &ScrubPair) -> Vec<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let mut forms = Vec::new();
    forms::add_forms(&mut forms, pair);
    forms.into_iter().map(|form| (form.bytes, form.replacement)).collect()
}

/// Appends without leaving an unwiped copy behind, as growing in place would.
fn append(text: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = text.len() + chunk.len();
    if needed > text.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(text.capacity() * 2)));
        larger.extend_from_slice(text);
        *text = larger;
    }
    text.extend_from_slice(chunk);
}

/// The name of a header or trailer: those in use are under 64 bytes.
pub const HEADER_NAME_BYTES_MAX: usize = 256;
/// What a mask is made of: a character that is nothing in text, JSON or a field of Protocol Buffers.
const MASK: u8 = b'*';
/// All forms of one plan: room for any single value of the largest size that is written as it is, and for a hundred tokens of 4 KiB. The automaton takes ten times
/// as much. Of a value that is written into bodies and is of nothing but signs there is room for 36 KiB.
pub const FORMS_BYTES_MAX: usize = 12 * 1024 * 1024;

#[cfg(test)]
mod tests;
