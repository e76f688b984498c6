//! Other processes: the server's, the devbox's first, their memory and what they wrote.

use std::fs;
use std::io::IoSliceMut;

use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::Channel::Processes;
use super::Control::{Absent, Leaks, Reaches};
use super::{Attempt, does, shell};
use crate::probe::Knowledge;

pub(super) const ATTEMPTS: &[Attempt] = &[
    shell(
        "read every /proc/*/cmdline",
        Processes,
        21,
        Leaks,
        &[],
        "sh -c 'sleep 1; :' \"$GITHUB_TOKEN\" & sleep 0.3; cat /proc/[0-9]*/cmdline",
    ),
    does("read the server's memory with process_vm_readv", Processes, 21, Absent, foreign_memory),
    does("attach to the server and to the first process", Processes, 21, Absent, attach),
    shell(
        "read /proc/*/mem of every process",
        Processes,
        21,
        Absent,
        &["dd"],
        "for m in /proc/[0-9]*/mem; do dd if=$m bs=4096 count=1 skip=1024; done",
    ),
    shell("list the processes of the machine", Processes, 21, Reaches, &["ps"], "ps axeww -o pid,user,args; ls /proc"),
    shell(
        "find the gateway and read its maps",
        Processes,
        21,
        Absent,
        &[],
        "for p in /proc/[0-9]*; do cat $p/comm $p/maps $p/auxv $p/wchan $p/stack; done 2>&1",
    ),
    shell(
        "trace the gateway's system calls",
        Processes,
        21,
        Absent,
        &["strace"],
        "timeout 2 strace -f -s 4096 -p $SERVER_PID; timeout 2 strace -f -p 1",
    ),
    shell(
        "look into the gateway with a debugger",
        Processes,
        21,
        Absent,
        &["gdb"],
        "timeout 4 gdb -batch -ex 'info proc mappings' -p $SERVER_PID",
    ),
    shell(
        "have the kernel dump a core",
        Processes,
        21,
        Absent,
        &[],
        "ulimit -c unlimited; (cd /tmp && sh -c 'kill -SEGV $$'); cat /proc/sys/kernel/core_pattern; cat core* /tmp/core*",
    ),
    shell(
        "signal the server to dump its core",
        Processes,
        21,
        Absent,
        &[],
        "kill -QUIT $SERVER_PID; kill -ABRT $SERVER_PID; kill -0 $SERVER_PID && echo there",
    ),
    shell(
        "read what the swap holds",
        Processes,
        21,
        Absent,
        &[],
        "cat /proc/swaps; for s in $(tail -n +2 /proc/swaps | cut -d' ' -f1); do head -c 1048576 $s; done",
    ),
    shell("read kernel memory", Processes, 21, Absent, &[], "head -c 65536 /dev/mem; head -c 65536 /dev/kmem; head -c 65536 /proc/kcore"),
    shell("read the kernel's log", Processes, 27, Absent, &["dmesg"], "dmesg; head -c 65536 /dev/kmsg"),
    shell("read the terminal's scrollback", Processes, 33, Absent, &[], "cat /dev/vcs* /dev/tty* 2>&1 </dev/null | head -c 65536"),
];

fn foreign_memory(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    let pid = Pid::from_raw(i32::try_from(knowledge.pid).unwrap_or(1));
    let maps = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/maps")).unwrap_or_default()).into_owned();
    let writable = maps.lines().filter(|line| line.contains("rw-p")).take(MAPPINGS_MAX);
    let starts = writable.filter_map(|line| usize::from_str_radix(line.split('-').next()?, 16).ok());
    for start in starts.chain([GUESSED_START]) {
        let mut page = vec![0; PAGE_BYTES];
        match process_vm_readv(pid, &mut [IoSliceMut::new(&mut page)], &[RemoteIoVec { base: start, len: PAGE_BYTES }]) {
            Ok(got) => out.extend_from_slice(&page[..got]),
            Err(error) => out.extend_from_slice(error.desc().as_bytes()),
        }
    }
    out
}

fn attach(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    for pid in [1, i32::try_from(knowledge.pid).unwrap_or(1)] {
        let attached = ptrace::attach(Pid::from_raw(pid));
        out.extend_from_slice(format!("{attached:?}\n").as_bytes());
        out.extend_from_slice(&fs::read(format!("/proc/{pid}/mem")).unwrap_or_default());
    }
    out
}

const MAPPINGS_MAX: usize = 64;
const PAGE_BYTES: usize = 4096;
/// Where programs that are not moved about begin.
const GUESSED_START: usize = 0x40_0000;
