//! The reader of dotenv files: any bytes are read or refused with lines; what is read is written again as it was, and without what is taken out; a value that is
//! written in quotes comes back; and one that is written in the quotes that settle it comes back without a doubt.
//!
//! Input: a byte of which each bit takes an entry out, then the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vault::dotenv::{Entry, Page, Quotes, Wrong, read};
use vault::{sort, wire};
use zeroize::Zeroizing;

fuzz_target!(|data: &[u8]| {
    let Some((out, file)) = data.split_first() else { return };
    let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
    let (page, entries) = match parsed(file) {
        Err(wrong) => return assert!(!wrong.is_empty() && wrong.iter().all(|wrong| (1..=lines).contains(&wrong.line))),
        Ok(read) => read,
    };
    assert!(page.is(file) && entries.windows(2).all(|pair| pair[0].line < pair[1].line));
    assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line)));
    assert_eq!(page.bytes_without(&[]).as_slice(), file);
    let is_out = |index: usize| out >> (index % 8) & 1 == 1;
    let spots: Vec<_> = entries.iter().enumerate().filter(|(index, _)| is_out(*index)).map(|(_, entry)| entry.spot.clone()).collect();
    let after = page.bytes_without(&spots);
    let Ok((_, left)) = parsed(&after) else { panic!("a file without entries is none any more") };
    let kept: Vec<Entry> = entries.into_iter().enumerate().filter(|(index, _)| !is_out(*index)).map(|(_, entry)| entry).collect();
    assert_eq!(left.len(), kept.len());
    for (left, kept) in left.into_iter().zip(kept) {
        assert_eq!(left.name, kept.name);
        same(left, kept);
    }
});

fn parsed(bytes: &[u8]) -> Result<(Page, Vec<Entry>), Vec<Wrong>> {
    read(Zeroizing::new(bytes.to_vec()))
}

/// Two entries have one value, which is something, and comes back when it is written in double quotes.
fn same(left: Entry, kept: Entry) {
    assert_eq!(left.quotes, kept.quotes);
    let (Some(one), Some(other)) = (left.value, kept.value) else { return };
    let _ = sort(&left.name, &one);
    let (one, other) = (wire::update_body(one), wire::update_body(other));
    assert_eq!(one, other);
    let json: serde_json::Value = serde_json::from_slice(&one).expect("the client's body is JSON");
    let plain = json["value"].as_str().expect("a value is text");
    let text = plain.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r");
    let again = alone(&format!("A=\"{text}\""));
    let Some(value) = again.value else { panic!("what was written is nothing") };
    assert_eq!(wire::update_body(value), one);
    let settled = match kept.quotes {
        Some(Quotes::Single) => alone(&format!("A='{plain}'")),
        Some(Quotes::Double) => alone(&format!("A=\"{plain}\"")),
        None => return,
    };
    let Some(value) = settled.value else { panic!("what was settled is nothing") };
    assert_eq!(wire::update_body(value), one);
    assert!(settled.doubts.is_empty());
}

/// The only entry of a file.
fn alone(text: &str) -> Entry {
    let Ok((_, entries)) = parsed(text.as_bytes()) else { panic!("what was written is refused") };
    let Ok([entry]) = <[Entry; 1]>::try_from(entries) else { panic!("what was written is not one entry") };
    entry
}
