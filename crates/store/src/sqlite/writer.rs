//! The one thread that writes. It takes all changes that wait, does them in one transaction, commits once, and answers all: the disk is asked to be sure
//! once for many.
//!
//! Each change has a savepoint of its own, so a change that is refused harms no other. Where the transaction as a whole fails, each is tried alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::sqlite::connection::BUSY_WAIT;
use crate::sqlite::database::Work;

/// The writer, as others see it: a queue.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Whether the last write failed for a reason that may last.
    failing: Arc<AtomicBool>,
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
    answer: SyncSender<Result<()>>,
}

/// What the thread owns.
struct Hand {
    conn: Connection,
    deployment: String,
    failing: Arc<AtomicBool>,
    /// Whether the WAL holds content that was erased, and how many groups ago that was first so.
    erasing: Option<usize>,
}

impl Writer {
    /// Starts the thread on its connection.
    pub fn start(conn: Connection, deployment: String) -> Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE_JOBS_MAX);
        let failing = Arc::new(AtomicBool::new(false));
        let hand = Hand { conn, deployment, failing: Arc::clone(&failing), erasing: None };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || hand.serve(&queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), failing })
    }

    /// Has the work done and returns when it is durable.
    pub fn run(&self, purpose: Purpose, work: Work) -> Result<()> {
        let (answer, answered) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("the queue is open until the writer is dropped");
        jobs.send(Job { purpose, work, answer }).map_err(|_| StoreError::Unavailable)?;
        answered.recv().map_err(|_| StoreError::Unavailable)?
    }

    /// Whether writes are done: after one that failed, a small one is tried.
    pub fn check(&self) -> Result<()> {
        if self.failing.load(Ordering::Relaxed) {
            self.run(Purpose::Change, Box::new(|conn, _| Ok(conn.execute_batch(PROBE)?)))
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
        while let Some(first) = self.next(queue) {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(GROUP_JOBS_MAX - 1));
            let results = self.commit(&group);
            self.note(&group, &results);
            for (job, result) in group.into_iter().zip(results) {
                // Who asked may be gone; the change stands all the same.
                drop(job.answer.send(result));
            }
            if self.erasing.is_some_and(|groups| groups >= ERASE_GROUPS_MAX) {
                self.fold();
            }
        }
        if self.erasing.is_some() {
            self.fold();
        }
    }

    /// The next job; while waiting, erases from the WAL what is to go. `None` when the queue was closed.
    fn next(&mut self, queue: &Receiver<Job>) -> Option<Job> {
        while self.erasing.is_some() {
            match queue.recv_timeout(ERASE_IDLE) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.fold(),
            }
        }
        queue.recv().ok()
    }

    /// Does the jobs of a group and answers what became of each.
    fn commit(&self, group: &[Job]) -> Vec<Result<()>> {
        match self.transaction(group) {
            Ok(results) => results,
            Err(_) if group.len() > 1 => group.iter().map(|job| self.transaction(std::slice::from_ref(job)).and_then(only)).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    /// One transaction. An error says that all of it is undone.
    fn transaction(&self, group: &[Job]) -> Result<Vec<Result<()>>> {
        self.execute("BEGIN IMMEDIATE")?;
        let done = group.iter().map(|job| self.attempt(job)).collect::<Result<Vec<_>>>().and_then(|results| {
            self.execute("COMMIT")?;
            Ok(results)
        });
        if done.is_err() && !self.conn.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        done
    }

    /// One job in its savepoint: the inner result is the job's own, the outer error means that the transaction is lost.
    fn attempt(&self, job: &Job) -> Result<Result<()>> {
        self.execute("SAVEPOINT job")?;
        let result = (job.work)(&self.conn, &self.deployment);
        if let Err(error) = &result {
            // A full disk or an I/O error makes SQLite itself undo the whole transaction.
            if self.conn.is_autocommit() {
                return Err(error.clone());
            }
            self.execute("ROLLBACK TO job")?;
        }
        self.execute("RELEASE job")?;
        Ok(result)
    }

    fn note(&mut self, group: &[Job], results: &[Result<()>]) {
        self.erasing = self.erasing.map(|groups| groups + 1);
        for (job, result) in group.iter().zip(results) {
            match (result, job.purpose) {
                (Err(error), _) if error.lasts() => self.failing.store(true, Ordering::Relaxed),
                (Err(_), _) | (Ok(()), Purpose::Look) => {}
                (Ok(()), Purpose::Change) => self.failing.store(false, Ordering::Relaxed),
                (Ok(()), Purpose::Erase) => {
                    self.failing.store(false, Ordering::Relaxed);
                    self.erasing = self.erasing.or(Some(0));
                }
            }
        }
    }

    /// Folds the WAL into the file and empties it. Tried again later where a reader stands in the way.
    fn fold(&mut self) {
        let folded = self.conn.busy_timeout(ERASE_WAIT).and_then(|()| {
            let blocked: i64 = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            Ok(blocked == 0)
        });
        self.erasing = match folded {
            Ok(true) => None,
            Ok(false) | Err(_) => Some(0),
        };
        // Cannot fail: it only sets a number in the connection.
        drop(self.conn.busy_timeout(BUSY_WAIT));
    }

    fn execute(&self, sql: &'static str) -> Result<()> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

fn only(mut results: Vec<Result<()>>) -> Result<()> {
    results.pop().expect("one job, one result")
}

/// Changes that wait; each is a blocked thread of the caller's, so more would mean more threads than any server has.
const QUEUE_JOBS_MAX: usize = 1024;
/// Changes in one transaction: bounds what a crash can undo before it was answered, and the memory for it (values are at most 64 KiB).
const GROUP_JOBS_MAX: usize = 256;
/// How long the queue must be empty before the WAL is folded.
const ERASE_IDLE: Duration = Duration::from_millis(100);
/// Under unbroken load, after how many groups it is folded all the same: about a second's worth.
const ERASE_GROUPS_MAX: usize = 256;
/// How long folding waits for readers; writes wait meanwhile.
const ERASE_WAIT: Duration = Duration::from_millis(20);
/// A write that needs room in the file and in the WAL, and leaves nothing.
const PROBE: &str = "INSERT INTO probe (bytes) VALUES (zeroblob(65536)); DELETE FROM probe;";
