//! The folder's lock and whose it is. The refusals first.

use super::*;

fn folder() -> (tempfile::TempDir, DataFolder) {
    let place = tempfile::tempdir().expect("a folder");
    let folder = DataFolder::locate(Some(&place.path().join("data"))).expect("located");
    (place, folder)
}

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_left_alone() {
    let (place, _) = folder();
    std::fs::write(place.path().join("thesis.txt"), "").expect("written");
    let other = DataFolder::locate(Some(place.path())).expect("located");
    assert!(matches!(other.look(), Err(FolderError::NotOurs(_))));
}

#[test]
fn a_file_is_no_folder() {
    let (place, _) = folder();
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("written");
    assert!(matches!(DataFolder::locate(Some(&file)).expect("located").look(), Err(FolderError::NotAFolder(_))));
}

#[test]
fn a_path_too_long_for_the_socket_is_refused() {
    let long = PathBuf::from("/").join("x".repeat(PATH_BYTES_MAX));
    assert!(matches!(DataFolder::locate(Some(&long)), Err(FolderError::TooLong)));
}

#[test]
fn a_second_lock_is_refused_and_names_the_holder() {
    let (_place, folder) = folder();
    assert_eq!(folder.look().expect("looked"), Presence::Absent);
    folder.make().expect("made");
    let lock = folder.lock().expect("locked");
    let refused = folder.lock().expect_err("held");
    let said = refused.to_string();
    assert!(said.contains(&format!("(process {})", std::process::id())) && said.contains("`tightlip down`"), "{said}");
    assert_eq!(folder.holder(), Some(std::process::id()));
    drop(lock);
    assert_eq!(folder.holder(), None);
    folder.lock().expect("free again");
}

#[test]
fn a_lock_that_leads_elsewhere_or_is_a_pipe_is_refused_and_what_it_leads_to_left_alone() {
    let (place, folder) = folder();
    folder.make().expect("made");
    let victim = place.path().join("victim");
    std::fs::write(&victim, "somebody's words").expect("written");
    std::os::unix::fs::symlink(&victim, folder.lock_file()).expect("a link");
    assert!(matches!(folder.lock(), Err(FolderError::Io { .. })));
    assert_eq!(folder.holder(), None);
    assert_eq!(std::fs::read_to_string(&victim).expect("read"), "somebody's words");
    std::fs::remove_file(folder.lock_file()).expect("removed");
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.lock_file(), Mode::from_raw_mode(FILE_MODE)).expect("a pipe");
    assert!(matches!(folder.lock(), Err(FolderError::Io { .. })));
    assert_eq!(folder.holder(), None);
}

#[test]
fn a_lock_that_was_removed_is_held_all_the_same() {
    let (_place, folder) = folder();
    folder.make().expect("made");
    let lock = folder.lock().expect("locked");
    std::fs::remove_file(folder.lock_file()).expect("removed");
    assert!(matches!(folder.lock(), Err(FolderError::Locked { pid: None, .. })) && folder.is_held());
    // Also where the file names a server that has ended, and something else holds the folder.
    std::fs::write(folder.lock_file(), "1\n").expect("written");
    assert!(matches!(folder.lock(), Err(FolderError::Locked { pid: None, .. })));
    drop(lock);
    folder.lock().expect("free again");
    assert!(!folder.is_held());
}

#[test]
fn a_folder_open_to_others_is_closed() {
    let (_place, folder) = folder();
    std::fs::create_dir(folder.path()).expect("made");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("opened");
    assert_eq!(folder.look().expect("looked"), Presence::Present);
    folder.make().expect("made");
    assert_eq!(std::fs::metadata(folder.path()).expect("there").mode() & 0o777, FOLDER_MODE);
}
