//! A repository's hooks, as a private copy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Result;

use super::{names, read_bounded};
use crate::root::tree::{self, POINT, Tree};
use crate::shown::short;

/// The hooks as they were.
#[derive(Debug)]
pub(crate) struct Hooks(BTreeMap<OsString, Option<Vec<u8>>>);

impl Hooks {
    /// Copies the hooks of `git` to `private` and mounts the copy over them. Folders in them (and what is too large) are left out.
    pub(crate) fn copy(root: &Tree, git: &OwnedFd, private: &Path) -> Result<Self> {
        let own = openat(git, "hooks", POINT | OFlags::DIRECTORY, Mode::empty())?;
        let copy = root.folder(private)?;
        let mut before = BTreeMap::new();
        for name in names(&own)? {
            let content = content(&own, &name);
            if let Some(bytes) = &content {
                let mode = statat(&own, &*name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o755;
                tree::write_new(&copy, &name, bytes, mode)?;
                before.insert(name, content);
            }
        }
        tree::attach(&tree::clone_at(&copy)?, &own)?;
        Ok(Self(before))
    }

    /// Says which hooks are not what they were.
    pub(crate) fn compare(&self, git: &OwnedFd, shown: &str, said: &mut Vec<String>) {
        let after = openat(git, "hooks", POINT | OFlags::DIRECTORY, Mode::empty()).and_then(|folder| Ok((names(&folder)?, folder)));
        let Ok((after, folder)) = after else { return };
        for name in &after {
            let what = match self.0.get(name) {
                None => "added",
                Some(before) if *before != content(&folder, name) => "changed",
                Some(_) => continue,
            };
            said.push(format!("{shown}/{} was {what} in the devbox; this was not kept", short(&name.to_string_lossy())));
        }
        for name in self.0.keys().filter(|name| !after.contains(name)) {
            said.push(format!("{shown}/{} was removed in the devbox; this was not kept", short(&name.to_string_lossy())));
        }
    }
}

fn content(folder: &OwnedFd, name: &OsString) -> Option<Vec<u8>> {
    let kind = statat(folder, &**name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind == Some(FileType::RegularFile) { read_bounded(folder, &**name) } else { None }
}
