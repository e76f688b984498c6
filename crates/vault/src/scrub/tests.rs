//! The scrubber against an oracle that knows neither automaton nor sieve, against encoders that are not its own, and against the ways a stream is cut.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cost;
mod encoders;
mod long;
mod oracle;
mod related;

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use oracle::Oracle;

const TOKEN: &str = "tlp_PLACEHOLDERplaceholder0123456789PLACEHOLDER";

fn pair(value: &str, placeholder: &str, basic_users: &[&str]) -> ScrubPair {
    ScrubPair {
        value: SecretValue::from_input(value.as_bytes().to_vec()).unwrap(),
        placeholder: Some(placeholder.parse().unwrap()),
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

/// Two values that look alike to a stranger: as long, of letters and digits with the same signs at the same places.
fn of_one_sort() -> impl Strategy<Value = (String, String)> {
    prop_oneof!["[A-Za-z0-9_-]{8,80}", "[A-Za-z0-9]{8,80}", "[a-z \n{]{4,20}[A-Z0-9]{8,20}", "[ä!]{4}[a-z]{3,12}:[A-Za-z0-9]{8,30}"]
        .prop_flat_map(|value| {
            let other: Vec<BoxedStrategy<char>> = value
                .chars()
                .map(|letter| match letter {
                    'a'..='z' | 'A'..='Z' | '0'..='9' => {
                        prop_oneof![3 => Just(letter), 1 => "[a-zA-Z0-9]".prop_map(|one| one.chars().next().unwrap())].boxed()
                    }
                    sign => Just(sign).boxed(),
                })
                .collect();
            (Just(value), other.prop_map(|letters| letters.into_iter().collect()))
        })
}

/// How many bytes are given for each piece of a text, its end apart.
fn sizes(plan: &Arc<ScrubPlan>, text: &[u8], cuts: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut scrubber, mut from) = (Scrubber::new(Arc::clone(plan)), 0);
    let mut given = Vec::new();
    for cut in cuts.into_iter().chain([text.len()]) {
        given.push(scrubber.feed(&text[from..cut]).len());
        from = cut;
    }
    given
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

/// The first window of eight bytes of an encoded value that is still there when it was scrubbed.
fn surviving_window(value: &str, before: &[u8], after: &[u8], cuts: &[usize]) -> Option<String> {
    let plan = plan(&[value]);
    for occurrence in encoders::occurrences(value, before, after) {
        let out = scrub_in_chunks(&plan, &occurrence.text, cuts);
        let encoded = &occurrence.text[occurrence.value.clone()];
        let surviving: HashSet<&[u8]> = out.windows(8).collect();
        for window in encoded.windows(8).filter(|window| surviving.contains(window)) {
            // A window that is there with the value's place taken by a placeholder is its neighbours' own.
            let harmless = encoders::with_placeholder(&occurrence, TOKEN);
            if !harmless.windows(8).any(|other| other == window) {
                return Some(format!("{}: {window:?} survives", occurrence.encoder));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_of_an_encoded_value_survives(value in values(), before in surroundings(), after in surroundings(), cuts in cuts()) {
        if let Some(what) = surviving_window(&value, &before, &after, &cuts) {
            prop_assert!(false, "{what}");
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
    fn what_is_held_back_holds_every_beginning_of_a_form(value in values(), text in surroundings(), excerpt in 0..300_usize, form in any::<prop::sample::Index>()) {
        let plan = plan(&[&value]);
        let oracle = Oracle::new(&[&value]);
        let form = &oracle.forms[form.index(oracle.forms.len())].bytes;
        let text = [&text, &form[..excerpt.min(form.len() - 1)]].concat();
        if oracle.finds(&text) {
            return Ok(());
        }
        let given = Scrubber::new(plan).feed(&text);
        prop_assert!(text.len() - given.len() >= oracle.longest_beginning(&text));
    }

    #[test]
    fn how_a_text_is_cut_does_not_depend_on_the_value(
        values in of_one_sort(),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), 0..300_usize, surroundings()), 0..8),
        cuts in cuts(),
    ) {
        // Guesses at the one value: beginnings of its forms, as an agent would have them echoed. The other value is as like and unlike as any.
        let [right, wrong] = [&values.0, &values.1].map(|value| Oracle::new(&[value]));
        let mut text = Vec::new();
        for (form, excerpt, noise) in pieces {
            text.extend(noise);
            let form = &right.forms[form.index(right.forms.len())].bytes;
            text.extend_from_slice(&form[..excerpt.min(form.len() - 1)]);
        }
        prop_assume!(!right.finds(&text) && !wrong.finds(&text));
        let [with, without] = [&values.0, &values.1].map(|value| sizes(&plan(&[value]), &text, &cuts));
        prop_assert_eq!(with, without);
    }
}

#[test]
fn no_window_of_a_value_survives_that_holds_a_sign_of_its_placeholder() {
    // Of signs alone: escaped throughout it looks as with its signs escaped, and comes back as the placeholder escaped throughout.
    assert_eq!(surviving_window("_\u{d7b0}\u{11730}", b"", b"", &[0]), None);
}

#[test]
fn values_too_short_or_too_large_together_are_refused() {
    assert_eq!(ScrubPlan::new(vec![pair("1234567", TOKEN, &[])]).err(), Some(ScrubError::TooShort));
    let large: Vec<String> = (0..100).map(|number| format!("{number:04}{}", "x".repeat(65_000))).collect();
    assert_eq!(ScrubPlan::new(large.iter().map(|value| pair(value, TOKEN, &[])).collect()).err(), Some(ScrubError::TooLarge));
    // Of signs alone, and bound to stand in bodies, where it is escaped and the escapes are encoded.
    let in_bodies = |kib: usize| {
        let signs: String = "\"'/&<>+=%\\~!*()[]{}:;?@#$^`|,. ".chars().cycle().take(kib * 1024).collect();
        let renderings = vec![Rendering::Percent, Rendering::Json];
        ScrubPlan::new(vec![ScrubPair { renderings, ..pair(&signs, TOKEN, &["x-access-token"]) }]).err()
    };
    assert_eq!((in_bodies(32), in_bodies(64)), (None, Some(ScrubError::TooLarge)));
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
    for value in ["sk-ant-api03-secretsecretsecret", "a password: with \"signs\"", "lines\nof a\nvalue"] {
        let mut scrubber = Scrubber::new(plan(&[value]));
        let beginning = format!("data: {}\n\n", value.lines().next().unwrap());
        for event in
            ["data: {\"text\":\"hello\"}\n\n", "event: a\r\ndata: b\r\n\r\n", ":\r\r", &beginning[..beginning.len() - 3], "\n\n", ":\n\n"]
        {
            if event.ends_with(['\n', '\r']) {
                assert!(scrubber.feed(event.as_bytes()).ends_with(event.as_bytes()), "{value:?} {event:?}");
            } else {
                let _ = scrubber.feed(event.as_bytes());
            }
        }
        let echoed = scrubber.feed(format!("data: {value}\n\n").as_bytes());
        assert_eq!(String::from_utf8(echoed).unwrap(), format!("data: {TOKEN}\n\n"));
    }
}

#[test]
fn a_text_of_lines_or_of_objects_is_not_delayed_either() {
    for value in ["sk-ant-api03-secretsecretsecret", "R3al+Val/ue0123456789=="] {
        let mut scrubber = Scrubber::new(plan(&[value]));
        for text in ["{\"a\":\"b\"}", "a line\n", "50 %\r", "a word, ", "\0\u{1}"] {
            assert_eq!(scrubber.feed(text.as_bytes()), text.as_bytes(), "{value:?} {text:?}");
        }
    }
    // Where line ends are a value's own, a line that ends in a word waits for what follows; an object does not.
    let mut scrubber = Scrubber::new(plan(&["a value of two\nlines"]));
    for (text, given) in [("{\"a\":\"b\"}\n", "{\"a\":\"b\"}\n"), ("one: two\n", "one:"), ("\n", " two\n\n"), ("\n", "\n")] {
        assert_eq!(String::from_utf8(scrubber.feed(text.as_bytes())).unwrap(), given, "{text:?}");
    }
}

#[test]
fn a_guess_is_held_back_as_far_when_it_is_wrong() {
    let plan = plan(&["sk-ant-api03-secretsecretsecret"]);
    for guess in ["sk-ant-api03-s", "sk-ant-api03-x", "xx-ant-api03-s", "c2stYW50LWFwaTAzLX", "c2stYW50LWFwaTAzLY"] {
        let mut scrubber = Scrubber::new(Arc::clone(&plan));
        assert_eq!(scrubber.feed(format!("known: {guess}").as_bytes()), b"known: ", "{guess}");
        assert_eq!(scrubber.feed(b"."), b"");
        assert_eq!(scrubber.feed(b"\n"), format!("{guess}.\n").as_bytes());
    }
}

#[test]
fn of_a_long_word_no_more_is_held_back_than_the_longest_form_could_take() {
    for (value, held) in [("sk-ant-api03-secretsecretsecret", 256), (&*"long-value".repeat(300), 16_384)] {
        let mut scrubber = Scrubber::new(plan(&[value]));
        let mut given = 0;
        for piece in 1..=40 {
            given += scrubber.feed(&[b'w'; 1000]).len();
            assert_eq!(piece * 1000 - given, held.min(piece * 1000), "{piece}");
        }
        assert_eq!(scrubber.finish().len(), held);
    }
}

#[test]
fn a_value_at_the_very_end_comes_with_the_end_or_with_what_follows() {
    let mut scrubber = Scrubber::new(plan(&["sk-ant-api03-secretsecretsecret"]));
    assert_eq!(scrubber.feed(b"sk-ant-api03-secretsecretsecre"), b"");
    assert_eq!(scrubber.feed(b"t"), b"", "a longer word would not have been told from it");
    assert_eq!(scrubber.feed(b" "), format!("{TOKEN} ").as_bytes());
    assert_eq!(scrubber.feed(b"again: sk-ant-api03-secretsecretsecret"), b"again: ");
    assert_eq!(scrubber.finish(), TOKEN.as_bytes());
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
    assert_eq!(scrubber.feed(b"b.").len(), 0);
    assert_eq!(scrubber.feed(b"\n").len(), 20_002);
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
fn a_value_without_a_placeholder_is_masked_and_the_text_stays_as_long_as_it_was() {
    let (own, others) = ("my own value/0", "another's value+1");
    let masked = || ScrubPair { placeholder: None, ..pair(others, TOKEN, &["x-access-token"]) };
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("x-access-token:{others}"));
    let both = Arc::new(ScrubPlan::new(vec![pair(own, TOKEN, &[]), masked()]).unwrap());
    assert!(!both.masks_all());
    assert_eq!(scrubbed(&both, &format!("<{own}> <{others}>")), format!("<{TOKEN}> <{}>", "*".repeat(others.len())));
    let alone = Arc::new(ScrubPlan::new(vec![masked()]).unwrap());
    assert!(alone.masks_all());
    for form in [others, "another%27s%20value%2B1", &basic] {
        assert_eq!(scrubbed(&alone, &format!("<{form}>")), format!("<{}>", "*".repeat(form.len())), "{form}");
    }
    let overlapping = format!("{others}{}", &others[1..]);
    assert_eq!(scrubbed(&alone, &overlapping).len(), overlapping.len());
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

#[test]
fn what_was_written_into_basic_is_found_in_an_encoding_of_the_whole() {
    type Whole = (&'static str, fn(&str) -> String);
    let wholes: [Whole; 6] = [
        ("base64", |text| encoders::base64(text)),
        ("base64url", |text| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)),
        ("hex", |text| hex::encode(text)),
        ("HEX", |text| hex::encode_upper(text)),
        ("JSON of .NET", |text| text.replace('+', "\\u002B").replace('/', "\\/")),
        ("percent", |text| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")),
    ];
    for value in ["abC8Q~canaryXY~>pq?Zz0123456789~", "CANARYabcdef0123456789QRSTUVWXYZ"] {
        let plain = Arc::new(ScrubPlan::new(vec![pair(value, TOKEN, &["x-access-token"])]).unwrap());
        let rendered = ScrubPair { renderings: vec![Rendering::Basic], ..pair(value, TOKEN, &["x-access-token"]) };
        let rendered = Arc::new(ScrubPlan::new(vec![rendered]).unwrap());
        for user in ["u", "us", "use", "x-access-token", ""] {
            for before in ["", "a", "ab"] {
                let credentials = encoders::base64(&format!("{user}:{value}"));
                for (name, whole) in wholes {
                    let text = whole(&format!("{before}Authorization: Basic {credentials}\r\nAccept: */*\r\n"));
                    let out = scrubbed(&rendered, &text);
                    // What the last group shares with what follows it, and nothing else of the value's part.
                    let inner = &credentials[(user.len() + 1).div_ceil(3) * 4..credentials.len() - 4];
                    let survives = inner.as_bytes().windows(8).map(|window| whole(std::str::from_utf8(window).unwrap()));
                    assert!(
                        survives.into_iter().all(|window| name.starts_with("base64") || !out.contains(&window)),
                        "{name} {user}: {out}"
                    );
                    assert!(out.len() < text.len() + 400 && out != text, "{name} {user}: {out}");
                }
                let decoded = |plan: &Arc<ScrubPlan>| {
                    let out = scrubbed(plan, &encoders::base64(&format!("{before}Basic {credentials}  ")));
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, out)
                        .is_ok_and(|text| String::from_utf8_lossy(&text).contains(&credentials))
                };
                assert!(decoded(&plain) && !decoded(&rendered), "an encoding of an encoding: {user} {before}");
            }
        }
    }
}

#[test]
fn eight_bytes_of_a_beginning_are_told_from_other_text_and_what_follows_them_is_not() {
    let value = "sk-ant-api03-secretsecretsecret";
    let token = "sk-ant-api03-tlpPLACEHOLDERplaceholder0123456789PLACEHOLDER";
    let Ok(_) = token.parse::<Token>() else { panic!("a placeholder that begins as its value does") };
    let plan = Arc::new(ScrubPlan::new(vec![pair(value, token, &["x-access-token"])]).unwrap());
    let holds = |text: &str| {
        let mut scrubber = Scrubber::new(Arc::clone(&plan));
        let _ = scrubber.feed(text.as_bytes());
        scrubber.holds_beginning()
    };
    for text in
        ["", "any-word", "sk-ant-api03-secrets", "sk-ant-api03-tlpPLACE", value, &format!("{value}x"), &format!("{value}{value}"), token]
    {
        assert!(!holds(text), "{text}");
    }
    for text in [
        "sk-ant-api03-secretse",
        "sk-ant-api03-secretsecretsecre",
        "sk-ant-api03-secretseX",
        "xx-sk-ant-api03-secretseXXXXXXXX",
        &hex::encode("sk-ant-api03-secre"),
    ] {
        assert!(holds(text), "{text}");
    }
    // Of a short value three quarters.
    let short = Arc::new(ScrubPlan::new(vec![pair("12345678", TOKEN, &[])]).unwrap());
    for (text, expected) in [("12345", false), ("123456", true), ("x1234569", true), ("12345678", false)] {
        let mut scrubber = Scrubber::new(Arc::clone(&short));
        let _ = scrubber.feed(text.as_bytes());
        assert_eq!(scrubber.holds_beginning(), expected, "{text}");
    }
}

#[test]
fn strings_of_scripts_and_of_pages_are_known_as_frameworks_write_them() {
    let table = |pairs: &[(char, &str)], text: &str| -> String {
        text.chars().map(|c| pairs.iter().find(|(from, _)| *from == c).map_or_else(|| c.to_string(), |(_, to)| (*to).to_owned())).collect()
    };
    let coded = |text: &str, which: &dyn Fn(char) -> bool| -> String {
        text.chars().map(|c| if which(c) { format!("\\u{:04X}", u32::from(c)) } else { c.to_string() }).collect()
    };
    let go_html = [('"', "&#34;"), ('&', "&amp;"), ('\'', "&#39;"), ('+', "&#43;"), ('<', "&lt;"), ('>', "&gt;")];
    let go_script = [
        ('"', "\\u0022"),
        ('&', "\\u0026"),
        ('\'', "\\u0027"),
        ('+', "\\u002b"),
        ('/', "\\/"),
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('`', "\\u0060"),
    ];
    let symfony = [('"', "\\u0022"), ('&', "\\u0026"), ('\'', "\\u0027"), ('<', "\\u003C"), ('>', "\\u003E"), ('/', "\\/")];
    let written = |text: &str| {
        let twig = coded(text, &|c| !c.is_ascii_alphanumeric() && !",._/".contains(c)).replace('/', "\\/");
        [table(&go_html, text), table(&go_script, text), table(&symfony, text), coded(text, &|c| "'\"><&=-;`".contains(c)), twig]
    };
    for value in ["sk-Ab12+Cd34/Ef56==Gh-ij&k'l", "sk-proj-Ab12Cd34Ef56Gh78"] {
        let plan = plan(&[value]);
        for (text, instead) in written(value).iter().zip(written(TOKEN)) {
            assert_eq!(scrubbed(&plan, &format!("[{text}]")), format!("[{instead}]"));
        }
    }
}

#[test]
fn parts_that_hosts_read_by_themselves_are_found_by_themselves_and_names_are_not() {
    let secret = "8f14e45f_jkeea167zO5a36deddlmea2543";
    let basic = format!("Basic {}", encoders::base64(&format!("somebody:{secret}")));
    for value in [
        format!("sessionid={secret}"),
        format!("first=a; sessionid=\"{secret}\"; last=b"),
        format!("AccountName=account;AccountKey={secret}"),
        format!("Bearer {secret}"),
        format!("token  {secret}"),
        format!("Bearer key={secret}, other=b"),
        format!("https://hooks.example.com/in?token={secret}"),
        basic.clone(),
        basic.trim_end_matches('=').to_owned(),
    ] {
        let plan = plan(&[&value]);
        for (encoder, encode) in encoders::ENCODERS {
            assert_eq!(scrubbed(&plan, &format!("[{}]", encode(secret))), format!("[{}]", encode(TOKEN)), "{value:?} {encoder}");
        }
        for name in ["sessionid", "AccountName", "AccountKey", "Bearer is a scheme"] {
            assert_eq!(scrubbed(&plan, name), name);
        }
    }
    let padded = plan(&["c2Vzc2lvbmlk==="]);
    assert_eq!(scrubbed(&padded, "========== c2Vzc2lvbmlk"), "========== c2Vzc2lvbmlk");
}

#[test]
fn everyday_words_in_a_value_of_pairs_stay_what_they_are_and_secrets_in_it_do_not() {
    let plan =
        plan(&["sid=8f14e45fjkeea167;tz=America/New_York;accept=application/json;form=application/x-www-form-urlencoded;env=Production"]);
    for text in ["application/json", "America/New_York", "application/x-www-form-urlencoded; charset=utf-8", "Production"] {
        assert_eq!(scrubbed(&plan, text), text);
    }
    // Digits, both sorts of letters, many letters, many words, or other signs.
    for secret in [
        "8f14e45fjkeea167",
        "kdJfhQwexLpz",
        "abcdefghijklmnop",
        "correct-horse-battery-staple",
        "pass!word",
        "application/pdFgQxTrW",
        "KDJFHqwexlpz",
    ] {
        assert_eq!(
            scrubbed(&self::plan(&[&format!("tz=Europe/Paris;sid={secret}")]), &format!("[{secret}]")),
            format!("[{TOKEN}]"),
            "{secret}"
        );
    }
}

/// The least time that looking at a name takes, of several.
fn name_time(secrets: usize, name: &str) -> std::time::Duration {
    let values: Vec<String> = (0..secrets).map(|number| format!("secret-number-{number:04}-0123456789abcdefABCDEF")).collect();
    let plan = plan(&values.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(plan.is_in_name(&format!("x-{}", values[0].to_ascii_uppercase())) && !plan.is_in_name(name));
    let once = || {
        let begun = std::time::Instant::now();
        (0..50).for_each(|_| assert!(!std::hint::black_box(&plan).is_in_name(std::hint::black_box(name))));
        begun.elapsed()
    };
    (0..20).map(|_| once()).min().unwrap()
}

#[test]
fn looking_at_a_headers_name_does_not_take_longer_for_many_secrets_and_overlong_names_are_not_looked_at() {
    let name = "x-secret-numbers-".repeat(15);
    let (one, sixty) = (name_time(1, &name), name_time(60, &name));
    assert!(sixty < one * 12, "{one:?} for one secret, {sixty:?} for sixty");
    let plan = plan(&["a-secret-value-0123456789"]);
    assert!(!plan.is_in_name(&"x".repeat(HEADER_NAME_BYTES_MAX)) && plan.is_in_name(&"x".repeat(HEADER_NAME_BYTES_MAX + 1)));
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
