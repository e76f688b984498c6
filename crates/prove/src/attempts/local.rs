//! Attempts that need no network: environment, files, processes, descriptors, the host's sockets.

use std::fs;
use std::io::{IoSliceMut, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::probe::Knowledge;

pub fn environment(_: &Knowledge) -> Vec<u8> {
    std::env::vars_os()
        .flat_map(|(name, value)| [name.into_encoded_bytes(), b"=".to_vec(), value.into_encoded_bytes(), b"\n".to_vec()].concat())
        .collect()
}

pub fn environ_files(_: &Knowledge) -> Vec<u8> {
    each_process("environ")
}

pub fn command_lines(_: &Knowledge) -> Vec<u8> {
    each_process("cmdline")
}

pub fn dotenv(_: &Knowledge) -> Vec<u8> {
    read(Path::new(".env"))
}

pub fn git_config(_: &Knowledge) -> Vec<u8> {
    read(Path::new(".git/config"))
}

pub fn data_folder(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    walk(&knowledge.data, &mut out, 0);
    out
}

pub fn search_files(knowledge: &Knowledge) -> Vec<u8> {
    // In the control the machine is the user's own: what is searched there is the planted folder only.
    if !knowledge.direct.is_empty() {
        return data_folder(knowledge);
    }
    let mut out = Vec::new();
    let home = std::env::var_os("HOME").unwrap_or_default();
    for root in
        [Path::new(&home), Path::new("/tmp"), Path::new("/run"), Path::new("/var"), Path::new("/home"), Path::new("/root"), Path::new(".")]
    {
        walk(root, &mut out, 0);
    }
    out
}

pub fn descriptors(_: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let number = entry.file_name().to_string_lossy().parse::<i32>().unwrap_or(0);
        if number > 2 {
            out.extend_from_slice(format!("{number} -> {:?}\n", fs::read_link(entry.path())).as_bytes());
            if fs::metadata(entry.path()).is_ok_and(|about| about.is_file()) {
                out.extend_from_slice(&read(&entry.path()));
            }
        }
    }
    out
}

pub fn foreign_memory(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    let pid = Pid::from_raw(i32::try_from(knowledge.pid).unwrap_or(1));
    let maps = String::from_utf8_lossy(&read(Path::new(&format!("/proc/{pid}/maps")))).into_owned();
    for line in maps.lines().filter(|line| line.contains("rw-p")).take(MAPPINGS_MAX) {
        let start = line.split('-').next().and_then(|start| usize::from_str_radix(start, 16).ok()).unwrap_or(0);
        let mut page = vec![0; PAGE_BYTES];
        match process_vm_readv(pid, &mut [IoSliceMut::new(&mut page)], &[RemoteIoVec { base: start, len: PAGE_BYTES }]) {
            Ok(got) => out.extend_from_slice(&page[..got]),
            Err(error) => out.extend_from_slice(error.desc().as_bytes()),
        }
    }
    out
}

pub fn attach(knowledge: &Knowledge) -> Vec<u8> {
    // The control only looks whether it could: stopping the user's own processes proves nothing.
    if !knowledge.direct.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    for pid in [1, i32::try_from(knowledge.pid).unwrap_or(1)] {
        let attached = ptrace::attach(Pid::from_raw(pid));
        out.extend_from_slice(format!("{attached:?}\n").as_bytes());
        out.extend_from_slice(&read(Path::new(&format!("/proc/{pid}/mem"))));
    }
    out
}

pub fn gateway_socket(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = read(&knowledge.data.join("api-key"));
    match UnixStream::connect(knowledge.data.join("gateway.sock")) {
        Ok(_) => out.extend_from_slice(b"connected"),
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

fn each_process(file: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            out.extend_from_slice(&read(&entry.path().join(file)));
            out.push(b'\n');
        }
    }
    out
}

fn walk(path: &Path, out: &mut Vec<u8>, depth: usize) {
    if depth > DEPTH_MAX || out.len() > SEARCHED_BYTES_MAX {
        return;
    }
    let entries: Vec<PathBuf> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    for entry in entries {
        let Ok(about) = fs::symlink_metadata(&entry) else { continue };
        if about.is_dir() {
            walk(&entry, out, depth + 1);
        } else if about.is_file() {
            out.extend_from_slice(entry.to_string_lossy().as_bytes());
            out.extend_from_slice(&read(&entry));
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    match fs::File::open(path) {
        Ok(file) => drop(file.take(FILE_BYTES_MAX).read_to_end(&mut out)),
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

const FILE_BYTES_MAX: u64 = 1 << 20;
const SEARCHED_BYTES_MAX: usize = 64 << 20;
const DEPTH_MAX: usize = 6;
const MAPPINGS_MAX: usize = 64;
const PAGE_BYTES: usize = 4096;
