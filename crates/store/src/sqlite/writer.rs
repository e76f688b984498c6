//! The one thread that writes. It takes all changes that wait, does them in one transaction, commits once, and answers all: the disk is asked to be sure
//! once for many.
//!
//! A change that is refused harms no other: it had written nothing, or the group is done again with a savepoint for each. Where the transaction as a whole
//! fails, each is tried alone, since the smaller ones may find room; where the disk itself fails, all are refused.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::rows::Commits;
use crate::sqlite::database::Work;
use crate::sqlite::files::Files;
use crate::sqlite::log::Log;
use crate::sqlite::shape::Shape;

/// The writer, as others see it: a queue.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Whether the last write failed for a reason that may last.
    failing: Arc<AtomicBool>,
    commits: Arc<Tally>,
}

/// What was committed since the thread started.
#[derive(Default)]
struct Tally {
    groups: AtomicU64,
    changes: AtomicU64,
}

/// What a job is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether the thread is alive; changes nothing.
    Look,
    /// To change rows.
    Change,
    /// To change rows so that old content must go.
    Erase,
}

struct Job {
    purpose: Purpose,
    work: Work,
    ticket: Ticket,
}

/// Who waits for a job, and the place for its result. Dropped without one, by a thread that dies, it says so: nobody waits for ever.
struct Ticket {
    result: Arc<OnceLock<Result<()>>>,
    waiting: Thread,
}

impl Ticket {
    fn answer(&self, result: Result<()>) {
        // Answered once; what the drop would say comes too late.
        drop(self.result.set(result));
        self.waiting.unpark();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.result.get().is_none() {
            self.answer(Err(StoreError::Unavailable));
        }
    }
}

/// What the thread owns.
struct Hand {
    conn: Connection,
    deployment: String,
    failing: Arc<AtomicBool>,
    commits: Arc<Tally>,
    log: Log,
    ground: Ground,
}

/// What must hold for anything to be written.
pub(crate) struct Ground {
    /// The files are those that were opened.
    pub files: Arc<Files>,
    /// The schema is the one that was found good.
    pub shape: Arc<Shape>,
}

impl Writer {
    /// Starts the thread on its connection.
    pub fn start(conn: Connection, deployment: String, ground: Ground) -> Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE_JOBS_MAX);
        let (failing, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let hand = Hand { conn, deployment, failing: Arc::clone(&failing), commits: Arc::clone(&commits), log: Log::new(), ground };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || hand.serve(&queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), failing, commits })
    }

    /// Has the work done and returns when it is durable.
    pub fn run(&self, purpose: Purpose, work: Work) -> Result<()> {
        let result = Arc::new(OnceLock::new());
        let ticket = Ticket { result: Arc::clone(&result), waiting: thread::current() };
        let jobs = self.jobs.as_ref().expect("the queue is open until the writer is dropped");
        jobs.send(Job { purpose, work, ticket }).map_err(|_| StoreError::Unavailable)?;
        loop {
            match result.get() {
                Some(result) => return result.clone(),
                None => thread::park(),
            }
        }
    }

    /// What was committed since the thread started.
    pub fn commits(&self) -> Commits {
        Commits { groups: self.commits.groups.load(Ordering::Relaxed), changes: self.commits.changes.load(Ordering::Relaxed) }
    }

    /// Whether writes are done: after one that failed, a small one is tried.
    pub fn check(&self) -> Result<()> {
        if self.failing.load(Ordering::Relaxed) {
            // Two transactions: what is put in and taken out in one is never written.
            PROBE.iter().try_for_each(|sql| self.run(Purpose::Change, Box::new(|conn, _| Ok(conn.execute_batch(sql)?))))
        } else {
            self.run(Purpose::Look, Box::new(|_, _| Ok(())))
        }
    }
}

impl Drop for Writer {
    /// What is queued is still done.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was seen by those who waited for an answer; there is nobody here to tell.
            drop(thread.join());
        }
    }
}

impl Hand {
    fn serve(mut self, queue: &Receiver<Job>) {
        // Before the first is there to wait for it.
        let settled = self.log.settle(&self.conn);
        self.note(&settled);
        while let Some(first) = self.next(queue) {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(GROUP_JOBS_MAX - 1));
            let results = self.settled(&group);
            self.note_group(&group, &results);
            for (job, result) in group.into_iter().zip(results) {
                job.ticket.answer(result);
            }
            let tended = self.log.tend(&self.conn);
            self.note(&tended);
        }
        if self.log.is_waiting() {
            // There is nobody left to tell; opening again makes sure.
            drop(self.log.fold(&self.conn));
        }
    }

    /// The next job; while waiting, does to the log what is due. `None` when the queue was closed.
    fn next(&mut self, queue: &Receiver<Job>) -> Option<Job> {
        while self.log.is_waiting() {
            match queue.recv_timeout(ERASE_IDLE) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let folded = self.log.fold(&self.conn);
                    self.note(&folded);
                }
            }
        }
        queue.recv().ok()
    }

    /// Does the jobs of a group on ground that holds, and answers what became of each.
    fn settled(&mut self, group: &[Job]) -> Vec<Result<()>> {
        // What is written to files that nobody finds any more is lost, whatever the disk says.
        match self.log.settle(&self.conn).and_then(|()| self.ground.files.stand()) {
            Ok(()) => self.commit(group),
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Does the jobs of a group and answers what became of each.
    ///
    /// First without savepoints, since a savepoint costs a copy of every page that its job touches. That serves where all succeed, and where those that
    /// fail had written nothing yet, as nearly all that fail do. Otherwise with them; and where the transaction as a whole fails, each job alone.
    fn commit(&self, group: &[Job]) -> Vec<Result<()>> {
        let together = self.transaction(group, Self::plain).or_else(|error| match error {
            Lost::Mixed => self.transaction(group, Self::saved),
            Lost::All(_) => Err(error),
        });
        match together {
            Ok(results) => results,
            Err(Lost::All(error)) if group.len() == 1 || error.is_of_the_disk() => group.iter().map(|_| Err(error.clone())).collect(),
            Err(_) => group.iter().map(|job| self.alone(job)).collect(),
        }
    }

    fn alone(&self, job: &Job) -> Result<()> {
        match self.transaction(std::slice::from_ref(job), Self::saved) {
            Ok(mut results) => results.pop().expect("one job, one result"),
            Err(Lost::All(error)) => Err(error),
            Err(Lost::Mixed) => unreachable!("a job with a savepoint is undone alone"),
        }
    }

    /// One transaction. An error says that all of it is undone.
    fn transaction(&self, group: &[Job], attempt: Attempt) -> std::result::Result<Vec<Result<()>>, Lost> {
        self.execute("BEGIN IMMEDIATE")?;
        // Nobody else changes the schema from here on.
        let stands = self.ground.shape.stand(&self.conn).map_err(Lost::All);
        let tried = stands.and_then(|()| group.iter().map(|job| attempt(self, job)).collect::<std::result::Result<Vec<_>, Lost>>());
        let done = tried.and_then(|results| {
            self.execute("COMMIT")?;
            Ok(results)
        });
        if done.is_err() && !self.conn.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        done
    }

    /// One job without a savepoint.
    fn plain(&self, job: &Job) -> std::result::Result<Result<()>, Lost> {
        let before = self.conn.total_changes();
        let result = self.work(job)?;
        if result.is_err() && self.conn.total_changes() != before { Err(Lost::Mixed) } else { Ok(result) }
    }

    /// One job in its savepoint.
    fn saved(&self, job: &Job) -> std::result::Result<Result<()>, Lost> {
        self.execute("SAVEPOINT job")?;
        let result = self.work(job)?;
        if result.is_err() {
            self.execute("ROLLBACK TO job")?;
        }
        self.execute("RELEASE job")?;
        Ok(result)
    }

    fn work(&self, job: &Job) -> std::result::Result<Result<()>, Lost> {
        let result = (job.work)(&self.conn, &self.deployment);
        match result {
            // A full disk or an I/O error makes SQLite itself undo the whole transaction.
            Err(error) if self.conn.is_autocommit() => Err(Lost::All(error)),
            Ok(()) | Err(_) => Ok(result),
        }
    }

    /// Takes note of what became of a group. A change that was done shows that changes are done; one that failed for a reason that may last makes
    /// readiness look again.
    fn note_group(&mut self, group: &[Job], results: &[Result<()>]) {
        let done = || group.iter().zip(results).filter(|(job, result)| job.purpose != Purpose::Look && result.is_ok());
        let count = done().count();
        if count > 0 {
            self.commits.groups.fetch_add(1, Ordering::Relaxed);
            self.commits.changes.fetch_add(count as u64, Ordering::Relaxed);
        }
        self.log.grew(done().any(|(job, _)| job.purpose == Purpose::Erase));
        for (job, result) in group.iter().zip(results) {
            match (result, job.purpose) {
                (Err(_), _) | (Ok(()), Purpose::Look) => self.note(result),
                (Ok(()), Purpose::Change | Purpose::Erase) => self.failing.store(false, Ordering::Relaxed),
            }
        }
    }

    fn note(&self, result: &Result<()>) {
        if result.as_ref().is_err_and(StoreError::lasts) {
            self.failing.store(true, Ordering::Relaxed);
        }
    }

    fn execute(&self, sql: &'static str) -> Result<()> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// How a job is done inside the transaction: the inner result is the job's own.
type Attempt = fn(&Hand, &Job) -> std::result::Result<Result<()>, Lost>;

/// Why a whole transaction was undone.
enum Lost {
    /// It could not be begun, kept or committed.
    All(StoreError),
    /// A job failed after it had written, and had no savepoint.
    Mixed,
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Self {
        Self::All(error)
    }
}

/// Changes that wait; each is a blocked thread of the caller's, so more would mean more threads than any server has.
const QUEUE_JOBS_MAX: usize = 1024;
/// Changes in one transaction: bounds what a crash can undo before it was answered, and the memory for it (values are at most 64 KiB).
const GROUP_JOBS_MAX: usize = 256;
/// How long the queue must be empty before the WAL is folded.
const ERASE_IDLE: Duration = Duration::from_millis(100);
/// Writes that need as much room as the largest value, and leave nothing.
const PROBE: [&str; 2] = ["INSERT INTO probe (bytes) VALUES (zeroblob(65536))", "DELETE FROM probe"];
