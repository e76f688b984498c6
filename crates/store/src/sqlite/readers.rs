//! A small pool of reading connections, opened as they are first needed.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use crate::sqlite::connection;

/// The pool.
pub(crate) struct Readers {
    path: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<Connection>,
    /// Lent out or being opened.
    busy: usize,
}

impl Readers {
    /// An empty pool for the database at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), state: Mutex::new(State { idle: Vec::new(), busy: 0 }), returned: Condvar::new() }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lends a connection to `read`; waits while all are lent. Inside [`Readers::at_once`] it is the one of that moment.
    pub fn lend<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        match self.held() {
            Some(held) => read(held.connection()),
            None => read(self.loan()?.connection()),
        }
    }

    /// Does `work`, in which everything that this thread reads is of one moment. A read by itself asks the kernel for SQLite's locks twice; these share them.
    ///
    /// # Errors
    /// When the moment cannot be held; `work` is not begun then.
    pub fn at_once<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        if let Some(held) = self.held() {
            drop(held);
            return Ok(work());
        }
        let mut loan = self.loan()?;
        loan.connection().prepare_cached("BEGIN")?.execute([])?;
        let before = HELD.replace(loan.conn.take().map(|conn| (self.number(), conn)));
        let _moment = Moment { loan, before };
        Ok(work())
    }

    fn loan(&self) -> Result<Loan<'_>> {
        may_wait()?;
        let mut loan = Loan { pool: self, conn: self.take() };
        if loan.conn.is_none() {
            loan.conn = Some(connection::open_reader(&self.path)?);
        }
        Ok(loan)
    }

    /// The connection of this pool that this thread holds.
    fn held(&self) -> Option<Held> {
        let held = Held(HELD.take());
        if held.0.as_ref().is_some_and(|(pool, _)| *pool == self.number()) { Some(held) } else { None }
    }

    /// Tells pools apart; one does not move while it lends.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Waits until one may be lent, and takes it where one is open already.
    fn take(&self) -> Option<Connection> {
        let mut state = self.returned.wait_while(self.lock(), |state| state.busy >= READERS_MAX).unwrap_or_else(PoisonError::into_inner);
        state.busy += 1;
        state.idle.pop()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back, also where the reading panicked.
struct Loan<'a> {
    pool: &'a Readers,
    conn: Option<Connection>,
}

impl Loan<'_> {
    fn connection(&self) -> &Connection {
        self.conn.as_ref().expect("a loan has its connection")
    }
}

/// What this thread holds, taken up; goes back when it is dropped.
struct Held(Option<(usize, Connection)>);

impl Held {
    fn connection(&self) -> &Connection {
        &self.0.as_ref().expect("held").1
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(self.0.take());
    }
}

/// One moment of the database, and what the thread held before.
struct Moment<'a> {
    loan: Loan<'a>,
    before: Option<(usize, Connection)>,
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        let conn = HELD.replace(self.before.take()).map(|(_, conn)| conn);
        // One that does not let go of its moment is closed instead of lent again.
        self.loan.conn = conn.filter(|conn| conn.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).is_ok());
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.busy -= 1;
        state.idle.extend(self.conn.take());
        self.pool.returned.notify_one();
    }
}

/// Does `work` without reading a row or writing one: what would is told [`StoreError::WouldWait`]. For a thread that others wait for.
pub fn at_hand<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            WAITS.set(self.0);
        }
    }
    let _before = Before(WAITS.replace(false));
    work()
}

/// Whether this thread may wait for a database now.
///
/// # Errors
/// [`StoreError::WouldWait`] inside [`at_hand`].
pub fn may_wait() -> Result<()> {
    if WAITS.get() { Ok(()) } else { Err(StoreError::WouldWait) }
}

thread_local! {
    /// Whether this thread may wait.
    static WAITS: Cell<bool> = const { Cell::new(true) };
    /// The connection of the moment that this thread is in, and its pool's number.
    static HELD: Cell<Option<(usize, Connection)>> = const { Cell::new(None) };
}

/// Reads take microseconds, so more would only cost memory (2 MiB of cache each).
const READERS_MAX: usize = 4;
