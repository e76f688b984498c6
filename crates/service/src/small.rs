//! Reading a small file of the data folder's. Whoever writes the folder, or the api's part of it, may have put something else there: a pipe that nobody writes
//! to, a link to an endless device, a file that is all hole. None of them may hold up or fill the process that looks.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Whether a link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is not: the file is one that tightlip writes itself.
    Refuse,
    /// It is: the file is one that an operator may keep elsewhere.
    Follow,
}

/// The contents of a regular file of at most [`BYTES_MAX`].
///
/// # Errors
/// When the system refuses, `InvalidInput` where it is no regular file, `FileTooLarge`.
pub fn read(path: &Path, links: Links) -> io::Result<Zeroizing<Vec<u8>>> {
    let refused = match links {
        Links::Refuse => OFlags::NOFOLLOW,
        Links::Follow => OFlags::empty(),
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | refused;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR)),
        opened => File::from(opened?),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR));
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, TOO_LARGE);
    if about.len() > BYTES_MAX {
        return Err(too_large());
    }
    // It may grow meanwhile. Room for all of it at once, so that no part of it stays in a buffer that was outgrown.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

/// Far more than any small file of ours has.
pub const BYTES_MAX: u64 = 64 * 1024;
const NOT_REGULAR: &str = "it is no regular file";
const TOO_LARGE: &str = "it is larger than any such file of tightlip's (64 KiB)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_endless_no_file_or_too_large_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::from_raw_mode(0o600)).expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", at("zero")).expect("a link");
        File::create(at("sparse")).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        std::fs::write(at("good"), b"text").expect("written");
        std::os::unix::fs::symlink("good", at("link")).expect("a link");
        for (name, links) in
            [("pipe", Links::Refuse), ("zero", Links::Refuse), ("zero", Links::Follow), ("sparse", Links::Refuse), ("link", Links::Refuse)]
        {
            assert!(read(&at(name), links).is_err(), "{name}");
        }
        for (name, links) in [("good", Links::Refuse), ("link", Links::Follow)] {
            assert_eq!(read(&at(name), links).expect("read").as_slice(), b"text");
        }
        assert_eq!(read(&at("none"), Links::Refuse).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}
