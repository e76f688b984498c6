//! The devbox's network: `lo`, two addresses, two routes that make every address local, and the listeners.
//!
//! Runs inside the new network namespace. A socket stays in the namespace in which it was made, so whoever holds a listener from here is all that the
//! devbox can reach. No program is called: the kernel is told by rtnetlink (RFC 3549, rtnetlink(7)).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind, listen, recv, send, setsockopt,
    socket, sockopt,
};

use crate::control::{At, Fail, Role, Step};

/// Brings the network up.
pub(crate) fn bring_up() -> Result<(), Fail> {
    let route = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute).at(Step::Network)?;
    ask(&route, RTM_NEWLINK, &link_up())?;
    ask(&route, RTM_NEWADDR, &address(AF_INET, &ADDRESS_V4.octets(), 32))?;
    ask(&route, RTM_NEWROUTE, &every_address_is_local(AF_INET, SCOPE_HOST))?;
    // A kernel without IPv6 refuses these; then there is no IPv6 inside either.
    for (kind, body) in
        [(RTM_NEWADDR, address(AF_INET6, &ADDRESS_V6.octets(), 128)), (RTM_NEWROUTE, every_address_is_local(AF_INET6, SCOPE_UNIVERSE))]
    {
        if ask(&route, kind, &body).is_err() {
            break;
        }
    }
    Ok(())
}

/// Opens the listeners: each port for TCP, 53 for UDP in both families.
pub(crate) fn open_listeners(ports: &[u16]) -> Result<(Vec<Role>, Vec<OwnedFd>), Fail> {
    let mut roles = Vec::new();
    let mut fds = Vec::new();
    for port in ports {
        fds.push(tcp(*port).at(Step::Listen)?);
        roles.push(Role::Tcp(*port));
    }
    fds.push(dns_v4().at(Step::Listen)?);
    roles.push(Role::Dns);
    match dns_v6() {
        Ok(fd) => {
            fds.push(fd);
            roles.push(Role::Dns);
        }
        Err(nix::Error::EAFNOSUPPORT | nix::Error::EADDRNOTAVAIL) => {}
        Err(errno) => return Err(errno).at(Step::Listen),
    }
    Ok((roles, fds))
}

/// One socket for both families; IPv4 alone where the kernel has no IPv6.
fn tcp(port: u16) -> nix::Result<OwnedFd> {
    let made = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).and_then(|fd| {
        setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        bind(fd.as_raw_fd(), &any_v6(port))?;
        Ok(fd)
    });
    let fd = match made {
        Err(nix::Error::EAFNOSUPPORT) => {
            let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
            setsockopt(&fd, sockopt::ReuseAddr, &true)?;
            bind(fd.as_raw_fd(), &any_v4(port))?;
            fd
        }
        other => other?,
    };
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(fd)
}

fn dns_v4() -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
    bind(fd.as_raw_fd(), &any_v4(DNS_PORT))?;
    Ok(fd)
}

fn dns_v6() -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    // Unlike IPv4, IPv6 takes the asked address as an answer's source only where a socket may use addresses that no interface has.
    setsockopt(&fd, sockopt::IpFreebind, &true)?;
    bind(fd.as_raw_fd(), &any_v6(DNS_PORT))?;
    Ok(fd)
}

fn any_v4(port: u16) -> SockaddrIn {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into()
}

fn any_v6(port: u16) -> SockaddrIn6 {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into()
}

/// `struct ifinfomsg`: family, type, index, flags, mask of flags.
fn link_up() -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index; then the address.
fn address(family: u8, octets: &[u8], prefix: u8) -> Vec<u8> {
    let mut body = vec![family, prefix, 0, SCOPE_UNIVERSE];
    body.extend(LOOPBACK.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, octets);
    attribute(&mut body, IFA_ADDRESS, octets);
    body
}

/// `struct rtmsg`: family, two prefix lengths, type of service, table, protocol, scope, type, flags; then the interface.
fn every_address_is_local(family: u8, scope: u8) -> Vec<u8> {
    let mut body = vec![family, 0, 0, 0, TABLE_LOCAL, PROTOCOL_BOOT, scope, ROUTE_LOCAL, 0, 0, 0, 0];
    attribute(&mut body, RTA_OIF, &LOOPBACK.to_ne_bytes());
    body
}

/// `struct rtattr`; every payload here is a multiple of four bytes, so that none needs padding.
fn attribute(body: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 4).expect("an address is short");
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(payload);
}

/// Sends one request and waits for its acknowledgement.
fn ask(route: &OwnedFd, kind: u16, body: &[u8]) -> Result<(), Fail> {
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    message.extend(u32::try_from(HEADER_BYTES + body.len()).expect("a request is short").to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST | ACK | CREATE).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    send(route.as_raw_fd(), &message, MsgFlags::empty()).at(Step::Network)?;
    let mut answer = [0; 1024];
    let got = recv(route.as_raw_fd(), &mut answer, MsgFlags::empty()).at(Step::Network)?;
    // `struct nlmsgerr`: after the header, the negated error, 0 for an acknowledgement.
    let code = answer.get(HEADER_BYTES..HEADER_BYTES + 4).filter(|_| got >= HEADER_BYTES + 4);
    let code = code.and_then(|bytes| bytes.try_into().ok()).map_or(-libc::EPROTO, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(Fail::new(Step::Network, -code)) }
}

/// Resolvers want an address that is not loopback's (`AI_ADDRCONFIG`); this range is for benchmarks (RFC 2544).
pub(crate) const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const DNS_PORT: u16 = 53;
const BACKLOG: i32 = 1024;

/// `lo` is the first interface of every network namespace.
const LOOPBACK: u32 = 1;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const TABLE_LOCAL: u8 = 255;
const PROTOCOL_BOOT: u8 = 3;
const ROUTE_LOCAL: u8 = 2;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_HOST: u8 = 254;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const HEADER_BYTES: usize = 16;
