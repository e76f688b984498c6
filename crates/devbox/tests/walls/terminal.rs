//! A terminal of the devbox's own.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::Test;
use super::cli::{Box, folder, shell};

pub const TESTS: &[Test] = &[
    ("nothing_is_typed_outside", nothing_is_typed_outside),
    ("the_terminal_is_its_own", the_terminal_is_its_own),
    ("keys_and_sizes_arrive", keys_and_sizes_arrive),
    ("the_callers_terminal_is_restored", the_callers_terminal_is_restored),
    ("a_terminal_beside_a_pipe_is_relayed", a_terminal_beside_a_pipe_is_relayed),
];

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
