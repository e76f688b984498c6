//! Whether git has the file, and so perhaps its values, in what was committed.
//!
//! The index is read here and not by git: a repository's own settings can have git run programs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::hints::quoted;

/// What the index says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tracked {
    Yes,
    No,
    /// The index is of a form in which names are shortened.
    Unknown,
}

/// What to say of a file that git tracks, or may track.
pub(super) fn warning(path: &Path, named: &Path) -> Option<String> {
    let (top, git) = path.ancestors().skip(1).find_map(|folder| Some((folder, git_folder(&folder.join(".git"))?)))?;
    let relative = path.strip_prefix(top).ok()?;
    let index = git.join("index");
    let size = fs::metadata(&index).map_or(0, |about| about.len());
    let index = if size <= INDEX_BYTES_MAX { fs::read(index).unwrap_or_default() } else { UNREAD.to_vec() };
    let words = match tracked(&index, relative.as_os_str().as_encoded_bytes()) {
        Tracked::Yes => "git tracks",
        Tracked::Unknown => "git may track",
        Tracked::No => return None,
    };
    let shown = quoted(named);
    Some(format!("{words} {shown}: what was committed stays in its history, so rotate these values; look: git log --oneline -- {shown}"))
}

/// Where a repository's own files are: a folder, or what a file of that name points to (gitrepository-layout(5)).
fn git_folder(path: &Path) -> Option<PathBuf> {
    let about = fs::metadata(path).ok()?;
    if about.is_dir() {
        return Some(path.to_owned());
    }
    let text = fs::read_to_string(path).ok().filter(|_| about.len() <= POINTER_BYTES_MAX)?;
    let target = text.strip_prefix("gitdir: ")?.trim_end();
    Some(path.parent()?.join(target))
}

/// Whether this path is in an index: there, each name has its length before it and a zero byte behind it (gitformat-index(5)).
fn tracked(index: &[u8], path: &[u8]) -> Tracked {
    let version = index.strip_prefix(b"DIRC").and_then(|rest| rest.first_chunk::<4>()).map(|bytes| u32::from_be_bytes(*bytes));
    match version {
        None => return Tracked::No,
        Some(2 | 3) => {}
        Some(_) => return Tracked::Unknown,
    }
    let length = u16::try_from(path.len()).unwrap_or(u16::MAX).min(NAME_MASK);
    let flags = |at: usize| index.get(at.checked_sub(2)?..at)?.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes));
    // Names of version 3 may have a second field of flags between.
    let is_entry = |at: usize| {
        let plain = flags(at).is_some_and(|flags| flags & NAME_MASK == length && flags & EXTENDED == 0);
        let extended = at.checked_sub(2).and_then(flags).is_some_and(|flags| flags & NAME_MASK == length && flags & EXTENDED != 0);
        (plain || extended) && index.get(at + path.len()) == Some(&0)
    };
    let found = index.windows(path.len()).enumerate().any(|(at, window)| window == path && is_entry(at));
    if found { Tracked::Yes } else { Tracked::No }
}

/// The bits of an entry's flags that hold its name's length.
const NAME_MASK: u16 = 0x0fff;
/// The bit that says that more flags follow.
const EXTENDED: u16 = 0x4000;
/// The index of the largest repositories is smaller; a larger one is not read.
const INDEX_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// An index of which nothing is known.
const UNREAD: &[u8] = b"DIRC\xff\xff\xff\xff";
/// A path with its few words before it.
const POINTER_BYTES_MAX: u64 = 8192;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(arguments).current_dir(folder);
        assert!(command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success(), "git {arguments:?}");
    }

    #[test]
    fn a_file_that_git_tracks_is_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (tracked, other) = (root.join("app/.env"), root.join("app/.env.local"));
        fs::create_dir(root.join("app")).unwrap();
        for path in [&tracked, &other] {
            fs::write(path, "A=b").unwrap();
        }
        assert_eq!(warning(&tracked, Path::new(".env")), None, "no repository");
        git(root, &["init", "-q"]);
        assert_eq!(warning(&tracked, Path::new(".env")), None, "nothing is tracked");
        git(root, &["add", "app/.env"]);
        assert!(warning(&tracked, Path::new(".env")).unwrap().starts_with("git tracks .env: "));
        assert_eq!(warning(&other, Path::new(".env.local")), None);
        git(root, &["add", "-N", "app/.env.local"]);
        assert!(warning(&other, Path::new(".env.local")).is_some(), "with more flags");
        git(root, &["update-index", "--index-version", "4"]);
        assert!(warning(&tracked, Path::new(".env")).unwrap().starts_with("git may track"));
    }

    #[test]
    fn a_work_tree_elsewhere_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("main");
        fs::create_dir(&root).unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        fs::write(root.join(".env"), "A=b").unwrap();
        git(&root, &["add", ".env"]);
        git(&root, &["commit", "-q", "-m", "first"]);
        git(&root, &["worktree", "add", "-q", "-b", "other", "../other"]);
        assert!(warning(&folder.path().join("other/.env"), Path::new(".env")).is_some());
    }

    #[test]
    fn no_index_makes_it_stop() {
        for index in [&b""[..], b"DIRC", b"DIRC\0\0\0\x02", b"DIRC\0\0\0\x02.env\0", b"nonsense"] {
            assert_eq!(super::tracked(index, b".env"), Tracked::No, "{index:?}");
        }
    }
}
