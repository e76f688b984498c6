//! The files of an environment: nobody else's to read, and none written over by mistake.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::super::fault::{Exit, Fault};

/// Where files are written.
pub(super) struct Folder {
    existing: Existing,
    written: Vec<PathBuf>,
}

/// What is done about a file that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Refused,
    WrittenOver,
}

impl Folder {
    /// Makes the folder, where one is named, and looks whether `files` may be written.
    pub(super) fn open(folder: Option<&Path>, files: impl Iterator<Item = PathBuf>, existing: Existing) -> Result<Self, Fault> {
        if let Some(folder) = folder {
            match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_ours(folder)?,
                Err(error) => return Err(failed("make", folder, &error)),
            }
        }
        for file in files {
            if existing == Existing::Refused && file.symlink_metadata().is_ok() {
                let fault = Fault::new(Exit::Exists, format!("{} is there already, and nothing was made", file.display()));
                return Err(fault.next("name another folder with --out, or write over it with --force"));
            }
        }
        Ok(Self { existing, written: Vec::new() })
    }

    /// Writes one file, whole or not at all.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        let written = (|| {
            let _absent = std::fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.write_all(bytes)?;
            // Whatever the umask took away: a container's user may be another.
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            file.sync_all()?;
            match self.existing {
                Existing::WrittenOver => std::fs::rename(&new, path),
                Existing::Refused => std::fs::hard_link(&new, path).and_then(|()| std::fs::remove_file(&new)),
            }
        })();
        written.map_err(|error| {
            let _absent = std::fs::remove_file(&new);
            failed("write", path, &error)
        })?;
        self.written.push(path.to_owned());
        Ok(())
    }

    /// What was written.
    pub(super) fn written(&self) -> Vec<&Path> {
        self.written.iter().map(PathBuf::as_path).collect()
    }
}

/// A folder that others can write to, or read, is no place for a credential.
fn is_ours(folder: &Path) -> Result<(), Fault> {
    let found = folder.metadata().map_err(|error| failed("look at", folder, &error))?;
    if !found.is_dir() {
        return Err(Fault::new(Exit::Exists, format!("{} is no folder: name another with --out", folder.display())));
    }
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & OTHERS != 0 {
        let fault = Fault::new(Exit::Refused, format!("{} is open to others, and a credential goes there", folder.display()));
        return Err(fault.next(format!("chmod 700 {}, or name another folder with --out", folder.display())));
    }
    Ok(())
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::new(Exit::Failure, format!("failed to {verb} {}: {error}", path.display()))
}

const FOLDER_MODE: u32 = 0o700;
/// What holds the credential or a placeholder.
pub(super) const PRIVATE: u32 = 0o600;
/// Certificates are no secret, and a container's user, who is another than this one, must read them.
pub(super) const PUBLIC: u32 = 0o644;
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn open(folder: &Path, existing: Existing) -> Result<Folder, Fault> {
        Folder::open(Some(folder), std::iter::once(folder.join("env")), existing)
    }

    #[test]
    fn a_file_that_is_there_is_refused_before_anything_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        open(&folder, Existing::Refused).unwrap().write(&folder.join("env"), b"one", PRIVATE).unwrap();
        assert_eq!(open(&folder, Existing::Refused).err().unwrap().exit, Exit::Exists);
        open(&folder, Existing::WrittenOver).unwrap().write(&folder.join("env"), b"two", PRIVATE).unwrap();
        assert_eq!(std::fs::read(folder.join("env")).unwrap(), b"two");
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, FOLDER_MODE);
        assert_eq!(folder.join("env").metadata().unwrap().mode() & 0o777, PRIVATE);
    }

    #[test]
    fn a_folder_that_others_can_read_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        DirBuilder::new().mode(0o755).create(&folder).unwrap();
        assert_eq!(open(&folder, Existing::WrittenOver).err().unwrap().exit, Exit::Refused);
        std::fs::write(parent.path().join("file"), "").unwrap();
        assert_eq!(open(&parent.path().join("file"), Existing::WrittenOver).err().unwrap().exit, Exit::Exists);
    }

    #[test]
    fn a_link_in_a_files_place_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, elsewhere) = (parent.path().join("out"), parent.path().join("elsewhere"));
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        std::fs::write(&elsewhere, "kept").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join("env")).unwrap();
        assert_eq!(open(&folder, Existing::Refused).err().unwrap().exit, Exit::Exists);
        open(&folder, Existing::WrittenOver).unwrap().write(&folder.join("env"), b"new", PRIVATE).unwrap();
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"kept");
    }
}
