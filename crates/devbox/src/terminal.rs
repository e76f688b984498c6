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

    /// Leaves raw mode, with a terminal that shows what is printed next. What the agent's last escape sequences make the terminal answer must not be typed into
    /// the user's shell: where there may have been any, the terminal is asked something more, and everything up to that answer is thrown away.
    pub(crate) fn leave(self, written: Written) {
        if written.controls {
            make_readable(self.terminal.screen(), written);
            self.forget();
        } else {
            let _ = tcflush(self.terminal.keys(), QueueSelector::IFlush);
        }
    }

    fn forget(self) {
        drain(&self.terminal);
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

/// What others wrote to a terminal, as far as it matters afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The terminal may have been made to answer something, or to show things otherwise.
    controls: bool,
    /// It may have been given other colours.
    colours: bool,
    /// The last byte.
    last: Option<u8>,
    within: Within,
}

/// Where in a sequence of controls a text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Text,
    Escape,
    /// An operating system command (OSC) of this number.
    Command(u32),
}

impl Written {
    /// After `bytes`: escape, enquiry and shift-out, and the controls above 127 that begin a sequence, by themselves or as they stand in UTF-8. Other letters
    /// hold these bytes, too; a question too many is harmless.
    #[must_use]
    pub fn after(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.controls |= matches!(byte, 0x05 | 0x0e | 0x1b | 0x80..=0x9f);
            self.within = match (self.within, byte) {
                (_, 0x1b) => Within::Escape,
                (_, 0x9d) | (Within::Escape, b']') => Within::Command(0),
                (Within::Command(number), b'0'..=b'9') => Within::Command(number.saturating_mul(10).saturating_add(u32::from(byte - b'0'))),
                (Within::Command(number), end) => {
                    self.colours |= *end == b'P' || COLOURS.contains(&number);
                    Within::Text
                }
                (Within::Text | Within::Escape, _) => Within::Text,
            };
        }
        self.last = bytes.last().copied().or(self.last);
        self
    }

    /// What is written to the terminal so that what is printed next is seen, on a line of its own.
    fn undone(self) -> String {
        let colours = if self.colours { OWN_COLOURS } else { "" };
        let line = if self.last == Some(b'\n') { "\r" } else { "\r\n" };
        format!("{READABLE}{colours}{line}{CLEAR_BELOW}")
    }
}

/// For what others wrote to this terminal while it was in no raw mode: makes it show what is printed next, and throws away what it answered. The latter only
/// where this process is the one that the terminal listens to; others would be stopped.
pub fn forget_answers(written: Written) {
    let Some(screen) = [standard(2), standard(1)].into_iter().find(|fd| isatty(fd)).filter(|_| written.controls) else { return };
    make_readable(screen, written);
    let Ok(terminal) = rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) else { return };
    if tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
        && let Ok(raw) = RawMode::on(Seat::Opened(terminal))
    {
        raw.forget();
    }
}

/// What hides text, and what holds it back, is undone: what is said next may be a warning of the one who wrote last.
fn make_readable(screen: BorrowedFd<'_>, written: Written) {
    // A terminal that is gone shows nothing.
    let _ = rustix::io::write(screen, written.undone().as_bytes());
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

/// Ends whatever was begun (CAN, ST) and held back (2026); the usual screen, all of it as the scrolling region, and the cursor where it was; then DECSTR, with
/// what it does not undo everywhere: lines that wrap, nothing inserted or reversed, a cursor that is seen, no reports of mouse, focus and pastes, plain letters.
const READABLE: &str = concat!(
    "\x18\x1b\\\x1b[?2026l",
    "\x1b7\x1b[?1049l\x1b[?69l\x1b[r\x1b8",
    "\x1b[!p\x1b[?7h\x1b[4l\x1b[?5l\x1b[?25h",
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l",
    "\x1b[m\x1b(B\x0f",
);
/// The commands that set colours: of the palette, the text and the background (xterm's), kitty's, iTerm's.
const COLOURS: [u32; 13] = [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 19, 21, 1337];
/// The user's own colours again; the last is the Linux console's.
const OWN_COLOURS: &str = "\x1b]104\x1b\\\x1b]105\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]21;foreground=;background=\x1b\\\x1b]R\x1b\\";
/// What stands below may be anybody's.
const CLEAR_BELOW: &str = "\x1b[J";
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
        for bytes in [&b"\x1b[6n"[..], b"\x05", b"\x9b6n", "\u{9b}6n".as_bytes(), b"\x90$qm\x9c", b"\x0e"] {
            assert!(Written::default().after(bytes).controls, "{bytes:?}");
        }
        assert!(!Written::default().after(b"plain text\r\n").controls);
        assert!(Written::default().after(b"\x1b[m").after(b"plain text\r\n").controls);
    }

    #[test]
    fn colours_are_undone_where_they_were_set_however_that_came() {
        let is_undone =
            |pieces: &[&[u8]]| pieces.iter().fold(Written::default(), |written, piece| written.after(piece)).undone().contains("]111");
        for set in [
            &b"\x1b]11;#000000\x07"[..],
            b"\x1b]0004;7;#000\x1b\\",
            "\u{9d}10;#000\u{9c}".as_bytes(),
            b"\x1b]P0000000",
            b"\x1bPtmux;\x1b\x1b]10;#000\x07",
        ] {
            let bytes: Vec<&[u8]> = set.chunks(1).collect();
            assert!(is_undone(&[set]) && is_undone(&bytes), "{set:?}");
        }
        for other in [&b"\x1b]0;a title\x07"[..], b"\x1b]8;;https://a.example\x1b\\", b"\x1b[31mred\x1b[m", b"text"] {
            assert!(!is_undone(&[other]), "{other:?}");
        }
    }

    #[test]
    fn what_is_printed_next_begins_a_line() {
        assert!(Written::default().after(b"\x1b[mtext").undone().ends_with("\r\n\x1b[J"));
        assert!(Written::default().after(b"\x1b[mtext\n").undone().ends_with("\x0f\r\x1b[J"));
    }
}
