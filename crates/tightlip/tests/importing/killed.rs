//! Killed at every step of writing the file again: the old file or the new one is there, whole, and what was stored is stored.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use nix::sys::signal::Signal;
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

use crate::place::Place;

/// Both values that can be imported, taken out.
pub const ALL: [&str; 8] = ["import", "app.env", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY", "--update", "--replace"];

/// A step of writing the file again: the calls by which it is done; with a mask, only where these bits of the third argument are set.
pub struct Step {
    pub name: &'static str,
    calls: Vec<i64>,
    mask: Option<u64>,
}

/// All of them, in their order.
pub fn steps() -> [Step; 5] {
    #[cfg(target_arch = "x86_64")]
    let renames = vec![libc::SYS_rename, libc::SYS_renameat, libc::SYS_renameat2];
    #[cfg(not(target_arch = "x86_64"))]
    let renames = vec![libc::SYS_renameat, libc::SYS_renameat2];
    let step = |name, calls, mask| Step { name, calls, mask };
    [
        step("open", vec![libc::SYS_openat], Some(u64::try_from(libc::O_EXCL).unwrap())),
        step("fchown", vec![libc::SYS_fchown], None),
        step("fchmod", vec![libc::SYS_fchmod], None),
        step("fsync", vec![libc::SYS_fsync], None),
        step("rename", renames, None),
    ]
}

/// A filter with which the kernel does this as the process enters the step.
pub fn filter(step: &Step, action: SeccompAction) -> BpfProgram {
    let rule = |mask| {
        SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), mask).unwrap()]).unwrap()
    };
    let rules = step.calls.iter().map(|call| (*call, step.mask.map(rule).into_iter().collect())).collect();
    let target = std::env::consts::ARCH.try_into().unwrap();
    SeccompFilter::new(rules, SeccompAction::Allow, action, target).unwrap().try_into().unwrap()
}

/// Runs the import under this filter: a filter holds for a thread and for what it starts.
fn killed(place: &Place, filter: &BpfProgram) -> Output {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            seccompiler::apply_filter(filter).unwrap();
            place.watched(&mut place.command(&ALL))
        });
        thread.join().unwrap()
    })
}

#[test]
fn nothing_is_lost_wherever_it_is_killed() {
    let place = Place::new();
    let text = place.text();
    let path = place.write("app.env", &text);
    for step in steps() {
        let name = step.name;
        let output = killed(&place, &filter(&step, SeccompAction::KillProcess));
        assert_eq!(output.status.signal(), Some(Signal::SIGSYS as i32), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "killed at {name}");
        assert_eq!(place.names(), ["GITHUB_TOKEN", "ACME_KEY"], "killed at {name}");
        holds_no_imported_value(&place);
    }
}

#[test]
fn nothing_is_lost_where_the_disk_takes_a_part_only() {
    let place = Place::new();
    let text = format!("{}\n{}", place.text(), "# a comment\n".repeat(200));
    let path = place.write("app.env", &text);
    let binary = place.server.binary().to_string_lossy().into_owned();
    // Units of 512 bytes; past them the kernel ends the process (setrlimit(2), RLIMIT_FSIZE).
    for units in 0..4 {
        let mut command = std::process::Command::new("sh");
        let ours = place.command(&[]);
        let variables: Vec<_> = ours.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let line = format!("ulimit -f {units} && exec '{binary}' {}", ALL.join(" "));
        let output = place.watched(command.args(["-c", &line]).current_dir(place.folder()).env_clear().envs(variables));
        assert_eq!(output.status.signal(), Some(Signal::SIGXFSZ as i32), "with {units} units");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "with {units} units");
        assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 1, "something is left with {units} units");
    }
    assert_eq!(place.json(&ALL)["replaced"], true);
}

/// What lies beside the file holds none of what was stored.
fn holds_no_imported_value(place: &Place) {
    for entry in fs::read_dir(place.folder()).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "app.env") {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!place.github.is_in(&bytes) && !place.drawn.is_in(&bytes), "{:?}", entry.file_name());
        fs::remove_file(entry.path()).unwrap();
    }
}
