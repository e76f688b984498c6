//! The commands of one devbox, in the order in which they were asked for: those that run, and the last that ended.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use devbox::{Hosted, Session};
use link::keeper::Trouble;
use model::limits::{COMMAND_BYTES_MAX, DEVBOX_OUTPUT_BYTES_MAX, EXECUTIONS_MAX};
use model::{ExecutionId, Stream};
use tokio::net::unix::pipe::Receiver;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

use crate::charge::words;
use crate::execution::{Execution, GRACE, Start};

/// A devbox's commands.
#[derive(Default)]
pub(crate) struct Commands {
    all: RefCell<Vec<Rc<Execution>>>,
    next: Cell<u64>,
    over: Cell<bool>,
}

impl Commands {
    /// A command that is remembered.
    pub(crate) fn find(&self, id: &ExecutionId) -> Result<Rc<Execution>, Trouble> {
        self.all.borrow().iter().find(|execution| execution.id == *id).cloned().ok_or(Trouble::NoExecution)
    }

    /// The devbox has ended, and they with it.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Asks for a command.
    pub(crate) fn run(self: &Rc<Self>, hosted: &Hosted, id: ExecutionId, text: &str) -> Result<Rc<Execution>, Trouble> {
        if text.len() > COMMAND_BYTES_MAX {
            return Err(Trouble::Refused(format!("a command has at most {COMMAND_BYTES_MAX} bytes; put a longer one into a file")));
        }
        self.forget_old();
        if self.all.borrow().iter().filter(|execution| !execution.is_settled()).count() >= EXECUTIONS_MAX {
            return Err(Trouble::TooMany);
        }
        let number = self.next.replace(self.next.get() + 1);
        let pipes = hosted.run(number, text).map_err(|error| Trouble::Refused(words(&error)))?;
        let watched = pipes.map(Receiver::from_owned_fd);
        let [Ok(output), Ok(error)] = watched else {
            // Should it start, it is killed: nobody knows its number.
            return Err(Trouble::Refused("the system refused to watch the command's output".to_owned()));
        };
        let execution = Rc::new(Execution::new(id, number));
        execution.is_read_by([self.read(&execution, Stream::Stdout, output), self.read(&execution, Stream::Stderr, error)]);
        self.all.borrow_mut().push(Rc::clone(&execution));
        Ok(execution)
    }

    /// It runs.
    pub(crate) fn started(&self, hosted: &Hosted, number: u64, session: Session) {
        match self.numbered(number) {
            Some(execution) => execution.starts(Start::Runs(session)),
            // A devbox that is over has no command either.
            None => drop(hosted.kill(session)),
        }
    }

    /// It does not run: as if it had never been asked for.
    pub(crate) fn not_started(&self, number: u64, why: String) {
        if let Some(execution) = self.numbered(number) {
            self.all.borrow_mut().retain(|known| known.number != number);
            execution.forget();
            execution.starts(Start::Refused(why));
        }
    }

    /// Its leader has ended.
    pub(crate) fn ended(&self, number: u64, code: i32) {
        if let Some(execution) = self.numbered(number)
            && execution.ends(code)
        {
            spawn_local(async move {
                sleep(GRACE).await;
                execution.settle();
            });
        }
    }

    /// The devbox has ended: whoever waits looks again.
    pub(crate) fn end(&self) {
        self.over.set(true);
        for execution in self.all.take() {
            execution.forget();
            execution.wake();
        }
    }

    fn numbered(&self, number: u64) -> Option<Rc<Execution>> {
        self.all.borrow().iter().find(|execution| execution.number == number).cloned()
    }

    fn read(self: &Rc<Self>, execution: &Rc<Execution>, stream: Stream, pipe: Receiver) -> AbortHandle {
        let (commands, execution) = (Rc::clone(self), Rc::clone(execution));
        spawn_local(async move { execution.drain(stream, pipe, || commands.bound()).await }).abort_handle()
    }

    /// Of those that have ended, the last are remembered.
    fn forget_old(&self) {
        let mut all = self.all.borrow_mut();
        let mut surplus = all.iter().filter(|execution| execution.is_settled()).count().saturating_sub(EXECUTIONS_MAX - 1);
        all.retain(|execution| {
            let goes = surplus > 0 && execution.is_settled();
            if goes {
                surplus -= 1;
                execution.forget();
            }
            !goes
        });
    }

    /// Keeps the output of all together within its limit: the oldest that has ended gives way, then whoever holds most.
    fn bound(&self) {
        let all = self.all.borrow();
        let held: usize = all.iter().map(|execution| execution.held()).sum();
        let mut surplus = held.saturating_sub(DEVBOX_OUTPUT_BYTES_MAX);
        while surplus > 0 {
            let ended = all.iter().find(|execution| execution.is_settled() && execution.held() > 0);
            let Some(giver) = ended.or_else(|| all.iter().max_by_key(|execution| execution.held())) else { return };
            let before = giver.held();
            giver.trim(surplus);
            let given = before - giver.held();
            if given == 0 {
                return;
            }
            surplus = surplus.saturating_sub(given);
        }
    }
}
