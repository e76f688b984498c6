//! Several values at a time, related to each other in every way that confuses a search: of each whole occurrence no eight bytes survive, what is none passes
//! byte for byte, and little is held back; with placeholders and with masks, wherever the stream is cut.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::oracle::Oracle;
use super::{TOKEN, cuts, encoders, plan};
use crate::scrub::{ScrubPlan, Scrubber};

/// A value of a size at which every encoding is looked for, and others that are its beginning, its end, its middle, begin in its end, or go on after it.
fn values() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![4 => "[!-~]{8,64}", 1 => "[a-c]{8,20}", 1 => "[A-Za-z0-9+/=_-]{300,900}"];
    (value, any::<[bool; 5]>(), "[!-~]{8,20}").prop_map(|(value, with, other)| {
        let (length, half) = (value.len(), value.len() / 2);
        let kin = [
            value[..half.max(8)].to_owned(),
            value[(length - 8).min(half)..].to_owned(),
            value[(length - 8) / 2..(length - 8) / 2 + 8].to_owned(),
            format!("{}{other}", &value[length - 3..]),
            format!("{value}{other}"),
        ];
        let kin = kin.into_iter().zip(with).filter(|(kin, with)| *with && *kin != value).map(|(kin, _)| kin);
        let mut all: Vec<String> = std::iter::once(value.clone()).chain(kin).collect();
        all.sort_unstable();
        all.dedup();
        all
    })
}

/// What comes out of a scrubber, and how much of what went in it held at most, where lengths stay.
fn through(mut scrubber: Scrubber, text: &[u8], cuts: &[usize]) -> (Vec<u8>, usize) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut out, mut from, mut held) = (Vec::new(), 0, 0);
    for cut in cuts.into_iter().chain([text.len()]) {
        out.extend(scrubber.feed(&text[from..cut]));
        held = held.max(cut.saturating_sub(out.len()));
        from = cut;
    }
    out.extend(scrubber.finish());
    (out, held)
}

/// The runs of noise, in order: bytes that no value, encoding or placeholder has.
fn noise(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| !(1..=6).contains(byte)).filter(|run| !run.is_empty()).collect()
}

/// The windows that placeholders have of their own, one beside another too, whichever value has them as well.
static PLACEHOLDERS_OWN: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| {
    let placeholders: Vec<String> = encoders::ENCODERS.iter().map(|(_, encode)| encode(TOKEN)).collect();
    let pairs = placeholders.iter().flat_map(|one| placeholders.iter().map(move |other| format!("{one}{other}")));
    pairs.flat_map(|pair| pair.as_bytes().windows(8).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_related_values_survives_and_all_else_is_untouched(
        values in values(),
        parts in prop::collection::vec((any::<prop::sample::Index>(), 0..encoders::ENCODERS.len(), "[\\x01-\\x06]{0,12}"), 1..8),
        cuts in cuts(),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let plan: Arc<ScrubPlan> = plan(&values);
        let (mut text, mut occurrences) = (vec![1], Vec::new());
        for (value, encoder, noise) in &parts {
            let encoded = encoders::ENCODERS[*encoder].1(values[value.index(values.len())]);
            text.extend_from_slice(encoded.as_bytes());
            text.extend_from_slice(noise.as_bytes());
            occurrences.push(encoded);
        }
        let (replaced, _) = through(Scrubber::new(Arc::clone(&plan)), &text, &cuts);
        let (masked, held) = through(Scrubber::masking(plan), &text, &cuts);
        for out in [&replaced, &masked] {
            prop_assert_eq!(noise(out), noise(&text));
            let pieces = out.split(|byte| (1..=6).contains(byte));
            let surviving: HashSet<&[u8]> = pieces.flat_map(|piece| piece.windows(8)).filter(|window| !PLACEHOLDERS_OWN.contains(*window)).collect();
            for encoded in &occurrences {
                let survivor = encoded.as_bytes().windows(8).find(|window| surviving.contains(window));
                prop_assert!(survivor.is_none(), "{survivor:?} of {encoded}");
            }
        }
        prop_assert_eq!(masked.len(), text.len());
        let mut changed = masked.iter().zip(&text).filter(|(after, before)| after != before);
        prop_assert!(changed.all(|(after, _)| *after == b'*'), "a mask changes nothing but values");
        let longest = Oracle::new(&values).forms.iter().map(|form| form.bytes.len()).max().unwrap_or(0);
        let held_most = longest.next_power_of_two().max(256);
        prop_assert!(held <= held_most, "{held} bytes were held back, of which the longest form has {longest}");
    }
}
