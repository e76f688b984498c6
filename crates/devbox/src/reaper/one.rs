//! The life of a devbox that is one command: pass signals on to it, and end with it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{Deaths, EXIT_ENDED, Inside, end_everything};
use crate::command::{self, Asked};
use crate::control::{Channel, Control, Fail, Order, Report, Size};
use crate::shown;

/// Runs the command to its end, and tells how it ended. Returns this process's own exit code.
pub(super) fn live(
    control: &Control,
    deaths: &Deaths,
    inside: Inside,
    (stdio, size): ([Channel; 3], Option<Size>),
    given: Vec<OwnedFd>,
) -> Result<i32, Fail> {
    let Inside { setup, built, walls, umask, .. } = inside;
    let asked = Asked { argv: &setup.argv, env: &setup.env, folder: Path::new(&setup.work), umask, stdio, size };
    let started = command::start(&asked, Some(walls), given)?;
    let beside: Vec<_> = started.terminal.iter().map(|terminal| terminal.outer.as_fd()).collect();
    // A maker that is gone is noticed by the loop below.
    let notes = shown::report(&built.notes, |left_out| format!("and {left_out} things more that were not looked at"));
    drop(control.send(&Report::Started { masked: shown::names(&built.masked), notes }, &beside));
    let code = until_the_end(control, deaths, started.pid);
    end_everything();
    let (said, stand_ins) = built.repositories.finish();
    let beside: Vec<_> = stand_ins.iter().map(AsFd::as_fd).collect();
    drop(control.send(&Report::Exited { code, git_changes: shown::report(&said, more) }, &beside));
    // Held until now: a terminal that nobody has open would look ended to its maker.
    drop(started.terminal);
    Ok(code)
}

/// Until the command has ended, or must. Its exit code.
fn until_the_end(control: &Control, deaths: &Deaths, command: Pid) -> i32 {
    while let Some(awake) = deaths.wait(control) {
        if awake.died {
            let ended = deaths.reap();
            if let Some((_, code)) = ended.iter().find(|(pid, _)| *pid == command) {
                return *code;
            }
        }
        if awake.spoken {
            match control.recv() {
                Ok((Order::Signal(number), _)) => pass_on(command, number),
                Ok((Order::Setup | Order::Start { .. } | Order::Open | Order::Exec { .. } | Order::Kill { .. }, _)) => {}
                // Asked to end, or the maker is gone: nothing may outlive it.
                Ok((Order::End, _)) | Err(_) => return EXIT_ENDED,
            }
        }
    }
    EXIT_ENDED
}

/// To the command's group, as a terminal would; to the command alone where it has left its group.
fn pass_on(command: Pid, number: i32) {
    if let Ok(signal) = Signal::try_from(number) {
        let _ = killpg(command, signal).or_else(|_| kill(command, signal));
    }
}

/// What stands for the lines that have no place.
fn more(left_out: usize) -> String {
    format!(
        "and {left_out} more things that the command made or changed: find all repositories with `find . -name .git -o -name HEAD` before you use git here"
    )
}
