//! A log whose end did not reach the disk whole: cut at any place, or with any byte changed, what opens is the past as it was at some commit.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use model::{AccountId, SecretId};
use store::{Mode, Store};

use crate::backend::{Backend, Sqlite};
use crate::{child, sample};

/// A database whose writer was killed, all of whose commits stand in the log.
struct Killed {
    db: Vec<u8>,
    log: Vec<u8>,
    account: AccountId,
    /// In the order of their commits.
    acknowledged: Vec<SecretId>,
    /// Where each commit's last frame ends.
    ends: Vec<usize>,
}

impl Killed {
    fn make() -> Self {
        let backend = Sqlite::make();
        let account = sample::stored_account(&backend.open(Mode::Writer)).id;
        let mut writing = child::start(Command::new(child::exe()), &backend.path(), &account, child::ONE_THREAD);
        let said = BufReader::new(writing.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acknowledged: Vec<SecretId> = said.filter_map(|line| child::stored(&line)).take(COMMITS).collect();
        writing.kill().unwrap();
        writing.wait().unwrap();
        let db = fs::read(backend.path()).unwrap();
        let log = fs::read(beside(&backend.path())).unwrap();
        let ends = commits(&log);
        assert!(ends.len() >= COMMITS, "{} commits stand in the log", ends.len());
        // One more than was said may stand in the log.
        let log = log[..ends[COMMITS - 1]].to_vec();
        Self { db, ends: ends[..COMMITS].to_vec(), log, account, acknowledged }
    }

    /// Opens a copy with this log and holds it to what it must be: so many commits.
    fn holds(&self, folder: &Path, log: &[u8], commits: usize, reader_first: bool, what: &str) {
        let path = folder.join("tightlip.db");
        fs::write(&path, &self.db).unwrap();
        fs::write(beside(&path), log).unwrap();
        let is_the_past = |store: &Store| {
            let page = store.secrets(&self.account, None, COMMITS).unwrap();
            let ids: Vec<_> = page.secrets.iter().rev().map(|secret| secret.id.clone()).collect();
            assert_eq!(ids, self.acknowledged[..commits], "{what}");
            assert_eq!(store.verify_chain().unwrap().seq, 1 + page.total, "a change without its event, or the other way round: {what}");
        };
        if reader_first {
            is_the_past(&Store::open(&path, Mode::Reader).unwrap());
        }
        let store = Store::open(&path, Mode::Writer).unwrap();
        is_the_past(&store);
        let row = sample::stored_secret(&store, &self.account);
        assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row), "{what}");
        assert_eq!(store.verify_chain().unwrap().seq, 2 + commits as u64, "{what}");
        drop(store);
        fs::remove_file(path).unwrap();
    }

    /// Commits that end at or before this place.
    fn before(&self, place: usize) -> usize {
        self.ends.iter().take_while(|end| **end <= place).count()
    }
}

#[test]
fn a_log_cut_anywhere_opens_as_it_was_at_a_commit() {
    let killed = Killed::make();
    each((0..=killed.log.len()).step_by(SECTOR), |folder, number, cut| {
        killed.holds(folder, &killed.log[..cut], killed.before(cut), number % 5 == 0, &format!("cut at {cut}"));
    });
}

#[test]
fn a_log_with_any_byte_changed_opens_as_it_was_before_that_commit() {
    let killed = Killed::make();
    let places = |from: usize, step| (from..killed.log.len()).step_by(step);
    // The header; the whole of the last two commits, at a step that meets every place of a frame; the rest more widely.
    let tail = killed.ends[COMMITS - 3];
    each((0..HEADER).chain(places(HEADER, 4099)).chain(places(tail, 61)), |folder, number, place| {
        let mut log = killed.log.clone();
        log[place] ^= 1 << (number % 8);
        // Without its header a log is none.
        let commits = if place < HEADER { 0 } else { killed.before(place) };
        killed.holds(folder, &log, commits, number % 5 == 0, &format!("changed at {place}"));
    });
}

/// Does this at each place, by two threads with a folder each.
fn each(places: impl Iterator<Item = usize>, act: impl Fn(&Path, usize, usize) + Sync) {
    const THREADS: usize = 2;
    let places: Vec<usize> = places.collect();
    let (places, act) = (&places, &act);
    let share = |first: usize| {
        let folder = child::memory_folder();
        let mine: Range<usize> = 0..places.len();
        mine.skip(first).step_by(THREADS).for_each(|number| act(folder.path(), number, places[number]));
    };
    thread::scope(|scope| (0..THREADS).for_each(|first| drop(scope.spawn(move || share(first)))));
}

/// Where the last frame of each commit ends (SQLite's file format, section 4.1: a frame's second word is not zero in a commit's last frame).
fn commits(log: &[u8]) -> Vec<usize> {
    let frames = log[HEADER..].chunks_exact(FRAME).enumerate();
    frames.filter(|(_, frame)| frame[4..8] != [0; 4]).map(|(number, _)| HEADER + (number + 1) * FRAME).collect()
}

fn beside(path: &Path) -> PathBuf {
    child::with_suffix(path, "-wal")
}

const COMMITS: usize = 24;
const SECTOR: usize = 512;
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;
