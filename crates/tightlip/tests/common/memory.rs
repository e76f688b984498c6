//! Searching another process's memory, as its tracer may: every byte that it can read itself (proc_pid_mem(5)).
#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Looks for planted values, whole or in part: any 16 bytes of one in a row, raw or in base64.
pub struct Scanner {
    windows: HashMap<[u8; WINDOW_BYTES], Piece>,
    /// Which first two bytes a window may have: nearly no place in memory passes.
    sieve: Vec<bool>,
}

#[derive(Clone)]
struct Piece {
    planted: String,
    form: &'static str,
}

/// Where a planted value was found.
pub struct Trace {
    pub planted: String,
    pub form: &'static str,
    /// What the memory is: heap, a thread's stack, a file.
    pub mapping: String,
    pub around: String,
}

struct Mapping {
    start: u64,
    end: u64,
    name: String,
}

impl Scanner {
    /// A scanner for values, each with the name under which a find is told.
    pub fn of<'a>(planted: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut scanner = Self { windows: HashMap::new(), sieve: vec![false; 1 << 16] };
        for (name, value) in planted {
            assert!(value.len() >= WINDOW_BYTES + 4, "too short to be found in base64: {name}");
            scanner.add(name, "raw", value.as_bytes());
            for offset in 0..3 {
                let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(value.bytes()).collect();
                for text in [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
                    // The first and last characters depend on the neighbours.
                    scanner.add(name, "base64", &text.as_bytes()[4..text.len() - 4]);
                }
            }
        }
        scanner
    }

    fn add(&mut self, planted: &str, form: &'static str, bytes: &[u8]) {
        for window in bytes.windows(WINDOW_BYTES) {
            self.sieve[usize::from(u16::from_le_bytes([window[0], window[1]]))] = true;
            self.windows.insert(window.try_into().unwrap(), Piece { planted: planted.to_owned(), form });
        }
    }

    /// Every trace in a process, and how many bytes were searched.
    pub fn scan(&self, pid: i32) -> std::io::Result<(Vec<Trace>, u64)> {
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let (mut traces, mut searched) = (Vec::new(), 0);
        for mapping in mappings(pid)? {
            let mut at = mapping.start;
            while at < mapping.end {
                let mut chunk = vec![0; usize::try_from((mapping.end - at).min(CHUNK_BYTES)).unwrap()];
                // The kernel's own pages cannot be read, and what was unmapped meanwhile is gone.
                let Ok(got) = memory.read_at(&mut chunk, at) else { break };
                chunk.truncate(got);
                searched += got as u64;
                self.search(&chunk, &mapping, &mut traces);
                // Windows that lie across two chunks are seen in the second.
                let step = got as u64;
                at += if at + step < mapping.end && step > WINDOW_BYTES as u64 { step - WINDOW_BYTES as u64 } else { step.max(1) };
            }
        }
        Ok((traces, searched))
    }

    fn search(&self, bytes: &[u8], mapping: &Mapping, traces: &mut Vec<Trace>) {
        let mut skip_to = 0;
        for (at, window) in bytes.windows(WINDOW_BYTES).enumerate() {
            if !self.sieve[usize::from(u16::from_le_bytes([window[0], window[1]]))] || at < skip_to {
                continue;
            }
            if let Some(piece) = self.windows.get(window) {
                let (from, to) = (at.saturating_sub(64), (at + 96).min(bytes.len()));
                let around = String::from_utf8_lossy(&bytes[from..to]).escape_debug().to_string();
                traces.push(Trace { planted: piece.planted.clone(), form: piece.form, mapping: mapping.name.clone(), around });
                // One trace for one place.
                skip_to = at + WINDOW_BYTES;
            }
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) in {}: {}", self.planted, self.form, self.mapping, self.around)
    }
}

/// What the process can read of itself.
fn mappings(pid: i32) -> std::io::Result<Vec<Mapping>> {
    let stacks = stack_pointers(pid);
    let mut mappings = Vec::new();
    for line in std::fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with('r') {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let stack = stacks.iter().find(|(pointer, _)| (start..end).contains(pointer));
        let name = match (fields.nth(3), stack) {
            (_, Some((_, thread))) => format!("the stack of thread {thread}"),
            (Some(name), None) => name.to_owned(),
            (None, None) => format!("unnamed memory of {} KiB", (end - start) / 1024),
        };
        mappings.push(Mapping { start, end, name });
    }
    Ok(mappings)
}

/// Where each waiting thread's stack is, and the thread's name (proc_pid_syscall(5)).
fn stack_pointers(pid: i32) -> Vec<(u64, String)> {
    let mut pointers = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let call = std::fs::read_to_string(task.path().join("syscall")).unwrap_or_default();
        let pointer = call.split_whitespace().rev().nth(1).and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        pointers.extend(pointer.map(|pointer| (pointer, name.trim().to_owned())));
    }
    pointers
}

const WINDOW_BYTES: usize = 16;
const CHUNK_BYTES: u64 = 4 << 20;
