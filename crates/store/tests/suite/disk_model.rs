//! What a disk would hold if the power failed, worked out from the system calls that a writer really made (strace's record of them).
//!
//! The worst that POSIX allows: what was written is on the disk only after a sync of its file that succeeded; what was written before a sync that failed
//! never gets there, though reading shows it, and though a later sync succeeds; cutting a file may get there before its writes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// The files of one folder.
#[derive(Clone, Default)]
pub struct Disk {
    files: BTreeMap<String, File>,
}

#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Op>,
}

#[derive(Clone)]
enum Op {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// A disk with these files on it.
    pub fn with(paths: &[&Path]) -> Self {
        let file = |path: &&Path| (name(path.to_str().unwrap()), File { durable: fs::read(path).unwrap_or_default(), pending: vec![] });
        Self { files: paths.iter().map(file).collect() }
    }

    /// Lets the power fail and writes what is left to this folder. `cuts` tells whether cuts that were not synced are there.
    pub fn lose_power(&self, folder: &Path, cuts: bool) {
        for (name, file) in &self.files {
            let mut left = file.durable.clone();
            for op in file.pending.iter().filter(|op| cuts && matches!(op, Op::Cut(_))) {
                op.apply(&mut left);
            }
            fs::write(folder.join(name), left).unwrap();
        }
    }

    /// Does to the disk what the record tells, and calls `said` with each line that was written to the standard output.
    pub fn replay(&mut self, record: &str, mut said: impl FnMut(&Self, &str)) {
        let mut places: HashMap<u32, usize> = HashMap::new();
        for call in calls(record) {
            match call.name {
                "openat" => drop(places.insert(u32::try_from(call.result).unwrap_or(u32::MAX), 0)),
                "lseek" => drop(places.insert(call.fd, usize::try_from(call.result).unwrap_or(0))),
                "write" | "pwrite64" if call.result > 0 => {
                    let bytes = call.bytes(usize::try_from(call.result).unwrap());
                    if call.fd == 1 {
                        String::from_utf8_lossy(&bytes).lines().for_each(|line| said(self, line));
                    } else if let Some(file) = self.files.get_mut(&call.file) {
                        let seen = places.entry(call.fd).or_default();
                        let place = if call.name == "write" { *seen } else { call.last_number() };
                        *seen = place + bytes.len();
                        file.pending.push(Op::Write(place, bytes));
                    }
                }
                "ftruncate" if call.result == 0 => self.of(&call, |file, call| file.pending.push(Op::Cut(call.last_number()))),
                "fsync" | "fdatasync" => self.of(&call, |file, call| {
                    let pending = std::mem::take(&mut file.pending);
                    pending.iter().filter(|_| call.result == 0).for_each(|op| op.apply(&mut file.durable));
                }),
                _ => {}
            }
        }
    }

    fn of(&mut self, call: &Call<'_>, act: impl Fn(&mut File, &Call<'_>)) {
        if let Some(file) = self.files.get_mut(&call.file) {
            act(file, call);
        }
    }
}

impl Op {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(place, bytes) => {
                file.resize(file.len().max(place + bytes.len()), 0);
                file[*place..place + bytes.len()].copy_from_slice(bytes);
            }
            Self::Cut(length) => file.resize(*length, 0),
        }
    }
}

/// One call of the record, `NAME(FD<FILE>, ARGUMENTS) = RESULT`, texts in hexadecimal.
struct Call<'a> {
    name: &'a str,
    fd: u32,
    file: String,
    arguments: &'a str,
    result: i64,
}

impl Call<'_> {
    fn bytes(&self, count: usize) -> Vec<u8> {
        let text = self.arguments.split('"').nth(1).unwrap();
        assert!(!self.arguments.contains("\"..."), "the record is cut short");
        unhex(text)[..count].to_vec()
    }

    fn last_number(&self) -> usize {
        self.arguments.rsplit(", ").next().unwrap().parse().unwrap()
    }
}

/// The record's calls, each where it ended.
fn calls(record: &str) -> Vec<Call<'_>> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in record.lines() {
        let (thread, text) = line.split_once(' ').unwrap_or_default();
        let text = text.trim_start();
        if let Some(text) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, text);
        } else if let Some((_, rest)) = text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            calls.extend(begun.remove(thread).and_then(|text| call(text, rest)));
        } else if let Some((text, rest)) = text.rsplit_once(") = ") {
            calls.extend(call(text, &format!(") = {rest}")));
        }
    }
    calls
}

fn call<'a>(text: &'a str, rest: &str) -> Option<Call<'a>> {
    let (name, arguments) = text.split_once('(')?;
    let result = rest.rsplit_once(" = ")?.1.split(|c: char| c != '-' && !c.is_ascii_digit()).next()?.parse().ok()?;
    let (fd, file) = arguments.split_once('<')?;
    let file = name_of(file.split('>').next()?);
    Some(Call { name, fd: fd.parse().unwrap_or(u32::MAX), file, arguments, result })
}

fn name_of(hex: &str) -> String {
    name(&String::from_utf8_lossy(&unhex(hex)))
}

fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
