//! Bringing a backup back, while nobody serves the data folder.
//!
//! Everything is opened and looked at aside; then a mark is set, and from there on the restore is only finished, never undone: the former contents are moved
//! aside, the new ones moved in. Whatever interrupts that, the next `restore` or `up` goes on where it stopped. Nothing is ever overwritten or deleted.

use std::fs::{DirBuilder, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::Clock;
use rootkey::{RootKeyError, passphrase};
use service::anchor::AnchorError;
use service::backup::{ABOUT, About, BackupError};
use store::{Ledger, Mode, Store};
use vault::RootKey;
use vault::backup::{BackupError as FormatError, Opener};

use crate::anchor::{Anchors, Rollback};
use crate::detached;
use crate::folder::{DataFolder, FILE_MODE, FOLDER_MODE, FolderError, Lock, Presence};
use crate::parts;
use crate::root::{Root, RootError, Source};
use crate::setup::{self, Opened, PARTS, SetupError, io_failed, read, sync, write_new};

/// What is to be restored.
pub struct Wanted<'a> {
    /// The backup.
    pub backup: &'a Path,
    /// The root key's file; none: the data folder's own. Where the root key comes from a passphrase there is no such file.
    pub root_key: Option<&'a Path>,
    /// Where the passphrase comes from, if it takes one.
    pub passphrase: &'a Source,
    /// What becomes of the data folder's contents.
    pub existing: Existing,
    /// What becomes of a backup that is older than the data folder was.
    pub rollback: Rollback,
}

/// What becomes of a data folder's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Where there are any, nothing is restored.
    Keep,
    /// They are moved aside.
    MoveAside,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup said of itself, and what was found in it.
    pub about: About,
    /// Where the former contents are, where there were any.
    pub before: Option<PathBuf>,
}

/// Why nothing was restored. The data folder's contents are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such backup.
    #[error("there is no backup at {}", .0.display())]
    NoBackup(PathBuf),
    /// The backup cannot be opened.
    #[error("failed to open {}", path.display())]
    Backup {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No root key was named, and the data folder has none.
    #[error("a backup opens with its root key only, and there is none at {}", .0.display())]
    NoRootKey(PathBuf),
    /// The root key cannot be used.
    #[error("the root key at {} cannot be used", path.display())]
    RootKey {
        /// Where it is.
        path: PathBuf,
        /// Why not, and what to do.
        #[source]
        source: RootKeyError,
    },
    /// A root key's file was named, and there is none.
    #[error("the root key of this backup comes from a passphrase: leave --root-key out, and give the passphrase")]
    TakesPassphrase,
    /// The passphrase.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The data folder has contents.
    #[error("{} has contents already, and nothing was changed", .0.display())]
    Occupied(PathBuf),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The backup does not open.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The backup holds something that this version does not know.
    #[error("this backup holds a part that this tightlip does not know: restore it with the one that made it")]
    UnknownPart,
    /// The backup opens, and what is in it does not fit together.
    #[error("what this backup holds is not what it says of itself; use another copy of it, or an older backup")]
    Mismatch,
    /// A database in it is damaged.
    #[error("what this backup holds cannot be used")]
    Content(#[source] BackupError),
    /// It is older than what was there.
    #[error("this backup is older than what {} had last, so it was not restored, and nothing was changed", .0.display())]
    Rollback(PathBuf, #[source] AnchorError),
    /// What came out of it would not start.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Restores a backup into the data folder.
///
/// # Errors
/// [`RestoreError`], and then the contents are as they were.
pub fn restore(folder: &DataFolder, wanted: &Wanted<'_>, clock: &dyn Clock) -> Result<Restored, RestoreError> {
    // Keys pass through this process.
    vault::seclude().map_err(RootError::from)?;
    let failed = |source: io::Error| {
        let path = wanted.backup.to_owned();
        if source.kind() == io::ErrorKind::NotFound { RestoreError::NoBackup(path) } else { RestoreError::Backup { path, source } }
    };
    let opener = Opener::begin(BufReader::new(File::open(wanted.backup).map_err(failed)?))?;
    let has_recipe = !opener.recipe().is_empty();
    if has_recipe && wanted.root_key.is_some() {
        return Err(RestoreError::TakesPassphrase);
    }
    if folder.look()? == Presence::Absent && wanted.root_key.is_none() && !has_recipe {
        return Err(RestoreError::NoRootKey(folder.root_key()));
    }
    folder.make()?;
    let keeps = wanted.existing == Existing::Keep;
    if keeps && folder.holder().is_some_and(detached::is_one) && is_occupied(folder) {
        // Nothing would be restored, so nothing is stopped for it.
        return Err(RestoreError::Occupied(folder.path().to_owned()));
    }
    let _lock: Lock = detached::take_over(folder)?;
    finish(folder)?;
    if keeps && is_occupied(folder) {
        return Err(RestoreError::Occupied(folder.path().to_owned()));
    }
    let aside = DataFolder::aside(folder.restoring());
    let built = build(&aside, folder, opener, wanted).and_then(|built| {
        let replaces_a_root = keeps && folder.gateway().exists() && !is_same_root(folder, &aside);
        if replaces_a_root { Err(RestoreError::Occupied(folder.path().to_owned())) } else { Ok(built) }
    });
    let checked = built.and_then(|(about, opened)| {
        let anchors = Anchors::of(folder, &aside, &opened);
        match anchors.check(&opened) {
            Err(source) if wanted.rollback == Rollback::Refuse => Err(RestoreError::Rollback(folder.path().to_owned(), source)),
            Ok(()) | Err(_) => Ok((about, anchors, opened)),
        }
    });
    let marked = checked.and_then(|built| mark(folder, clock).map(|()| built).map_err(RestoreError::from));
    let (about, anchors, opened) = marked.inspect_err(|_| {
        // Best effort, the mark first: what is left without it is removed by the next start.
        let _unmarked = std::fs::remove_file(aside.path().join(COMPLETE));
        let _left = std::fs::remove_dir_all(aside.path());
    })?;
    // Before what it tells of is in its place: the former contents have these events too, unless they are another branch.
    anchors.write(&opened, clock);
    drop(opened);
    let before = finish(folder)?;
    Ok(Restored { about, before })
}

/// The root key of the backup, and its file, or its recipe's, in the folder aside. The one place that a root key of another make has to join.
fn bring_root(aside: &DataFolder, folder: &DataFolder, recipe: &[u8], wanted: &Wanted<'_>) -> Result<RootKey, RestoreError> {
    if !recipe.is_empty() {
        let path = aside.root_passphrase();
        write_new(&path, recipe)?;
        return Ok(passphrase::derive(&path, &wanted.passphrase.known_one()?).map_err(RootError::from)?);
    }
    let path = wanted.root_key.map_or_else(|| folder.root_key(), Path::to_owned);
    let failed = |path: PathBuf, source| match source {
        RootKeyError::Missing => RestoreError::NoRootKey(path),
        RootKeyError::Readable
        | RootKeyError::Malformed
        | RootKeyError::Exists
        | RootKeyError::Io(_)
        | RootKeyError::Keyring(_)
        | RootKeyError::Locked(_) => RestoreError::RootKey { path, source },
    };
    let key = rootkey::load(&path).map_err(|source| failed(path, source))?;
    rootkey::write(&aside.root_key(), &key).map_err(|source| failed(aside.root_key(), source))?;
    Ok(key)
}

/// Whether the folder holds anything that a restore would move aside. What the root key comes from, put there for the restore, does not count yet.
fn is_occupied(folder: &DataFolder) -> bool {
    let has_more = match std::fs::read_dir(folder.gateway()) {
        Ok(entries) => entries.flatten().any(|entry| ![folder.root_key(), folder.root_passphrase()].contains(&entry.path())),
        Err(_) => folder.gateway().exists(),
    };
    has_more || moved().any(|part| part != "gateway" && folder.path().join(part).exists())
}

/// Whether the gateway's folder is empty, or holds nothing but what the root key in the other folder comes from as well.
fn is_same_root(folder: &DataFolder, other: &DataFolder) -> bool {
    let Ok(entries) = std::fs::read_dir(folder.gateway()) else { return false };
    entries.map(|entry| entry.map(|entry| entry.path())).all(|path| match path {
        Ok(path) if path == folder.root_key() => match (rootkey::load(&path), rootkey::load(&other.root_key())) {
            (Ok(here), Ok(there)) => vault::same(here.to_hex().as_bytes(), there.to_hex().as_bytes()),
            (Err(_), _) | (_, Err(_)) => false,
        },
        Ok(path) if path == folder.root_passphrase() => {
            std::fs::read(&path).ok().zip(std::fs::read(other.root_passphrase()).ok()).is_some_and(|(here, there)| here == there)
        }
        Ok(_) | Err(_) => false,
    })
}

/// Opens the backup into a folder aside and looks at all of it: as `up` does, and every page and event beside.
fn build(
    aside: &DataFolder,
    folder: &DataFolder,
    opener: Opener<BufReader<File>>,
    wanted: &Wanted<'_>,
) -> Result<(About, Opened), RestoreError> {
    for part in [aside.path().to_owned(), aside.store(), aside.gateway(), aside.api()] {
        DirBuilder::new().mode(FOLDER_MODE).create(&part).map_err(io_failed("make", &part))?;
    }
    let root = bring_root(aside, folder, opener.recipe(), wanted)?;
    let is_file = opener.recipe().is_empty();
    let keys = opener.unwrap_keyring(&root).map_err(|error| {
        let is_wrong_passphrase = !is_file && matches!(error, FormatError::WrongRootKey);
        if is_wrong_passphrase { RootError::Wrong.into() } else { RestoreError::Format(error) }
    })?;
    write_new(&aside.keyring(), opener.keyring())?;
    let root = if is_file { Root::File } else { Root::Derived(root) };
    let (mut said, mut unknown) = (Vec::new(), false);
    let about_path = aside.path().join(ABOUT);
    let passed = opener.open(&keys, |name| {
        let place = if name == ABOUT { Some(about_path.clone()) } else { parts::place_in(aside, name) };
        unknown |= place.is_none();
        new_file(&place.ok_or(io::ErrorKind::InvalidInput)?)
    });
    if unknown {
        return Err(RestoreError::UnknownPart);
    }
    for part in passed? {
        let path = aside.path().join(&part.name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(io_failed("write", &path))?;
        if part.name == ABOUT {
            said = read(&path)?.to_vec();
        }
    }
    let said = About::read(&said).ok_or(RestoreError::Mismatch)?;
    let opened = setup::check(aside, &root)?;
    verify(aside, &said)?;
    for part in [aside.store(), aside.gateway(), aside.api(), aside.path().to_owned()] {
        sync(&part)?;
    }
    Ok((said, opened))
}

/// Checks that both databases hold, whole, what the backup says.
fn verify(aside: &DataFolder, said: &About) -> Result<(), RestoreError> {
    let unusable = |source| RestoreError::Content(BackupError::Store(source));
    let store = Store::open(&aside.store_db(), Mode::Reader).map_err(unusable)?;
    let ledger = Ledger::open_to_read(&aside.ledger()).map_err(unusable)?;
    let found = About::of(&store, &ledger, said.made).map_err(RestoreError::Content)?;
    if found.agrees_with(said) { Ok(()) } else { Err(RestoreError::Mismatch) }
}

fn new_file(path: &Path) -> io::Result<impl Write + use<>> {
    File::options().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Says that what stands aside is whole, and where the former contents go.
fn mark(folder: &DataFolder, clock: &dyn Clock) -> Result<(), SetupError> {
    let first = clock.now().unix_ms();
    let names = (first..).map(|ms| format!("{BEFORE}{ms}"));
    let free = names.into_iter().find(|name| !folder.path().join(name).exists()).expect("some number is free");
    // Written under another name: a mark is there with all of its text or not at all.
    let (draft, complete) = (folder.restoring().join("complete.new"), folder.restoring().join(COMPLETE));
    write_new(&draft, free.as_bytes())?;
    std::fs::rename(&draft, &complete).map_err(io_failed("write", &complete))?;
    sync(&folder.restoring())
}

/// Finishes a restore that was marked, and throws one away that was not. Gives where the former contents are, where there were any. Call with the lock.
///
/// # Errors
/// When the system refuses; the next call goes on from there.
pub fn finish(folder: &DataFolder) -> Result<Option<PathBuf>, SetupError> {
    let aside = folder.restoring();
    let (complete, cleared) = (aside.join(COMPLETE), aside.join(CLEARED));
    if !complete.exists() {
        return if aside.exists() { std::fs::remove_dir_all(&aside).map_err(io_failed("remove", &aside)).map(|()| None) } else { Ok(None) };
    }
    let name = String::from_utf8(read(&complete)?.to_vec()).ok().filter(|name| name.starts_with(BEFORE) && !name.contains('/'));
    let before = folder.path().join(name.ok_or_else(|| SetupError::Missing(complete.clone()))?);
    if !cleared.exists() {
        clear(folder, &before)?;
        write_new(&cleared, b"")?;
        sync(&aside)?;
    }
    for part in moved() {
        let (from, to) = (aside.join(part), folder.path().join(part));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(io_failed("move in", &to))?;
        }
    }
    sync(folder.path())?;
    // The mark goes first and for itself: from here on there is nothing to finish.
    std::fs::remove_file(&complete).map_err(io_failed("remove", &complete))?;
    sync(&aside)?;
    std::fs::remove_dir_all(&aside).map_err(io_failed("remove", &aside))?;
    sync(folder.path())?;
    Ok(before.exists().then_some(before))
}

/// Moves the former contents aside. What was there of the root key alone is in the new contents as well, and goes.
fn clear(folder: &DataFolder, before: &Path) -> Result<(), SetupError> {
    let new = DataFolder::aside(folder.restoring());
    if is_same_root(folder, &new) {
        std::fs::remove_dir_all(folder.gateway()).map_err(io_failed("remove", &folder.gateway()))?;
    }
    for part in moved() {
        let (from, to) = (folder.path().join(part), before.join(part));
        if from.exists() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(before).map_err(io_failed("make", before))?;
            std::fs::rename(&from, &to).map_err(io_failed("move aside", &from))?;
        }
    }
    if before.exists() {
        sync(before)?;
    }
    sync(folder.path())
}

/// What a restore moves: everything that a set-up makes, and one that was interrupted. Whatever else lies in the folder stays.
fn moved() -> impl Iterator<Item = &'static str> {
    PARTS.into_iter().chain(["tightlip.toml", ".setup"])
}

/// What the name of the former contents begins with; the time follows, in Unix milliseconds.
const BEFORE: &str = "before-restore-";
/// Says that what stands aside is whole; holds the name for the former contents.
const COMPLETE: &str = "complete";
/// Says that the former contents are out of the way.
const CLEARED: &str = "cleared";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A data folder with former contents, and a restore that was marked and then interrupted.
    fn interrupted() -> (tempfile::TempDir, DataFolder) {
        let place = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::aside(place.path().join("data"));
        for (root, word) in [(folder.path().to_owned(), "old"), (folder.restoring(), "new")] {
            for part in ["gateway", "store", "api"] {
                fs::create_dir_all(root.join(part)).expect("made");
                fs::write(root.join(part).join("file"), word).expect("written");
            }
            fs::write(root.join("api-key"), word).expect("written");
            rootkey::make(&root.join("gateway/root.key")).expect("a key");
        }
        // The backup has no settings; the folder has some, and a file that is none of ours.
        fs::write(folder.config(), "old").expect("written");
        fs::write(folder.path().join("ca.pem"), "theirs").expect("written");
        fs::write(folder.restoring().join(COMPLETE), "before-restore-7").expect("marked");
        (place, folder)
    }

    fn word(path: impl AsRef<Path>) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    fn is_finished(folder: &DataFolder) {
        let before = folder.path().join("before-restore-7");
        assert_eq!(finish(folder).expect("finished"), Some(before.clone()));
        for part in ["gateway/file", "store/file", "api/file", "api-key"] {
            assert_eq!((word(folder.path().join(part)).as_str(), word(before.join(part)).as_str()), ("new", "old"), "{part}");
        }
        assert!(before.join("gateway/root.key").exists() && folder.root_key().exists());
        assert_eq!((word(folder.config()), word(before.join("tightlip.toml"))), (String::new(), "old".to_owned()));
        assert_eq!(word(folder.path().join("ca.pem")), "theirs");
        assert!(!folder.restoring().exists());
        assert_eq!(finish(folder).expect("nothing to do"), None);
    }

    #[test]
    fn a_restore_without_its_mark_is_thrown_away_and_nothing_else() {
        let (_place, folder) = interrupted();
        fs::rename(folder.restoring().join(COMPLETE), folder.restoring().join("complete.new")).expect("half a mark");
        assert_eq!(finish(&folder).expect("done"), None);
        assert!(!folder.restoring().exists());
        assert_eq!((word(folder.store().join("file")).as_str(), word(folder.api_key()).as_str()), ("old", "old"));
    }

    #[test]
    fn a_restore_that_was_interrupted_while_clearing_is_finished() {
        for steps in 0..=moved().count() {
            let (_place, folder) = interrupted();
            let before = folder.path().join("before-restore-7");
            fs::create_dir(&before).expect("made");
            for part in moved().take(steps).filter(|part| folder.path().join(part).exists()) {
                fs::rename(folder.path().join(part), before.join(part)).expect("moved");
            }
            is_finished(&folder);
        }
    }

    #[test]
    fn a_restore_that_was_interrupted_while_moving_in_is_finished() {
        for steps in 0..=moved().count() {
            let (_place, folder) = interrupted();
            let before = folder.path().join("before-restore-7");
            fs::create_dir(&before).expect("made");
            for part in moved().filter(|part| folder.path().join(part).exists()) {
                fs::rename(folder.path().join(part), before.join(part)).expect("moved");
            }
            fs::write(folder.restoring().join(CLEARED), "").expect("marked");
            for part in moved().take(steps).filter(|part| folder.restoring().join(part).exists()) {
                fs::rename(folder.restoring().join(part), folder.path().join(part)).expect("moved");
            }
            is_finished(&folder);
        }
    }

    #[test]
    fn a_restore_that_was_interrupted_at_its_very_end_leaves_what_was_restored() {
        let (_place, folder) = interrupted();
        finish(&folder).expect("finished");
        fs::create_dir(folder.restoring()).expect("made");
        fs::write(folder.restoring().join(CLEARED), "").expect("written");
        assert_eq!(finish(&folder).expect("done"), None);
        assert_eq!(word(folder.store().join("file")), "new");
    }

    #[test]
    fn a_mark_that_names_another_place_is_refused() {
        for name in ["", "../elsewhere", "before-restore-/../../x", "store"] {
            let (_place, folder) = interrupted();
            fs::write(folder.restoring().join(COMPLETE), name).expect("marked");
            assert!(finish(&folder).is_err(), "{name}");
            assert_eq!(word(folder.store().join("file")), "old");
        }
    }
}
