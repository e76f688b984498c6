//! The backup file: whatever is done to it, it fails to open, and says how; what was not touched opens to what was put in.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use proptest::prelude::*;
use vault::backup::{BackupError, Head, Opener, Part, Passed};
use vault::{OpenKeys, RootKey};

/// One installation for all tests: making keys takes a while.
struct House {
    root: RootKey,
    keys: OpenKeys,
    wrapped: Vec<u8>,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let (root, keys) = (RootKey::make().unwrap(), OpenKeys::make("dep_test").unwrap());
    let wrapped = keys.wrap(&root).unwrap();
    House { root, keys, wrapped }
});

const RECIPE: &[u8] = br#"{"kdf":"some"}"#;
const CHUNK: usize = 64 * 1024;
const SEALED_CHUNK: usize = CHUNK + 16;

fn head() -> Head<'static> {
    Head { keyring: &HOUSE.wrapped, recipe: RECIPE }
}

fn seal(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sources: Vec<&[u8]> = parts.iter().map(|(_, content)| *content).collect();
    let mut parts: Vec<Part<'_>> = parts
        .iter()
        .zip(&mut sources)
        .map(|((name, content), from)| Part { name, bytes: content.len() as u64, from: from as &mut dyn Read })
        .collect();
    HOUSE.keys.seal_backup(head(), &mut parts, &mut out).unwrap();
    out
}

/// Collects a part, to be looked at later.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Contents = BTreeMap<String, Vec<u8>>;

fn open(file: &[u8]) -> Result<(Contents, Vec<Passed>), BackupError> {
    let opener = Opener::begin(file)?;
    let keys = opener.unwrap_keyring(&HOUSE.root)?;
    let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
    let passed = opener.open(&keys, |name| Ok(kept.entry(name.to_owned()).or_default().clone()))?;
    Ok((kept.into_iter().map(|(name, kept)| (name, kept.0.lock().unwrap().clone())).collect(), passed))
}

fn fault(file: &[u8]) -> BackupError {
    match open(file) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn three_chunks() -> Vec<u8> {
    seal(&[("a", &[7; 3 * CHUNK - 40])])
}

fn header_bytes(file: &[u8]) -> usize {
    file.len() - 3 * SEALED_CHUNK + (3 * CHUNK - stream_bytes())
}

/// One part `a`: its head, its content, the end.
const fn stream_bytes() -> usize {
    1 + 1 + 8 + (3 * CHUNK - 40) + 1
}

#[test]
fn a_file_of_another_kind_is_no_backup() {
    assert!(matches!(fault(b"SQLite format 3\0 and more of it that follows"), BackupError::NotABackup));
    assert!(matches!(fault(b""), BackupError::Truncated));
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let mut file = seal(&[("a", b"content")]);
    file[16..18].copy_from_slice(&2_u16.to_be_bytes());
    assert!(matches!(fault(&file), BackupError::Newer(2)));
}

#[test]
fn another_root_key_is_told_from_damage() {
    let file = seal(&[("a", b"content")]);
    let opener = Opener::begin(file.as_slice()).unwrap();
    assert!(matches!(opener.unwrap_keyring(&RootKey::make().unwrap()), Err(BackupError::WrongRootKey)));
}

#[test]
fn another_installations_keys_open_nothing() {
    let file = seal(&[("a", b"content")]);
    let other = OpenKeys::make("dep_test").unwrap();
    let opened = Opener::begin(file.as_slice()).unwrap().open(&other, |_| Ok(io::sink()));
    assert!(matches!(opened, Err(BackupError::Changed(_))));
}

#[test]
fn a_backup_that_was_cut_off_is_refused_wherever_that_was() {
    let file = three_chunks();
    let header = header_bytes(&file);
    let borders = [header, header + SEALED_CHUNK, header + 2 * SEALED_CHUNK, file.len()];
    let cuts = (0..header).step_by(13).chain(borders.iter().flat_map(|at| [at - 17, at - 16, at - 1])).chain(borders[..3].iter().copied());
    for cut in cuts {
        assert!(matches!(fault(&file[..cut]), BackupError::Truncated), "cut at {cut} of {}", file.len());
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for more in [&b"x"[..], &[0; SEALED_CHUNK]] {
        assert!(matches!(fault(&[&three_chunks(), more].concat()), BackupError::Trailing));
    }
}

#[test]
fn chunks_that_were_exchanged_repeated_or_left_out_are_refused() {
    let file = three_chunks();
    let (header, chunks) = file.split_at(header_bytes(&file));
    let [one, two, three] = [0, 1, 2].map(|n| &chunks[n * SEALED_CHUNK..((n + 1) * SEALED_CHUNK).min(chunks.len())]);
    open(&[header, one, two, three].concat()).unwrap();
    let begins = header.len() as u64;
    for (order, at) in [
        ([two, one, three], begins),
        ([one, one, three], begins + SEALED_CHUNK as u64),
        ([one, two, two], begins + 2 * SEALED_CHUNK as u64),
    ] {
        assert!(matches!(fault(&[&[header][..], &order].concat().concat()), BackupError::Changed(place) if place == at));
    }
    // The last one in the middle's place leaves too little.
    assert!(matches!(fault(&[header, one, three].concat()), BackupError::Truncated));
}

#[test]
fn a_chunk_of_another_backup_is_refused() {
    let (file, other) = (three_chunks(), three_chunks());
    let border = header_bytes(&file);
    let mixed = [&file[..border], &other[border..]].concat();
    assert!(matches!(fault(&mixed), BackupError::Changed(_)));
    let mixed = [&other[..border], &file[border..]].concat();
    assert!(matches!(fault(&mixed), BackupError::Changed(_)));
}

#[test]
fn a_part_that_grows_or_shrinks_meanwhile_is_no_backup() {
    for said in [6, 8] {
        let mut content = &b"content"[..];
        let mut parts = [Part { name: "a", bytes: said, from: &mut content }];
        let sealed = HOUSE.keys.seal_backup(head(), &mut parts, &mut io::sink());
        assert!(matches!(sealed, Err(BackupError::PartChanged)), "{said}");
    }
}

#[test]
fn what_cannot_be_named_is_refused() {
    for long in [Head { recipe: &[b' '; 4097], ..head() }, Head { keyring: &vec![b' '; 1024 * 1024 + 1], ..head() }] {
        assert!(matches!(HOUSE.keys.seal_backup(long, &mut [], &mut io::sink()), Err(BackupError::TooLong)));
    }
    for name in ["", &"x".repeat(256)] {
        let mut content = &b""[..];
        let mut parts = [Part { name, bytes: 0, from: &mut content }];
        assert!(matches!(HOUSE.keys.seal_backup(head(), &mut parts, &mut io::sink()), Err(BackupError::TooLong)));
    }
}

#[test]
fn a_full_disk_is_an_error_of_writing() {
    struct Small(usize);
    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [10, 5000, SEALED_CHUNK + 5000] {
        let content = vec![7; 2 * CHUNK];
        let mut from = content.as_slice();
        let mut parts = [Part { name: "a", bytes: content.len() as u64, from: &mut from }];
        let sealed = HOUSE.keys.seal_backup(head(), &mut parts, &mut Small(room));
        assert!(matches!(sealed, Err(BackupError::Write(error)) if error.kind() == io::ErrorKind::StorageFull), "{room}");
    }
}

#[test]
fn the_root_key_is_not_in_a_backup_and_neither_is_anything_in_the_clear() {
    let file = seal(&[("store", b"a part's own words")]);
    let has = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    assert!(has(&HOUSE.wrapped) && has(RECIPE), "the search finds what is there");
    assert_eq!(Opener::begin(file.as_slice()).unwrap().recipe(), RECIPE);
    let root = HOUSE.root.to_hex();
    let raw: Vec<u8> = root.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    for hidden in [root.as_bytes(), raw.as_slice(), b"a part's own words", b"store"] {
        assert!(!has(hidden));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.min(512), ..ProptestConfig::default() })]

    /// Parts of any size, also around a chunk's border, come back as they were, each with its own hash.
    #[test]
    fn what_was_put_in_comes_out(sizes in prop::collection::vec(prop_oneof![0..300usize, CHUNK - 40..CHUNK + 40, 2 * CHUNK - 40..2 * CHUNK + 40], 0..4), seed: u8) {
        let named: Vec<(String, Vec<u8>)> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| (format!("part/{n}"), (0..*size).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect()))
            .collect();
        let parts: Vec<(&str, &[u8])> = named.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        let (contents, passed) = open(&seal(&parts)).unwrap();
        prop_assert_eq!(contents, named.iter().cloned().collect::<Contents>());
        for (passed, (name, content)) in passed.iter().zip(&named) {
            prop_assert_eq!(&passed.name, name);
            prop_assert_eq!(passed.bytes, content.len() as u64);
            prop_assert!(digest(&SHA256, content).as_ref() == passed.digest);
        }
        prop_assert_eq!(passed.len(), named.len());
    }

    /// Flip anything, anywhere: it fails.
    #[test]
    fn whatever_is_flipped_is_noticed(size in 0..2 * CHUNK, at: prop::sample::Index, bit in 0..8u8) {
        let mut file = seal(&[("store", &vec![5; size]), ("ledger", b"words")]);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        prop_assert!(open(&file).is_err(), "a flip at {} of {} was not noticed", at, file.len());
    }

    /// Cut anywhere: it fails.
    #[test]
    fn whatever_is_cut_off_is_noticed(size in 0..2 * CHUNK, at: prop::sample::Index) {
        let file = seal(&[("store", &vec![5; size]), ("ledger", b"words")]);
        prop_assert!(open(&file[..at.index(file.len())]).is_err());
    }

    /// No text, however made, is opened or brings the reader down.
    #[test]
    fn what_was_not_written_here_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), with_magic: bool) {
        let file = if with_magic { [b"tightlip backup\n\0\x01".as_slice(), &bytes].concat() } else { bytes };
        prop_assert!(open(&file).is_err());
    }
}
