//! The api's socket: bound first, so that a taken port is told before anything else; listening last, when the process is confined.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::limits::BACKLOG;

/// A TCP socket that has its address and does not listen yet.
pub struct Bound(OwnedFd);

impl Bound {
    /// Binds a socket to an address, without listening.
    ///
    /// # Errors
    /// `AddrInUse` where another server has the port, `PermissionDenied`, and whatever else the system says.
    pub fn to(addr: SocketAddr) -> io::Result<Self> {
        let bound = Self::exactly(addr)?;
        // A port that the system chose for a socket changes when the socket is shut and listens again; one that was named stays.
        if addr.port() == 0 { Self::exactly(bound.addr()?) } else { Ok(bound) }
    }

    fn exactly(addr: SocketAddr) -> io::Result<Self> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        // A restart must not wait for old connections to time out. A port on which somebody listens stays refused.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &addr)?;
        Ok(Self(socket))
    }

    /// A socket that another process bound and handed over.
    #[must_use]
    pub const fn from_fd(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The address, with the port that the system chose where none was named.
    ///
    /// # Errors
    /// When the descriptor is not a bound TCP socket.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(rustix::net::getsockname(&self.0)?).map_err(|_| io::ErrorKind::InvalidInput.into())
    }

    /// Listens.
    ///
    /// # Errors
    /// `AddrInUse` where another server listens at the address.
    pub fn listen(self) -> io::Result<TcpListener> {
        rustix::net::listen(&self.0, BACKLOG)?;
        let listener = TcpListener::from(self.0);
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

impl From<Bound> for OwnedFd {
    fn from(bound: Bound) -> Self {
        bound.0
    }
}
