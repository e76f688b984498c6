//! Addresses in place of names, in every form; and names that lead to addresses where no host of the internet is.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::Channel::Addresses;
use super::Control::Absent;
use super::{Attempt, dials, outside};
use crate::answer::Reply;
use crate::probe::Knowledge;

/// Where an address of IPv6 or one of no host is among them, the system itself may refuse.
pub(super) const ATTEMPTS: &[Attempt] = &[
    dials("metadata address", Addresses, 8, Absent, metadata),
    dials("the clouds' other metadata addresses", Addresses, 8, Absent, other_metadata).may_be_closed(),
    dials("loopback address with the bound name", Addresses, 8, Absent, loopback).may_be_closed(),
    dials("all of 127/8", Addresses, 8, Absent, all_loopback),
    dials("private addresses", Addresses, 8, Absent, private),
    dials("address 0.0.0.0", Addresses, 8, Absent, unspecified).may_be_closed(),
    dials("a public address", Addresses, 8, Absent, public).may_be_closed(),
    dials("an address in decimal, octal and hexadecimal", Addresses, 8, Absent, written_otherwise),
    dials("IPv4 mapped into IPv6", Addresses, 8, Absent, mapped).may_be_closed(),
    dials("NAT64 and 6to4", Addresses, 8, Absent, translated).may_be_closed(),
    dials("link-local and unique local IPv6", Addresses, 8, Absent, local_v6).may_be_closed(),
    dials("Host that is an address", Addresses, 8, Absent, host_is_address),
    dials("names that stand for an address", Addresses, 8, Absent, names_of_addresses),
    dials("an address next to the gateway's own", Addresses, 8, Absent, neighbours).may_be_closed(),
    outside("a bound name that leads to loopback", Addresses, 8, |scene| scene.lead_to(&["127.0.0.1"])),
    outside("a bound name that leads to metadata", Addresses, 8, |scene| scene.lead_to(&["169.254.169.254"])),
    outside("a bound name that leads to a private address", Addresses, 8, |scene| scene.lead_to(&["10.0.0.7"])),
    outside("a bound name that leads to another private network", Addresses, 8, |scene| scene.lead_to(&["192.168.1.1"])),
    outside("a bound name that leads to 0.0.0.0", Addresses, 8, |scene| scene.lead_to(&["0.0.0.0"])),
    outside("a bound name that leads to a carrier's network", Addresses, 8, |scene| scene.lead_to(&["100.64.0.1"])),
    outside("a bound name that leads to IPv6's loopback", Addresses, 8, |scene| scene.lead_to(&["::1"])),
    outside("a bound name that leads to mapped loopback", Addresses, 8, |scene| scene.lead_to(&["::ffff:127.0.0.1"])),
    outside("a bound name that leads to NAT64's loopback", Addresses, 8, |scene| scene.lead_to(&["64:ff9b::7f00:1"])),
    outside("a bound name that leads to 6to4's loopback", Addresses, 8, |scene| scene.lead_to(&["2002:7f00:1::1"])),
    outside("a bound name that leads to a unique local address", Addresses, 8, |scene| scene.lead_to(&["fd00::7"])),
    outside("a bound name that leads to a public and a private address", Addresses, 6, |scene| scene.lead_to(&["8.8.4.4", "127.0.0.1"])),
    outside("a bound name that leads elsewhere when it is looked up again", Addresses, 6, |scene| scene.rebind("8.8.4.4", "127.0.0.1")),
];

fn metadata(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "metadata address", &["169.254.169.254"])
}

fn other_metadata(knowledge: &Knowledge) -> Vec<Reply> {
    at(
        knowledge,
        "the clouds' other metadata addresses",
        &["169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"],
    )
}

fn loopback(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "loopback address with the bound name", &["127.0.0.1", "::1"])
}

fn all_loopback(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "all of 127/8", &["127.0.0.2", "127.1.2.3", "127.255.255.254"])
}

fn private(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "private addresses", &["10.0.0.1", "172.17.0.1", "192.168.0.1", "100.64.0.1", "198.18.0.2"])
}

fn unspecified(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "address 0.0.0.0", &["0.0.0.0", "::", "255.255.255.255"])
}

fn public(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "a public address", &["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
}

fn mapped(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "IPv4 mapped into IPv6", &["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"])
}

fn translated(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "NAT64 and 6to4", &["64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::1", "2001:0:7f00:1::1"])
}

fn local_v6(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "link-local and unique local IPv6", &["fe80::1", "fc00::1", "fd00::2", "fec0::1"])
}

fn neighbours(knowledge: &Knowledge) -> Vec<Reply> {
    at(knowledge, "an address next to the gateway's own", &["198.18.0.1", "198.19.255.255", "240.0.0.1", "fd00::1"])
}

/// Dials each address, with the bound host's name in TLS and `Host`.
fn at(knowledge: &Knowledge, name: &str, addresses: &[&str]) -> Vec<Reply> {
    let request = knowledge.fill(name, &knowledge.bound, ECHO);
    let addresses = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
    addresses.map(|address| knowledge.ask_at(SocketAddr::new(address, 443), &knowledge.bound, &request)).collect()
}

/// As libc reads numbers (inet_aton(3)).
fn written_otherwise(knowledge: &Knowledge) -> Vec<Reply> {
    let request = knowledge.fill("an address in decimal, octal and hexadecimal", &knowledge.bound, ECHO);
    let written = ["2130706433", "0177.0.0.1", "0x7f000001", "127.1", "0x7f.1", "017700000001", "169.16689662", "0xa9fea9fe"];
    // What libc takes for no address cannot be dialled.
    let read = written.into_iter().filter_map(|written| (written, 443).to_socket_addrs().ok()?.next());
    read.map(|address| knowledge.ask_at(address, &knowledge.bound, &request)).collect()
}

fn host_is_address(knowledge: &Knowledge) -> Vec<Reply> {
    let name = "Host that is an address";
    let hosts = ["127.0.0.1", "[::1]", "169.254.169.254", "2130706433", "0x7f.1", "[::ffff:7f00:1]"];
    hosts.iter().map(|host| knowledge.ask_bytes(&knowledge.unbound, &knowledge.fill(name, host, ECHO))).collect()
}

fn names_of_addresses(knowledge: &Knowledge) -> Vec<Reply> {
    let name = "names that stand for an address";
    let hosts = ["localhost", "127.0.0.1.nip.io", "metadata.google.internal", "host.docker.internal", "instance-data", "gateway.internal"];
    hosts.iter().map(|host| knowledge.ask_bytes(host, &knowledge.fill(name, host, ECHO))).collect()
}

/// The name is a stand-in's; what is looked at is where the request arrives.
const ECHO: &str = "GET /echo HTTP/1.1\r\nHost: {H}\r\n{A}Authorization: Bearer {T}\r\nConnection: close\r\n\r\n";
