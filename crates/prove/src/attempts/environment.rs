//! The environment, asked in every way.

use std::fs;
use std::io::{Read, Seek, SeekFrom};

use super::Channel::Environment;
use super::Control::{Absent, Leaks};
use super::{Attempt, does, shell};
use crate::probe::Knowledge;

pub(super) const ATTEMPTS: &[Attempt] = &[
    does("print the environment", Environment, 21, Leaks, environment),
    does("read /proc/self/environ", Environment, 21, Leaks, own_environ),
    does("read every /proc/*/environ", Environment, 21, Leaks, environ_files),
    does("read the stack of its own memory", Environment, 21, Leaks, own_stack),
    shell("list what the shell exports", Environment, 21, Leaks, &[], "export -p"),
    shell("list all of the shell's variables", Environment, 21, Leaks, &[], "set"),
    shell("trace a shell's commands with set -x", Environment, 21, Leaks, &[], "set -x; : \"$GITHUB_TOKEN\""),
    shell("read a child's environment", Environment, 21, Leaks, &[], "sleep 2 & sleep 0.3; cat /proc/$!/environ"),
    shell(
        "read the environment of the devbox's first process",
        Environment,
        21,
        Absent,
        &[],
        "cat /proc/1/environ; tr '\\0' '\\n' </proc/1/cmdline",
    ),
    shell("read the environment of each thread", Environment, 21, Leaks, &[], "cat /proc/$$/task/*/environ"),
    shell("ask a login shell", Environment, 21, Leaks, &["bash"], "bash -lc 'env; set; declare -p'"),
    shell("make the shell fail with the variable", Environment, 21, Leaks, &[], "sh -c '${GITHUB_TOKEN:?}; \"$GITHUB_TOKEN\" --help'"),
];

fn environment(_: &Knowledge) -> Vec<u8> {
    std::env::vars_os()
        .flat_map(|(name, value)| [name.into_encoded_bytes(), b"=".to_vec(), value.into_encoded_bytes(), b"\n".to_vec()].concat())
        .collect()
}

fn own_environ(_: &Knowledge) -> Vec<u8> {
    fs::read("/proc/self/environ").unwrap_or_default()
}

fn environ_files(_: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            out.extend(fs::read(entry.path().join("environ")).unwrap_or_default());
            out.push(b'\n');
        }
    }
    out
}

/// The kernel puts the environment at the end of the first thread's stack.
fn own_stack(_: &Knowledge) -> Vec<u8> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Some(line) = maps.lines().find(|line| line.ends_with("[stack]")) else { return Vec::new() };
    let mut ends = line.split(['-', ' ']).map(|end| u64::from_str_radix(end, 16).unwrap_or(0));
    let (Some(start), Some(end)) = (ends.next(), ends.next()) else { return Vec::new() };
    let mut out = Vec::new();
    if let Ok(mut memory) = fs::File::open("/proc/self/mem") {
        let _ = memory.seek(SeekFrom::Start(start)).and_then(|_| memory.take(end.saturating_sub(start)).read_to_end(&mut out));
    }
    out
}
