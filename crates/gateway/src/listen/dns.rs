//! The devbox's DNS socket: it is bound to every address, so each answer must say from which address it comes (`IP_PKTINFO`, ip(7); RFC 3542).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket as StdUdpSocket;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::libc::{in_addr, in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, getsockname, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Devbox;

/// A UDP socket that says to which address a question went.
pub(super) struct Socket(UdpSocket);

enum Asked {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

struct Question {
    message: Vec<u8>,
    from: SockaddrStorage,
    asked: Asked,
}

impl Socket {
    pub(super) fn new(socket: StdUdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let bound: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        if bound.family() == Some(AddressFamily::Inet6) {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        Ok(Self(UdpSocket::from_std(socket)?))
    }

    async fn receive(&self) -> io::Result<Option<Question>> {
        self.0.async_io(Interest::READABLE, || receive_now(&self.0)).await
    }

    fn send(&self, question: &Question, answer: &[u8]) -> io::Result<usize> {
        let from = match &question.asked {
            Asked::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Asked::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        };
        let to = Some(&question.from);
        Ok(sendmsg(self.0.as_raw_fd(), &[IoSlice::new(answer)], &[from], MsgFlags::MSG_DONTWAIT, to)?)
    }
}

/// Answers a devbox's questions until it ends. An answer that cannot be sent at once is dropped, as the network would.
pub(super) async fn answer(devbox: Arc<Devbox>, socket: Socket) {
    loop {
        match socket.receive().await {
            Ok(Some(question)) => {
                if let Some(answer) = devbox.names.answer(&question.message)
                    && let Err(error) = socket.send(&question, &answer)
                {
                    tracing::debug!(%error, "failed to send an answer to a devbox's resolver");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "failed to receive a devbox's question");
                tokio::time::sleep(super::ACCEPT_PAUSE).await;
            }
        }
    }
}

fn receive_now(socket: &UdpSocket) -> io::Result<Option<Question>> {
    let mut bytes = [0; QUESTION_BYTES_MAX];
    let mut space = nix::cmsg_space!(in6_pktinfo, in_pktinfo);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let asked = got.cmsgs()?.find_map(|message| asked_address(&message));
    let (from, length) = (got.address, got.bytes);
    let (Some(asked), Some(from), Some(message)) = (asked, from, bytes.get(..length)) else { return Ok(None) };
    Ok(Some(Question { message: message.to_vec(), from, asked }))
}

fn asked_address(message: &ControlMessageOwned) -> Option<Asked> {
    if let ControlMessageOwned::Ipv6PacketInfo(info) = message {
        return Some(Asked::V6(in6_pktinfo { ipi6_ifindex: 0, ..*info }));
    }
    let ControlMessageOwned::Ipv4PacketInfo(info) = message else { return None };
    Some(Asked::V4(in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: info.ipi_addr, ipi_addr: in_addr { s_addr: 0 } }))
}

/// A question is one name and perhaps EDNS; what is longer is cut by the kernel and then malformed.
const QUESTION_BYTES_MAX: usize = 2048;
