//! The command's own process, from fork to exec: its session, its terminal, the walls that only it has.

use std::ffi::{CString, OsString};
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::OpenptFlags;

use crate::control::{At, Channel, Fail, Size, Step};
use crate::kernel::descriptors::close_on_exec_from;
use crate::kernel::fork::{Side, fork};
use crate::kernel::signals;
use crate::walls::{self, Walls};

/// A command, as it is asked for.
pub(crate) struct Asked<'a> {
    pub argv: &'a [OsString],
    pub env: &'a [(OsString, OsString)],
    /// The folder that it starts in.
    pub folder: &'a Path,
    pub umask: rustix::fs::Mode,
    pub stdio: [Channel; 3],
    /// The size of its terminal, where it has one.
    pub size: Option<Size>,
}

/// A command that was executed.
pub(crate) struct Started {
    pub pid: Pid,
    pub terminal: Option<Terminal>,
}

/// Starts the command, behind `walls` where they do not stand around this process already. `given` is a descriptor for each [`Channel::Given`]. Returns
/// when it was executed, or says what stood in the way.
pub(crate) fn start(asked: &Asked<'_>, walls: Option<Walls>, given: Vec<OwnedFd>) -> Result<Started, Fail> {
    let terminal = if asked.stdio.contains(&Channel::Terminal) { Some(open_terminal(asked.size).at(Step::Terminal)?) } else { None };
    let (mut told, tell) = std::io::pipe().at(Step::Spawn)?;
    match fork().at(Step::Spawn)? {
        Side::Parent(pid) => {
            drop(tell);
            drop(given);
            let mut answer = Vec::new();
            if let Err(fail) = wait_for(&told) {
                let _ = kill(pid, Signal::SIGKILL);
                return Err(fail);
            }
            told.read_to_end(&mut answer).at(Step::Spawn)?;
            if answer.is_empty() {
                return Ok(Started { pid, terminal });
            }
            Err(serde_json::from_slice(&answer).unwrap_or(Fail::new(Step::Spawn, libc::EPROTO)))
        }
        Side::Child => {
            let Err(fail) = become_the_command(asked, walls, &given, terminal.as_ref());
            // Should even this fail, the parent sees an empty answer and then the exit code.
            drop(serde_json::to_vec(&fail).map(|bytes| (&tell).write_all(&bytes)));
            std::process::exit(EXIT_NOT_STARTED);
        }
    }
}

/// Waits until the command was executed, or says why not. Another command of the devbox may stop it before that: pid 1 has more to do than to wait for it.
fn wait_for(told: &PipeReader) -> Result<(), Fail> {
    let mut source = [PollFd::new(told, PollFlags::IN)];
    match poll(&mut source, Some(&START_WAIT)).at(Step::Spawn)? {
        0 => Err(Fail::new(Step::Spawn, libc::ETIMEDOUT)),
        _ => Ok(()),
    }
}

/// The devbox's own terminal.
pub(crate) struct Terminal {
    pub outer: OwnedFd,
    pub inner: OwnedFd,
}

fn open_terminal(size: Option<Size>) -> rustix::io::Result<Terminal> {
    let outer = rustix::fs::open("/dev/pts/ptmx", rustix::fs::OFlags::RDWR | NO_CONTROL, rustix::fs::Mode::empty())?;
    rustix::pty::unlockpt(&outer)?;
    if let Some(Size { rows, columns }) = size {
        rustix::termios::tcsetwinsize(&outer, rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    }
    let inner = rustix::pty::ioctl_tiocgptpeer(&outer, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    Ok(Terminal { outer, inner })
}

fn become_the_command(
    asked: &Asked<'_>,
    walls: Option<Walls>,
    given: &[OwnedFd],
    terminal: Option<&Terminal>,
) -> Result<std::convert::Infallible, Fail> {
    rustix::process::setsid().at(Step::Spawn)?;
    if let Some(terminal) = terminal {
        rustix::process::ioctl_tiocsctty(&terminal.inner).at(Step::Terminal)?;
    }
    connect(asked.stdio, given, terminal)?;
    close_on_exec_from(3).at(Step::Stdio)?;
    rustix::process::umask(asked.umask);
    rustix::process::chdir(asked.folder).at(Step::WorkFolder)?;
    walls::limit()?;
    let argv = words(asked.argv.iter())?;
    let env = words(asked.env.iter().map(|(key, value)| {
        let mut word = key.clone();
        word.push("=");
        word.push(value);
        word
    }))?;
    let programs = candidates(asked)?;
    if let Some(walls) = walls {
        walls.put_up()?;
    }
    // Ignored by our own runtime; a pipeline relies on it.
    signals::default(Signal::SIGPIPE).at(Step::Spawn)?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).at(Step::Spawn)?;
    Err(execute(&programs, &argv, &env))
}

fn connect(stdio: [Channel; 3], given: &[OwnedFd], terminal: Option<&Terminal>) -> Result<(), Fail> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty());
    let null = null.at(Step::Stdio)?;
    let mut given = given.iter();
    let missing = || Fail::new(Step::Stdio, libc::EBADF);
    let mut pick = |channel| -> Result<BorrowedFd<'_>, Fail> {
        match channel {
            Channel::Nothing => Ok(null.as_fd()),
            Channel::Given => given.next().map(AsFd::as_fd).ok_or_else(missing),
            Channel::Terminal => terminal.map(|terminal| terminal.inner.as_fd()).ok_or_else(missing),
        }
    };
    let [input, output, error] = stdio;
    rustix::stdio::dup2_stdin(pick(input)?).at(Step::Stdio)?;
    rustix::stdio::dup2_stdout(pick(output)?).at(Step::Stdio)?;
    rustix::stdio::dup2_stderr(pick(error)?).at(Step::Stdio)
}

/// The paths that the command's name may mean, as execvp(3) looks them up, but in the devbox's own `PATH`.
fn candidates(asked: &Asked<'_>) -> Result<Vec<CString>, Fail> {
    let name = asked.argv.first().ok_or(Fail::new(Step::Exec, libc::ENOENT))?;
    if name.as_bytes().contains(&b'/') {
        return words(std::iter::once(name));
    }
    let path =
        asked.env.iter().rev().find(|(key, _)| key == "PATH").map_or_else(|| OsString::from(DEFAULT_PATH), |(_, value)| value.clone());
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    words(folders.map(|folder| folder.join(name).into_os_string()))
}

/// Tries each; what was found and could not be executed is told rather than what was not found.
fn execute(programs: &[CString], argv: &[CString], env: &[CString]) -> Fail {
    let mut errno = libc::ENOENT;
    for program in programs {
        let Err(error) = nix::unistd::execve(program, argv, env);
        let there = std::path::Path::new(std::ffi::OsStr::from_bytes(program.to_bytes())).exists();
        match error as i32 {
            libc::ENOEXEC => return run_by_shell(program, argv, env),
            // It is there, but what would run it (its interpreter or loader) is not.
            libc::ENOENT | libc::ENOTDIR if there => errno = libc::ENOEXEC,
            libc::ENOENT | libc::ENOTDIR => {}
            other => errno = other,
        }
    }
    Fail::new(Step::Exec, errno)
}

/// A script without an interpreter line, as every shell runs it.
fn run_by_shell(program: &CString, argv: &[CString], env: &[CString]) -> Fail {
    let mut words = vec![c"sh".to_owned(), program.clone()];
    words.extend(argv.iter().skip(1).cloned());
    let Err(_) = nix::unistd::execve(c"/bin/sh", &words, env);
    Fail::new(Step::Exec, libc::ENOEXEC)
}

fn words<W: AsRef<std::ffi::OsStr>>(words: impl Iterator<Item = W>) -> Result<Vec<CString>, Fail> {
    let words = words.map(|word| CString::new(word.as_ref().as_bytes()));
    words.collect::<Result<_, _>>().map_err(|_| Fail::new(Step::Exec, libc::EINVAL))
}

const NO_CONTROL: rustix::fs::OFlags = rustix::fs::OFlags::NOCTTY.union(rustix::fs::OFlags::CLOEXEC);
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A loaded machine, not a broken one.
const START_WAIT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Never seen: the failure itself was told.
const EXIT_NOT_STARTED: i32 = 125;
