//! A small pool of reading connections, opened as they are first needed.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::Result;
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

    /// Lends a connection to `read`; waits while all are lent.
    pub fn lend<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut loan = Loan { pool: self, conn: self.take() };
        let conn = match loan.conn.take() {
            Some(conn) => conn,
            None => connection::open_reader(&self.path)?,
        };
        read(loan.conn.insert(conn))
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

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.busy -= 1;
        state.idle.extend(self.conn.take());
        self.pool.returned.notify_one();
    }
}

/// Reads take microseconds, so more would only cost memory (2 MiB of cache each).
const READERS_MAX: usize = 4;
