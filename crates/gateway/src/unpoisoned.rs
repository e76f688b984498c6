//! Locks that are taken also after a panic elsewhere: every change under one of them is a single insert, push, remove or assignment, so that what it guards is
//! whole whoever panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock's content, whoever panicked while it was held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
