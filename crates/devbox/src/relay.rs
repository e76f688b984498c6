//! Bytes between the caller's standard descriptors and the devbox's, in one loop with everything else that is waited for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::stdio::{Stdio, standard};
use crate::terminal::{RawMode, Written, forget_answers};

/// All that is relayed for one devbox.
#[derive(Debug)]
pub(crate) struct Relay {
    pumps: Vec<Pump>,
    terminal: Option<OwnedFd>,
    raw: Option<RawMode>,
    written: Written,
}

/// One direction.
#[derive(Debug)]
struct Pump {
    from: End,
    to: End,
    held: Vec<u8>,
    /// The source has ended; what is held is still to be written.
    dry: bool,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

#[derive(Debug)]
enum End {
    Standard(usize),
    Devbox(OwnedFd),
}

impl Relay {
    /// Ready to relay. With a terminal of the devbox's own, the caller's is in raw mode until this is dropped.
    pub(crate) fn new(stdio: Stdio, terminal: Option<OwnedFd>) -> std::io::Result<Self> {
        let mut pumps = Vec::new();
        let mut raw = None;
        if let Some(outer) = &terminal {
            pumps.push(Pump::new(End::Standard(0), End::Devbox(outer.try_clone()?), Direction::In));
            pumps.push(Pump::new(End::Devbox(outer.try_clone()?), End::Standard(1), Direction::Out));
            raw = Some(RawMode::enter()?);
        }
        for (number, ours) in stdio.relayed.into_iter().enumerate() {
            match ours {
                Some(ours) if number == 0 => pumps.push(Pump::new(End::Standard(0), End::Devbox(ours), Direction::In)),
                Some(ours) => pumps.push(Pump::new(End::Devbox(ours), End::Standard(number), Direction::Out)),
                None => {}
            }
        }
        Ok(Self { pumps, terminal, raw, written: Written::default() })
    }

    /// What each pump waits for, in order.
    pub(crate) fn sources(&self) -> Vec<PollFd<'_>> {
        self.pumps.iter().map(Pump::source).collect()
    }

    /// Lets the pumps that are ready run once.
    pub(crate) fn pump(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        for pump in &mut self.pumps {
            if ready.next().copied().unwrap_or(false) {
                let is_new = pump.held.is_empty();
                pump.run();
                if is_new && pump.direction == Direction::Out {
                    self.written = self.written.after(&pump.held);
                }
            }
        }
        self.pumps.retain(|pump| !pump.dry || !pump.held.is_empty());
    }

    /// Something may still come out of the devbox.
    pub(crate) fn is_open(&self) -> bool {
        !self.pumps.is_empty()
    }

    /// The command has ended: nothing more goes in.
    pub(crate) fn last_words(&mut self) {
        self.pumps.retain(|pump| pump.direction == Direction::Out);
    }

    /// The caller's terminal has another size now.
    pub(crate) fn resize(&self) {
        if let (Some(terminal), Ok(size)) = (&self.terminal, rustix::termios::tcgetwinsize(standard(0))) {
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }

    /// The caller was stopped and goes on: a shell may have changed the terminal in between.
    pub(crate) fn resume(&self) {
        if let Some(raw) = &self.raw {
            raw.again();
        }
        self.resize();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        match self.raw.take() {
            Some(raw) => raw.leave(self.written),
            None => forget_answers(self.written),
        }
    }
}

impl Pump {
    const fn new(from: End, to: End, direction: Direction) -> Self {
        Self { from, to, held: Vec::new(), dry: false, direction }
    }

    fn source(&self) -> PollFd<'_> {
        if self.held.is_empty() {
            PollFd::from_borrowed_fd(self.from.as_fd(), PollFlags::IN)
        } else {
            PollFd::from_borrowed_fd(self.to.as_fd(), PollFlags::OUT)
        }
    }

    /// Reads once or writes once.
    fn run(&mut self) {
        if self.held.is_empty() {
            let mut chunk = [0; CHUNK_BYTES];
            match rustix::io::read(self.from.as_fd(), &mut chunk) {
                Ok(got) if got > 0 => self.held.extend(chunk.iter().take(got)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                // EIO: the last process let go of the terminal, or ours is gone.
                Ok(_) | Err(_) => self.dry = true,
            }
            return;
        }
        match rustix::io::write(self.to.as_fd(), &self.held) {
            Ok(sent) => drop(self.held.drain(..sent)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                self.held.clear();
                self.dry = true;
            }
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Standard(number) => standard(*number),
            Self::Devbox(fd) => fd.as_fd(),
        }
    }
}

/// What a pipe that is ready to be written always takes (PIPE_BUF, pipe(7)): the loop never blocks on one.
const CHUNK_BYTES: usize = 4096;
