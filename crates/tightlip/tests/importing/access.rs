//! Access lists: nobody reads the new file who could not read the old one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::place::{Place, said};

/// An access list as the kernel takes it: a version, then tag, rights and user of each entry (Linux, `posix_acl_xattr.h`).
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// User 1234 may read; the file's group and others may not. It shows as the mode 0640.
fn for_one_user() -> Vec<u8> {
    list(&[(OWNER, 6, NOBODY), (USER, 4, 1234), (GROUP, 0, NOBODY), (MASK, 4, NOBODY), (OTHERS, 0, NOBODY)])
}

/// Sets it; whether the filesystem keeps such lists. Where it does not, that is said.
fn is_set(path: &Path, name: &str, list: &[u8]) -> bool {
    match setxattr(path, name, list, XattrFlags::empty()) {
        Ok(()) => true,
        Err(Errno::OPNOTSUPP) => {
            eprintln!("skipped, nothing was tested: the filesystem of {} keeps no access lists", path.display());
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn of(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1024];
    match getxattr(path, LIST, bytes.as_mut_slice()) {
        Ok(length) => Some(bytes[..length].to_vec()),
        Err(Errno::NODATA) => None,
        Err(error) => panic!("{error}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Replaces it where the kernel answers these calls with an error.
fn replaced_without(place: &Place, calls: &[i64]) -> Output {
    let target = std::env::consts::ARCH.try_into().unwrap();
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let answer = SeccompAction::Errno(u32::try_from(libc::EIO).unwrap());
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, answer, target).unwrap().try_into().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            seccompiler::apply_filter(&filter).unwrap();
            place.run(&["import", ".env", "--update", "--replace"])
        });
        thread.join().unwrap()
    })
}

#[test]
fn an_access_list_is_kept() {
    let place = Place::new();
    let path = place.write(".env", place.text());
    if !is_set(&path, LIST, &for_one_user()) {
        return;
    }
    assert_eq!(mode(&path), 0o640);
    assert_eq!(place.json(&["import", ".env", "--replace"])["replaced"], true);
    assert_eq!((of(&path), mode(&path)), (Some(for_one_user()), 0o640));
}

#[test]
fn where_an_access_list_cannot_be_kept_the_file_is_its_owners_alone() {
    for calls in [[libc::SYS_fsetxattr], [libc::SYS_fgetxattr]] {
        let place = Place::new();
        let path = place.write(".env", place.text());
        if !is_set(&path, LIST, &for_one_user()) {
            return;
        }
        let output = replaced_without(&place, &calls);
        assert!(output.status.success(), "{}", said(&output));
        assert!(!place.github.is_in(&fs::read(&path).unwrap()));
        assert_eq!((of(&path), mode(&path)), (None, 0o600), "{calls:?}");
    }
}

#[test]
fn a_folders_own_list_opens_the_new_file_to_nobody() {
    let without: [&[i64]; 2] = [&[], &[libc::SYS_fremovexattr]];
    for calls in without {
        let place = Place::new();
        let path = place.write(".env", place.text());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        if !is_set(&place.folder(), "system.posix_acl_default", &for_one_user()) {
            return;
        }
        let output = replaced_without(&place, calls);
        assert!(output.status.success(), "{}", said(&output));
        assert!(!place.github.is_in(&fs::read(&path).unwrap()));
        let expected = if calls.is_empty() { (false, 0o640) } else { (true, 0o600) };
        assert_eq!((of(&path).is_some(), mode(&path)), expected, "{calls:?}");
    }
}

const LIST: &str = "system.posix_acl_access";
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;
/// In entries that are of no user or group in particular.
const NOBODY: u32 = u32::MAX;
