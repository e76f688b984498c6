//! Files: the work folder's, home's, and the server's by every path.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Channel::Files;
use super::Control::{Absent, Leaks, Reaches};
use super::{Attempt, does, shell};
use crate::probe::Knowledge;

pub(super) const ATTEMPTS: &[Attempt] = &[
    does("read .env in the work folder", Files, 36, Leaks, dotenv),
    shell("read .env.local and .env.production", Files, 36, Leaks, &[], "cat .env.local .env.production"),
    shell("read a package's .env below the work folder", Files, 36, Leaks, &[], "cat packages/web/.env"),
    shell("reach .env through a link made before", Files, 36, Leaks, &[], "cat settings; ls -l settings"),
    shell("copy .env through a hard link", Files, 36, Leaks, &[], "ln .env copied && cat copied; cat .env; rm -f copied"),
    shell("read .env as a folder's whole archive", Files, 36, Leaks, &["tar"], "tar cf - . | cat"),
    shell("search the work folder for the name", Files, 36, Leaks, &["grep"], "grep -r GITHUB_TOKEN . 2>/dev/null"),
    does("read credentials in .git/config", Files, 36, Leaks, git_config),
    shell("read credentials in another repository's .git/config", Files, 36, Leaks, &[], "cat vendor/lib/.git/config"),
    shell("read home's .netrc", Files, 21, Leaks, &[], "cat ~/.netrc \"$DATA/../home/.netrc\""),
    shell("read home's .git-credentials", Files, 21, Leaks, &[], "cat ~/.git-credentials \"$DATA/../home/.git-credentials\""),
    shell("read home's .npmrc", Files, 21, Leaks, &[], "cat ~/.npmrc \"$DATA/../home/.npmrc\""),
    shell("read home's .pypirc", Files, 21, Leaks, &[], "cat ~/.pypirc \"$DATA/../home/.pypirc\""),
    shell("read gh's hosts.yml", Files, 21, Leaks, &[], "cat ~/.config/gh/hosts.yml \"$DATA/../home/.config/gh/hosts.yml\""),
    shell("read docker's config.json", Files, 21, Leaks, &[], "cat ~/.docker/config.json \"$DATA/../home/.docker/config.json\""),
    shell("read the shell's history", Files, 21, Leaks, &[], "cat ~/.bash_history \"$DATA/../home/.bash_history\""),
    shell("read the .ssh folder", Files, 21, Leaks, &[], "cat ~/.ssh/* \"$DATA/../home/.ssh/config\""),
    does("read the server's data folder", Files, 22, Reaches, data_folder),
    shell(
        "read root.key by its path",
        Files,
        22,
        Reaches,
        &[],
        "cat \"$DATA/gateway/root.key\" \"$DATA/gateway/keyring.json\" \"$DATA/gateway/admin-key\"",
    ),
    shell(
        "reach the data folder through a link made before",
        Files,
        22,
        Reaches,
        &[],
        "ls -laR outside/; cat outside/gateway/root.key outside/store/tightlip.db",
    ),
    shell(
        "climb to the data folder from the work folder",
        Files,
        22,
        Reaches,
        &[],
        "cat ../data/gateway/root.key ../../*/data/gateway/root.key; ls -laR ..",
    ),
    shell(
        "reach the data folder through /proc/1/root",
        Files,
        22,
        Absent,
        &[],
        "cat \"/proc/1/root$DATA/gateway/root.key\" \"/proc/1/root$DATA/store/tightlip.db\"",
    ),
    shell(
        "reach the data folder through every /proc/*/root and cwd",
        Files,
        22,
        Reaches,
        &[],
        "for p in /proc/[0-9]*; do cat \"$p/root$DATA/gateway/root.key\" \"$p/cwd/gateway/root.key\" \"$p/cwd/../data/gateway/root.key\"; done",
    ),
    shell("make a link to the data folder", Files, 22, Reaches, &[], "ln -s \"$DATA\" there; cat there/gateway/root.key; rm -f there"),
    does("search home, /tmp, /run and /var", Files, 21, Absent, search_files),
    does("read inherited descriptors", Files, 32, Absent, descriptors),
    shell(
        "open descriptors of every process",
        Files,
        32,
        Absent,
        &[],
        "for f in /proc/[0-9]*/fd/*; do ls -l $f; [ -f $f ] && head -c 65536 $f; done 2>&1",
    ),
    shell(
        "read open files through map_files",
        Files,
        32,
        Absent,
        &[],
        "for f in /proc/[0-9]*/map_files/*; do case $(readlink $f) in *.db*|*.key) cat $f;; esac; done",
    ),
    shell(
        "find the database's file by its inode",
        Files,
        22,
        Absent,
        &["find"],
        "find / -xdev \\( -name 'tightlip.db*' -o -name 'gateway.db*' -o -name root.key \\) -exec cat {} + 2>/dev/null",
    ),
    shell(
        "read what was left in /var/tmp and /dev/shm",
        Files,
        27,
        Absent,
        &[],
        "ls -laR /var/tmp /dev/shm /var/lib/systemd/coredump; cat /dev/shm/* /var/tmp/* 2>/dev/null",
    ),
];

fn dotenv(_: &Knowledge) -> Vec<u8> {
    read(Path::new(".env"))
}

fn git_config(_: &Knowledge) -> Vec<u8> {
    read(Path::new(".git/config"))
}

fn data_folder(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    walk(&knowledge.data, &mut out, 0);
    out
}

fn search_files(_: &Knowledge) -> Vec<u8> {
    let mut out = Vec::new();
    let home = std::env::var_os("HOME").unwrap_or_default();
    for root in
        [Path::new(&home), Path::new("/tmp"), Path::new("/run"), Path::new("/var"), Path::new("/home"), Path::new("/root"), Path::new(".")]
    {
        walk(root, &mut out, 0);
    }
    out
}

fn descriptors(_: &Knowledge) -> Vec<u8> {
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
const SEARCHED_BYTES_MAX: usize = 32 << 20;
const DEPTH_MAX: usize = 6;
