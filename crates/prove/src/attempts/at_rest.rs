//! Files at rest: databases, their logs, keys, backups, what the server wrote of itself.

use super::Channel::AtRest;
use super::{Attempt, after, outside};
use crate::scene::{Remains, Scene, read_all};

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

/// Reads the folder again and again while a backup is made.
fn backup_aside(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let mut child =
        scene.server.command(&["backup", "two.backup"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
    let mut out = Vec::new();
    while child.try_wait()?.is_none() {
        if out.len() < READ_BYTES_MAX {
            out.extend(scene.files(&scene.server.data()).unwrap_or_default());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    Ok(out)
}

fn state(scene: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    // What was planted there for the agent is no file of ours.
    Ok(scene.files(&scene.beside("home").join("state")).unwrap_or_default())
}

/// Files of the machine's temporary folders that this program made and that do not belong to the proof.
fn temporary(_: &Scene<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for folder in [std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into()] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.metadata().is_ok_and(|about| about.is_file() && about.len() < TEMPORARY_BYTES_MAX) {
                out.extend(name.as_bytes());
                out.extend(std::fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    Ok(out)
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

const READ_BYTES_MAX: usize = 64 << 20;
const TEMPORARY_BYTES_MAX: u64 = 1 << 20;
const LOG_BYTES_MIN: usize = 200;
