//! The caller's terminal while a devbox has one of its own.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

use crate::stdio::standard;

/// Raw mode: every key goes inside. Left on drop as well, so that a panic leaves no broken terminal.
#[derive(Debug)]
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters raw mode on standard input.
    pub(crate) fn enter() -> std::io::Result<Self> {
        let raw = Self { before: tcgetattr(standard(0))? };
        raw.again();
        Ok(raw)
    }

    /// Enters it once more.
    pub(crate) fn again(&self) {
        let mut raw = self.before.clone();
        raw.make_raw();
        // A terminal that is gone takes no keys.
        let _ = tcsetattr(standard(0), OptionalActions::Drain, &raw);
    }

    /// Leaves raw mode. What the agent's last escape sequences make the terminal answer must not be typed into the user's shell: where any were seen,
    /// the terminal is asked one thing more, and everything up to that answer is thrown away.
    pub(crate) fn leave(self, escaped: bool) {
        if escaped && rustix::io::write(standard(1), STATUS_QUESTION).is_ok() {
            let mut seen: Vec<u8> = Vec::new();
            while seen.len() < ANSWER_BYTES_MAX && !seen.windows(STATUS_ANSWER.len()).any(|part| part == STATUS_ANSWER) {
                let mut source = [PollFd::from_borrowed_fd(standard(0), PollFlags::IN)];
                if !poll(&mut source, Some(&ANSWER_WAIT)).is_ok_and(|ready| ready > 0) {
                    break;
                }
                let mut chunk = [0; 256];
                match rustix::io::read(standard(0), &mut chunk) {
                    Ok(got) if got > 0 => seen.extend(chunk.iter().take(got)),
                    Ok(_) | Err(_) => break,
                }
            }
        }
        let _ = tcflush(standard(0), QueueSelector::IFlush);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(standard(0), OptionalActions::Flush, &self.before);
    }
}

/// Device status report (ECMA-48, 8.3.35) and the answer "ready".
const STATUS_QUESTION: &[u8] = b"\x1b[5n";
const STATUS_ANSWER: &[u8] = b"\x1b[0n";
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A terminal at hand answers within a few milliseconds.
const ANSWER_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 150_000_000 };
