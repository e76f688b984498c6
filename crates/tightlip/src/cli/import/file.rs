//! The file itself: read whole, and written again so that at every moment either the old one or the new one is there.
//!
//! The new one is written beside the old one, synced, and renamed over it. Nothing that holds an imported value is ever written anywhere.

mod access;
mod beside;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use devbox::fit_for_a_terminal;
use model::limits::DOTENV_FILE_BYTES_MAX;
use rustix::fs::{Access, OFlags};
use vault::dotenv::{Page, Spot};
use zeroize::Zeroizing;

use super::history;
use crate::cli::fault::{Exit, Fault};
use crate::cli::hints::quoted;
use beside::{Beside, Left};

/// An open file.
pub(super) struct Source {
    /// As it was named.
    named: PathBuf,
    /// Where it is, behind every symbolic link.
    path: PathBuf,
    file: File,
    about: Metadata,
}

impl Source {
    /// Opens the file.
    ///
    /// # Errors
    /// Where it cannot be read, is no file, or is larger than [`DOTENV_FILE_BYTES_MAX`].
    pub(super) fn open(named: &Path) -> Result<Self, Fault> {
        let failed = |error: &io::Error| failed("read", named, error);
        let path = fs::canonicalize(named).map_err(|error| failed(&error))?;
        let file = open(&path).map_err(|error| failed(&error))?;
        let about = file.metadata().map_err(|error| failed(&error))?;
        if !about.is_file() {
            return Err(Fault::usage(format!("{} is no ordinary file; nothing was stored", quoted(named))));
        }
        Ok(Self { named: named.to_owned(), path, file, about })
    }

    /// All of it.
    ///
    /// # Errors
    /// Where it cannot be read, or is too large.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let bytes = self.bytes().map_err(|error| failed("read", &self.named, &error))?;
        if bytes.len() > DOTENV_FILE_BYTES_MAX {
            let message =
                format!("{} is larger than {} KiB, which no settings are; nothing was stored", self.shown(), DOTENV_FILE_BYTES_MAX / 1024);
            return Err(Fault { code: "file_too_large".to_owned(), ..Fault::usage(message) });
        }
        Ok(bytes)
    }

    /// One byte more than may be, at most.
    fn bytes(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(vec![0; DOTENV_FILE_BYTES_MAX + 1]);
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match (&self.file).read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    /// The file as a person names it.
    pub(super) fn shown(&self) -> String {
        quoted(&self.named)
    }

    /// The file that it really is, where a link leads there: somebody else may have laid it.
    fn behind_a_link(&self) -> Option<String> {
        (!is_direct(&self.named, &self.path)).then(|| fit_for_a_terminal(&quoted(&self.path)))
    }

    /// Looks whether the file could be written again, before anything is stored.
    ///
    /// # Errors
    /// Where it could not.
    pub(super) fn check_replaceable(&self) -> Result<(), Fault> {
        if let Some(real) = self.behind_a_link() {
            let message = format!("{} is a link to {real}, and only what is named itself is written; nothing was stored", self.shown());
            let fault = Fault { code: NOT_REPLACEABLE.to_owned(), ..Fault::new(Exit::Failure, message) };
            return Err(fault.next(format!("tightlip import {real} --dry-run --replace   (if that is the file you mean)")));
        }
        let me = rustix::process::geteuid();
        let why = if self.about.nlink() > 1 {
            Some("it has a second name (a hard link), under which the values would remain")
        } else if !me.is_root() && self.about.uid() != me.as_raw() {
            Some("it is another user's, and the new one would be yours")
        } else if rustix::fs::access(self.folder(), Access::WRITE_OK | Access::EXEC_OK).is_err() {
            Some("its folder cannot be written into, which it takes to put the new file in place of the old one in one step")
        } else {
            None
        };
        match why {
            Some(why) => Err(Fault {
                code: NOT_REPLACEABLE.to_owned(),
                ..Fault::new(Exit::Failure, format!("{} cannot be replaced: {why}; nothing was stored", self.shown()))
            }
            .next(format!("tightlip import {}   (leaves the file as it is)", self.shown()))),
            None => Ok(()),
        }
    }

    /// What a person should know of the file.
    pub(super) fn warnings(&self, page: &Page) -> Vec<String> {
        let shown = self.shown();
        let mut warnings: Vec<String> = self.behind_a_link().map(|real| format!("{shown} is a link to {real}")).into_iter().collect();
        if self.about.mode() & OTHERS != 0 {
            warnings.push(format!("other users of this machine can read {shown}: chmod 600 {shown}"));
        }
        warnings.extend(history::warning(&self.path, &self.named));
        for line in page.suspects() {
            warnings.push(format!("line {line} of {shown} has a comment in which something looks like a credential; it stays there"));
        }
        warnings
    }

    /// Says what killed imports left beside the file.
    pub(super) fn name_left(&self) -> Vec<String> {
        let file = fit_for_a_terminal(&quoted(&own_path(&self.named)));
        let told = |left: &Left| {
            let name = self.shown_beside(left);
            format!("{name} is what a killed import left, with values of {file} in it; this removes it: tightlip import {file} --replace")
        };
        self.left().iter().map(told).collect()
    }

    /// Removes what killed imports left beside the file, and says so.
    pub(super) fn remove_left(&self) -> Vec<String> {
        let told = |left: &Left| {
            let name = self.shown_beside(left);
            match left.remove() {
                Ok(()) => format!("removed {name}, which a killed import left with values of {} in it", self.shown()),
                Err(error) => {
                    format!("{name} is what a killed import left, with values of {} in it: failed to remove it: {error}", self.shown())
                }
            }
        };
        self.left().iter().map(told).collect()
    }

    /// In a folder that nobody may read it is not looked for.
    fn left(&self) -> Vec<Left> {
        Left::beside(&self.path, self.about.uid()).unwrap_or_default()
    }

    fn shown_beside(&self, left: &Left) -> String {
        fit_for_a_terminal(&quoted(&own_path(&self.named).with_file_name(&left.name)))
    }

    /// Writes the file again with comments in these places; `again` is the command that tries it once more. At every moment the old file or the new one is
    /// there, whole, and a signal that comes meanwhile waits.
    ///
    /// # Errors
    /// Where it was changed since it was read, or cannot be written; then it is as it was. Where only its folder could not be synced, it is written.
    pub(super) fn replace(&self, page: &Page, spots: &[Spot], again: &str) -> Result<(), Fault> {
        let failed = |error: io::Error| {
            let fault = failed("replace", &self.named, &error);
            let message = format!("{}; the values were stored, and the file is as it was", fault.message);
            Fault { message, ..fault }.next(again.to_owned())
        };
        let mut beside = Beside::make(&self.path).map_err(failed)?;
        fchown(&beside.file, Some(self.about.uid()), Some(self.about.gid())).map_err(failed)?;
        access::hand_on(&self.file, self.about.mode(), &beside.file).map_err(failed)?;
        page.write_without(spots, &mut beside.file).map_err(failed)?;
        beside.file.sync_all().map_err(failed)?;
        if !self.is_unchanged(page).map_err(failed)? {
            let message = format!(
                "{} was changed since it was read, so it was left as it is now; the values were stored as they were read",
                self.shown()
            );
            let fault = Fault { code: "file_changed".to_owned(), ..Fault::new(Exit::Failure, message) };
            return Err(fault.next(again.to_owned()));
        }
        beside.rename_to(&self.path).map_err(failed)?;
        // The rename is done; whether it outlives a loss of power is the disk's own matter from here on.
        File::open(self.folder()).and_then(|folder| folder.sync_all()).map_err(|error| {
            let shown = self.shown();
            let message = format!(
                "{shown} was written again, and its folder could not be synced: {error}; a loss of power may bring the old file back"
            );
            Fault::new(Exit::Failure, message).next("sync".to_owned())
        })
    }

    /// Whether what its path leads to is what was read.
    fn is_unchanged(&self, page: &Page) -> io::Result<bool> {
        let about = fs::symlink_metadata(&self.path)?;
        let same = about.is_file() && (about.dev(), about.ino(), about.nlink()) == (self.about.dev(), self.about.ino(), 1);
        if !same {
            return Ok(false);
        }
        let now = Self { named: self.named.clone(), path: self.path.clone(), file: open(&self.path)?, about };
        Ok(page.is(&now.bytes()?))
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }
}

/// The path by which a file can be written: the file's own, where a link leads there.
pub(super) fn own_path(named: &Path) -> PathBuf {
    fs::canonicalize(named).ok().filter(|real| !is_direct(named, real)).unwrap_or_else(|| named.to_owned())
}

/// Whether the name leads to this real path without a link on its way. Where the folder that we are in has no path any more, nobody knows.
fn is_direct(named: &Path, real: &Path) -> bool {
    let Ok(folder) = std::env::current_dir() else { return false };
    let mut whole = PathBuf::new();
    for part in folder.join(named).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => whole.push(part),
        }
    }
    whole == real
}

/// Opens a real path. It waits for nothing, as for a pipe that nobody writes into, and follows no link: one there was laid since.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::new(Exit::Failure, format!("failed to {verb} {}: {error}", quoted(path)))
}

/// Read, write or execute, for anybody but the owner.
const OTHERS: u32 = 0o077;
/// The word of `--json`.
const NOT_REPLACEABLE: &str = "not_replaceable";
