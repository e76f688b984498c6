//! The scrubber against the tests' slow oracle: the same output whatever the chunks, in both of its ways, and nothing of a value in it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use vault::{Rendering, ScrubPair, ScrubPlan, Scrubber, SecretValue};

#[path = "../../crates/vault/src/scrub/tests/oracle.rs"]
#[allow(dead_code, reason = "some of it is for other tests")]
mod oracle;

/// What the oracle takes from the crate that it is tested in.
mod scrub {
    pub mod forms {
        use vault::ScrubPair;

        pub struct ScrubForm {
            pub bytes: Vec<u8>,
            pub replacement: Vec<u8>,
        }

        pub fn add_forms(forms: &mut Vec<ScrubForm>, pair: &ScrubPair) {
            let all = vault::scrub::forms_of(pair).into_iter();
            forms.extend(all.map(|(bytes, replacement)| ScrubForm { bytes: bytes.to_vec(), replacement }));
        }
    }
}

const TOKEN: &str = "tlp_PLACEHOLDERplaceholder0123456789PLACEHOLDER";

fn pair(value: &str, placeholder: &str, basic_users: &[&str]) -> ScrubPair {
    ScrubPair {
        value: SecretValue::from_input(value.as_bytes().to_vec()).expect("a value"),
        placeholder: Some(placeholder.parse().expect("a token")),
        basic_users: basic_users.iter().map(|user| (*user).to_owned()).collect(),
        halves: value.ends_with('h'),
        renderings: if value.ends_with(['h', 'r']) { vec![Rendering::Percent, Rendering::Json, Rendering::Basic] } else { vec![] },
    }
}

struct Case {
    values: Vec<String>,
    text: Vec<u8>,
    cuts: Vec<usize>,
    oracle: oracle::Oracle,
}

fn case(data: &mut Unstructured<'_>) -> Result<Case> {
    let mut values: Vec<String> = Vec::new();
    for _ in 0..data.int_in_range(1..=3)? {
        let bytes = data.int_in_range(8..=48)?;
        values.push(match data.int_in_range(0..=3)? {
            0 => data.bytes(bytes)?.iter().map(|byte| char::from(b'a' + byte % 2)).collect(),
            1 => data.bytes(bytes)?.iter().map(|byte| char::from(b"\"'<>&%+=/\\ :?#abchr\n\0@."[usize::from(*byte) % 23])).collect(),
            2 => data.bytes(bytes)?.iter().map(|byte| char::from(32 + byte % 95)).collect(),
            _ => String::from_utf8_lossy(data.bytes(bytes)?).into_owned(),
        });
    }
    let oracle = oracle::Oracle::new(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let mut text = Vec::new();
    for _ in 0..data.int_in_range(0..=8)? {
        let form = &oracle.forms[data.choose_index(oracle.forms.len())?].bytes;
        let (cut, at_end) = (data.int_in_range(0..=3)?.min(form.len()), data.int_in_range(0..=3)?.min(form.len()));
        match data.int_in_range(0..=3)? {
            0 => text.extend_from_slice(form),
            1 => text.extend_from_slice(&form[cut..]),
            2 => text.extend_from_slice(&form[..form.len() - at_end]),
            _ => {
                let bytes = data.int_in_range(0..=30)?;
                text.extend_from_slice(data.bytes(bytes)?);
            }
        }
    }
    let mut cuts = Vec::new();
    for _ in 0..data.int_in_range(0..=10)? {
        cuts.push(data.int_in_range(0..=text.len())?);
    }
    cuts.sort_unstable();
    Ok(Case { values, text, cuts, oracle })
}

fn fed(scrubber: &mut Scrubber, text: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts.into_iter().chain([text.len()]) {
        out.extend(scrubber.feed(&text[from..cut]));
        from = cut;
    }
    out.extend(scrubber.finish());
    out
}

fuzz_target!(|data: &[u8]| {
    let Ok(Case { values, text, cuts, oracle }) = case(&mut Unstructured::new(data)) else { return };
    let plan = Arc::new(ScrubPlan::new(values.iter().map(|value| pair(value, TOKEN, &["x-access-token"])).collect()).expect("a plan"));
    let expected = oracle.scrub(&text);
    assert_eq!(plan.scrub_all(&text).unwrap_or_else(|| text.clone()), expected, "whole");
    let mut scrubber = Scrubber::new(Arc::clone(&plan));
    assert_eq!(fed(&mut scrubber, &text, cuts.iter().copied()), expected, "in chunks");
    assert_eq!(fed(&mut scrubber, &text, 0..text.len()), expected, "byte for byte");

    let masked = fed(&mut Scrubber::masking(Arc::clone(&plan)), &text, cuts);
    assert_eq!(masked, fed(&mut Scrubber::masking(plan), &text, []), "masked in chunks");
    assert_eq!(masked.len(), text.len(), "a mask keeps the length");
    assert!(masked.iter().zip(&text).all(|(out, sent)| out == sent || *out == b'*'), "only masks are put in");
    if !values.iter().any(|value| value.contains('*')) && !oracle.forms.iter().any(|form| form.bytes.contains(&b'*')) {
        assert!(!oracle.finds(&masked), "something of a value survived");
    }
});
