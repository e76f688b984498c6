//! A process of its own that writes, to be killed or to have its system calls fail: this test's binary again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use model::{AccountId, SecretId};
use store::{Mode, Store};
use tempfile::TempDir;

use crate::sample;

/// One thread: a commit for each secret.
pub const ONE_THREAD: usize = 1;
/// One thread that waits for a line on its standard input before each secret.
pub const ONE_THREAD_IN_STEP: usize = 0;

/// This test's binary.
pub fn exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Starts the child by this command (the binary, or what runs it), with so many writing threads.
pub fn start(mut command: Command, path: &Path, account: &AccountId, threads: usize) -> Child {
    command.args(["--exact", "child::child", "--nocapture"]);
    command.env(PATH, path).env(ACCOUNT, account.as_str()).env(THREADS, threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// A folder in memory where there is one: what is only to be read again needs no disk.
pub fn memory_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The secret that this line of the child's says is stored.
pub fn stored(line: &str) -> Option<SecretId> {
    line.parse().ok()
}

/// Not a test: the writing child. It says the id of every secret that was acknowledged, and of each that was
/// not why, whether reading works and whether the store calls itself ready, until it is killed.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let account: AccountId = std::env::var(ACCOUNT).unwrap().parse().unwrap();
    let threads: usize = std::env::var(THREADS).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&path), Mode::Writer).unwrap();
    let write = || {
        loop {
            if threads == ONE_THREAD_IN_STEP && std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
                return;
            }
            let mut row = sample::secret(&account, &sample::name());
            // Other than in any process before.
            row.secret.id = SecretId::from_parts(sample::time(), (u128::from(std::process::id()) << 32) | u128::from(sample::number()));
            row.secret.name = format!("{}_{}", row.secret.name, std::process::id()).parse().unwrap();
            let said = match store.insert_secret(&row, &sample::created(&row)) {
                Ok(()) => row.secret.id.to_string(),
                Err(error) => {
                    let read = if store.secrets(&account, None, 1).is_ok_and(|page| page.total > 0) { "read" } else { "not_read" };
                    let ready = if store.check().is_ok() { "ready" } else { "not_ready" };
                    format!("{REFUSED} {} {read} {ready}", error.code())
                }
            };
            writeln!(std::io::stdout(), "{said}").unwrap();
        }
    };
    thread::scope(|scope| (0..threads.max(1)).for_each(|_| drop(scope.spawn(write))));
}

/// The path with this at its end.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What a line of the child's begins with where a secret was refused.
pub const REFUSED: &str = "refused";
const PATH: &str = "TIGHTLIP_TEST_STORE_PATH";
const ACCOUNT: &str = "TIGHTLIP_TEST_STORE_ACCOUNT";
const THREADS: &str = "TIGHTLIP_TEST_STORE_THREADS";
