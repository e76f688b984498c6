//! Values beyond the length up to which every form is whole: tokens of identity providers, certificates, files of keys.

use std::sync::Arc;

use proptest::prelude::*;

use super::{TOKEN, cuts, encoders, pair, plan, scrub_in_chunks};
use crate::scrub::{Rendering, ScrubPair, ScrubPlan, Scrubber};

/// Encodings of a text in which Basic credentials stand.
const WHOLES: [(&str, encoders::Encode); 9] = [
    ("base64", |text| encoders::base64(text)),
    ("base64url", |text| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)),
    ("hex", |text| hex::encode(text)),
    ("HEX", |text| hex::encode_upper(text)),
    ("JSON of .NET", |text| text.replace('+', "\\u002B").replace('/', "\\/")),
    ("percent", |text| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")),
    ("percent in full", |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
    ("json in full", |text| text.bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect()),
    ("decimal entities", |text| text.bytes().map(|byte| format!("&#{byte};")).collect()),
];

fn with_basic(value: &str) -> Arc<ScrubPlan> {
    let rendered = ScrubPair { renderings: vec![Rendering::Basic], ..pair(value, TOKEN, &["x-access-token"]) };
    Arc::new(ScrubPlan::new(vec![rendered]).unwrap())
}

fn values() -> impl Strategy<Value = String> {
    let first_sign_late = ("[A-Za-z0-9]{900,3000}", "[!-~]{200}").prop_map(|(start, end)| start + &end);
    prop_oneof![
        3 => "[A-Za-z0-9_-]{300,1200}\\.[A-Za-z0-9_-]{700,3000}",
        1 => "[A-Za-z0-9]{1025,2500}",
        1 => "[!-~]{1025,2500}",
        1 => "[a-z\"\n €ä]{1025,1500}",
        1 => first_sign_late,
    ]
}

/// A stretch of `secret` that is in `out`: 24 characters as `whole` writes them, longer than any that it has in common with the text around it.
fn survivor(out: &[u8], secret: &[u8], whole: encoders::Encode) -> Option<String> {
    let length = whole(&"A".repeat(24)).len();
    let known: std::collections::HashSet<&[u8]> = out.windows(length).collect();
    secret.windows(length).find(|window| known.contains(window)).map(|window| String::from_utf8_lossy(window).into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_long_value_comes_back_as_the_placeholder_in_every_encoding(value in values(), cuts in cuts()) {
        let plan = plan(&[&value]);
        for (encoder, encode) in encoders::ENCODERS {
            let text = format!("<{}>", encode(&value));
            let out = String::from_utf8(scrub_in_chunks(&plan, text.as_bytes(), &cuts)).unwrap();
            // Several encodings may write one value alike.
            let is_placeholder = encoders::ENCODERS.iter().any(|(_, encode)| out == format!("<{}>", encode(TOKEN)));
            prop_assert!(is_placeholder, "{encoder}: {out}");
        }
    }

    #[test]
    fn a_long_value_in_basic_is_found_in_an_encoding_of_the_whole(value in values(), user in "[a-z]{0,3}", before in "[a-c]{0,2}", cuts in cuts()) {
        let value = value.replace(['\n', 'ä', '€'], "x");
        let (plan, credentials) = (with_basic(&value), encoders::base64(&format!("{user}:{value}")));
        let inner = &credentials[(user.len() + 1).div_ceil(3) * 4..credentials.len() - 4];
        for (name, whole) in WHOLES {
            let text = whole(&format!("{before}Authorization: Basic {credentials}\r\nAccept: */*\r\n"));
            let out = scrub_in_chunks(&plan, text.as_bytes(), &cuts);
            // Whichever way the encoding cuts its groups.
            for cut in 0..3 {
                let survivor = survivor(&out, whole(&inner[cut..]).as_bytes(), whole);
                prop_assert!(survivor.is_none(), "{name}: {survivor:?}");
            }
            prop_assert!(out.len() < 2000, "{name}: {} bytes", out.len());
        }
    }
}

#[test]
fn what_follows_a_long_value_in_full_escapes_ends_with_the_text_that_it_stands_in() {
    let value = "Ab3-".repeat(500);
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect::<String>();
    let entities = |text: &str| text.bytes().map(|byte| format!("&#{byte};")).collect::<String>();
    let plan = plan(&[&value]);
    for every in [1, 7, 100_000] {
        let text = format!("{{\"a\":\"{}\\\"\",\"b\":1}}\n<p>{}&amp;<b>", escaped(&value), entities(&value));
        let cuts: Vec<usize> = (0..text.len()).step_by(every).collect();
        let out = String::from_utf8(scrub_in_chunks(&plan, text.as_bytes(), &cuts)).unwrap();
        assert_eq!(out, format!("{{\"a\":\"{}\\\"\",\"b\":1}}\n<p>{}&amp;<b>", escaped(TOKEN), entities(TOKEN)), "{every}");
    }
}

#[test]
fn a_value_of_the_largest_size_is_replaced_once_though_it_is_longer_than_what_is_held_back() {
    let value: String =
        (0..65_000_u32).map(|number| char::from(b"abcdefgh-012345"[(number.wrapping_mul(2_654_435_761) >> 20) as usize % 15])).collect();
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\u{:04X}", u32::from(byte))).collect::<String>();
    let (plan, text) = (plan(&[&value]), format!("\"{}\"", escaped(&value)));
    let cuts: Vec<usize> = (0..text.len()).step_by(10_007).collect();
    let out = String::from_utf8(scrub_in_chunks(&plan, text.as_bytes(), &cuts)).unwrap();
    assert_eq!(out, format!("\"{}\"", escaped(TOKEN)));
}

#[test]
fn a_long_value_that_is_masked_leaves_the_text_as_long_as_it_was() {
    let value = "Ab3-".repeat(500);
    let masked = Arc::new(ScrubPlan::new(vec![ScrubPair { placeholder: None, ..pair(&value, TOKEN, &[]) }]).unwrap());
    let text = value.bytes().map(|byte| format!("&#x{byte:x};")).collect::<String>();
    for cuts in [vec![], (0..text.len()).step_by(11).collect()] {
        let out = scrub_in_chunks(&masked, format!("<{text}>").as_bytes(), &cuts);
        assert_eq!(String::from_utf8(out).unwrap(), format!("<{}>", "*".repeat(text.len())));
    }
}

/// What comes of a value in decimal entities, between `<` and `<end of it>`, where the plan changes behind `cut` bytes of it.
fn with_a_change_within(value: &str, cut: usize, masks: bool) -> String {
    let (old, new) = (plan(&[value]), plan(&[value, "another-value-of-the-house"]));
    let escaped = in_entities(value);
    let mut scrubber = if masks { Scrubber::masking(old) } else { Scrubber::new(old) };
    let mut out = scrubber.feed(format!("<{}", &escaped[..cut]).as_bytes());
    assert!(scrubber.holds_beginning(), "{cut}");
    let held_back = scrubber.finish();
    let mut scrubber = scrubber.anew(new);
    out.extend(scrubber.feed(&held_back));
    out.extend(scrubber.feed(format!("{}<end of it>", &escaped[cut..]).as_bytes()));
    out.extend(scrubber.finish());
    String::from_utf8(out).unwrap()
}

fn in_entities(text: &str) -> String {
    text.bytes().map(|byte| format!("&#{byte};")).collect()
}

#[test]
fn what_follows_an_opening_is_taken_when_the_plan_changes_and_a_message_that_ends_in_it_is_known() {
    let repeats_itself = "Ab3-".repeat(500);
    let does_not: String = (0..500).map(|number| format!("{number:03}-")).collect();
    let escaped = in_entities(&does_not);
    for cut in [800, 801, 802, 5000, escaped.len() - 1] {
        let out = with_a_change_within(&does_not, cut, false);
        // Of an escape that was cut behind its first character that one is left.
        assert_eq!(out.replace("&<", "<"), format!("<{}<end of it>", in_entities(TOKEN)), "{cut}");
        let out = with_a_change_within(&repeats_itself, cut, false);
        assert!(out.ends_with("<end of it>") && !out.contains(&in_entities(&repeats_itself)[..40]), "{cut}: {out}");
        assert!(out.matches(&in_entities(TOKEN)).count() <= 2, "{cut}: {out}");
        for value in [&does_not, &repeats_itself] {
            let out = with_a_change_within(value, cut, true);
            assert!(out.ends_with("*<end of it>") && out.len() == escaped.len() + "<<end of it>".len(), "{cut}: {out}");
        }
    }
}

#[test]
fn openings_over_and_over_are_read_once() {
    let value = "Ab3-".repeat(500);
    let plan = with_basic(&value);
    let escaped: String = value[..256].bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect();
    let out = scrub_in_chunks(&plan, format!("{}!", escaped.repeat(1500)).as_bytes(), &(0..2_000_000).step_by(16_384).collect::<Vec<_>>());
    assert!(out.len() < 1000 && out.ends_with(b"!"), "{}", out.len());
}
