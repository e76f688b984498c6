//! Syncs that fail, as on a failing disk: the kernel's own EIO, given to a writer's system calls by strace. Nothing is acknowledged that a power failure
//! could take back, reading goes on, readiness tells, and writing goes on by itself when the fault is over.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command};
use std::sync::OnceLock;

use model::{AccountId, SecretId};
use rusqlite::{Connection, OpenFlags};
use store::{Mode, Store};
use tempfile::TempDir;

use crate::backend::{Backend, Sqlite};
use crate::child::{REFUSED, memory_folder, with_suffix};
use crate::disk_model::Disk;
use crate::{child, sample};

/// A database, what a disk below it would hold, and what was acknowledged of it.
struct World {
    backend: Sqlite,
    account: AccountId,
    disk: Disk,
    acknowledged: Vec<SecretId>,
    records: TempDir,
}

/// A writer under strace.
struct Writer {
    strace: Child,
    steps: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
    record: PathBuf,
}

/// What a writer said, and the record of its calls.
struct Life {
    said: Vec<String>,
    record: PathBuf,
}

impl World {
    /// `None` where processes may not be traced.
    fn make() -> Self {
        static TRACED: OnceLock<bool> = OnceLock::new();
        let traced =
            || Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().expect("strace: see scripts/setup").success();
        assert!(TRACED.get_or_init(traced), "strace may not trace here, and without it these promises are not tested: allow ptrace");
        let backend = Sqlite::make();
        let account = sample::stored_account(&backend.open(Mode::Writer)).id;
        let disk = Disk::with(&[&backend.path(), &with_suffix(&backend.path(), "-wal")]);
        Self { backend, account, disk, acknowledged: vec![], records: tempfile::tempdir().unwrap() }
    }

    /// A writer whose syncs fail as this says (strace's `when=`), killed when `enough` of its lines were said.
    fn live(&mut self, failing: Option<&str>, enough: impl FnMut(&[String]) -> bool) -> Life {
        self.start(failing, child::ONE_THREAD).end(enough)
    }

    fn start(&self, failing: Option<&str>, threads: usize) -> Writer {
        let record = self.records.path().join(sample::number().to_string());
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-y", "-xx", "-s", "65536", "-e", &format!("trace={CALLS}"), "-o"]).arg(&record);
        if let Some(when) = failing {
            strace.args(["-e", &format!("inject=fsync,fdatasync:error=EIO:when={when}")]);
        }
        strace.arg(child::exe());
        let mut child = child::start(strace, &self.backend.path(), &self.account, threads);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Writer { steps: child.stdin.take().unwrap(), strace: child, lines, said: vec![], record }
    }

    /// Follows the record, and lets the power fail at every acknowledgement in it: all that were given are kept, with their events.
    fn follow(&mut self, life: &Life) {
        let record = fs::read_to_string(&life.record).unwrap();
        let (acknowledged, account) = (&mut self.acknowledged, &self.account);
        self.disk.replay(&record, |disk, line| {
            let Some(id) = line.rsplit(' ').next().and_then(child::stored) else { return };
            acknowledged.push(id);
            [false, true].into_iter().for_each(|cuts| holds(disk, cuts, account, acknowledged));
        });
        let recorded = |line: &String| child::stored(line).is_none_or(|id| self.acknowledged.contains(&id));
        // The last may have been said in a call that the kill cut short in the record.
        let [before @ .., _] = &life.said[..] else { panic!("nothing was said") };
        assert!(before.iter().all(recorded), "the record does not have what was said");
    }
}

impl Writer {
    /// Lets a writer in step store so many secrets, or be refused.
    fn step(&mut self, times: usize) -> &[String] {
        let before = self.said.len();
        for _ in 0..times {
            self.steps.write_all(b"\n").unwrap();
            self.said.push(self.lines.next().unwrap().unwrap());
        }
        &self.said[before..]
    }

    /// Kills it when it has said enough.
    fn end(mut self, mut enough: impl FnMut(&[String]) -> bool) -> Life {
        while !enough(&self.said) {
            self.said.push(self.lines.next().expect("the child ended by itself").unwrap());
            assert!(self.said.len() < LINES_MAX, "it does not go on");
        }
        // The writer, not strace, which then finishes its record.
        let pid = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.strace.id())).unwrap();
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
        self.strace.wait().unwrap();
        self.said.extend(self.lines.map_while(Result::ok));
        Life { said: self.said, record: self.record }
    }
}

fn holds(disk: &Disk, cuts: bool, account: &AccountId, acknowledged: &[SecretId]) {
    let folder = memory_folder();
    disk.lose_power(folder.path(), cuts);
    let store = Store::open(&folder.path().join("tightlip.db"), Mode::Writer).unwrap();
    let lost = acknowledged.iter().filter(|id| store.sealed(id).unwrap().is_none()).count();
    assert_eq!(lost, 0, "of {} acknowledged, a power failure would take some back", acknowledged.len());
    let page = store.secrets(account, None, 5000).unwrap();
    assert_eq!(store.verify_chain().unwrap().seq, 1 + page.total, "a change without its event, or the other way round");
}

fn count(said: &[String], what: impl Fn(&str) -> bool) -> usize {
    said.iter().filter(|line| what(line)).count()
}

fn acknowledged(line: &str) -> bool {
    child::stored(line).is_some()
}

fn refused(line: &str) -> bool {
    line.starts_with(REFUSED)
}

#[test]
fn nothing_is_acknowledged_that_syncs_which_come_and_go_could_take_back() {
    let mut world = World::make();
    for (failing, acknowledgements) in [("4+7", 25), ("6+11", 40), ("9+6", 40)] {
        let life = world.live(Some(failing), |said| count(said, acknowledged) >= acknowledgements);
        assert!(count(&life.said, refused) > 0, "no sync failed");
        world.follow(&life);
    }
}

#[test]
fn what_a_failing_disk_left_in_memory_is_not_built_upon_by_the_next_writer() {
    for reader_beside in [false, true] {
        let mut world = World::make();
        // Keeps the log's index in shared memory alive over the writer's death.
        let reader = reader_beside.then(|| world.backend.open(Mode::Reader));
        let failing = world.live(Some("12+"), |said| count(said, refused) >= 3);
        world.follow(&failing);
        let next = world.live(None, |said| count(said, acknowledged) >= 10);
        world.follow(&next);
        drop(reader);
    }
}

#[test]
fn a_copy_of_which_only_a_part_was_made_is_made_anew_when_its_sync_fails() {
    // Which sync is the file's own is found in one life and failed in another. Where the two were not alike, because the machine was busy, both are lived anew.
    let lived = (0..ATTEMPTS_MAX).any(|_| the_copys_sync_failed());
    assert!(lived, "the sync of the file was never the one that failed");
}

/// Whether the sync by which the copy would have been made whole could be made to fail; if so, what had to follow from that did.
fn the_copys_sync_failed() -> bool {
    let world = World::make();
    let (Life { record, .. }, after) = copied_in_two_parts(&world, None);
    assert!(after.iter().all(|line| acknowledged(line)), "{after:?}");
    // The first sync of the file itself is that one.
    let record = fs::read_to_string(record).unwrap();
    let syncs: Vec<&str> = record.lines().filter(|line| is_sync(line)).collect();
    let of_the_file = hex("tightlip.db") + ">";
    let number = 1 + syncs.iter().position(|line| line.contains(&of_the_file)).unwrap();

    let mut world = World::make();
    let (life, after) = copied_in_two_parts(&world, Some(&number.to_string()));
    let record = fs::read_to_string(&life.record).unwrap();
    let failed = record.lines().filter(|line| is_sync(line)).nth(number - 1);
    if !failed.is_some_and(|line| line.contains("INJECTED") && line.contains(&of_the_file)) {
        return false;
    }
    assert!(after.iter().all(|line| line == &format!("{REFUSED} store_unavailable read not_ready")), "{after:?}");
    world.follow(&life);
    let next = world.live(None, |said| count(said, acknowledged) >= 10);
    world.follow(&next);
    true
}

fn is_sync(line: &str) -> bool {
    line.contains(" fdatasync(") || line.contains(" fsync(")
}

/// Lives until two are alike.
const ATTEMPTS_MAX: usize = 6;

/// A writer whose log is copied while a reader still needs the end of it, and then, when the reader is gone, the rest. Also what it says afterwards.
fn copied_in_two_parts(world: &World, failing: Option<&str>) -> (Life, Vec<String>) {
    let mut writer = world.start(failing, child::ONE_THREAD_IN_STEP);
    writer.step(10);
    let reader = Connection::open_with_flags(world.backend.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let reading = reader.unchecked_transaction().unwrap();
    reading.query_row("SELECT count(*) FROM secrets", [], |_| Ok(())).unwrap();
    // More than the log may have before it is copied.
    let said = writer.step(100);
    assert!(said.iter().all(|line| acknowledged(line)), "{said:?}");
    drop(reading);
    writer.step(1);
    let after = writer.step(3).to_vec();
    (writer.end(|_| true), after)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[test]
fn while_syncs_fail_writes_are_refused_reads_served_and_readiness_tells_and_then_all_goes_on() {
    let mut world = World::make();
    let life = world.live(Some("12..60"), |said| {
        let refusals = count(said, refused);
        refusals > 0 && said.iter().rev().take_while(|line| acknowledged(line)).count() >= 10
    });
    let (first, last) =
        (life.said.iter().position(|line| refused(line)).unwrap(), life.said.iter().rposition(|line| refused(line)).unwrap());
    let during = &life.said[first..last];
    assert!(during.len() > 3, "{during:?}");
    assert!(during.iter().all(|line| line == &format!("{REFUSED} store_failed read not_ready")), "{during:?}");
    world.follow(&life);
    let store = world.backend.open(Mode::Writer);
    store.check().unwrap();
    let page = store.secrets(&world.account, None, 5000).unwrap();
    let known = |line: &String| child::stored(line).is_none_or(|id| page.secrets.iter().any(|secret| secret.id == id));
    assert!(life.said.iter().all(known), "an acknowledged secret is gone");
}

/// Far more than any writer here has to say.
const LINES_MAX: usize = 2000;
/// All by which SQLite changes a file, and by which the child speaks.
const CALLS: &str = "openat,lseek,write,pwrite64,writev,ftruncate,fdatasync,fsync,unlink,rename";
