use proptest::prelude::*;
use vault::{ScrubPair, SecretValue};

use super::*;

const VALUE: &str = "a-value-of-some-length-0123456789";

fn plan() -> Arc<ScrubPlan> {
    let value = SecretValue::from_input(VALUE.as_bytes().to_vec()).expect("a value");
    let placeholder = format!("tlp_{}", "x".repeat(40)).parse().ok();
    assert!(placeholder.is_some());
    Arc::new(
        ScrubPlan::new(vec![ScrubPair { value, placeholder, basic_users: vec![], halves: false, renderings: vec![] }]).expect("a plan"),
    )
}

/// A frame of a host: its first byte, and its payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(u8::try_from(short).expect("short")),
        middle @ 126..=65535 => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(middle).expect("middle").to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The frames fed in pieces of this length.
fn fed(bytes: &[u8], piece: usize) -> Result<Vec<u8>, FrameError> {
    let mut frames = Frames::new(Scrubber::masking(plan()));
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        out.extend(frames.feed(piece)?);
    }
    out.extend(frames.finish());
    Ok(out)
}

fn masked() -> String {
    "*".repeat(VALUE.len())
}

#[test]
fn a_value_is_masked_wherever_frames_and_pieces_cut_it() {
    let text = format!("before {VALUE} after");
    let clean = format!("before {} after", masked());
    for at in 0..text.len() {
        let sent = [frame(0x01, &text.as_bytes()[..at]), frame(0x89, b"ping"), frame(0x80, &text.as_bytes()[at..])].concat();
        let given = [frame(0x01, &clean.as_bytes()[..at]), frame(0x89, b"ping"), frame(0x80, &clean.as_bytes()[at..])].concat();
        for piece in [1, 2, 7, sent.len()] {
            assert_eq!(fed(&sent, piece).expect("frames"), given, "at {at} in pieces of {piece}");
        }
    }
}

#[test]
fn control_frames_are_scrubbed_alone() {
    let sent = [frame(0x88, format!("\x03\u{e8}{VALUE}").as_bytes()), frame(0x81, VALUE.as_bytes())].concat();
    let given = [frame(0x88, format!("\x03\u{e8}{}", masked()).as_bytes()), frame(0x81, masked().as_bytes())].concat();
    assert_eq!(fed(&sent, 5).expect("frames"), given);
}

#[test]
fn a_message_is_given_whole_when_it_ends() {
    let mut frames = Frames::new(Scrubber::masking(plan()));
    let half = &VALUE[..10];
    assert_eq!(frames.feed(&frame(0x81, half.as_bytes())).expect("a frame"), frame(0x81, half.as_bytes()));
    // Its last word waits for the rest of its message, whether a value begins so or not, and a head that comes after it waits too.
    for word in [half, "a-value-ox"] {
        let begun = frames.feed(&frame(0x01, word.as_bytes())).expect("a frame");
        assert_eq!(begun, [0x01, 10]);
        assert!(frames.feed(&frame(0x89, b"ping")).expect("a frame").is_empty());
        let rest = [word.as_bytes(), &frame(0x89, b"ping"), &frame(0x80, b"!")].concat();
        assert_eq!(frames.feed(&frame(0x80, b"!")).expect("a frame"), rest);
    }
}

#[test]
fn frames_that_no_host_may_send_are_not_passed() {
    for (bytes, expected) in [
        (frame(0xc1, b"compressed"), FrameError::Extension),
        (vec![0x81, 0x81, 1, 2, 3, 4, 5], FrameError::Masked),
        (frame(0x09, b"a ping in pieces"), FrameError::Control),
        (frame(0x89, &[b'x'; 126]), FrameError::Control),
        ([&[0x82, 127][..], &[0xff; 8]].concat(), FrameError::Length),
    ] {
        assert_eq!(fed(&bytes, 3), Err(expected));
    }
}

#[test]
fn frames_without_end_behind_one_word_are_not_kept() {
    for endless in [frame(0x00, b""), frame(0x89, b""), frame(0x8a, &[b'x'; 125]), frame(0x00, b"x")] {
        let mut frames = Frames::new(Scrubber::masking(plan()));
        assert_eq!(frames.feed(&frame(0x01, b"a")).expect("a frame"), [0x01, 1]);
        let fed = (0..5000).map(|_| frames.feed(&endless)).find(|fed| !fed.as_ref().is_ok_and(Vec::is_empty));
        // Ones of a single byte lengthen the word, which is given at some length.
        assert!(matches!(fed, Some(Err(FrameError::Crowd) | Ok(_))), "{endless:?}");
        assert!(frames.waiting.len() <= WAITING_MAX + 1, "{endless:?}");
        assert!(endless == frame(0x00, b"x") || matches!(fed, Some(Err(FrameError::Crowd))), "{endless:?}");
    }
    let message: Vec<u8> = [frame(0x01, b"a"), frame(0x89, b"").repeat(1000), frame(0x80, b"")].concat();
    assert_eq!(fed(&message, 7).expect("frames"), message);
}

#[test]
fn a_newer_plan_finds_what_the_older_one_did_not_know() {
    let none = Arc::new(ScrubPlan::new(vec![]).expect("an empty plan"));
    let mut frames = Frames::new(Scrubber::masking(none));
    let mut out = frames.feed(&frame(0x81, b"first")).expect("a frame");
    frames.follow(plan());
    out.extend(frames.feed(&frame(0x81, VALUE.as_bytes())).expect("a frame"));
    assert_eq!(out, [frame(0x81, b"first"), frame(0x81, masked().as_bytes())].concat());
}

proptest! {
    #[test]
    fn what_holds_no_value_passes_byte_for_byte(
        payloads in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 1..12),
        piece in 1..400_usize,
    ) {
        let sent: Vec<u8> = payloads.iter().flat_map(|(payload, is_last)| frame(if *is_last { 0x82 } else { 0x02 }, payload)).collect();
        prop_assert_eq!(fed(&sent, piece).expect("frames"), sent);
    }

    #[test]
    fn a_value_in_a_message_is_masked_however_it_is_fragmented(
        messages in proptest::collection::vec((proptest::collection::vec("[k-z ]{0,200}", 1..4), proptest::collection::vec((0..1000_usize, any::<bool>()), 0..6)), 1..5),
        piece in 1..300_usize,
    ) {
        let (mut sent, mut given) = (Vec::new(), Vec::new());
        for (parts, cuts) in messages {
            let (text, clean) = (parts.join(VALUE), parts.join(&masked()));
            let mut cuts: Vec<_> = cuts.into_iter().map(|(cut, pings)| (cut % (text.len() + 1), pings)).collect();
            cuts.sort_unstable();
            let (mut from, mut opcode) = (0, 0x01);
            for (cut, pings) in cuts {
                sent.extend(frame(opcode, &text.as_bytes()[from..cut]));
                given.extend(frame(opcode, &clean.as_bytes()[from..cut]));
                if pings {
                    sent.extend(frame(0x89, VALUE.as_bytes()));
                    given.extend(frame(0x89, masked().as_bytes()));
                }
                (from, opcode) = (cut, 0x00);
            }
            sent.extend(frame(0x80 | opcode, &text.as_bytes()[from..]));
            given.extend(frame(0x80 | opcode, &clean.as_bytes()[from..]));
        }
        prop_assert_eq!(fed(&sent, piece).expect("frames"), given);
    }
}
