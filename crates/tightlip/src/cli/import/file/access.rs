//! Who may read the new file: nobody who could not read the old one.
//!
//! Where a file has an access list, the group's bits of its mode are the list's mask, and not what the group may do (acl(5)).

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// Gives the new file the old one's mode and its access list, or none where it has none. Where that fails, the new file is its owner's alone.
pub(super) fn hand_on(old: &File, mode: u32, new: &File) -> io::Result<()> {
    // In a file with a list, this closes the list's mask as well.
    new.set_permissions(Permissions::from_mode(mode & OWNERS))?;
    match list(old) {
        // Setting it sets the group's and the others' bits of the mode too.
        Ok(Some(list)) => {
            let _or_its_owners_alone = fsetxattr(new, LIST, &list, XattrFlags::empty());
        }
        Ok(None) if has_no_list(new) => new.set_permissions(Permissions::from_mode(mode & MODE))?,
        Ok(None) | Err(_) => {}
    }
    Ok(())
}

/// A file's access list, in the kernel's own form.
fn list(file: &File) -> Result<Option<Vec<u8>>, Errno> {
    let mut bytes = vec![0; LIST_BYTES_MAX];
    match fgetxattr(file, LIST, bytes.as_mut_slice()) {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes away the list that a folder gives to what is made in it; whether there is none now.
fn has_no_list(file: &File) -> bool {
    matches!(fremovexattr(file, LIST), Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP))
}

const LIST: &str = "system.posix_acl_access";
/// No extended attribute is larger (xattr(7)).
const LIST_BYTES_MAX: usize = 64 * 1024;
/// The bits of a mode that are one's to set (inode(7)).
const MODE: u32 = 0o7777;
/// Those of them that open it to nobody but its owner.
const OWNERS: u32 = 0o7700;
