//! What scrubbing means, in the slowest way that is plainly right.

use super::TOKEN;
use crate::scrub::forms::{ScrubForm, add_forms};

pub struct Oracle {
    pub forms: Vec<ScrubForm>,
}

impl Oracle {
    pub fn new(values: &[&str]) -> Self {
        let mut forms = Vec::new();
        for value in values {
            add_forms(&mut forms, &super::pair(value, TOKEN, &["x-access-token"]));
        }
        forms.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        forms.dedup_by(|later, first| later.bytes == first.bytes);
        Self { forms }
    }

    pub fn finds(&self, text: &[u8]) -> bool {
        !self.occurrences(text).is_empty()
    }

    /// Every occurrence of every form: start, end, form; by start, the longest first.
    fn occurrences(&self, text: &[u8]) -> Vec<(usize, usize, usize)> {
        let mut all = Vec::new();
        for start in 0..text.len() {
            let here = self.forms.iter().enumerate().filter(|(_, form)| text[start..].starts_with(&form.bytes));
            let mut here: Vec<_> = here.map(|(number, form)| (start, start + form.bytes.len(), number)).collect();
            here.sort_by_key(|(_, end, _)| std::cmp::Reverse(*end));
            all.extend(here);
        }
        all
    }

    /// Occurrences that overlap are one region, replaced by what the first of them, the longest that begins there, is replaced by.
    pub fn scrub(&self, text: &[u8]) -> Vec<u8> {
        let mut regions: Vec<(usize, usize, usize)> = Vec::new();
        for (start, end, form) in self.occurrences(text) {
            match regions.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                Some(_) | None => regions.push((start, end, form)),
            }
        }
        let (mut out, mut written) = (Vec::new(), 0);
        for (start, end, form) in regions {
            out.extend_from_slice(&text[written..start]);
            out.extend_from_slice(&self.forms[form].replacement);
            written = end;
        }
        out.extend_from_slice(&text[written..]);
        out
    }

    pub fn longest_beginning(&self, text: &[u8]) -> usize {
        let begins = |end: &[u8]| self.forms.iter().any(|form| form.bytes.len() > end.len() && form.bytes.starts_with(end));
        (0..=text.len()).rev().find(|length| begins(&text[text.len() - length..])).unwrap_or(0)
    }
}
