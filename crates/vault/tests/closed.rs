//! A value is closed: what would print, copy, compare, serialise or read one does not compile.
//!
//! Each file of `tests/closed` breaks one promise and names the error that it must meet. They are compiled straight against the library that this test was
//! linked with: a harness that builds the dependencies once more takes minutes for these few files.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The libraries that the cases are compiled against.
struct Libraries {
    folder: PathBuf,
    vault: PathBuf,
    serde: PathBuf,
}

impl Libraries {
    /// The newest build of the vault, and the build of serde that goes with it: the one with which the control compiles.
    fn find() -> Self {
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        let vault = built(&folder, "libvault-").pop().expect("the vault is built before its tests");
        let candidates = built(&folder, "libserde-").into_iter().rev();
        let mut found = candidates.map(|serde| Self { folder: folder.clone(), vault: vault.clone(), serde });
        found.find(|libraries| libraries.compile(Path::new("tests/closed/control.rs")).is_ok()).expect("the control compiles")
    }

    /// Nothing, or what the compiler said.
    fn compile(&self, case: &Path) -> Result<(), String> {
        let out = tempfile::tempdir().unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let mut command = Command::new(rustc);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(case).args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--color=never",
        ]);
        command.arg("--out-dir").arg(out.path()).arg("-L").arg(with("dependency=", &self.folder));
        command.arg("--extern").arg(with("vault=", &self.vault)).arg("--extern").arg(with("serde=", &self.serde));
        let output = command.output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
    }
}

fn with(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}

/// The libraries of this name, the newest last.
fn built(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(prefix) && name.ends_with(".rlib") {
            found.push((entry.metadata().unwrap().modified().unwrap(), entry.path()));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// The error that a case names: its code and its words.
fn named_error(case: &Path) -> (String, String) {
    let text = fs::read_to_string(case).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("//@ ")).expect("each case names its error");
    let (code, words) = line.split_once(": ").unwrap();
    (code.to_owned(), words.to_owned())
}

#[test]
fn a_value_cannot_be_printed_copied_compared_serialised_or_read() {
    let libraries = Libraries::find();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/closed");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.file_name().is_some_and(|name| name != "control.rs"));
    assert_eq!(cases.len(), 9);
    for case in cases {
        let (code, words) = named_error(&case);
        let said = libraries.compile(&case).expect_err("it compiled");
        assert!(said.contains(&code) && said.contains(&words), "{}: {said}", case.display());
        assert_eq!(said.matches("error[").count(), 1, "{}: {said}", case.display());
    }
}
