//! That what a text costs grows with its length alone, whatever values and text are made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{TOKEN, pair, plan};
use crate::scrub::{ScrubPlan, Scrubber};

/// The least time of several. A slow first one is enough to fail, and stays the only one.
fn least(mut once: impl FnMut()) -> Duration {
    let mut timed = || {
        let begun = Instant::now();
        once();
        begun.elapsed()
    };
    let first = timed();
    if first > Duration::from_millis(200) { first } else { (0..10).map(|_| timed()).min().unwrap_or(first).min(first) }
}

/// The time in which a plan looks through a text.
fn scanning(plan: &ScrubPlan, text: &[u8]) -> Duration {
    least(|| drop(std::hint::black_box(plan.scrub_all(std::hint::black_box(text)))))
}

/// What is said of a text that is held back, and how long that takes.
fn asking(plan: &Arc<ScrubPlan>, text: &[u8]) -> (bool, Duration) {
    let mut scrubber = Scrubber::new(Arc::clone(plan));
    assert_eq!(scrubber.feed(text), b"", "all of it is held back");
    let time = least(|| {
        std::hint::black_box(scrubber.holds_beginning());
    });
    (scrubber.holds_beginning(), time)
}

#[test]
fn a_text_that_ends_one_value_at_each_byte_on_its_way_through_another_is_read_in_its_own_length() {
    let (long, short) = ("a".repeat(20_000), "a".repeat(8));
    let text = ("a".repeat(19_999) + "b").repeat(3);
    let alone = scanning(&plan(&[&long]), text.as_bytes());
    let both = scanning(&plan(&[&long, &short]), text.as_bytes());
    assert!(both < alone * 60, "{alone:?} for the long value alone, {both:?} with the short one");
}

#[test]
fn a_text_in_which_values_begin_at_each_byte_is_asked_in_its_own_length() {
    let long = plan(&[&"a".repeat(20_000)]);
    let (ordinary, of_ordinary) = asking(&long, &[b'w'; 30_000]);
    let (begins, of_beginnings) = asking(&long, &[b'a'; 30_000]);
    assert!(of_beginnings < of_ordinary * 100, "{of_ordinary:?} for ordinary text, {of_beginnings:?} for beginnings");
    assert!(!ordinary && begins, "what takes too long to be decided is held back");
}

#[test]
fn a_text_of_thousands_of_occurrences_and_values_is_asked_in_its_own_length() {
    let values: Vec<String> = (0..300).map(|number| format!("v{number:03}~{number:03}")).collect();
    let many = Arc::new(ScrubPlan::new(values.iter().map(|value| pair(value, TOKEN, &[])).collect()).unwrap());
    let one = plan(&[&values[0]]);
    let text: String = values[0].repeat(500);
    let ((of_one, alone), (of_many, all)) = (asking(&one, &text.as_bytes()[..256]), asking(&many, &text.as_bytes()[..256]));
    assert!(!of_one && !of_many, "each is replaced");
    assert!(all < alone * 20, "{alone:?} with one value, {all:?} with many");
}
