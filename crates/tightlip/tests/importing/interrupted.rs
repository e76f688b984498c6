//! Interrupted at every step of writing the file again: the signal waits, so that nothing is left beside the file; and what a kill left is taken away.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use seccompiler::SeccompAction;

use crate::killed::{ALL, Step, filter, steps};
use crate::place::{Place, code, said};

/// Runs the import, sends it this signal as it enters the step, and says how it ended.
#[allow(clippy::zombie_processes, reason = "waitpid reaps it, and tells of its stops")]
fn interrupted(place: &Place, step: &Step, signal: Signal) -> WaitStatus {
    let traced = filter(step, SeccompAction::Trace(0));
    let ours = place.command(&[]);
    let variables: Vec<_> = ours.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    // It waits until it is watched.
    let line = format!("read -r go && exec '{}' {}", place.server.binary().to_string_lossy(), ALL.join(" "));
    std::thread::scope(|scope| {
        // Who watches a process is a thread, and a filter holds for a thread and for what it starts.
        let thread = scope.spawn(|| {
            seccompiler::apply_filter(&traced).unwrap();
            let mut command = Command::new("sh");
            command.args(["-c", &line]).current_dir(place.folder()).env_clear().envs(variables);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let pid = Pid::from_raw(child.id().cast_signed());
            ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESECCOMP | ptrace::Options::PTRACE_O_EXITKILL).unwrap();
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
            let mut sent = false;
            loop {
                let status = waitpid(pid, None).unwrap();
                if let WaitStatus::PtraceEvent(..) = status {
                    if !sent {
                        kill(pid, signal).unwrap();
                    }
                    sent = true;
                    ptrace::cont(pid, None).unwrap();
                } else if let WaitStatus::Stopped(_, other) = status {
                    ptrace::cont(pid, other).unwrap();
                } else {
                    assert!(sent, "{} was never reached", step.name);
                    return status;
                }
            }
        });
        thread.join().unwrap()
    })
}

/// What lies in the folder.
fn names(place: &Place) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(place.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_is_left_beside_the_file_wherever_it_is_interrupted() {
    let place = Place::new();
    for step in steps() {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            let path = place.write("app.env", place.text());
            let ended = interrupted(&place, &step, signal);
            assert!(matches!(ended, WaitStatus::Signaled(_, by, _) if by == signal), "{signal} at {}: {ended:?}", step.name);
            assert_eq!(names(&place), ["app.env"], "{signal} at {}", step.name);
            let after = fs::read_to_string(&path).unwrap();
            assert!(after.contains("# GITHUB_TOKEN is kept by tightlip") && after.contains("DATABASE_URL="), "{signal} at {}", step.name);
        }
    }
}

#[test]
fn what_a_kill_left_beside_the_file_is_named_and_the_next_replacement_takes_it_away() {
    let place = Place::new();
    place.write(".env", place.text());
    let left = place.write("..env.tightlip-4194305", "DATABASE_URL=x\n");
    // None of ours, by its name, by what it is, or by whose it is.
    let mut others = vec![".env".to_owned(), "elsewhere".to_owned()];
    place.write("elsewhere", "");
    for name in ["..env.tightlip-", "..env.tightlip-1x", "..env.tightlip-1.bak", ".env.tightlip-1", "..env.local.tightlip-1"] {
        place.write(name, "");
        others.push(name.to_owned());
    }
    symlink("elsewhere", place.folder().join("..env.tightlip-7")).unwrap();
    fs::create_dir(place.folder().join("..env.tightlip-8")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.folder().join("..env.tightlip-9"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    others.extend(["..env.tightlip-7", "..env.tightlip-8", "..env.tightlip-9"].map(str::to_owned));
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(place.write("..env.tightlip-6", ""), Some(1000), None).unwrap();
        others.push("..env.tightlip-6".to_owned());
    }
    others.sort();
    for arguments in [&["import", ".env", "--dry-run", "--replace"][..], &["import", ".env"]] {
        let words = said(&place.run(arguments));
        assert!(words.contains("..env.tightlip-4194305 is what a killed import left"), "{arguments:?}: {words}");
        assert!(words.contains("tightlip import .env --replace"), "{arguments:?}: {words}");
        assert!(!words.contains("tightlip-7") && !words.contains("tightlip-6"), "{words}");
        assert!(left.exists());
    }
    // Nothing is stored by this one, and it goes all the same.
    let output = place.run(&["import", ".env", "--replace"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("removed ..env.tightlip-4194305, which a killed import left"), "{}", said(&output));
    assert_eq!(names(&place), others);
    assert_eq!(place.json(&["import", ".env", "--replace"])["warnings"], serde_json::json!([]));
}

#[test]
fn what_an_import_that_runs_is_writing_is_left_to_it() {
    let place = Place::new();
    place.write(".env", place.text());
    let path = place.write("..env.tightlip-4194305", "DATABASE_URL=x\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let held = fs::File::open(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(!said(&place.run(&["import", ".env", "--replace", "--update"])).contains("tightlip-4194305"));
    assert!(path.exists());
    drop(held);
    assert!(said(&place.run(&["import", ".env", "--replace", "--update"])).contains("removed ..env.tightlip-4194305"));
    assert!(!path.exists());
}
