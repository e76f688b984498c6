//! The three standard descriptors: which go inside as they are, and which are relayed.
//!
//! A terminal, a socket or a device would be a handle on the outside: those stay here. A file or a pipe is what the user named on the command line;
//! Landlock keeps it from being opened anew by `/proc/self/fd`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;

use crate::control::{Channel, Size};
use crate::error::DevboxError;
use crate::spec::Terminal;

/// What one of the caller's standard descriptors is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Nothing,
    /// A file or a pipe.
    Plain,
    Terminal,
    /// A socket or a device.
    Other,
    Folder,
}

/// The command's standard descriptors, made.
#[derive(Debug)]
pub(crate) struct Stdio {
    pub channels: [Channel; 3],
    /// A descriptor for each [`Channel::Given`], in order.
    pub given: Vec<OwnedFd>,
    /// Our ends of the pipes that stand for what is relayed.
    pub relayed: [Option<OwnedFd>; 3],
    /// The command has a terminal of its own.
    pub terminal: bool,
}

impl Stdio {
    /// The size that the command's terminal starts with.
    pub(crate) fn size(&self) -> Option<Size> {
        let size = rustix::termios::tcgetwinsize(standard(0)).ok().filter(|_| self.terminal)?;
        Some(Size { rows: size.ws_row, columns: size.ws_col })
    }
}

/// Refuses a folder as a standard descriptor: through it, `openat(0, "..")` would reach the host's files.
pub(crate) fn refuse_folders() -> Result<(), DevboxError> {
    if (0..3).any(|number| sort(standard(number).as_fd()) == Sort::Folder) { Err(DevboxError::FolderAsStdio) } else { Ok(()) }
}

/// Decides and makes the command's standard descriptors.
pub(crate) fn make(wanted: Terminal) -> std::io::Result<Stdio> {
    let sorts = [0, 1, 2].map(|number| sort(standard(number).as_fd()));
    let terminal = wanted == Terminal::Auto && sorts[0] == Sort::Terminal && sorts[1] == Sort::Terminal;
    let mut made = Stdio { channels: [Channel::Nothing; 3], given: Vec::new(), relayed: [None, None, None], terminal };
    for (number, sort) in sorts.into_iter().enumerate() {
        made.channels[number] = match sort {
            Sort::Nothing => Channel::Nothing,
            Sort::Terminal if terminal => Channel::Terminal,
            Sort::Plain => {
                made.given.push(standard(number).as_fd().try_clone_to_owned()?);
                Channel::Given
            }
            Sort::Terminal | Sort::Other => {
                let (reader, writer) = std::io::pipe()?;
                let (theirs, ours): (OwnedFd, OwnedFd) =
                    if number == 0 { (reader.into(), writer.into()) } else { (writer.into(), reader.into()) };
                made.given.push(theirs);
                made.relayed[number] = Some(ours);
                Channel::Given
            }
            Sort::Folder => return Err(std::io::ErrorKind::IsADirectory.into()),
        };
    }
    Ok(made)
}

/// One of the caller's standard descriptors.
pub(crate) fn standard(number: usize) -> BorrowedFd<'static> {
    match number {
        0 => rustix::stdio::stdin(),
        1 => rustix::stdio::stdout(),
        _ => rustix::stdio::stderr(),
    }
}

fn sort(fd: BorrowedFd<'_>) -> Sort {
    let Ok(stat) = rustix::fs::fstat(fd) else { return Sort::Nothing };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Fifo => Sort::Plain,
        FileType::Directory => Sort::Folder,
        FileType::CharacterDevice if (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == NULL => Sort::Nothing,
        FileType::CharacterDevice if rustix::termios::isatty(fd) => Sort::Terminal,
        FileType::CharacterDevice | FileType::Socket | FileType::Symlink | FileType::BlockDevice | FileType::Unknown => Sort::Other,
    }
}

/// The numbers of `/dev/null` (devices.txt).
const NULL: (u32, u32) = (1, 3);
