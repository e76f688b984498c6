//! The caller's terminal while a devbox has one of its own, or writes to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, QueueSelector, Termios, isatty, tcflush, tcgetattr, tcgetpgrp, tcsetattr};

use crate::stdio::standard;

/// Raw mode: every key goes inside. Left on drop as well, so that a panic leaves no broken terminal.
#[derive(Debug)]
pub(crate) struct RawMode {
    terminal: Seat,
    before: Termios,
}

#[derive(Debug)]
enum Seat {
    /// Keys come from standard input, and answers to what is written to standard output.
    Standard,
    /// The one that this process belongs to.
    Opened(OwnedFd),
}

impl RawMode {
    /// Enters raw mode on standard input.
    pub(crate) fn enter() -> std::io::Result<Self> {
        Self::on(Seat::Standard)
    }

    fn on(terminal: Seat) -> std::io::Result<Self> {
        let before = tcgetattr(terminal.keys())?;
        let raw = Self { terminal, before };
        raw.again();
        Ok(raw)
    }

    /// Enters it once more.
    pub(crate) fn again(&self) {
        let mut raw = self.before.clone();
        raw.make_raw();
        // A terminal that is gone takes no keys.
        let _ = tcsetattr(self.terminal.keys(), OptionalActions::Drain, &raw);
    }

    /// Leaves raw mode. What the agent's last escape sequences make the terminal answer must not be typed into the user's shell: where there may have been
    /// any, the terminal is asked something more, and everything up to that answer is thrown away.
    pub(crate) fn leave(self, answers: Answers) {
        if answers == Answers::MayCome {
            drain(&self.terminal);
        }
        let _ = tcflush(self.terminal.keys(), QueueSelector::IFlush);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal.keys(), OptionalActions::Flush, &self.before);
    }
}

impl Seat {
    fn keys(&self) -> BorrowedFd<'_> {
        match self {
            Self::Standard => standard(0),
            Self::Opened(terminal) => terminal.as_fd(),
        }
    }

    fn screen(&self) -> BorrowedFd<'_> {
        match self {
            Self::Standard => standard(1),
            Self::Opened(terminal) => terminal.as_fd(),
        }
    }
}

/// Whether the terminal may have been made to answer something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Nothing that it answers was written to it.
    #[default]
    None,
    /// Something may have been.
    MayCome,
}

impl Answers {
    /// After `bytes`: escape and enquiry, and the controls above 127 that begin a sequence, by themselves or as they stand in UTF-8. Other letters hold these
    /// bytes, too; a question too many is harmless.
    pub(crate) fn after(self, bytes: &[u8]) -> Self {
        if bytes.iter().any(|byte| matches!(byte, 0x05 | 0x1b | 0x80..=0x9f)) { Self::MayCome } else { self }
    }
}

/// For a devbox whose standard input was no terminal, and what it wrote went to one: throws away what that answered. Only where this process is the one that
/// the terminal listens to; others would be stopped.
pub(crate) fn forget_answers(answers: Answers) {
    if answers == Answers::None || ![standard(1), standard(2)].into_iter().any(isatty) {
        return;
    }
    let Ok(terminal) = rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) else { return };
    if tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
        && let Ok(raw) = RawMode::on(Seat::Opened(terminal))
    {
        raw.leave(answers);
    }
}

/// Asks for the terminal's status, which all answer, and for three private modes (DECRQM) of random numbers, which the agent cannot have asked for in this
/// order. Terminals answer in order: with the last of them all answers have come. Those that do not know modes are waited for until they are quiet.
fn drain(terminal: &Seat) {
    let Some(modes) = random_modes() else { return };
    let question: String = std::iter::once(STATUS_QUESTION.to_owned()).chain(modes.iter().map(|mode| format!("\x1b[?{mode}$p"))).collect();
    if rustix::io::write(terminal.screen(), question.as_bytes()).is_err() {
        return;
    }
    let limit = Instant::now() + WAIT_MAX;
    let mut quiet = FIRST_WAIT;
    let mut seen = Vec::new();
    while Instant::now() < limit && !is_answered(&seen, &modes) {
        let mut source = [PollFd::from_borrowed_fd(terminal.keys(), PollFlags::IN)];
        if !Timespec::try_from(quiet).is_ok_and(|quiet| poll(&mut source, Some(&quiet)).is_ok_and(|ready| ready > 0)) {
            return;
        }
        let mut chunk = [0; 1024];
        match rustix::io::read(terminal.keys(), &mut chunk) {
            Ok(got) if got > 0 => seen.extend(chunk.iter().take(got)),
            Ok(_) | Err(_) => return,
        }
        seen.drain(..seen.len().saturating_sub(KEPT_BYTES));
        if seen.windows(STATUS_ANSWER.len()).any(|part| part == STATUS_ANSWER) {
            quiet = NEXT_WAIT;
        }
    }
}

/// Numbers of five digits, far from those of any mode there is.
fn random_modes() -> Option<[u32; 3]> {
    let mut bytes = [0; 6];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    let [a, b, c, d, e, f] = bytes;
    Some([[a, b], [c, d], [e, f]].map(|pair| 20_000 + u32::from(u16::from_le_bytes(pair)) % 40_000))
}

/// Whether the three answers have come, one after the other.
fn is_answered(seen: &[u8], modes: &[u32; 3]) -> bool {
    let mut rest = seen;
    let mut next = |word: &str| {
        let at = rest.windows(word.len()).position(|part| part == word.as_bytes())?;
        rest = rest.get(at + word.len()..)?;
        Some(at)
    };
    let [first, second, third] = modes.map(|mode| format!("?{mode};"));
    next(&first).is_some()
        && [&second, &third].into_iter().all(|word| next(word).is_some_and(|between| between <= ANSWER_BYTES_MAX))
        && next("$y").is_some()
}

/// Device status report (ECMA-48, 8.3.35) and the answer "ready".
const STATUS_QUESTION: &str = "\x1b[5n";
const STATUS_ANSWER: &[u8] = b"\x1b[0n";
/// Between the numbers of two answers: `0$y`, then `ESC [`.
const ANSWER_BYTES_MAX: usize = 8;
/// More than the three answers take.
const KEPT_BYTES: usize = 4096;
/// A terminal at hand answers within a few milliseconds, one at the end of a line within the time of that.
const FIRST_WAIT: Duration = Duration::from_millis(600);
/// Once it has answered the status, what else comes follows at once.
const NEXT_WAIT: Duration = Duration::from_millis(200);
/// However much it answers.
const WAIT_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_others_questions_are_not_taken_for_ours() {
        let modes = [20_001, 31_234, 59_999];
        let answer = |mode: u32| format!("\x1b[?{mode};0$y");
        let all: String = modes.iter().map(|mode| answer(*mode)).collect();
        assert!(is_answered(format!("\x1b[0n\x1b[24;80R{all}").as_bytes(), &modes));
        assert!(is_answered(all.replace("\x1b[", "\u{9b}").as_bytes(), &modes), "with controls of eight bits");
        let ascending: String = (20_000..60_000).map(answer).collect();
        assert!(!is_answered(ascending.as_bytes(), &modes), "whoever asks for all of them");
        assert!(!is_answered(all.trim_end_matches("$y").as_bytes(), &modes), "not yet whole");
    }

    #[test]
    fn all_that_makes_a_terminal_answer_is_noticed() {
        for bytes in [&b"\x1b[6n"[..], b"\x05", b"\x9b6n", "\u{9b}6n".as_bytes(), b"\x90$qm\x9c"] {
            assert_eq!(Answers::None.after(bytes), Answers::MayCome, "{bytes:?}");
        }
        assert_eq!(Answers::None.after(b"plain text\r\n"), Answers::None);
        assert_eq!(Answers::MayCome.after(b"plain text\r\n"), Answers::MayCome);
    }
}
