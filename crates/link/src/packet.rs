//! One message, one packet, with descriptors beside it (unix(7), SOCK_SEQPACKET and SCM_RIGHTS).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, getsockopt};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use model::limits::{LINK_FDS_MAX, LINK_MESSAGE_BYTES_MAX};

/// One end of a connection.
pub struct Packets(OwnedFd);

/// A socket on which connections arrive.
pub struct Listener(OwnedFd);

/// The process at the other end, as the kernel saw it when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
    /// Its process id.
    pub pid: i32,
}

/// Why a message did not pass.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The other end is gone.
    #[error("the other end closed the connection")]
    Closed,
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// The message is too large, too deep in descriptors, or not of the protocol.
    #[error("a message that is not of the protocol")]
    Malformed,
    /// The system refused.
    #[error("failed to use a local socket")]
    Io(#[from] std::io::Error),
}

impl Packets {
    /// Two connected ends; both close on exec.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn pair() -> Result<(Self, Self), PacketError> {
        let (a, b) = socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(os)?;
        Ok((Self(a), Self(b)))
    }

    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When nothing listens there, or the system refuses.
    pub fn connect(path: &Path) -> Result<Self, PacketError> {
        let fd = unix_socket()?;
        socket::connect(fd.as_raw_fd(), &UnixAddr::new(path).map_err(os)?).map_err(os)?;
        Ok(Self(fd))
    }

    /// An end that was inherited or handed over.
    #[must_use]
    pub const fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends a message, with descriptors beside it.
    ///
    /// # Errors
    /// When the other end is gone, the message is over its limits, or the system refuses.
    pub fn send<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> Result<(), PacketError> {
        self.send_as(message, fds, SendFlags::NOSIGNAL)
    }

    /// As [`Packets::send`], but never waits.
    ///
    /// # Errors
    /// [`PacketError::Timeout`] where there is no room now, and as [`Packets::send`].
    pub fn try_send<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> Result<(), PacketError> {
        self.send_as(message, fds, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_as<M: Serialize>(&self, message: &M, fds: &[BorrowedFd<'_>], flags: SendFlags) -> Result<(), PacketError> {
        let bytes = serde_json::to_vec(message).map_err(|_| PacketError::Malformed)?;
        if bytes.len() > LINK_MESSAGE_BYTES_MAX || fds.len() > LINK_FDS_MAX {
            return Err(PacketError::Malformed);
        }
        let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINK_FDS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(PacketError::Malformed);
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, flags).map_err(errno)?;
        Ok(())
    }

    /// Waits for a message and the descriptors beside it.
    ///
    /// # Errors
    /// When the other end is gone, the time limit has passed, or what came is not of the protocol.
    pub fn recv<M: DeserializeOwned>(&self) -> Result<(M, Vec<OwnedFd>), PacketError> {
        let mut bytes = vec![0; LINK_MESSAGE_BYTES_MAX + 1];
        let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINK_FDS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let got =
            rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(errno)?;
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if got.bytes == 0 {
            return Err(if self.is_hung_up()? { PacketError::Closed } else { PacketError::Malformed });
        }
        let message = bytes.get(..got.bytes).filter(|_| got.bytes <= LINK_MESSAGE_BYTES_MAX).ok_or(PacketError::Malformed)?;
        Ok((serde_json::from_slice(message).map_err(|_| PacketError::Malformed)?, fds))
    }

    /// An empty packet and a closed end read alike; only the latter hangs up.
    fn is_hung_up(&self) -> Result<bool, PacketError> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&self.0, PollFlags::RDHUP)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(errno)?;
        Ok(fds.iter().any(|fd| fd.revents().intersects(gone)))
    }

    /// Limits how long [`Packets::recv`] and [`Packets::send`] wait; none: without end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn limit_wait(&self, limit: Option<Duration>) -> Result<(), PacketError> {
        use rustix::net::sockopt::{Timeout, set_socket_timeout};
        set_socket_timeout(&self.0, Timeout::Recv, limit).map_err(errno)?;
        set_socket_timeout(&self.0, Timeout::Send, limit).map_err(errno)
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn peer(&self) -> Result<Peer, PacketError> {
        let credentials = getsockopt(&self.0, PeerCredentials).map_err(os)?;
        Ok(Peer { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// A second handle on the same end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn try_clone(&self) -> Result<Self, PacketError> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Packets> for OwnedFd {
    fn from(end: Packets) -> Self {
        end.0
    }
}

impl Listener {
    /// Listens at `path`, which must not exist, and closes it (0600) to other users.
    ///
    /// # Errors
    /// When the path is taken or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, PacketError> {
        let fd = unix_socket()?;
        socket::bind(fd.as_raw_fd(), &UnixAddr::new(path).map_err(os)?).map_err(os)?;
        rustix::fs::chmod(path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).map_err(errno)?;
        rustix::net::listen(&fd, BACKLOG).map_err(errno)?;
        Ok(Self(fd))
    }

    /// A listening socket that was inherited or handed over.
    #[must_use]
    pub const fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn accept(&self) -> Result<Packets, PacketError> {
        rustix::net::accept_with(&self.0, rustix::net::SocketFlags::CLOEXEC).map(Packets).map_err(errno)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn unix_socket() -> Result<OwnedFd, PacketError> {
    socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).map_err(os)
}

fn os(error: nix::errno::Errno) -> PacketError {
    PacketError::Io(error.into())
}

fn errno(error: rustix::io::Errno) -> PacketError {
    use rustix::io::Errno;
    match error {
        Errno::PIPE | Errno::CONNRESET => PacketError::Closed,
        Errno::AGAIN => PacketError::Timeout,
        other => PacketError::Io(other.into()),
    }
}

const BACKLOG: i32 = 64;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let (a, _b) = Packets::pair().expect("a pair");
        assert!(matches!(a.send(&"x".repeat(LINK_MESSAGE_BYTES_MAX), &[]), Err(PacketError::Malformed)));
    }

    #[test]
    fn what_is_not_of_the_protocol_is_malformed() {
        let (a, b) = Packets::pair().expect("a pair");
        a.send(&"no question", &[]).expect("sent");
        assert!(matches!(b.recv::<crate::front::Question>(), Err(PacketError::Malformed)));
    }

    #[test]
    fn a_closed_end_and_a_late_answer_are_told_apart() {
        let (a, b) = Packets::pair().expect("a pair");
        b.limit_wait(Some(Duration::from_millis(10))).expect("limited");
        assert!(matches!(b.recv::<String>(), Err(PacketError::Timeout)));
        drop(a);
        assert!(matches!(b.recv::<String>(), Err(PacketError::Closed)));
    }

    #[test]
    fn an_empty_packet_is_malformed_and_ends_nothing() {
        let (a, b) = Packets::pair().expect("a pair");
        rustix::net::send(&a.0, &[], SendFlags::empty()).expect("sent");
        assert!(matches!(b.recv::<String>(), Err(PacketError::Malformed)));
        a.send(&"still here", &[]).expect("sent");
        assert_eq!(b.recv::<String>().expect("received").0, "still here");
    }

    #[test]
    fn descriptors_travel_beside_the_message() {
        let (a, b) = Packets::pair().expect("a pair");
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        a.send(&"a pipe", &[writer.as_fd()]).expect("sent");
        drop(writer);
        let (text, fds) = b.recv::<String>().expect("received");
        assert_eq!((text.as_str(), fds.len()), ("a pipe", 1));
        std::io::Write::write_all(&mut std::fs::File::from(fds.into_iter().next().expect("one")), b"hello").expect("written");
        let mut got = String::new();
        reader.read_to_string(&mut got).expect("read");
        assert_eq!(got, "hello");
    }

    #[test]
    fn the_other_end_is_known_to_the_kernel() {
        let folder = std::env::temp_dir().join(format!("tightlip-link-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let listener = Listener::bind(&folder).expect("bound");
        let client = Packets::connect(&folder).expect("connected");
        let server = listener.accept().expect("accepted");
        std::fs::remove_file(&folder).expect("removed");
        assert_eq!(server.peer().expect("a peer").uid, nix::unistd::getuid().as_raw());
        client.send(&1, &[]).expect("sent");
        assert_eq!(server.recv::<i32>().expect("received").0, 1);
    }
}
