//! A disk that is really full: a tmpfs of four megabytes, mounted in a mount namespace of the test's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use store::{Mode, Store, StoreError};

use crate::backend::DEPLOYMENT;
use crate::sample;

#[test]
fn a_full_disk_is_told_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    // Root of its own user namespace where it is not root already; where that is forbidden there is no small disk to be had, and the same promise is
    // tested by a page limit, in the crate itself.
    let Some(unshare) =
        [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].into_iter().find(|how| mounted(how, folder.path(), "true").is_some())
    else {
        return;
    };
    let exe = std::env::current_exe().unwrap();
    let child = format!("exec '{}' --exact disk::child --nocapture", exe.display());
    let output = mounted(unshare, folder.path(), &child).unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// Runs the command with a small tmpfs on the folder; `None` where that cannot be done.
fn mounted(unshare: &[&str], folder: &Path, command: &str) -> Option<Output> {
    let script = format!("mount -t tmpfs -o size=4m tmpfs '{}' || exit {CANNOT}; {command}", folder.display());
    let output = Command::new("unshare").args(unshare).args(["--", "sh", "-c", &script]).env(FOLDER, folder).output().ok()?;
    if output.status.code() == Some(CANNOT) || (command == "true" && !output.status.success()) { None } else { Some(output) }
}

/// Not a test: what is done on the small disk.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let path = folder.join("tightlip.db");
    let ballast = folder.join("ballast");

    fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    assert!(matches!(Store::create(&path, DEPLOYMENT), Err(StoreError::Full)));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "something was left of what could not be made");

    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    Store::create(&path, DEPLOYMENT).unwrap();
    let store = Store::open(&path, Mode::Writer).unwrap();
    let account = sample::stored_account(&store);
    let mut stored = 0;
    let refused = loop {
        let row = sample::secret(&account.id, &sample::name());
        match store.insert_secret(&row, &sample::created(&row)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    assert!(stored > 10);
    assert!(matches!(store.check(), Err(StoreError::Full)), "ready although nothing can be written");
    assert_eq!(store.secrets(&account.id, None, 10).unwrap().total, stored);
    assert_eq!(store.verify_chain().unwrap().seq, 1 + stored);

    fs::remove_file(ballast).unwrap();
    store.check().unwrap();
    let row = sample::stored_secret(&store, &account.id);
    drop(store);
    let store = Store::open(&path, Mode::Writer).unwrap();
    assert_eq!(store.sealed(&row.secret.id).unwrap(), Some(row));
    assert_eq!(store.secrets(&account.id, None, 10).unwrap().total, stored + 1);
    assert_eq!(store.verify_chain().unwrap().seq, 2 + stored);
}

const FOLDER: &str = "TIGHTLIP_TEST_STORE_FOLDER";
const CANNOT: i32 = 99;
