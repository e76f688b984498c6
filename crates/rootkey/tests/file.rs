//! The root key's file: each way to be wrong has its own refusal, and nothing is ever written over.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rootkey::{RootKeyError, load, make};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    (folder, path)
}

fn write(path: &Path, text: &[u8], mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let (_folder, path) = folder();
    assert!(matches!(load(&path).err(), Some(RootKeyError::Missing)));
}

#[test]
fn a_file_that_others_can_read_or_write_is_refused() {
    let (_folder, path) = folder();
    make(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(load(&path).err(), Some(RootKeyError::Readable)), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(load(&path).is_ok());
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away: an ordinary user is shown one that is not his.
        assert!(load(Path::new("/etc/shadow")).is_err());
        return;
    }
    let (_folder, path) = folder();
    make(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
    assert!(matches!(load(&path).err(), Some(RootKeyError::Readable)));
}

#[test]
fn what_is_no_key_is_refused() {
    let digits = "0123456789abcdef".repeat(4);
    let broken = [
        String::new(),
        digits[1..].to_owned(),
        format!("{digits}0"),
        format!("{digits}\n\n"),
        format!("{digits} "),
        digits.replace('a', "g"),
    ];
    for text in broken {
        let (_folder, path) = folder();
        write(&path, text.as_bytes(), 0o600);
        assert!(matches!(load(&path).err(), Some(RootKeyError::Malformed)), "{text:?}");
    }
    let (folder, path) = folder();
    assert!(matches!(load(folder.path()).err(), Some(RootKeyError::Malformed)));
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(load(&path).err(), Some(RootKeyError::Malformed)));
}

#[test]
fn a_hand_copied_key_is_read_with_or_without_a_line_end_and_in_either_case() {
    let digits = "0123456789abcdef".repeat(4);
    for text in [digits.clone(), format!("{digits}\n"), digits.to_uppercase()] {
        let (_folder, path) = folder();
        write(&path, text.as_bytes(), 0o600);
        assert_eq!(load(&path).unwrap().to_hex().as_str(), digits);
    }
}

#[test]
fn a_key_is_never_overwritten() {
    let (_folder, path) = folder();
    write(&path, b"something", 0o644);
    assert!(matches!(make(&path).err(), Some(RootKeyError::Exists)));
    assert_eq!(fs::read(&path).unwrap(), b"something");

    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert!(matches!(make(&path).err(), Some(RootKeyError::Exists)));
}

#[test]
fn a_new_key_is_its_owners_alone_and_comes_back() {
    let (_folder, path) = folder();
    let made = make(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(load(&path).unwrap().to_hex(), made.to_hex());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", made.to_hex().as_str()));
}

#[test]
fn where_nothing_can_be_written_nothing_is_left() {
    let (folder, _path) = folder();
    assert!(matches!(make(&folder.path().join("no-such-folder/root.key")).err(), Some(RootKeyError::Io(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
