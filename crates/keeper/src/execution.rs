//! A command: how it fares, and what it wrote last.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use devbox::Session;
use link::keeper::{Execution as View, Output};
use model::limits::OUTPUT_CHUNK_BYTES_MAX;
use model::{ExecutionId, Stream};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::ring::Ring;

/// A command of a devbox.
pub(crate) struct Execution {
    pub id: ExecutionId,
    /// By which pid 1 tells of it.
    pub number: u64,
    state: RefCell<State>,
    changed: Notify,
}

struct State {
    start: Start,
    /// Its leader's, once that has ended.
    code: Option<i32>,
    /// It has ended, and what it wrote has been read.
    settled: bool,
    pipes: [Pipe; 2],
    readers: Vec<AbortHandle>,
}

/// Whether it came to run.
#[derive(Clone)]
pub(crate) enum Start {
    Asked,
    Runs(Session),
    Refused(String),
}

#[derive(Default)]
struct Pipe {
    ring: Ring,
    closed: bool,
}

impl Execution {
    /// One that was just asked for.
    pub(crate) fn new(id: ExecutionId, number: u64) -> Self {
        let state =
            State { start: Start::Asked, code: None, settled: false, pipes: [Pipe::default(), Pipe::default()], readers: Vec::new() };
        Self { id, number, state: state.into(), changed: Notify::new() }
    }

    /// Whether it came to run.
    pub(crate) fn start(&self) -> Start {
        self.state.borrow().start.clone()
    }

    /// It runs, or not.
    pub(crate) fn starts(&self, start: Start) {
        self.state.borrow_mut().start = start;
        self.wake();
    }

    /// Its leader has ended. Whether its pipes are still open: then [`Execution::settle`] after [`GRACE`].
    pub(crate) fn ends(&self, code: i32) -> bool {
        self.state.borrow_mut().code = Some(code);
        self.settle_if_closed();
        !self.is_settled()
    }

    /// Nothing more is waited for.
    pub(crate) fn settle(&self) {
        let mut state = self.state.borrow_mut();
        state.settled = true;
        state.pipes.iter_mut().for_each(|pipe| pipe.ring.rest());
        drop(state);
        self.wake();
    }

    fn settle_if_closed(&self) {
        let state = self.state.borrow();
        let is_over = !state.settled && state.code.is_some() && state.pipes.iter().all(|pipe| pipe.closed);
        drop(state);
        if is_over {
            self.settle();
        }
    }

    /// It has ended, and what it wrote has been read.
    pub(crate) fn is_settled(&self) -> bool {
        self.state.borrow().settled
    }

    /// Everybody who waits looks again.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// What reads its pipes; stopped when the command is forgotten.
    pub(crate) fn is_read_by(&self, readers: [AbortHandle; 2]) {
        self.state.borrow_mut().readers.extend(readers);
    }

    /// Closes its pipes: what still writes there is told so by the kernel.
    pub(crate) fn forget(&self) {
        self.state.borrow_mut().readers.drain(..).for_each(|reader| reader.abort());
    }

    /// How many bytes of output it holds.
    pub(crate) fn held(&self) -> usize {
        self.state.borrow().pipes.iter().map(|pipe| pipe.ring.held()).sum()
    }

    /// Lets old output go: at most `count` bytes of the stream that holds more.
    pub(crate) fn trim(&self, count: usize) {
        let mut state = self.state.borrow_mut();
        if let Some(pipe) = state.pipes.iter_mut().max_by_key(|pipe| pipe.ring.held()) {
            pipe.ring.forget(count);
        }
    }

    /// How it fares.
    pub(crate) fn view(&self) -> View {
        let state = self.state.borrow();
        let [output, error] = &state.pipes;
        View {
            execution: self.id.clone(),
            ended: state.code.filter(|_| state.settled),
            written: [output.ring.written(), error.ring.written()],
            kept_from: [output.ring.kept_from(), error.ring.kept_from()],
        }
    }

    /// A piece of its output from `from` on.
    pub(crate) fn output(&self, stream: Stream, from: u64) -> Output {
        let state = self.state.borrow();
        let pipe = state.pipe(stream);
        let (from, bytes) = pipe.ring.read(from, OUTPUT_CHUNK_BYTES_MAX);
        let is_over = state.settled || (state.code.is_some() && pipe.closed);
        let reaches = u64::try_from(bytes.len()).ok().and_then(|length| from.checked_add(length));
        Output { from, bytes, is_last: is_over && reaches.is_none_or(|reaches| reaches >= pipe.ring.written()) }
    }

    /// Whether [`Execution::output`] would say something.
    pub(crate) fn has_output(&self, stream: Stream, from: u64) -> bool {
        let state = self.state.borrow();
        let pipe = state.pipe(stream);
        pipe.ring.written() > from || state.settled || (state.code.is_some() && pipe.closed)
    }

    /// Waits until `is_so`, but not longer than `limit`.
    pub(crate) async fn until(&self, limit: Duration, is_so: impl Fn() -> bool) {
        let end = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            if is_so() || timeout_at(end, changed).await.is_err() {
                return;
            }
        }
    }

    /// Reads one of its pipes until that is closed. `kept` is called when something was kept.
    pub(crate) async fn drain(&self, stream: Stream, pipe: Receiver, kept: impl Fn()) {
        while pipe.readable().await.is_ok() {
            match self.read(stream, &pipe) {
                Ok(0) => break,
                Ok(_) => {
                    kept();
                    self.wake();
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        self.state.borrow_mut().pipe_mut(stream).closed = true;
        self.settle_if_closed();
        self.wake();
    }

    fn read(&self, stream: Stream, pipe: &Receiver) -> io::Result<usize> {
        let mut chunk = [0; READ_BYTES];
        let got = pipe.try_read(&mut chunk)?;
        self.state.borrow_mut().pipe_mut(stream).ring.push(chunk.get(..got).unwrap_or_default());
        Ok(got)
    }
}

impl State {
    const fn pipe(&self, stream: Stream) -> &Pipe {
        let [output, error] = &self.pipes;
        match stream {
            Stream::Stdout => output,
            Stream::Stderr => error,
        }
    }

    const fn pipe_mut(&mut self, stream: Stream) -> &mut Pipe {
        let [output, error] = &mut self.pipes;
        match stream {
            Stream::Stdout => output,
            Stream::Stderr => error,
        }
    }
}

/// How long the pipes of a command that ended are waited for, where what it left running holds them open.
pub(crate) const GRACE: Duration = Duration::from_millis(200);
/// What a pipe holds, as the kernel makes them (pipe(7)).
const READ_BYTES: usize = 64 * 1024;
