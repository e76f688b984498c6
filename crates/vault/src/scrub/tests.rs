//! The scrubber against an oracle that knows neither automaton nor sieve, against encoders that are not its own, and against the ways a stream is cut.
#![allow(clippy::unwrap_used, reason = "tests")]

mod encoders;
mod oracle;

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use oracle::Oracle;

const TOKEN: &str = "tlp_PLACEHOLDERplaceholder0123456789PLACEHOLDER";

fn pair(value: &str, placeholder: &str, basic_users: &[&str]) -> ScrubPair {
    ScrubPair {
        value: SecretValue::from_input(value.as_bytes().to_vec()).unwrap(),
        placeholder: placeholder.parse().unwrap(),
        basic_users: basic_users.iter().map(|user| (*user).to_owned()).collect(),
        halves: false,
        renderings: vec![],
    }
}

fn plan(values: &[&str]) -> Arc<ScrubPlan> {
    Arc::new(ScrubPlan::new(values.iter().map(|value| pair(value, TOKEN, &["x-access-token"])).collect()).unwrap())
}

/// Feeds `text` cut at `cuts` (taken modulo its length).
fn scrub_in_chunks(plan: &Arc<ScrubPlan>, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    let mut scrubber = Scrubber::new(Arc::clone(plan));
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts.into_iter().chain([text.len()]) {
        out.extend(scrubber.feed(&text[from..cut]));
        from = cut;
    }
    out.extend(scrubber.finish());
    out
}

fn scrubbed(plan: &Arc<ScrubPlan>, text: &str) -> String {
    let whole = plan.scrub_all(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
    let every_byte: Vec<usize> = (0..text.len()).collect();
    assert_eq!(scrub_in_chunks(plan, text.as_bytes(), &every_byte), whole);
    String::from_utf8(whole).unwrap()
}

/// Values as they are, and values made to trouble: of few characters, so that they overlap themselves, and of what every escape changes.
fn values() -> impl Strategy<Value = String> {
    let all = prop_oneof![
        3 => "[A-Za-z0-9_-]{8,200}",
        2 => "[ab]{8,40}",
        2 => "[\"'<>&%+=/\\\\ :?#~!*()\\[\\]{}`^|$@;,.a-c\n\t\u{0}\u{7f}]{8,60}",
        2 => any::<String>(),
        1 => "[äöü€😀a]{4,50}",
        1 => "[a-z]{3,12}:[A-Za-z0-9]{3,30}",
    ];
    all.prop_filter("too short or long", |value| (8..=200).contains(&value.len()))
}

fn surroundings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[ab]{0,20}".prop_map(String::into_bytes),
        "[ -~]{0,40}".prop_map(String::into_bytes)
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![1 => prop::collection::vec(0..2000_usize, 900), 2 => prop::collection::vec(0..2000_usize, 0..12)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_of_an_encoded_value_survives(value in values(), before in surroundings(), after in surroundings(), cuts in cuts()) {
        let plan = plan(&[&value]);
        for occurrence in encoders::occurrences(&value, &before, &after) {
            let out = scrub_in_chunks(&plan, &occurrence.text, &cuts);
            let encoded = &occurrence.text[occurrence.value.clone()];
            let surviving: HashSet<&[u8]> = out.windows(8).collect();
            for window in encoded.windows(8).filter(|window| surviving.contains(window)) {
                // A window that is there with the value's place taken by a placeholder is its neighbours' own.
                let harmless = encoders::with_placeholder(&occurrence, TOKEN);
                prop_assert!(harmless.windows(8).any(|other| other == window), "{}: {window:?} survives", occurrence.encoder);
            }
        }
    }

    #[test]
    fn scrubbing_is_what_the_oracle_does_whatever_the_cuts(
        values in prop::collection::vec(values(), 1..4),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, surroundings()), 0..8),
        cuts in cuts(),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let plan = plan(&values);
        let oracle = Oracle::new(&values);
        let mut text = Vec::new();
        for (form, excerpt, noise) in pieces {
            let form = &oracle.forms[form.index(oracle.forms.len())].bytes;
            text.extend_from_slice(&form[excerpt.min(form.len())..]);
            text.extend_from_slice(&form[..form.len() - excerpt]);
            text.extend(noise);
        }
        let expected = oracle.scrub(&text);
        prop_assert_eq!(scrub_in_chunks(&plan, &text, &cuts), expected.clone());
        prop_assert_eq!(plan.scrub_all(&text).unwrap_or(text), expected);
    }

    #[test]
    fn text_without_a_value_passes_untouched(value in "[A-Z]{8,64}", text in prop::collection::vec(any::<u8>(), 0..600), cuts in cuts()) {
        let plan = plan(&[&value]);
        let oracle = Oracle::new(&[&value]);
        prop_assume!(!oracle.finds(&text));
        prop_assert_eq!(plan.scrub_all(&text), None);
        prop_assert_eq!(scrub_in_chunks(&plan, &text, &cuts), text);
    }

    #[test]
    fn what_is_held_back_is_the_longest_beginning_of_a_form(value in values(), text in surroundings(), excerpt in 0..300_usize, form in any::<prop::sample::Index>()) {
        let plan = plan(&[&value]);
        let oracle = Oracle::new(&[&value]);
        let form = &oracle.forms[form.index(oracle.forms.len())].bytes;
        let text = [&text, &form[..excerpt.min(form.len() - 1)]].concat();
        if oracle.finds(&text) {
            return Ok(());
        }
        let given = Scrubber::new(plan).feed(&text);
        prop_assert_eq!(text.len() - given.len(), oracle.longest_beginning(&text));
    }
}

#[test]
fn values_too_short_or_too_large_together_are_refused() {
    assert_eq!(ScrubPlan::new(vec![pair("1234567", TOKEN, &[])]).err(), Some(ScrubError::TooShort));
    let large: Vec<String> = (0..100).map(|number| format!("{number:04}{}", "x".repeat(65_000))).collect();
    assert_eq!(ScrubPlan::new(large.iter().map(|value| pair(value, TOKEN, &[])).collect()).err(), Some(ScrubError::TooLarge));
}

#[test]
fn any_single_value_of_the_largest_size_is_scrubbed() {
    let mut value: String = "\"'/&<>+= é\n:%\\~a".chars().cycle().take(60_000).collect();
    while value.len() < model::limits::VALUE_BYTES_MAX {
        value.push('z');
    }
    let plan = plan(&[&value]);
    let text = serde_json::to_string(&format!("before {value} after")).unwrap();
    let out = scrub_in_chunks(&plan, text.as_bytes(), &[1000, 30_000, 30_001, 90_000]);
    assert_eq!(String::from_utf8(out).unwrap(), format!("\"before {TOKEN} after\""));
}

#[test]
fn an_empty_plan_passes_everything() {
    let plan = Arc::new(ScrubPlan::new(vec![]).unwrap());
    assert!(plan.is_empty());
    assert_eq!(plan.scrub_all(b"anything at all"), None);
    let mut scrubber = Scrubber::new(plan);
    assert_eq!(scrubber.feed(b"anything"), b"anything");
    assert_eq!(scrubber.finish(), b"");
}

#[test]
fn the_placeholder_comes_in_the_values_own_encoding() {
    let value = "R3al+Val/ue:with \"signs\"&<more>";
    let plan = plan(&[value]);
    for (encoder, encode) in encoders::ENCODERS {
        let text = format!("[{}]", encode(value));
        assert_eq!(scrubbed(&plan, &text), format!("[{}]", encode(TOKEN)), "{encoder}");
    }
}

#[test]
fn a_value_that_every_percent_encoder_writes_alike_comes_back_as_the_common_ones_write_the_placeholder() {
    for value in ["[ {:🌀{𖵀ቐ", "&&&&&&&&"] {
        let written: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(scrubbed(&plan(&[value]), &format!("[{written}]")), format!("[{TOKEN}]"));
    }
}

#[test]
fn what_templates_escape_beside_the_signs_of_html_is_found() {
    let value = "a+b/c=d'e\"f`g<h&0123456789";
    let go = "a&#43;b/c=d&#39;e&#34;f`g&lt;h&amp;0123456789";
    let net = "a&#x2B;b/c=d&#x27;e&quot;f&#x60;g&lt;h&amp;0123456789";
    let mustache = "a+b&#x2F;c&#x3D;d&#39;e&quot;f&#x60;g&lt;h&amp;0123456789";
    for text in [go, net, mustache] {
        assert_eq!(scrubbed(&plan(&[value]), &format!("<p>{text}</p>")), format!("<p>{TOKEN}</p>"), "{text}");
    }
}

#[test]
fn base64_inside_a_longer_text_is_found_at_each_offset() {
    let value = "correct horse battery staple";
    let plan = plan(&[value]);
    for before in ["", "a", "ab", "abc", "abcd"] {
        for after in ["", "x", "xy", "xyz"] {
            let text = encoders::base64(&format!("{before}{value}{after}"));
            let out = scrubbed(&plan, &text);
            assert!(out.contains(TOKEN) || out.contains(encoders::base64(TOKEN).trim_end_matches('=')), "{before}|{after}: {out}");
            assert!(text.as_bytes().windows(8).filter(|window| out.contains(std::str::from_utf8(window).unwrap())).count() <= 2);
        }
    }
}

#[test]
fn basic_credentials_come_back_as_if_the_placeholder_had_been_sent() {
    let plan = plan(&["ghp_REALREALREALREALREALREALREALREALREAL"]);
    let sent = |password: &str| format!("Basic {}", encoders::base64(&format!("x-access-token:{password}")));
    assert_eq!(scrubbed(&plan, &sent("ghp_REALREALREALREALREALREALREALREALREAL")), sent(TOKEN));
}

#[test]
fn credentials_are_found_in_halves_and_objects_and_urls_are_not_halved() {
    let halves = plan(&["account-12345:pa55w0rd-long"]);
    assert_eq!(scrubbed(&halves, "user account-12345 has pa55w0rd-long"), format!("user {TOKEN} has {TOKEN}"));
    assert_eq!(scrubbed(&halves, &hex::encode("pa55w0rd-long")), hex::encode(TOKEN));
    assert_eq!(scrubbed(&plan(&["short:pa55w0rd-long"]), "short answer"), "short answer");
    let object = plan(&["{\"project_id\":\"a-project-of-mine\"}"]);
    assert_eq!(scrubbed(&object, "{\"project_id\": 1}"), "{\"project_id\": 1}");
    let url = plan(&["https-longer://host.example.com/path"]);
    assert_eq!(scrubbed(&url, "//host.example.com/path"), "//host.example.com/path");
}

#[test]
fn overlapping_occurrences_leave_nothing_between_them() {
    let plan = plan(&["aaaaaaaaaaaa"]);
    assert_eq!(scrubbed(&plan, &format!("b{}b", "a".repeat(19))), format!("b{TOKEN}b"));
    assert_eq!(scrubbed(&plan, &"a".repeat(11)), "a".repeat(11));
}

#[test]
fn a_value_that_begins_in_anothers_end_is_found_however_short_the_overlap() {
    let first = "ABCDEFGHIJKLMNOP";
    for overlap in 1..first.len() {
        let second = format!("{}0123456789", &first[first.len() - overlap..]);
        let plan = plan(&[first, &second]);
        assert_eq!(scrubbed(&plan, &format!("<{first}0123456789>")), format!("<{TOKEN}>"), "{overlap}");
        assert_eq!(scrubbed(&plan, &format!("<{first}012345678>")), format!("<{TOKEN}012345678>"), "{overlap}");
        assert_eq!(scrubbed(&plan, &format!("<{first}{second}>")), format!("<{TOKEN}{TOKEN}>"), "{overlap}");
    }
}

#[test]
fn of_values_that_share_a_beginning_the_longest_that_occurs_is_replaced() {
    let pairs = vec![
        pair("shared-beginning", &TOKEN.replace("tlp", "one"), &[]),
        pair("shared-beginning-and-more", &TOKEN.replace("tlp", "two"), &[]),
    ];
    let plan = Arc::new(ScrubPlan::new(pairs).unwrap());
    let (one, two) = (TOKEN.replace("tlp", "one"), TOKEN.replace("tlp", "two"));
    assert_eq!(scrubbed(&plan, "shared-beginning-and-more"), two);
    assert_eq!(scrubbed(&plan, "shared-beginning-and-less"), format!("{one}-and-less"));
    assert_eq!(scrubbed(&plan, "shared-beginning"), one);
}

#[test]
fn events_of_a_stream_are_not_delayed() {
    let mut scrubber = Scrubber::new(plan(&["sk-ant-api03-secretsecretsecret"]));
    for event in ["data: {\"text\":\"hello\"}\n\n", "data: sk-ant-api\n\n", ": sk-a\n\n"] {
        assert_eq!(scrubber.feed(event.as_bytes()), event.as_bytes());
    }
    let echoed = scrubber.feed(b"data: sk-ant-api03-secretsecretsecret\n\n");
    assert_eq!(String::from_utf8(echoed).unwrap(), format!("data: {TOKEN}\n\n"));
}

#[test]
fn a_value_at_the_very_end_is_not_waited_for() {
    let mut scrubber = Scrubber::new(plan(&["sk-ant-api03-secretsecretsecret"]));
    assert_eq!(scrubber.feed(b"sk-ant-api03-secretsecretsecre"), b"");
    assert_eq!(scrubber.feed(b"t"), TOKEN.as_bytes());
    assert_eq!(scrubber.finish(), b"");
    assert_eq!(scrubber.feed(b"again: sk-ant-api03-secretsecretsecre"), b"again: ");
    assert_eq!(scrubber.finish(), b"sk-ant-api03-secretsecretsecre");
}

#[test]
fn a_long_hold_in_small_chunks_stays_linear() {
    let value = "a".repeat(20_000);
    let plan = plan(&[&value]);
    let mut scrubber = Scrubber::new(plan);
    let mut given = 0;
    for _ in 0..19_999 {
        given += scrubber.feed(b"a").len();
    }
    assert_eq!(given, 0);
    assert_eq!(scrubber.feed(b"b").len(), 20_000);
    assert_eq!(scrubber.finish(), b"");
}

#[test]
fn halves_of_a_value_used_as_user_and_password_are_found_whatever_they_look_like() {
    let text = r#"so "me" body:a pass "word" of it"#;
    let plan = |halves| Arc::new(ScrubPlan::new(vec![ScrubPair { halves, ..pair(text, TOKEN, &[]) }]).unwrap());
    for half in [r#"so "me" body"#, r#"a pass "word" of it"#] {
        assert_eq!(scrubbed(&plan(false), half), half);
        assert_eq!(scrubbed(&plan(true), half), TOKEN);
    }
    let short = Arc::new(ScrubPlan::new(vec![ScrubPair { halves: true, ..pair("user:a password", TOKEN, &[]) }]).unwrap());
    assert_eq!(scrubbed(&short, "user and a password"), format!("user and {TOKEN}"));
}

#[test]
fn what_was_written_into_a_query_or_a_body_is_found_in_an_encoding_of_the_whole() {
    use base64::Engine;
    let value = "pa/ss+wo\"rd & more=of it";
    let percent = String::from_utf8(percent_encoded(value.as_bytes()).to_vec()).unwrap();
    let json = String::from_utf8(json_escaped(value.as_bytes()).to_vec()).unwrap();
    for (rendering, written) in
        [(Rendering::Percent, format!("GET /x?key={percent} HTTP/1.1")), (Rendering::Json, format!("{{\"k\":\"{json}\"}}"))]
    {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&written);
        let plain = Arc::new(ScrubPlan::new(vec![pair(value, TOKEN, &[])]).unwrap());
        let rendered = Arc::new(ScrubPlan::new(vec![ScrubPair { renderings: vec![rendering], ..pair(value, TOKEN, &[]) }]).unwrap());
        assert_eq!(scrubbed(&plain, &encoded), encoded, "an encoding of an encoding");
        assert!(scrubbed(&rendered, &encoded).contains(TOKEN));
        for plan in [plain, rendered] {
            assert!(scrubbed(&plan, &written).contains(TOKEN) && !scrubbed(&plan, &written).contains("ss"), "{written}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_into_a_query_or_a_body_is_always_found(value in "\\PC{8,40}|[\\x00-\\x7f]{8,40}", before in "[a-z=&\" ]{0,8}") {
        let plan = Arc::new(ScrubPlan::new(vec![pair(&value, TOKEN, &[])]).unwrap());
        for written in [percent_encoded(value.as_bytes()), json_escaped(value.as_bytes())] {
            let text = [before.as_bytes(), &written, b"~end"].concat();
            let scrubbed = plan.scrub_all(&text).expect("it holds the value");
            prop_assert_eq!(scrubbed, [before.as_bytes(), TOKEN.as_bytes(), b"~end"].concat());
        }
    }
}
