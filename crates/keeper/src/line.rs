//! The line to the gateway, and how a task waits for a socket of packets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use link::calls::Numbered;
use link::keeper::{Kept, Order};
use link::{PacketError, Packets};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// The keeper's end.
pub(crate) struct Line {
    end: Packets,
    watch: Watch,
}

/// Tells when a socket can be read or written. A second handle on it, which itself reads and writes nothing.
pub(crate) struct Watch(UnixDatagram);

impl Line {
    /// Takes the end over; nobody else may read from it.
    pub(crate) fn new(end: Packets) -> io::Result<Self> {
        let watch = Watch::new(&end)?;
        Ok(Self { end, watch })
    }

    /// Waits for an order and the descriptors beside it.
    pub(crate) async fn recv(&self) -> Result<(Numbered<Order>, Vec<OwnedFd>), PacketError> {
        self.watch.when(Interest::READABLE, || self.end.recv()).await
    }

    /// Says something, as soon as there is room.
    pub(crate) async fn send(&self, number: Option<u64>, message: Kept, fds: &[BorrowedFd<'_>]) -> Result<(), PacketError> {
        let message = Numbered { number, message };
        self.watch.when(Interest::WRITABLE, || self.end.send(&message, fds)).await
    }
}

impl Watch {
    /// Watches a socket, which is not to wait any more itself.
    pub(crate) fn new(socket: impl AsFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(socket.as_fd().try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        UnixDatagram::from_std(socket).map(Self)
    }

    /// Waits until there is something to read, or its other end has gone, and gives what `read` finds. It is called again while that is nothing.
    pub(crate) async fn until_read<T>(&self, read: impl Fn() -> Option<T>) -> io::Result<T> {
        loop {
            self.0.readable().await?;
            match self.0.try_io(Interest::READABLE, || read().ok_or_else(|| io::ErrorKind::WouldBlock.into())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    async fn when<T>(&self, interest: Interest, act: impl Fn() -> Result<T, PacketError>) -> Result<T, PacketError> {
        loop {
            self.0.ready(interest).await?;
            let done = self.0.try_io(interest, || match act() {
                Err(PacketError::Timeout) => Err(io::ErrorKind::WouldBlock.into()),
                Err(PacketError::Io(error)) => Err(error),
                done => Ok(done),
            });
            match done {
                Ok(done) => return done,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
