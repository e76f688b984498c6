//! `tightlip backup`: everything but the root key, in one sealed file that the gateway writes and reads back.
//!
//! The file is made here, in the rights of whoever calls, and handed to the gateway as a descriptor: the gateway opens no path for anybody. A backup that fails
//! leaves no file; one whose command is killed may leave a file, which `restore` refuses unless it is whole.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use link::cli::{BackedUp, Request};
use serde::Serialize;

use super::fault::{Exit, Fault};
use super::output::Output;
use super::target::Target;
use crate::folder::FILE_MODE;

/// Where to.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Shown<'a> {
    file: &'a Path,
    #[serde(flatten)]
    made: &'a BackedUp,
    took_ms: u64,
}

/// Makes a backup.
pub(super) fn backup(args: &Args, target: &Target, out: &Output) -> Result<(), Fault> {
    if args.file == Path::new(STANDARD_OUTPUT) {
        return Err(Fault::usage("a backup is read back before it counts, so it goes into a file and not to standard output")
            .next("tightlip backup FILE   (./- for a file of that name)"));
    }
    if target.is_local() && !target.folder().keyring().exists() {
        let folder = target.folder().path().display();
        return Err(Fault::new(Exit::NotFound, format!("there is nothing to back up: {folder} is no data folder yet"))
            .next("name the one you mean with --data DIR"));
    }
    let gate = target.gate()?;
    let (admin_key, api_key) = (target.admin_key()?, target.api_key()?);
    let started = Instant::now();
    let draft = Draft::make(&args.file)?;
    let made = gate.backup(&Request::Backup { admin_key, api_key }, draft.file.as_fd())?;
    draft.keep().map_err(|error| failed(&args.file, &error))?;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    out.result(&Shown { file: &args.file, made: &made, took_ms }, || {
        let key = if target.folder().root_passphrase().exists() { Key::Passphrase } else { Key::File };
        out.hinted(&summary(&args.file, &made, took_ms, key))
    });
    Ok(())
}

/// The file until the backup in it is whole. Removed unless it is kept.
struct Draft<'a> {
    file: File,
    path: Option<&'a Path>,
}

impl<'a> Draft<'a> {
    fn make(path: &'a Path) -> Result<Self, Fault> {
        let file = File::options().read(true).write(true).create_new(true).mode(FILE_MODE).open(path);
        let file = file.map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let message = format!("{} exists already; nothing was changed", path.display());
                Fault::new(Exit::Exists, message).next("name another file: a backup never takes the place of one")
            } else {
                failed(path, &error)
            }
        })?;
        Ok(Self { file, path: Some(path) })
    }

    /// Brings the folder's entry to disk; the gateway has done so for the contents.
    fn keep(mut self) -> io::Result<()> {
        let folder = self.path.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.path {
            // Best effort: what is left is no backup, and says so to a restore.
            let _left = std::fs::remove_file(path);
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Fault {
    Fault::new(Exit::Failure, format!("failed to write {}: {error}", path.display()))
}

/// What opens the backup.
#[derive(Clone, Copy)]
enum Key {
    /// The root key's file.
    File,
    /// A passphrase.
    Passphrase,
}

fn summary(path: &Path, made: &BackedUp, took_ms: u64, key: Key) -> String {
    let BackedUp { bytes, secrets, events, .. } = made;
    let path = path.display();
    let (missing, option) = match key {
        Key::File => (
            "the root key. Keep gateway/root.key elsewhere: without it this backup never opens, and whoever has both has every value.",
            " --root-key PATH",
        ),
        Key::Passphrase => ("the passphrase. Without it this backup never opens, and whoever has both has every value.", ""),
    };
    format!(
        "backed up to {path}: {}, {} events of the api and {} of the gateway; {} in {}.{:03} s, read back and verified\n\
         Not in it: {missing}\n\
         To bring it back: tightlip restore {path}{option}",
        counted(*secrets, "secret"),
        events.api,
        events.gateway,
        size(*bytes),
        took_ms / 1000,
        took_ms % 1000,
    )
}

/// `1 secret`, `2 secrets`.
pub(super) fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A length as people say it.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..MIB => (KIB, "KiB"),
        MIB..GIB => (MIB, "MiB"),
        GIB.. => (GIB, "GiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// What other tools take for standard output.
const STANDARD_OUTPUT: &str = "-";
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const EXAMPLES: &str = "\
The server goes on serving. The backup shows one moment: whatever was answered before it is in it. It is sealed, and opens with gateway/root.key only (or the \
passphrase), which is not in it. What is deleted or changed later stays in it as it was.

Examples:
  tightlip backup tightlip-2026-01-31.backup
  tightlip backup /mnt/backups/tightlip-$(date +%F).backup --json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_in_its_largest_unit() {
        let said = [0, 1023, 94_208, MIB, 5 * GIB + GIB / 2].map(size);
        assert_eq!(said, ["0.0 KiB", "0.9 KiB", "92.0 KiB", "1.0 MiB", "5.5 GiB"]);
    }
}
