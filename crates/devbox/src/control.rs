//! What the maker of a devbox and its first process say to each other: sequenced packets of JSON, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::shown::short;

/// One end.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

/// What the maker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// What to build. Beside it: the setup and the bundle, in memory; then, where there are any, the variables that are values.
    Setup,
    /// Build the walls and run the command. Beside it: a descriptor for each [`Channel::Given`].
    Start { stdio: [Channel; 3], size: Option<Size> },
    /// Pass this signal on.
    Signal(i32),
    /// Build the walls and take commands. Beside it: the text of what runs as long as the devbox lives, in memory, where there is one.
    Open,
    /// Run a command. Beside it: its text, in memory, and what its standard output and error become.
    Exec { number: u64 },
    /// End every process of a session.
    Kill { session: i32 },
    /// End the devbox.
    End,
}

/// A terminal's rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// Where one of the command's three standard descriptors leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Channel {
    /// `/dev/null`.
    Nothing,
    /// A descriptor beside the message.
    Given,
    /// The devbox's own terminal.
    Terminal,
}

/// What the first process says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The listeners. Beside it: one descriptor for each.
    Listening(Vec<Role>),
    /// The command runs. Beside it: the terminal's outer end, where there is one.
    Started { masked: Vec<String>, notes: Vec<String> },
    /// Commands are taken.
    Opened,
    /// A command runs, and leads this session.
    Ran { number: u64, session: i32 },
    /// A command was not started.
    NotRun { number: u64, fail: Fail },
    /// A command ended with this code. What else it started may run on.
    Ended { number: u64, code: i32 },
    /// The command, or what runs as long as the devbox lives, ended with this code (128 and the signal's number), and this was not kept. Beside it: the
    /// repositories in which a `commondir` was put.
    Exited { code: i32, git_changes: Vec<String> },
    /// It was not done.
    Failed(Fail),
}

/// What a listening descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A listening TCP socket on this port of every address.
    Tcp(u16),
    /// A UDP socket on port 53 of every address of one family; it tells the asked address beside each packet.
    Dns,
}

/// A step that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fail {
    pub step: Step,
    pub errno: i32,
    /// The folder that it is about, where that has to be known: fit for a terminal.
    pub folder: Option<String>,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    Setup,
    Namespaces,
    Identity,
    FirstProcess,
    Network,
    Listen,
    Root,
    System,
    Etc,
    Devices,
    Proc,
    Folders,
    WorkFolder,
    Replaced,
    Repository,
    Masks,
    TooManyMasks,
    TooLarge,
    Pivot,
    Capabilities,
    Landlock,
    Seccomp,
    Limits,
    Terminal,
    Stdio,
    Spawn,
    Exec,
}

/// A refusal, at the step in which it came.
pub(crate) trait At<T> {
    /// Names the step.
    fn at(self, step: Step) -> Result<T, Fail>;
}

impl Control {
    /// Two connected ends; both close on exec.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    /// An end that was inherited.
    pub(crate) const fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(crate) fn send<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_as(message, fds, SendFlags::NOSIGNAL)
    }

    /// [`Control::send`] that never waits: an error of kind `WouldBlock` when the other end has much to read already.
    pub(crate) fn try_send<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_as(message, fds, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_as<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
        let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if bytes.len() > MESSAGE_BYTES_MAX || (!fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(fds))) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut beside, flags)?;
        Ok(())
    }

    /// Waits for a message; an error of kind `UnexpectedEof` when the other end is gone.
    pub(crate) fn recv<M: DeserializeOwned>(&self) -> io::Result<(M, Vec<OwnedFd>)> {
        self.recv_as(RecvFlags::CMSG_CLOEXEC)
    }

    /// [`Control::recv`] that never waits: none when nothing has come.
    pub(crate) fn try_recv<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        match self.recv_as(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            got => got.map(Some),
        }
    }

    fn recv_as<M: DeserializeOwned>(&self, flags: RecvFlags) -> io::Result<(M, Vec<OwnedFd>)> {
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut reset = false;
        let got = loop {
            match rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut beside, flags) {
                Err(rustix::io::Errno::INTR) => {}
                // The other end has gone without reading all of ours; what it said last is read after that, and may say why.
                Err(rustix::io::Errno::CONNRESET) if !reset => reset = true,
                Err(rustix::io::Errno::CONNRESET) => return Err(io::ErrorKind::UnexpectedEof.into()),
                other => break other?.bytes,
            }
        };
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut fds = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        let message = bytes.get(..got).ok_or(io::ErrorKind::InvalidData)?;
        Ok((serde_json::from_slice(message).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?, fds))
    }

    /// Limits how long [`Control::recv`] waits; none: without end.
    pub(crate) fn limit_wait(&self, limit: Option<Duration>) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_socket_timeout(&self.0, rustix::net::sockopt::Timeout::Recv, limit)?)
    }

    /// Tells the other end that nothing more comes, from whichever handle.
    pub(crate) fn hang_up(&self) {
        // A connection that is already gone is what was wanted.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Control> for OwnedFd {
    fn from(end: Control) -> Self {
        end.0
    }
}

impl Fail {
    pub(crate) const fn new(step: Step, errno: i32) -> Self {
        Self { step, errno, folder: None }
    }

    /// The work folder has too many entries to be searched, most of them in `folder`.
    pub(crate) fn too_large(folder: &Path) -> Self {
        Self { folder: Some(short(&folder.to_string_lossy())), ..Self::new(Step::TooLarge, libc::E2BIG) }
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: Step) -> Result<T, Fail> {
        self.map_err(|error| Fail::new(step, error.raw_os_error().unwrap_or(libc::EIO)))
    }
}

impl<T> At<T> for nix::Result<T> {
    fn at(self, step: Step) -> Result<T, Fail> {
        self.map_err(|errno| Fail::new(step, errno as i32))
    }
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, step: Step) -> Result<T, Fail> {
        self.map_err(|errno| Fail::new(step, errno.raw_os_error()))
    }
}

impl Step {
    /// The step in words that fit "the kernel refused to ...".
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Setup => "hand over what the devbox is to be",
            Self::Namespaces => "make namespaces",
            Self::Identity => "map the user into the devbox",
            Self::FirstProcess => "start the devbox's first process",
            Self::Network => "set up the devbox's network",
            Self::Listen => "listen inside the devbox",
            Self::Root => "build the devbox's root",
            Self::System => "mount the system's folders",
            Self::Etc => "build the devbox's /etc",
            Self::Devices => "build the devbox's /dev",
            Self::Proc => "mount the devbox's own /proc (a container that covers parts of /proc forbids it)",
            Self::Folders => "make the devbox's private folders",
            Self::WorkFolder | Self::Replaced => "mount the work folder and the paths that were asked for",
            Self::Repository => "make the private copies of the repository's hooks and configuration",
            Self::Masks | Self::TooManyMasks | Self::TooLarge => "mask .env files and sockets",
            Self::Pivot => "enter the devbox's root",
            Self::Capabilities => "give up all capabilities",
            Self::Landlock => "confine the command by Landlock (Linux 5.19 or newer, with landlock among its security modules)",
            Self::Seccomp => "install the system call filter",
            Self::Limits => "set the command's limits",
            Self::Terminal => "make the devbox's terminal",
            Self::Stdio => "connect standard input and output",
            Self::Spawn => "start the command's process",
            Self::Exec => "execute the command",
        }
    }
}

/// Under the kernel's default socket buffer.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Listeners of one devbox, and then some; the kernel's own limit is 253.
pub(crate) const FDS_MAX: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_an_end_that_has_gone_are_heard_whatever_was_said_to_it() {
        let (ours, theirs) = Control::pair().unwrap();
        theirs.send(&Report::Failed(Fail::too_large(Path::new("junk"))), &[]).unwrap();
        ours.send(&Order::Open, &[]).unwrap();
        drop(theirs);
        let (Report::Failed(fail), _) = ours.recv::<Report>().unwrap() else { panic!("no failure") };
        assert_eq!(fail.folder.as_deref(), Some("junk"));
        assert_eq!(ours.recv::<Report>().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
