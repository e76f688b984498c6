//! What is put into a devbox beside the host's trees: files of the home, and links by which programs are found.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::{Errno, Result};

use super::tree::{self, Tree};
use crate::setup::Setup;
use crate::spec::{HomeFile, PROGRAMS_PATH};

/// Puts in what the setup names. Call when everything is mounted.
pub(crate) fn fill(root: &Tree, setup: &Setup, home: &Path) -> Result<()> {
    if !setup.home_files.is_empty() {
        let home = root.find(home).ok_or(Errno::NOENT)?;
        for file in &setup.home_files {
            write_if_missing(&home, file)?;
        }
    }
    for program in &setup.programs {
        root.link(&format!("{PROGRAMS_PATH}/{}", program.name), Path::new(&program.target))?;
    }
    Ok(())
}

/// A home that is kept is the user's: what stands there stays, symlinks among it, and none is followed.
fn write_if_missing(home: &OwnedFd, file: &HomeFile) -> Result<()> {
    let (folder, name) = tree::split(Path::new(&file.path))?;
    let written = tree::folder_below(home, folder).and_then(|folder| tree::write_new(&folder, name, file.text.as_bytes(), 0o600));
    match written {
        Err(Errno::EXIST | Errno::LOOP | Errno::NOTDIR) => Ok(()),
        written => written,
    }
}
