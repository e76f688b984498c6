//! Files at rest: databases, their logs, keys, backups, what the server wrote of itself.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{bail, ensure};

use super::Channel::AtRest;
use super::{Attempt, after, outside};
use crate::scene::{Remains, Scene, if_there, read_all, unless_gone};

pub(super) const ATTEMPTS: &[Attempt] = &[
    outside("the store's database and its log, while it is written", AtRest, 27, |scene| scene.files(&scene.server.data().join("store"))),
    outside("the gateway's folder, while it is written", AtRest, 27, |scene| scene.files(&scene.server.data().join("gateway"))),
    outside("the api's folder", AtRest, 27, |scene| scene.files(&scene.server.data().join("api"))),
    outside("a backup", AtRest, 27, backup),
    outside("what a backup writes aside", AtRest, 27, backup_aside),
    outside("the home of whoever runs the server", AtRest, 27, state),
    outside("temporary files of the machine", AtRest, 27, temporary),
    outside("a value that was replaced and one that was deleted, in the files", AtRest, 28, replaced),
    after("the whole data folder, when the server has ended", AtRest, 27, whole_folder),
    after("the server's log at its most talkative", AtRest, 27, log),
];

fn backup(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let shown = scene.shown(&["backup", "one.backup"], "")?;
    Ok([shown, std::fs::read(scene.beside("one.backup"))?].concat())
}

/// Looks at what a backup writes aside while it is made. One that was over before that was seen is made again.
fn backup_aside(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let data = scene.server.data();
    for number in 0..BACKUPS_MAX {
        let command = scene.server.command(&["backup", &format!("aside-{number}.backup")]);
        if let Some(seen) = watched(command, &data, &data.join(ASIDE))? {
            return Ok(seen);
        }
    }
    bail!("of {BACKUPS_MAX} backups none was seen to write anything aside")
}

/// Reads the folders again and again while a command runs, which must succeed. None where nothing was ever seen in the one that is aside.
fn watched(mut command: Command, all: &Path, aside: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let (mut beside, mut seen) = (Vec::new(), Vec::new());
    while child.try_wait()?.is_none() {
        if seen.len() < READ_BYTES_MAX {
            seen.extend(if_there(aside)?);
        }
        if beside.len() < READ_BYTES_MAX {
            beside.extend(read_all(all)?);
        }
        std::thread::park_timeout(LOOK);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    // Behind each file a line ends.
    let is_seen = seen.iter().any(|byte| *byte != b'\n');
    Ok(is_seen.then(|| [seen, beside].concat()))
}

fn state(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    // What was planted there for the agent is no file of ours.
    if_there(&scene.beside("home").join("state"))
}

/// Files of the machine's temporary folders that this program made and that do not belong to the proof.
fn temporary(_: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for folder in [std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into()] {
        let Some(entries) = unless_others(std::fs::read_dir(folder).map(Some))? else { continue };
        for entry in entries {
            let entry = entry?;
            let about = unless_others(entry.metadata().map(Some))?;
            if about.is_some_and(|about| about.is_file() && about.len() < TEMPORARY_BYTES_MAX) {
                out.extend(entry.file_name().as_bytes());
                out.extend(unless_others(std::fs::read(entry.path()))?);
            }
        }
    }
    Ok(out)
}

/// Where others have something too: what they keep to themselves is not ours.
fn unless_others<T: Default>(read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(T::default()),
        told => unless_gone(told),
    }
}

fn replaced(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    scene.store("RESTING_TOKEN", &scene.values.rotated)?;
    scene.store("RESTING_TOKEN", &scene.values.spare)?;
    scene.server.expect(&["secret", "delete", "RESTING_TOKEN"], b"")?;
    scene.files(&scene.server.data())
}

fn whole_folder(remains: &Remains) -> anyhow::Result<Vec<u8>> {
    read_all(&remains.folder.path().join("data"))
}

fn log(remains: &Remains) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(remains.log.len() > LOG_BYTES_MIN, "the log at its most talkative says nothing");
    Ok(remains.log.clone())
}

/// Where the gateway copies the databases for a backup.
const ASIDE: &str = "gateway/.backup";
/// The copies are there for a moment only.
const BACKUPS_MAX: usize = 20;
const READ_BYTES_MAX: usize = 32 << 20;
const LOOK: Duration = Duration::from_millis(1);
const TEMPORARY_BYTES_MAX: u64 = 1 << 20;
const LOG_BYTES_MIN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(line: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("file"), "beside")?;
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(folder.path());
        watched(command, folder.path(), &folder.path().join("aside"))
    }

    #[test]
    fn what_others_keep_to_themselves_is_not_ours_and_what_cannot_be_read_is_told() {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound] {
            assert_eq!(unless_others::<Vec<u8>>(Err(kind.into())).expect("it is another's"), Vec::<u8>::new());
        }
        assert!(unless_others::<Vec<u8>>(Err(io::ErrorKind::OutOfMemory.into())).is_err());
    }

    #[test]
    fn a_command_that_failed_was_not_watched() {
        let failed = watch("mkdir aside; echo value >aside/file; echo its words >&2; sleep 1; exit 3");
        assert!(format!("{:#}", failed.expect_err("it failed")).contains("its words"));
    }

    #[test]
    fn a_folder_that_was_never_seen_or_was_empty_was_not_looked_at() {
        for line in ["sleep 1", "mkdir aside; sleep 1", "mkdir aside; touch aside/file; sleep 1"] {
            assert_eq!(watch(line).expect("it succeeds"), None, "{line}");
        }
    }

    #[test]
    fn what_stood_aside_for_a_moment_was_seen_with_what_was_beside_it() {
        let seen = watch("mkdir aside; echo value >aside/file; sleep 1; rm -r aside").expect("it succeeds").expect("it was there");
        assert!(["value", "beside"].iter().all(|text| crate::scene::holds(&seen, text)), "{}", String::from_utf8_lossy(&seen));
    }
}
