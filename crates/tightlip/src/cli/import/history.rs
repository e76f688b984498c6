//! Whether git has the file, and so perhaps its values, in what was committed.
//!
//! The index is read here and not by git: a repository's own settings can have git run programs. Whoever writes into the folder may have laid something else in
//! its place: what cannot be read at once and whole may have the file in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags};

use crate::cli::hints::quoted;

/// What the index says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tracked {
    No,
    /// The index cannot be read, or is of a form in which names are shortened or stand elsewhere.
    Unknown,
    Yes,
}

/// What a folder's `.git` is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Repository {
    Absent,
    /// Its own files are in this folder.
    At(PathBuf),
    /// Something is there, and it cannot be said what.
    Unclear,
}

/// What to say of a file that git tracks, or may track.
pub(super) fn warning(path: &Path, named: &Path) -> Option<String> {
    let words = match looked_up(path) {
        Tracked::Yes => "git tracks",
        Tracked::Unknown => "git may track",
        Tracked::No => return None,
    };
    let shown = quoted(named);
    Some(format!("{words} {shown}: what was committed stays in its history, so rotate these values; look: git log --oneline -- {shown}"))
}

/// What the repository says that git takes for the file's; where something lies in the place of one, also what those farther out say, to which git goes on.
fn looked_up(path: &Path) -> Tracked {
    let mut worst = Tracked::No;
    for top in path.ancestors().skip(1) {
        let repository = Repository::of(top);
        worst = worst.max(path.strip_prefix(top).map_or(Tracked::Unknown, |below| repository.tracks(below)));
        if repository.is_whole() {
            break;
        }
    }
    worst
}

impl Repository {
    /// Whether git takes it for one (setup.c, `is_git_directory`). Git goes on outwards from what it takes for none.
    fn is_whole(&self) -> bool {
        let Self::At(folder) = self else { return false };
        let Some(common) = common(folder) else { return false };
        let is_there = |name: &str| rustix::fs::access(common.join(name), Access::EXEC_OK).is_ok();
        is_head(&folder.join("HEAD")) && is_there("objects") && is_there("refs")
    }

    /// A folder, or what a file of that name points to (gitrepository-layout(5)).
    fn of(folder: &Path) -> Self {
        let path = folder.join(".git");
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => Self::At(path),
            Ok(_) => pointed_to(&path).map_or(Self::Unclear, |target| Self::At(folder.join(target))),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Absent,
            Err(_) => Self::Unclear,
        }
    }

    /// Whether its index has a file of this path in it.
    fn tracks(&self, path: &Path) -> Tracked {
        let index = match self {
            Self::Absent => return Tracked::No,
            Self::Unclear => return Tracked::Unknown,
            Self::At(folder) => read(&folder.join("index"), INDEX_BYTES_MAX),
        };
        match index {
            Ok(index) => tracked(&index, path.as_os_str().as_bytes()),
            Err(error) if error.kind() == ErrorKind::NotFound => Tracked::No,
            Err(_) => Tracked::Unknown,
        }
    }
}

/// Where the repository of a work tree is; none where the file does not say it.
fn pointed_to(path: &Path) -> Option<PathBuf> {
    let text = read(path, POINTER_BYTES_MAX).ok()?;
    let target = text.strip_prefix(b"gitdir: ")?.trim_ascii_end();
    Some(PathBuf::from(OsStr::from_bytes(target)))
}

/// Whether it is what git takes for a `HEAD` (refs.c and setup.c, `validate_headref`): a branch's name or a commit's, or a link to a branch, be it there or not.
fn is_head(path: &Path) -> bool {
    if let Ok(target) = fs::read_link(path) {
        return target.as_os_str().as_bytes().starts_with(BRANCHES);
    }
    // Git looks at its beginning, however long it is.
    let mut bytes = Vec::new();
    if !open(path).is_ok_and(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut bytes).is_ok()) {
        return false;
    }
    let blanks = |bytes: &[u8]| bytes.iter().take_while(|byte| b" \t\n\r".contains(byte)).count();
    match bytes.strip_prefix(b"ref:") {
        Some(target) => target.get(blanks(target)..).is_some_and(|name| name.starts_with(BRANCHES)),
        None => bytes.get(..COMMIT_DIGITS).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
    }
}

/// Where a repository has its objects and branches: in itself, or where a work tree's `commondir` says; none where that cannot be read.
fn common(folder: &Path) -> Option<PathBuf> {
    match read(&folder.join("commondir"), POINTER_BYTES_MAX) {
        Ok(text) => {
            let end = text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
            Some(folder.join(OsStr::from_bytes(text.get(..end)?)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Some(folder.to_owned()),
        Err(_) => None,
    }
}

/// A regular file, opened without waiting and without following a link.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// All of an ordinary file that has so many bytes at most. Nothing else is waited for or read: no pipe, no device, no link.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.len() > bytes_max {
        return Err(ErrorKind::FileTooLarge.into());
    }
    // It may grow meanwhile.
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
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
    // A split index has most of its names in another file, which this extension names by its hash.
    let is_split = index.windows(8).any(|window| window.starts_with(b"link\0\0"));
    match (found, is_split) {
        (true, _) => Tracked::Yes,
        (false, true) => Tracked::Unknown,
        (false, false) => Tracked::No,
    }
}

/// The bits of an entry's flags that hold its name's length.
const NAME_MASK: u16 = 0x0fff;
/// The bit that says that more flags follow.
const EXTENDED: u16 = 0x4000;
/// Half a million files; a larger index is not read.
const INDEX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// So much of a `HEAD` git looks at.
const HEAD_BYTES: usize = 255;
/// With what a branch's whole name begins.
const BRANCHES: &[u8] = b"refs/";
/// The shorter of the two hashes by which git names a commit, in hexadecimal digits; the longer one begins alike.
const COMMIT_DIGITS: usize = 40;
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
    fn neither_an_empty_folder_in_gits_place_nor_a_split_index_hides_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let file = root.join("app/.env");
        fs::create_dir(root.join("app")).unwrap();
        fs::write(&file, "A=b").unwrap();
        git(root, &["init", "-q"]);
        git(root, &["add", "app/.env"]);
        fs::create_dir(root.join("app/.git")).unwrap();
        assert!(warning(&file, Path::new(".env")).unwrap().starts_with("git tracks .env: "));
        fs::remove_dir(root.join("app/.git")).unwrap();
        git(root, &["update-index", "--split-index"]);
        assert!(warning(&file, Path::new(".env")).unwrap().starts_with("git may track .env: "));
    }

    /// What git takes for the repository of this folder.
    fn top(folder: &Path) -> PathBuf {
        let output = Command::new("git").args(["rev-parse", "--show-toplevel"]).current_dir(folder).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    }

    #[test]
    fn what_git_takes_for_no_repository_hides_no_file_of_an_outer_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (app, inner) = (root.join("app"), root.join("app/.git"));
        fs::create_dir(&app).unwrap();
        fs::write(app.join(".env"), "A=b").unwrap();
        git(&root, &["init", "-q"]);
        git(&root, &["add", "app/.env"]);
        let head = |text: &str| fs::write(inner.join("HEAD"), text).unwrap();
        let link = |target: &str| {
            fs::remove_file(inner.join("HEAD")).unwrap();
            std::os::unix::fs::symlink(target, inner.join("HEAD")).unwrap();
        };
        let common = |text: &str| {
            fs::rename(inner.join("objects"), app.join("objects")).unwrap();
            fs::rename(inner.join("refs"), app.join("refs")).unwrap();
            fs::write(inner.join("commondir"), text).unwrap();
        };
        let cases: [(&str, bool, &dyn Fn()); 24] = [
            ("as it was made", true, &|| {}),
            ("no HEAD", false, &|| fs::remove_file(inner.join("HEAD")).unwrap()),
            ("an empty HEAD", false, &|| head("")),
            ("HEAD alone", false, &|| {
                fs::remove_dir_all(&inner).unwrap();
                fs::create_dir(&inner).unwrap();
                head("ref: refs/heads/main\n");
            }),
            ("another word in HEAD", false, &|| head("reference: refs/heads/main\n")),
            ("no branch in HEAD", false, &|| head("ref: heads/main\n")),
            ("HEAD without a blank", true, &|| head("ref:refs/heads/main")),
            ("HEAD with blanks", true, &|| head("ref: \t\n refs/x")),
            ("HEAD with another blank", false, &|| head("ref:\u{c}refs/heads/main\n")),
            ("HEAD with many blanks", false, &|| head(&format!("ref:{}refs/heads/main\n", " ".repeat(250)))),
            ("a commit in HEAD", true, &|| head(&format!("{}\n", "0a".repeat(20)))),
            ("a longer commit in HEAD", true, &|| head(&"0a".repeat(32))),
            ("a very long HEAD", true, &|| head(&format!("ref: refs/heads/main\n{}", "x".repeat(20_000)))),
            ("less than a commit in HEAD", false, &|| head(&"a".repeat(39))),
            ("no commit in HEAD", false, &|| head(&"x".repeat(40))),
            ("a link to a branch for HEAD", true, &|| link("refs/heads/nowhere")),
            ("a link elsewhere for HEAD", false, &|| link("nowhere")),
            ("a folder for HEAD", false, &|| {
                fs::remove_file(inner.join("HEAD")).unwrap();
                fs::create_dir(inner.join("HEAD")).unwrap();
            }),
            ("no objects", false, &|| fs::remove_dir_all(inner.join("objects")).unwrap()),
            ("no refs", false, &|| fs::remove_dir_all(inner.join("refs")).unwrap()),
            ("objects elsewhere", true, &|| common("..\n")),
            ("objects in a whole path", true, &|| common(app.to_str().unwrap())),
            ("objects behind a blank", false, &|| common(".. ")),
            ("objects nowhere", false, &|| common("../nowhere\n")),
        ];
        for (name, whole, change) in cases {
            git(&app, &["init", "-q"]);
            change();
            assert_eq!(top(&app), if whole { app.clone() } else { root.clone() }, "what git makes of {name}");
            assert_eq!(warning(&app.join(".env"), Path::new(".env")).is_none(), whole, "{name}");
            fs::remove_dir_all(&inner).unwrap();
            for moved in ["objects", "refs"] {
                let _not_moved = fs::remove_dir_all(app.join(moved));
            }
        }
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
    #[test]
    fn what_cannot_be_read_at_once_and_whole_may_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let (git, file) = (folder.path().join(".git"), folder.path().join("app/.env"));
        let index = git.join("index");
        let pipe = |path: &Path| rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let link = |target: &str, path: &Path| std::os::unix::fs::symlink(target, path).unwrap();
        let indices: [&dyn Fn(); 5] =
            [&|| pipe(&index), &|| link("/dev/zero", &index), &|| link("nowhere", &index), &|| fs::create_dir(&index).unwrap(), &|| {
                File::create(&index).unwrap().set_len(INDEX_BYTES_MAX + 1).unwrap()
            }];
        for (number, lay) in indices.into_iter().enumerate() {
            fs::create_dir(&git).unwrap();
            lay();
            assert!(warning(&file, Path::new(".env")).unwrap().starts_with("git may track .env: "), "index {number}");
            fs::remove_dir_all(&git).unwrap();
        }
        let pointers: [&dyn Fn(); 5] =
            [&|| pipe(&git), &|| link("/dev/zero", &git), &|| link(".git", &git), &|| fs::write(&git, "nonsense").unwrap(), &|| {
                File::create(&git).unwrap().set_len(POINTER_BYTES_MAX + 1).unwrap()
            }];
        for (number, lay) in pointers.into_iter().enumerate() {
            lay();
            assert!(warning(&file, Path::new(".env")).unwrap().starts_with("git may track .env: "), "pointer {number}");
            fs::remove_file(&git).unwrap();
        }
    }

    #[test]
    fn a_repository_behind_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join(".env"), "A=b").unwrap();
        git(root, &["init", "-q"]);
        git(root, &["add", ".env"]);
        fs::rename(root.join(".git"), root.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", root.join(".git")).unwrap();
        assert!(warning(&root.join(".env"), Path::new(".env")).unwrap().starts_with("git tracks .env: "));
    }
}
