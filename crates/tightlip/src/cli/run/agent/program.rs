//! Where an agent's program lies, and what of it goes into the devbox: its package or the one file, read-only; never the folder of the user's that
//! happens to hold it.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use devbox::Program;

/// A program that can be run inside. Nothing is to be done for one of the system's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Names for what lies outside the folders of `PATH` that are inside.
    pub(super) programs: Vec<Program>,
    /// What is to be mounted read-only.
    pub(super) ro: Vec<PathBuf>,
}

/// Why a program cannot be run inside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not in `PATH`.
    Missing,
    /// It is a script, of no package: it may start anything.
    Script(PathBuf),
    /// It is a program for node, and there is none.
    NoInterpreter,
}

/// Finds `name` in the folders of `search`.
///
/// # Arguments
/// * `mounted`: what is inside beside the system, without symlinks
///
/// # Errors
/// [`Unfit`], where it cannot be run inside.
pub(super) fn find(name: &str, search: &OsStr, mounted: &[&Path]) -> Result<Found, Unfit> {
    let mut found = Found::default();
    let program = lookup(name, search).ok_or(Unfit::Missing)?;
    let beginning = beginning(&program);
    add(&mut found, name, &program, &beginning, mounted)?;
    if beginning.starts_with(b"#!") && first_line(&beginning).ends_with(b"node") {
        let node = lookup("node", search).ok_or(Unfit::NoInterpreter)?;
        let beginning = self::beginning(&node);
        add(&mut found, "node", &node, &beginning, mounted)?;
    }
    Ok(found)
}

fn add(found: &mut Found, name: &str, program: &Path, beginning: &[u8], mounted: &[&Path]) -> Result<(), Unfit> {
    if SYSTEM.iter().any(|system| program.starts_with(system)) {
        return Ok(());
    }
    if !mounted.iter().chain(&found.ro.iter().map(PathBuf::as_path).collect::<Vec<_>>()).any(|folder| program.starts_with(folder)) {
        found.ro.push(whole(program, beginning)?);
    }
    found.programs.push(Program { name: name.to_owned(), target: program.into() });
    Ok(())
}

/// What belongs to a program: its package, or where it has none, itself.
fn whole(program: &Path, beginning: &[u8]) -> Result<PathBuf, Unfit> {
    let packages = program.ancestors().filter(|above| above.file_name() == Some(OsStr::new("node_modules"))).last();
    if let Some(packages) = packages {
        return Ok(packages.to_owned());
    }
    if let Some(package) = program.ancestors().nth(2).filter(|above| above.join(CODEX_PACKAGE).is_file()) {
        return Ok(package.to_owned());
    }
    if beginning.starts_with(b"\x7fELF") { Ok(program.to_owned()) } else { Err(Unfit::Script(program.to_owned())) }
}

/// The first executable file of that name, without symlinks.
fn lookup(name: &str, search: &OsStr) -> Option<PathBuf> {
    let folders = std::env::split_paths(search).filter(|folder| folder.is_absolute());
    let mut files = folders.filter_map(|folder| std::fs::canonicalize(folder.join(name)).ok());
    files.find(|file| std::fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0))
}

fn beginning(program: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read is neither a program nor a script that we know.
    let _read = std::fs::File::open(program).and_then(|file| file.take(LINE_BYTES_MAX).read_to_end(&mut bytes));
    bytes
}

fn first_line(beginning: &[u8]) -> &[u8] {
    beginning.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end()
}

/// What every devbox has of the system.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Stands at the top of Codex's own packages, whose program is in `bin` and looks beside it for others.
const CODEX_PACKAGE: &str = "codex-package.json";
/// The kernel reads no longer first line of a script (`BINPRM_BUF_SIZE`).
const LINE_BYTES_MAX: u64 = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ELF: &[u8] = b"\x7fELF...";

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, path: &str) -> PathBuf {
            std::fs::canonicalize(self.0.path()).unwrap().join(path)
        }

        fn file(&self, path: &str, bytes: &[u8]) {
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn link(&self, path: &str, target: &str) {
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        }

        fn find(&self, name: &str, mounted: &[&Path]) -> Result<Found, Unfit> {
            find(name, self.path("bin").as_os_str(), mounted)
        }

        fn found(&self, programs: &[(&str, &str)], ro: &[&str]) -> Result<Found, Unfit> {
            let program = |(name, path): &(&str, &str)| Program { name: (*name).to_owned(), target: self.path(path).into() };
            Ok(Found { programs: programs.iter().map(program).collect(), ro: ro.iter().map(|path| self.path(path)).collect() })
        }
    }

    #[test]
    fn what_is_not_there_or_cannot_run_is_missing() {
        let machine = Machine::new();
        assert_eq!(machine.find("claude", &[]), Err(Unfit::Missing));
        machine.file("bin/claude", ELF);
        std::fs::set_permissions(machine.path("bin/claude"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(machine.find("claude", &[]), Err(Unfit::Missing));
    }

    #[test]
    fn a_script_of_no_package_is_refused_unless_it_is_inside_already() {
        let machine = Machine::new();
        machine.file("bin/claude", b"#!/bin/sh\nexec elsewhere\n");
        assert_eq!(machine.find("claude", &[]), Err(Unfit::Script(machine.path("bin/claude"))));
        let mounted = machine.path("bin");
        assert_eq!(machine.find("claude", &[&mounted]), machine.found(&[("claude", "bin/claude")], &[]));
    }

    #[test]
    fn a_program_alone_is_given_alone() {
        let machine = Machine::new();
        machine.file("share/claude/versions/2.1.332", ELF);
        machine.link("bin/claude", "../share/claude/versions/2.1.332");
        let program = "share/claude/versions/2.1.332";
        assert_eq!(machine.find("claude", &[]), machine.found(&[("claude", program)], &[program]));
    }

    #[test]
    fn a_program_of_a_package_is_given_with_the_packages_that_it_needs() {
        let machine = Machine::new();
        machine.file("lib/node_modules/@openai/codex/bin/codex.js", b"#!/usr/bin/env node\n");
        machine.link("bin/codex", "../lib/node_modules/@openai/codex/bin/codex.js");
        assert_eq!(machine.find("codex", &[]), Err(Unfit::NoInterpreter));
        machine.file("bin/node", ELF);
        let programs = [("codex", "lib/node_modules/@openai/codex/bin/codex.js"), ("node", "bin/node")];
        assert_eq!(machine.find("codex", &[]), machine.found(&programs, &["lib/node_modules", "bin/node"]));
        machine.file("package/bin/codex", ELF);
        machine.file("package/codex-package.json", b"{}");
        std::fs::remove_file(machine.path("bin/codex")).unwrap();
        machine.link("bin/codex", "../package/bin/codex");
        assert_eq!(machine.find("codex", &[]), machine.found(&[("codex", "package/bin/codex")], &["package"]));
    }

    #[test]
    fn a_program_of_the_system_needs_nothing() {
        assert_eq!(find("sh", OsStr::new("/usr/bin"), &[]), Ok(Found::default()));
    }
}
