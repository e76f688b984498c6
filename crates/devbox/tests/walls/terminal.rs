//! A terminal of the devbox's own.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::Test;
use super::cli::{Box, folder, shell};

pub const TESTS: &[Test] = &[
    ("nothing_is_typed_outside", nothing_is_typed_outside),
    ("the_terminal_is_its_own", the_terminal_is_its_own),
    ("keys_and_sizes_arrive", keys_and_sizes_arrive),
    ("the_callers_terminal_is_restored", the_callers_terminal_is_restored),
    ("answers_of_the_terminal_are_not_left_for_the_shell", answers_of_the_terminal_are_not_left_for_the_shell),
    ("the_report_is_seen_whatever_was_written_to_the_terminal", the_report_is_seen_whatever_was_written_to_the_terminal),
    ("plain_output_leaves_the_terminal_alone", plain_output_leaves_the_terminal_alone),
    ("a_terminal_beside_a_pipe_is_relayed", a_terminal_beside_a_pipe_is_relayed),
];

/// How long an answer of the terminal takes.
const LINE: Duration = Duration::from_millis(100);

struct Seat {
    outer: std::fs::File,
    inner: OwnedFd,
}

fn seat() -> Seat {
    let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    unlockpt(&outer).unwrap();
    tcsetwinsize(&outer, Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let inner = rustix::pty::ioctl_tiocgptpeer(&outer, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    Seat { outer: outer.into(), inner }
}

fn sit(seat: &Seat, asked: &Box) -> Child {
    let end = || Stdio::from(seat.inner.try_clone().unwrap());
    asked.cli().stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
}

/// Everything until the caller's terminal is let go of.
fn all(seat: Seat) -> String {
    drop(seat.inner);
    let mut outer = seat.outer;
    let mut said = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(got) = outer.read(&mut chunk) {
        if got == 0 {
            break;
        }
        said.extend(&chunk[..got]);
    }
    String::from_utf8(said).unwrap()
}

fn until(seat: &mut Seat, word: &str) -> String {
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains(word) {
        seat.outer.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    said
}

fn nothing_is_typed_outside() {
    let work = folder();
    let seat = seat();
    let script = "perl -e '$x = \"x\"; print ioctl(STDIN, 0x5412, $x) ? \"typed\" : \"refused\"'";
    let mut child = sit(&seat, &shell(work.path(), script));
    assert!(all(seat).contains("refused"));
    assert!(child.wait().unwrap().success());
}

fn the_terminal_is_its_own() {
    let work = folder();
    let seat = seat();
    let mut child = sit(
        &seat,
        &shell(work.path(), "tty; stty size; ps -o tty= -p $$ 2>/dev/null; echo via-tty > /dev/tty; ls /dev/pts | tr '\\n' ' '"),
    );
    let said = all(seat);
    assert!(said.starts_with("/dev/pts/0\r\n33 77\r\n") && said.contains("via-tty") && said.contains("0 ptmx"), "{said:?}");
    assert!(child.wait().unwrap().success());
}

fn keys_and_sizes_arrive() {
    let work = folder();
    let mut seat = seat();
    let mut child =
        sit(&seat, &shell(work.path(), "trap 'stty size; exit 5' INT; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"));
    until(&mut seat, "ready");
    tcsetwinsize(&seat.outer, Winsize { ws_row: 11, ws_col: 22, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    // The caller's terminal is nobody's controlling terminal here: its window signal is sent by hand.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), nix::sys::signal::Signal::SIGWINCH).unwrap();
    until(&mut seat, "11 22");
    // Raw outside: Ctrl-C is a key for the inside.
    seat.outer.write_all(b"\x03").unwrap();
    assert!(all(seat).contains("11 22"));
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

fn the_callers_terminal_is_restored() {
    let work = folder();
    for script in ["stty raw -echo; echo ready; read x", "echo ready; read x; kill -9 $$"] {
        let mut seat = seat();
        let mut child = sit(&seat, &shell(work.path(), script));
        until(&mut seat, "ready");
        assert!(!tcgetattr(&seat.inner).unwrap().local_modes.contains(LocalModes::ECHO), "raw while it runs");
        seat.outer.write_all(b"\r\n").unwrap();
        child.wait().unwrap();
        assert!(tcgetattr(&seat.inner).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON), "restored");
    }
}

/// A terminal at the end of a line: what is asked of it is answered after `LINE`, and what it was given to answer is counted.
fn answer(mut outer: std::fs::File) {
    let (send, due) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    let mut keys = outer.try_clone().unwrap();
    std::thread::spawn(move || {
        for (at, answer) in due {
            std::thread::park_timeout(at.saturating_duration_since(Instant::now()));
            // The terminal is gone at the end.
            let _ = keys.write_all(&answer);
        }
    });
    std::thread::spawn(move || {
        let mut seen = String::new();
        let mut chunk = [0; 4096];
        while let Ok(got) = outer.read(&mut chunk) {
            if got == 0 {
                return;
            }
            seen.push_str(&String::from_utf8_lossy(&chunk[..got]).replace('\u{9b}', "\u{1b}["));
            while let Some((_, after)) = seen.split_once("\u{1b}[") {
                let Some(end) = after.find(|c: char| c.is_ascii_alphabetic()) else { break };
                let question = after[..=end].to_owned();
                let answer = match question.as_str() {
                    "5n" => "\u{1b}[0n".to_owned(),
                    "6n" => "\u{1b}[24;80R".to_owned(),
                    mode => mode.strip_suffix("$p").map(|mode| format!("\u{1b}[{mode};0$y")).unwrap_or_default(),
                };
                seen = after[end + 1..].to_owned();
                send.send((Instant::now() + LINE, answer.into_bytes())).unwrap();
            }
        }
    });
}

fn answers_of_the_terminal_are_not_left_for_the_shell() {
    let work = folder();
    for agent in [
        "print \"\\x1b[6n\" x 20",
        // An 8-bit control in UTF-8, and no escape character.
        "print \"\\xc2\\x9b6n\" x 20",
        // It asks the question first that it guesses is asked at the end, and the rest a moment later.
        "$| = 1; print \"\\x1b[5n\"; select undef, undef, undef, 0.06; print \"\\x1b[6n\" x 20",
        "$| = 1; print \"\\x1b[5n\", map({ \"\\x1b[?$_\\$p\" } 20000 .. 21000); print \"\\x1b[6n\" x 20",
    ] {
        let asked = super::cli::command(work.path(), &["perl", "-e", agent]);
        let at_the_terminal = seat();
        let nothing_is_left = |seat: &Seat, mut child: Child| {
            assert!(child.wait().unwrap().success(), "{agent}");
            assert_eq!(typed(seat), "", "{agent}");
        };
        answer(at_the_terminal.outer.try_clone().unwrap());
        let child = sit(&at_the_terminal, &asked);
        nothing_is_left(&at_the_terminal, child);

        // Where standard input is a file there is no raw mode, and what is written goes to the terminal all the same.
        let beside = seat();
        answer(beside.outer.try_clone().unwrap());
        let (cli, end) = (asked.cli(), || Stdio::from(beside.inner.try_clone().unwrap()));
        let mut leader = std::process::Command::new("setsid");
        leader.args(["-c", "sh", "-c", "exec \"$@\" < /dev/null", "sh"]).arg(cli.get_program()).args(cli.get_args());
        let child = leader.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        nothing_is_left(&beside, child);
    }
}

fn the_report_is_seen_whatever_was_written_to_the_terminal() {
    let work = folder();
    // Concealed, in a region of one line, on another screen, in one colour, and the last sequence never ends.
    let hidden = "\\x1b[8m\\x1b[1;1r\\x1b[?25l\\x1b[?1049h\\x1b]11;#000\\x07\\x1b]0;open";
    let agent = format!("mkdir 'x', 0755; mkdir 'x/.git', 0755; mkdir 'x/.git/HEAD', 0755; $| = 1; print \"{hidden}\"");
    let asked = super::cli::command(work.path(), &["perl", "-e", &agent]);
    for by_itself in [true, false] {
        let seat = seat();
        let mut child = if by_itself {
            sit(&seat, &asked)
        } else {
            let end = || Stdio::from(seat.inner.try_clone().unwrap());
            asked.cli().stdin(Stdio::null()).stdout(end()).stderr(end()).spawn().unwrap()
        };
        let said = all(seat);
        child.wait().unwrap();
        let (_, after) = said.split_once("]0;open").unwrap();
        let (undone, _) = after.split_once("`x/.git` was made").unwrap_or_else(|| panic!("{said:?}"));
        for wanted in ["\u{18}", "\u{1b}\\", "\u{1b}[?1049l", "\u{1b}[r", "\u{1b}[m", "\u{1b}[?25h", "\u{1b}]111"] {
            assert!(undone.contains(wanted), "{wanted:?} in {undone:?}");
        }
        std::fs::remove_dir_all(work.path().join("x")).unwrap();
    }
}

fn plain_output_leaves_the_terminal_alone() {
    let work = folder();
    let seat = seat();
    let mut child = sit(&seat, &shell(work.path(), "echo plain"));
    assert_eq!(all(seat), "plain\r\n");
    assert!(child.wait().unwrap().success());
}

/// What a shell would read at this terminal, once everything has come that still comes.
fn typed(seat: &Seat) -> String {
    let late = Instant::now() + 3 * LINE;
    let mut raw = tcgetattr(&seat.inner).unwrap();
    raw.make_raw();
    rustix::termios::tcsetattr(&seat.inner, rustix::termios::OptionalActions::Now, &raw).unwrap();
    let mut typed = Vec::new();
    while let Some(left) = late.checked_duration_since(Instant::now()) {
        let mut source = [PollFd::new(&seat.inner, PollFlags::IN)];
        if poll(&mut source, Some(&left.try_into().unwrap())).unwrap() > 0 {
            let mut chunk = [0; 4096];
            let got = rustix::io::read(&seat.inner, &mut chunk).unwrap();
            typed.extend_from_slice(&chunk[..got]);
        }
    }
    String::from_utf8_lossy(&typed).into_owned()
}

fn a_terminal_beside_a_pipe_is_relayed() {
    let work = folder();
    let seat = seat();
    let asked = shell(work.path(), "read line; echo \"got $line\"; test -t 0 || echo pipe; tty");
    let mut child =
        asked.cli().stdin(Stdio::from(seat.inner.try_clone().unwrap())).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    (&seat.outer).write_all(b"a line\n").unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "got a line\npipe\nnot a tty\n");
    child.wait().unwrap();
}
