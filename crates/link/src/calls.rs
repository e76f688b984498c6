//! Many questions at a time over one line: each has a number, and is answered by it, in any order, or never.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::packet::{PacketError, Packets};

/// A message with the number of the question that it is or answers; without one, nobody asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Numbered<M> {
    /// Counted up by whoever asks.
    pub number: Option<u64>,
    /// The message.
    pub message: M,
}

/// The end that asks.
pub struct Calls<A> {
    end: Packets,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting<A>>>,
}

/// What is done with an answer and the descriptors beside it. Dropped without being called where none will come.
type Waiting<A> = Box<dyn FnOnce(A, Vec<OwnedFd>) + Send>;

/// A question that was asked. Dropped, its answer is no longer waited for.
#[must_use = "the answer is not waited for when this is dropped"]
pub struct Asked<A> {
    number: u64,
    calls: Weak<Calls<A>>,
}

impl<A: DeserializeOwned + Send + 'static> Calls<A> {
    /// The asking end of a line, counting from `first`: a line that outlives whoever asked needs numbers that nobody used before.
    #[must_use]
    pub fn new(end: Packets, first: u64) -> Arc<Self> {
        Arc::new(Self { end, next: AtomicU64::new(first), waiting: Mutex::default() })
    }

    /// Asks, and never waits: a line that is full is as good as closed to whoever asks. `then` is given the answer, on the thread that [`Calls::listen`]s, and
    /// must not block.
    ///
    /// # Errors
    /// When the question cannot be sent now; `then` is dropped.
    pub fn ask<Q: Serialize>(
        self: &Arc<Self>,
        question: &Q,
        fds: &[BorrowedFd<'_>],
        then: impl FnOnce(A, Vec<OwnedFd>) + Send + 'static,
    ) -> Result<Asked<A>, PacketError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Box::new(then));
        let asked = Asked { number, calls: Arc::downgrade(self) };
        self.end.try_send(&Numbered { number: Some(number), message: question }, fds)?;
        Ok(asked)
    }

    /// Takes in answers until the line is closed, then drops every question that waits. `unasked` is given what nobody asked for.
    pub fn listen(&self, mut unasked: impl FnMut(A, Vec<OwnedFd>)) {
        loop {
            match self.end.recv::<Numbered<A>>() {
                Ok((Numbered { number: None, message }, fds)) => unasked(message, fds),
                Ok((Numbered { number: Some(number), message }, fds)) => {
                    let waiting = self.lock().remove(&number);
                    if let Some(then) = waiting {
                        then(message, fds);
                    }
                }
                Err(PacketError::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(PacketError::Closed | PacketError::Io(_)) => break,
                // A limit on the wait is for what is sent; and what is not of the protocol answers nothing.
                Err(PacketError::Timeout | PacketError::Malformed) => {}
            }
        }
        self.lock().clear();
    }

    /// How many wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting<A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Drop for Asked<A> {
    fn drop(&mut self) {
        if let Some(calls) = self.calls.upgrade() {
            calls.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn answer(end: &Packets, number: Option<u64>, message: &str) {
        end.send(&Numbered { number, message }, &[]).expect("sent");
    }

    fn asked(end: &Packets) -> (u64, String) {
        let (question, _) = end.recv::<Numbered<String>>().expect("a question");
        (question.number.expect("a number"), question.message)
    }

    #[test]
    fn each_question_gets_its_own_answer_in_any_order() {
        let (ours, theirs) = Packets::pair().expect("a pair");
        let calls = Calls::<String>::new(ours, 7);
        let listening = Arc::clone(&calls);
        let (said, unasked) = mpsc::channel();
        let listener = thread::spawn(move || listening.listen(|message, _| said.send(message).expect("heard")));
        let (tell, told) = mpsc::channel();
        let ask = |text: &'static str| {
            let tell = tell.clone();
            calls.ask(&text, &[], move |answer, _| tell.send((text, answer)).expect("heard")).expect("asked")
        };
        let (first, second, forgotten) = (ask("first"), ask("second"), ask("forgotten"));
        let questions = [asked(&theirs), asked(&theirs), asked(&theirs)];
        drop(forgotten);
        answer(&theirs, Some(questions[2].0), "too late");
        answer(&theirs, Some(questions[1].0), "to the second");
        answer(&theirs, None, "by the way");
        theirs.send(&"noise", &[]).expect("sent");
        answer(&theirs, Some(3), "to nobody");
        answer(&theirs, Some(questions[0].0), "to the first");
        assert_eq!(told.recv().expect("told"), ("second", "to the second".to_owned()));
        assert_eq!(told.recv().expect("told"), ("first", "to the first".to_owned()));
        assert_eq!(unasked.recv().expect("said"), "by the way");
        drop((first, second));
        let last = ask("last");
        drop((theirs, tell));
        listener.join().expect("ended");
        assert!(told.recv().is_err(), "what will not be answered is dropped");
        drop(last);
    }
}
