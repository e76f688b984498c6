//! The life of a devbox that takes commands: each a login shell in a session of its own, from the home on.
//!
//! Pid 1 goes behind the walls itself before the first command, so that all commands share them: one may signal another's processes, as any shells of one
//! user may.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

use super::{Deaths, EXIT_ENDED, Inside, end_everything};
use crate::command::{self, Asked};
use crate::control::{At, Channel, Control, Fail, Order, Report, Step};
use crate::environment;
use crate::setup::read_memory;
use crate::walls;

/// What every command of this devbox starts with.
struct House {
    shell: OsString,
    env: Vec<(OsString, OsString)>,
    home: PathBuf,
    umask: rustix::fs::Mode,
}

/// A command whose leader runs.
struct Leader {
    number: u64,
    pid: Pid,
}

/// Takes commands until the devbox is over. Returns this process's own exit code.
pub(super) fn live(control: &Control, deaths: &Deaths, inside: Inside, entrypoint: Option<OwnedFd>) -> Result<i32, Fail> {
    let Inside { setup, plain, built, walls, numbers, .. } = inside;
    drop(built);
    let house = House {
        env: environment::of_a_login(&setup, &plain)?,
        shell: setup.user.shell.into(),
        home: setup.home_inside.into(),
        umask: rustix::fs::Mode::from_raw_mode(UMASK),
    };
    drop(plain);
    walls::limit_files()?;
    walls.put_up()?;
    let entrypoint = match entrypoint {
        Some(text) => Some(house.run(text, [Channel::Nothing; 3], Vec::new())?),
        None => None,
    };
    // A maker that is gone is noticed by the loop.
    drop(control.send(&Report::Opened, &[]));
    let code = attend(control, deaths, &house, entrypoint, numbers);
    end_everything();
    if let Some(code) = code {
        drop(control.send(&Report::Exited { code, git_changes: Vec::new() }, &[]));
    }
    Ok(code.unwrap_or(EXIT_ENDED))
}

impl House {
    /// Starts a command; `text` is the login shell's.
    fn run(&self, text: OwnedFd, stdio: [Channel; 3], given: Vec<OwnedFd>) -> Result<Pid, Fail> {
        let mut text = read_memory(text).at(Step::Setup)?;
        if matches!(text.first(), Some(b'-' | b'+')) {
            // Not an option of the shell's.
            text.insert(0, b' ');
        }
        let argv = [self.shell.clone(), "-l".into(), "-c".into(), OsString::from_vec(text)];
        let asked = Asked { argv: &argv, env: &self.env, folder: &self.home, umask: self.umask, stdio, size: None };
        command::start(&asked, None, given).map(|started| started.pid)
    }
}

/// Until the entrypoint has ended (its code), or the devbox must.
fn attend(control: &Control, deaths: &Deaths, house: &House, entrypoint: Option<Pid>, numbers: i32) -> Option<i32> {
    let mut leaders: Vec<Leader> = Vec::new();
    while let Some(awake) = deaths.wait(control) {
        if awake.died {
            for (pid, code) in deaths.reap() {
                if Some(pid) == entrypoint {
                    return Some(code);
                }
                if let Some(index) = leaders.iter().position(|leader| leader.pid == pid) {
                    let number = leaders.swap_remove(index).number;
                    drop(control.send(&Report::Ended { number, code }, &[]));
                }
            }
        }
        if awake.spoken {
            match control.recv() {
                Ok((Order::Exec { number }, fds)) => {
                    let report = match exec(house, fds) {
                        Ok(pid) => {
                            leaders.push(Leader { number, pid });
                            Report::Ran { number, session: pid.as_raw() }
                        }
                        Err(fail) => Report::NotRun { number, fail },
                    };
                    drop(control.send(&report, &[]));
                }
                Ok((Order::Kill { session }, _)) => {
                    let session = Pid::from_raw(session);
                    let is_led = leaders.iter().any(|leader| leader.pid == session);
                    // A number is given anew when the last of its session has gone, not before.
                    if is_led || getsid(Some(session)).is_err() {
                        end_session(session, numbers);
                    }
                }
                Ok((Order::Setup | Order::Start { .. } | Order::Signal(_) | Order::Open, _)) => {}
                // Asked to end, or the maker is gone: nothing may outlive it.
                Ok((Order::End, _)) | Err(_) => return None,
            }
        }
    }
    None
}

fn exec(house: &House, fds: Vec<OwnedFd>) -> Result<Pid, Fail> {
    let [text, output, error] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| Fail::new(Step::Stdio, libc::EPROTO))?;
    house.run(text, [Channel::Nothing, Channel::Given, Channel::Given], vec![output, error])
}

/// Ends every process of a session. All are stopped before the first is killed: what is stopped forks no more, and keeps its place in a full process table.
fn end_session(session: Pid, numbers: i32) {
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        signal_session(session, numbers, signal);
    }
}

/// Signals every process of a session until no other is seen. The numbers are asked one by one, since a process can hide from `/proc`, and each is signalled
/// as it is seen: a bomb's processes live for less than a look at all numbers takes. One look that finds nothing new says little, since the numbers of the
/// dead are soon given anew.
fn signal_session(session: Pid, numbers: i32, signal: Signal) {
    let mut before = HashSet::new();
    let mut calm = 0;
    for _ in 0..ROUNDS_MAX {
        let mut members = HashSet::new();
        for number in 2..=numbers {
            let pid = Pid::from_raw(number);
            if getsid(Some(pid)) == Ok(session) && kill(pid, signal).is_ok() {
                members.insert(number);
            }
        }
        calm = if members.is_subset(&before) { calm + 1 } else { 0 };
        if calm == CALM_ROUNDS {
            return;
        }
        before = members;
    }
}

/// As a login's: others may read.
const UMASK: u32 = 0o022;
/// Looks that find nothing new before a signal is held to have reached all.
const CALM_ROUNDS: usize = 3;
/// A handful is enough for a fork bomb; an end for whoever would find a way around.
const ROUNDS_MAX: usize = 100;
