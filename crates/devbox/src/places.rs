//! Where folders lie in their file systems: one place can be reached by many names, as bind mounts make them, and only the kernel's table of mounts tells.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// The mounts of this process's namespace (proc_pid_mountinfo(5)).
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    /// The file system, and what of it is mounted.
    root: Place,
    /// On what.
    point: PathBuf,
}

/// A folder or file, by its file system and its path in that.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    device: String,
    path: PathBuf,
}

impl Mounts {
    /// Reads the table.
    pub(crate) fn read() -> io::Result<Self> {
        Self::parse(&std::fs::read("/proc/self/mountinfo")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(table: &[u8]) -> Option<Self> {
        table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(mount).collect::<Option<_>>().map(Self)
    }

    /// Whether the tree at `taken`, with all that is mounted in it, holds something of what `hidden` is, whatever its name there. Both without symlinks.
    pub(crate) fn shows(&self, taken: &Path, hidden: &Path) -> io::Result<bool> {
        // What is not there is not shown.
        if !hidden.exists() {
            return Ok(false);
        }
        let hidden = self.place(hidden)?;
        let below = self.0.iter().filter(|mount| mount.point.starts_with(taken)).map(|mount| &mount.root);
        Ok(self.place(taken)?.meets(&hidden) || below.into_iter().any(|place| place.meets(&hidden)))
    }

    fn place(&self, path: &Path) -> io::Result<Place> {
        let about = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
        let mount = self.0.iter().find(|mount| mount.id == about.stx_mnt_id);
        let found = mount.and_then(|mount| Some((&mount.root, path.strip_prefix(&mount.point).ok()?)));
        // The table leaves out the mount of a root that chroot(2) changed to: its own names are what there is then.
        let Some((root, rest)) = found else {
            return Ok(Place { device: format!("{}:{}", about.stx_dev_major, about.stx_dev_minor), path: path.to_owned() });
        };
        // Nothing is appended for the mount's own root: an empty path would leave a slash behind.
        let path = if rest.as_os_str().is_empty() { root.path.clone() } else { root.path.join(rest) };
        Ok(Place { device: root.device.clone(), path })
    }
}

impl Place {
    /// Whether one of the two lies in the other.
    fn meets(&self, other: &Self) -> bool {
        self.device == other.device && (self.path.starts_with(&other.path) || other.path.starts_with(&self.path))
    }
}

/// One line: id, parent's id, device, root, mount point, and more.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let mut text = || words.next().and_then(|word| std::str::from_utf8(word).ok());
    let (id, _parent, device) = (text()?.parse().ok()?, text()?, text()?.to_owned());
    let (root, point) = (unescape(words.next()?), unescape(words.next()?));
    Some(Mount { id, root: Place { device, path: root }, point })
}

/// The table writes blanks, line ends and backslashes as a backslash and three octal digits.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let (byte, next) = match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (byte, after.get(3..).unwrap_or_default()),
            None => (*first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// One folder under two names, as a bind mount makes it.
pub(crate) fn same(one: &Path, other: &Path) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
    inode(one).is_some_and(|own| Some(own) == inode(other))
}

/// Whether a folder is a data folder of tightlip's, in use or not.
pub(crate) fn is_data_folder(path: &Path) -> bool {
    !path.as_os_str().as_bytes().is_empty() && path.join("gateway/keyring.json").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
                         40 22 8:2 /homes /home rw - ext4 /dev/sda2 rw\n\
                         41 22 8:2 / /data rw - ext4 /dev/sda2 rw\n\
                         42 22 8:2 /homes/me/keys /srv/a\\040b/\\134 rw - ext4 /dev/sda2 rw\n";

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let mounts = Mounts::parse(TABLE.as_bytes()).unwrap();
        let last = mounts.0.last().unwrap();
        assert_eq!((last.id, last.point.as_path()), (42, Path::new("/srv/a b/\\")));
        assert_eq!(last.root, Place { device: "8:2".to_owned(), path: "/homes/me/keys".into() });
        assert!(Mounts::parse(b"22 1 8:1\n").is_none() && Mounts::parse(b"x 1 8:1 / /\n").is_none());
    }

    #[test]
    fn places_of_one_file_system_meet_where_one_lies_in_the_other() {
        let place = |device: &str, path: &str| Place { device: device.to_owned(), path: path.into() };
        let keys = place("8:2", "/homes/me/keys");
        for meets in ["/", "/homes", "/homes/me/keys", "/homes/me/keys/gateway"] {
            assert!(place("8:2", meets).meets(&keys), "{meets}");
        }
        assert!(!place("8:2", "/homes/me/key").meets(&keys) && !place("8:1", "/").meets(&keys));
    }

    #[test]
    fn the_table_of_this_machine_is_read() {
        let mounts = Mounts::read().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = std::fs::canonicalize(folder.path()).unwrap();
        for name in ["a", "b"] {
            std::fs::create_dir(folder.join(name)).unwrap();
        }
        assert!(mounts.shows(&folder, &folder.join("a")).unwrap() && mounts.shows(&folder.join("a"), &folder).unwrap());
        assert!(!mounts.shows(&folder.join("a"), &folder.join("b")).unwrap());
    }
}
