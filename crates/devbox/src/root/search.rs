//! A search of the work folder: every folder is listed whole, and all of them or none. What an agent leaves there for the next devbox to stumble over must not
//! end a search early.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::limits::DEVBOX_SEARCH_ENTRIES_MAX;
use rustix::fs::{AtFlags, FileType, RawDir, statat};
use rustix::io::{Errno, Result};

/// How much was listed, and where most of it lies.
pub(super) struct Search {
    left: usize,
    /// The folder with the most entries of its own.
    largest: (usize, PathBuf),
    /// The entries below each folder of the work folder's own.
    tops: BTreeMap<OsString, usize>,
    buffer: Vec<u8>,
}

/// Whether there is still room for what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Room {
    Left,
    /// More than is searched.
    None,
}

impl Search {
    pub(super) fn new() -> Self {
        let buffer = Vec::with_capacity(LISTED_BYTES);
        Self { left: DEVBOX_SEARCH_ENTRIES_MAX, largest: (0, PathBuf::new()), tops: BTreeMap::new(), buffer }
    }

    /// Calls `each` with the name and kind of every entry of a folder that was just opened.
    pub(super) fn list(&mut self, folder: &OwnedFd, path: &Path, mut each: impl FnMut(&OsStr, FileType)) -> Result<Room> {
        let mut entries = 0;
        let mut listed = RawDir::new(folder, self.buffer.spare_capacity_mut());
        while let Some(entry) = listed.next() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            entries += 1;
            if entries > self.left {
                break;
            }
            each(name, kind(folder, name, entry.file_type())?);
        }
        Ok(self.count(path, entries))
    }

    fn count(&mut self, path: &Path, entries: usize) -> Room {
        if entries > self.largest.0 {
            self.largest = (entries, path.to_owned());
        }
        if let Some(top) = path.iter().next() {
            *self.tops.entry(top.to_owned()).or_default() += entries;
        }
        match self.left.checked_sub(entries) {
            Some(left) => {
                self.left = left;
                Room::Left
            }
            None => Room::None,
        }
    }

    /// The folder that most of it lies in: by itself, or with all that is below it.
    pub(super) fn most_in(&self) -> PathBuf {
        let top = self.tops.iter().max_by_key(|(_, entries)| **entries);
        match top {
            Some((top, below)) if *below / 2 > self.largest.0 => PathBuf::from(top),
            _ if self.largest.1.as_os_str().is_empty() => PathBuf::from("."),
            _ => self.largest.1.clone(),
        }
    }
}

fn kind(folder: &OwnedFd, name: &OsStr, told: FileType) -> Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        about => about.map(|about| FileType::from_raw_mode(about.st_mode)),
    }
}

/// Some hundred names at a time.
const LISTED_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told_with_the_folder_that_most_of_it_lies_in() {
        let mut search = Search::new();
        assert_eq!(search.count(Path::new(""), 10), Room::Left);
        assert_eq!(search.count(Path::new("own/src"), 5000), Room::Left);
        assert_eq!(search.most_in(), Path::new("own/src"));
        for number in 0..100 {
            assert_eq!(search.count(&Path::new("junk/deep").join(number.to_string()), 1000), Room::Left);
        }
        assert_eq!(search.most_in(), Path::new("junk"), "many small folders in one");
        assert_eq!(search.count(Path::new(""), DEVBOX_SEARCH_ENTRIES_MAX), Room::None);
        assert_eq!(search.most_in(), Path::new("."));
    }

    #[test]
    fn a_folder_is_listed_whole() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5000 {
            std::fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let opened = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let mut names = std::collections::BTreeSet::new();
        let room = Search::new().list(&opened, Path::new(""), |name, kind| {
            assert_eq!(kind, FileType::RegularFile);
            names.insert(name.to_owned());
        });
        assert_eq!((room, names.len()), (Ok(Room::Left), 5000));
    }
}
